"""Real files, made by ffmpeg, broken by hand."""

import math
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from app import limits
from app.media import MediaError, check_sound, inspect
from tests.media.clips import PICTURE, SOUND, MakeClip


@pytest.fixture
def good(make_clip: MakeClip) -> Path:
    return make_clip("good.mp4", PICTURE, SOUND, "-metadata", "comment=Procedural, not AI")


def code_of(path: Path, ffmpeg: str) -> str:
    with pytest.raises(MediaError) as caught:
        inspect(path, ffmpeg)
    return caught.value.code


def test_a_good_video(good: Path, ffmpeg: str) -> None:
    measured = inspect(good, ffmpeg)
    assert (measured.width, measured.height, measured.fps) == (320, 180, 24.0)
    assert measured.duration_s == pytest.approx(2, abs=0.1)
    assert measured.size_bytes == good.stat().st_size
    assert (measured.video_codec, measured.audio_codec) == ("h264", "aac")
    assert measured.audio_channels == 2
    assert measured.comment == "Procedural, not AI"


def test_its_sound(good: Path, ffmpeg: str) -> None:
    # A sine of amplitude 1/8 on both sides: peak 20·log10(1/8) = -18.1 dBFS less 2.7 dB, as ffmpeg
    # spreads mono over two channels by 1/sqrt(2) each; two such channels sum to about -21.8 LUFS.
    measured = inspect(good, ffmpeg)
    assert measured.loudness_lufs == pytest.approx(-21.8, abs=0.5)
    assert measured.true_peak_dbtp == pytest.approx(-20.7, abs=0.6)
    assert measured.sound_check == "passed"


def test_its_wave(make_clip: MakeClip, ffmpeg: str) -> None:
    second_half_louder = "sine=f=440:d=2,volume='if(lt(t,1),0.1,1)':eval=frame"
    peaks = inspect(make_clip("wave.mp4", PICTURE, second_half_louder), ffmpeg).peaks
    assert len(peaks) == limits.WAVE_PEAKS
    assert max(peaks) == 100
    quiet, loud = peaks[2:46], peaks[50:92]
    assert min(quiet) > 0, "a bar between two windows stayed empty"
    assert min(loud) > 7 * max(quiet)


@pytest.mark.parametrize(
    ("sound", "check"),
    [
        ("anullsrc=d=2", "silent"),
        (f"{SOUND},volume=-45dB", "silent"),
        (f"{SOUND},volume=-30dB", "too_quiet"),
        (f"{SOUND},volume=-12dB", "passed"),
        (f"{SOUND},volume=24dB", "clipped"),
    ],
)
def test_sound_checks(make_clip: MakeClip, ffmpeg: str, sound: str, check: str) -> None:
    clip = make_clip("sound.mp4", PICTURE, sound)
    assert inspect(clip, ffmpeg).sound_check == check


def test_sound_that_ends_early_ends_in_the_wave(make_clip: MakeClip, ffmpeg: str) -> None:
    peaks = inspect(make_clip("early.mp4", PICTURE, "sine=f=440:d=1"), ffmpeg).peaks
    assert min(peaks[:46]) > 0
    assert set(peaks[54:]) == {0}


def test_a_silent_track_has_a_flat_wave(make_clip: MakeClip, ffmpeg: str) -> None:
    measured = inspect(make_clip("silent.mp4", PICTURE, "anullsrc=d=2"), ffmpeg)
    assert set(measured.peaks) == {0}
    assert measured.audio_codec == "aac"
    assert measured.true_peak_dbtp is None


def test_no_sound_track(make_clip: MakeClip, ffmpeg: str) -> None:
    measured = inspect(make_clip("mute.mp4", PICTURE, None), ffmpeg)
    assert measured.sound_check == "silent"
    assert (measured.audio_codec, measured.audio_channels) == (None, None)
    assert (measured.loudness_lufs, measured.true_peak_dbtp) == (None, None)
    assert set(measured.peaks) == {0}
    assert len(measured.peaks) == limits.WAVE_PEAKS


def test_mono(make_clip: MakeClip, ffmpeg: str) -> None:
    measured = inspect(make_clip("mono.mp4", PICTURE, "sine=f=440:d=2"), ffmpeg)
    assert (measured.audio_channels, measured.sound_check) == (1, "passed")


@pytest.mark.parametrize(("width", "height"), [(180, 320), (240, 240)])
def test_other_ratios(make_clip: MakeClip, ffmpeg: str, width: int, height: int) -> None:
    clip = make_clip("ratio.mp4", f"testsrc=s={width}x{height}:r=24:d=2")
    measured = inspect(clip, ffmpeg)
    assert (measured.width, measured.height) == (width, height)


@pytest.mark.parametrize(
    ("loudness_lufs", "true_peak_dbtp", "check"),
    [
        (None, None, "silent"),
        (-math.inf, -math.inf, "silent"),
        (math.nan, math.nan, "silent"),
        (-60.1, -50.0, "silent"),
        (-60.0, -50.0, "too_quiet"),
        (-40.1, 0.0, "too_quiet"),
        (-40.0, -20.0, "passed"),
        (-20.0, -0.5, "passed"),
        (-20.0, -0.4, "clipped"),
        (-20.0, None, "passed"),
    ],
)
def test_the_edges_of_the_sound_check(
    loudness_lufs: float | None, true_peak_dbtp: float | None, check: str
) -> None:
    assert check_sound(loudness_lufs, true_peak_dbtp) == check


# Not a video ----------------------------------------------------------------------------------


def test_a_missing_file(tmp_path: Path, ffmpeg: str) -> None:
    assert code_of(tmp_path / "nothing.mp4", ffmpeg) == "missing"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 100_000,
        b"<!doctype html><title>502 Bad Gateway</title>",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.ts\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile 'other.mp4'\n",
    ],
    ids=["empty", "zeros", "html", "playlist", "concat"],
)
def test_other_things_named_mp4(tmp_path: Path, ffmpeg: str, good: Path, content: bytes) -> None:
    shutil.copy(good, tmp_path / "other.mp4")
    (tmp_path / "file.mp4").write_bytes(content)
    assert code_of(tmp_path / "file.mp4", ffmpeg) == "undecodable"


@pytest.mark.parametrize("part", [0.02, 0.6, 0.97])
@pytest.mark.parametrize("layout", ["+faststart", "+frag_keyframe+empty_moov", "0"])
def test_a_truncated_file(
    make_clip: MakeClip, ffmpeg: str, tmp_path: Path, layout: str, part: float
) -> None:
    whole = make_clip(f"layout{layout}.mp4", PICTURE, SOUND, "-movflags", layout)
    assert inspect(whole, ffmpeg).sound_check == "passed"
    content = whole.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(content[: int(len(content) * part)])
    assert code_of(cut, ffmpeg) in ("undecodable", "no_picture")


def test_damage_in_the_middle(good: Path, ffmpeg: str, tmp_path: Path) -> None:
    content = bytearray(good.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = os.urandom(4000)
    (tmp_path / "damaged.mp4").write_bytes(content)
    assert code_of(tmp_path / "damaged.mp4", ffmpeg) == "undecodable"


def test_sound_only(make_clip: MakeClip, ffmpeg: str) -> None:
    assert code_of(make_clip("sound-only.mp4", None, SOUND), ffmpeg) == "no_picture"


def test_black_from_start_to_end(make_clip: MakeClip, ffmpeg: str) -> None:
    clip = make_clip("black.mp4", "color=black:s=320x180:r=24:d=2")
    assert code_of(clip, ffmpeg) == "no_picture"


@pytest.mark.parametrize(
    "picture",
    [
        "color=0x141414:s=320x180:r=24:d=2",
        "color=black:s=320x180:r=24:d=2,drawbox=x=8:y=8:w=8:h=8:c=gray:t=fill",
        "color=black:s=320x180:r=24:d=1.9[a];color=gray:s=320x180:r=24:d=0.1[b];[a][b]concat",
    ],
    ids=["dark", "one light", "black, then a flash"],
)
def test_a_dark_picture_is_a_picture(make_clip: MakeClip, ffmpeg: str, picture: str) -> None:
    clip = make_clip("dark.mp4", picture)
    assert inspect(clip, ffmpeg).width == 320


def test_too_many_bytes(good: Path, ffmpeg: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "VIDEO_MAX_BYTES", good.stat().st_size - 1)
    assert code_of(good, ffmpeg) == "too_large"


def test_too_many_pixels(make_clip: MakeClip, ffmpeg: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = make_clip("good.mp4")
    monkeypatch.setattr("app.media.ffmpeg._PIXELS_MAX", 100 * 100)
    assert code_of(clip, ffmpeg) == "undecodable"


def test_a_name_ffmpeg_would_misread(good: Path, ffmpeg: str, tmp_path: Path) -> None:
    odd = tmp_path / "-i concat:50%d 'x' \".mp4"
    shutil.copy(good, odd)
    assert inspect(odd, ffmpeg) == replace(inspect(good, ffmpeg), size_bytes=odd.stat().st_size)
