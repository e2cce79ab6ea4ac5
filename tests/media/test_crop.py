"""Squares from the middle of real videos, measured by decoding them again."""

import subprocess
from pathlib import Path

import pytest

from app.media import MediaError, crop, crop_square, inspect
from tests.media.clips import PICTURE, MakeClip

# Red, a green middle that is square, blue.
BANDS = (
    "color=red:s=320x180:r=24:d=1,"
    "drawbox=x=70:w=180:color=lime:t=fill,drawbox=x=250:w=70:color=blue:t=fill"
)


def corners_of(video: Path, side: int, ffmpeg: str) -> list[tuple[int, ...]]:
    """The colours of the first frame, four pixels inside each corner and in the middle."""
    command = [ffmpeg, "-v", "error", "-nostdin", "-i", str(video), "-frames:v", "1"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    pixels = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    assert len(pixels) == side * side * 3
    near, far, middle = 4, side - 5, side // 2
    points = [(near, near), (far, near), (near, far), (far, far), (middle, middle)]
    return [tuple(pixels[(y * side + x) * 3 :][:3]) for x, y in points]


def sound_of(video: Path, ffmpeg: str) -> bytes:
    """A digest of the packets of sound, as they are."""
    command = [ffmpeg, "-v", "error", "-nostdin", "-i", str(video), "-map", "0:a", "-c", "copy"]
    command += ["-f", "md5", "-"]
    return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout


@pytest.mark.parametrize(
    ("width", "height", "side"),
    [(320, 180, 180), (180, 320, 180), (200, 200, 200), (322, 182, 182), (640, 90, 90)],
)
def test_the_side_is_the_shorter_one(
    make_clip: MakeClip, ffmpeg: str, tmp_path: Path, width: int, height: int, side: int
) -> None:
    clip = make_clip("wide.mp4", f"testsrc=s={width}x{height}:r=24:d=1", None)
    crop_square(clip, tmp_path / "square.mp4", ffmpeg)
    measured = inspect(tmp_path / "square.mp4", ffmpeg)
    assert (measured.width, measured.height) == (side, side)
    assert list(tmp_path.iterdir()) == [tmp_path / "square.mp4"]


def test_an_odd_side_becomes_even(make_clip: MakeClip, ffmpeg: str, tmp_path: Path) -> None:
    clip = make_clip("odd.mp4", "testsrc=s=101x99:r=24:d=1,format=yuv444p", None, "-pix_fmt",
                     "yuv444p")  # fmt: skip
    crop_square(clip, tmp_path / "square.mp4", ffmpeg)
    measured = inspect(tmp_path / "square.mp4", ffmpeg)
    assert (measured.width, measured.height) == (98, 98)
    said = subprocess.run([ffmpeg, "-i", str(tmp_path / "square.mp4")], capture_output=True)
    assert (
        b"yuv420p" in said.stderr
        and b"yuv444p" in subprocess.run([ffmpeg, "-i", str(clip)], capture_output=True).stderr
    )


def test_the_middle_is_kept(make_clip: MakeClip, ffmpeg: str, tmp_path: Path) -> None:
    crop_square(make_clip("bands.mp4", BANDS, None), tmp_path / "square.mp4", ffmpeg)
    for red, green, blue in corners_of(tmp_path / "square.mp4", 180, ffmpeg):
        assert green > 200 and red < 60 and blue < 60


def test_all_but_the_picture_stays(make_clip: MakeClip, ffmpeg: str, tmp_path: Path) -> None:
    comment = "AI; =made 由 CuttingASMR"
    clip = make_clip(
        "good.mp4", PICTURE, "sine=f=440:d=2,aformat=channel_layouts=stereo",
        "-metadata", f"comment={comment}",
    )  # fmt: skip
    before, square = inspect(clip, ffmpeg), tmp_path / "square.mp4"
    crop_square(clip, square, ffmpeg)
    after = inspect(square, ffmpeg)
    assert after.comment == before.comment == comment
    assert after.video_codec == "h264" and after.fps == before.fps
    assert after.duration_s == pytest.approx(before.duration_s, abs=0.05)
    assert sound_of(square, ffmpeg) == sound_of(clip, ffmpeg)
    assert (after.loudness_lufs, after.peaks) == (before.loudness_lufs, before.peaks)
    content = square.read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")  # it plays before it is all there


def test_a_turned_video_is_cropped_as_it_is_shown(
    make_clip: MakeClip, ffmpeg: str, tmp_path: Path
) -> None:
    turned = tmp_path / "turned.mp4"
    command = [ffmpeg, "-v", "error", "-nostdin", "-display_rotation", "90"]
    command += ["-i", str(make_clip("bands.mp4", BANDS, None)), "-c", "copy", str(turned)]
    subprocess.run(command, check=True, timeout=60)
    crop_square(turned, tmp_path / "square.mp4", ffmpeg)
    measured = inspect(tmp_path / "square.mp4", ffmpeg)
    assert (measured.width, measured.height) == (180, 180)
    for red, green, blue in corners_of(tmp_path / "square.mp4", 180, ffmpeg):
        assert green > 200 and red < 60 and blue < 60


def code_of(source: Path, target: Path, ffmpeg: str) -> str:
    with pytest.raises(MediaError) as caught:
        crop_square(source, target, ffmpeg)
    if target.parent.exists():
        assert [p for p in target.parent.iterdir() if p.suffix == ".part"] == []
    return caught.value.code


def test_what_is_no_video(make_clip: MakeClip, ffmpeg: str, tmp_path: Path) -> None:
    target = tmp_path / "out" / "square.mp4"
    target.parent.mkdir()
    target.write_bytes(b"older")
    (tmp_path / "broken.mp4").write_bytes(b"broken")
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")
    whole = make_clip("good.mp4", PICTURE).read_bytes()
    (tmp_path / "hole.mp4").write_bytes(
        whole[: len(whole) // 3] + bytes(len(whole) // 3) + whole[len(whole) // 3 * 2 :]
    )
    assert code_of(tmp_path / "broken.mp4", target, ffmpeg) == "undecodable"
    assert code_of(tmp_path / "list.mp4", target, ffmpeg) == "undecodable"
    assert code_of(tmp_path / "hole.mp4", target, ffmpeg) == "undecodable"
    assert code_of(make_clip("sound.mp4", None), target, ffmpeg) == "no_picture"
    assert code_of(tmp_path / "nothing.mp4", target, ffmpeg) == "missing"
    assert code_of(make_clip("good.mp4"), target, "/nowhere/ffmpeg") == "no_ffmpeg"
    assert target.read_bytes() == b"older"


def test_where_it_cannot_be_written(
    make_clip: MakeClip, ffmpeg: str, small_disk: Path, tmp_path: Path
) -> None:
    noise = make_clip("noise.mp4", "testsrc=s=480x480:r=24:d=0.5,noise=alls=90:allf=t", None)
    assert code_of(noise, small_disk / "square.mp4", ffmpeg) == "disk_full"
    assert list(small_disk.iterdir()) == []
    assert code_of(noise, tmp_path / "nowhere" / "square.mp4", ffmpeg) == "unwritable"


def test_it_does_not_take_for_ever(
    make_clip: MakeClip, ffmpeg: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crop, "CROP_TIMEOUT_S", 0.01)
    assert code_of(make_clip("good.mp4"), tmp_path / "square.mp4", ffmpeg) == "timed_out"
