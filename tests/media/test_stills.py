"""Poster and thumbnail, looked at by decoding them again."""

import subprocess
from pathlib import Path

import pytest

from app.media import Measurements, MediaError, Stills, inspect, make_stills, thumbnail_size
from app.media.header import parse_header
from app.media.stills import still_at_s
from tests.media.clips import PICTURE, SOUND, MakeClip

# Two seconds of red, then green; the last half second of the short one is green.
LONG = "color=red:s=320x180:r=24:d=1.9[a];color=lime:s=320x180:r=24:d=2[b];[a][b]concat"
SHORT = "color=red:s=320x180:r=24:d=0.4[a];color=lime:s=320x180:r=24:d=0.6[b];[a][b]concat"


def size_of(picture: Path, ffmpeg: str) -> tuple[int, int]:
    done = subprocess.run(
        [ffmpeg, "-nostdin", "-i", str(picture)], check=False, capture_output=True, text=True
    )
    header = parse_header(done.stderr)
    assert header.video_codec == "mjpeg"
    return header.width, header.height


def colour_of(picture: Path, ffmpeg: str) -> tuple[int, ...]:
    """The mean colour, red, green and blue, 0 to 255."""
    command = [ffmpeg, "-v", "error", "-nostdin", "-i", str(picture)]
    command += ["-vf", "scale=1:1:flags=area", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    return tuple(subprocess.run(command, check=True, capture_output=True).stdout)


def make(video: Path, ffmpeg: str, folder: Path) -> tuple[Measurements, Stills]:
    measured = inspect(video, ffmpeg)
    return measured, make_stills(video, measured, folder, ffmpeg)


@pytest.mark.parametrize(
    ("size", "thumbnail"),
    [
        ((1280, 720), (320, 180)),
        ((1920, 1080), (320, 180)),
        ((720, 1280), (180, 320)),
        ((720, 720), (240, 240)),
        ((1280, 960), (278, 208)),
        ((4000, 2), (10734, 6)),
    ],
)
def test_thumbnails_have_one_area(size: tuple[int, int], thumbnail: tuple[int, int]) -> None:
    assert thumbnail_size(*size) == thumbnail


@pytest.mark.parametrize(
    ("duration_s", "at_s"), [(8.0, 2.0), (30.0, 2.0), (2.2, 2.0), (2.0, 1.0), (1.0, 0.5)]
)
def test_where_a_still_is_taken(duration_s: float, at_s: float) -> None:
    assert still_at_s(duration_s) == at_s


@pytest.mark.parametrize(
    ("width", "height", "thumbnail"),
    [(320, 180, (320, 180)), (180, 320, (180, 320)), (400, 400, (240, 240))],
)
def test_sizes(
    make_clip: MakeClip,
    ffmpeg: str,
    tmp_path: Path,
    width: int,
    height: int,
    thumbnail: tuple[int, int],
) -> None:
    clip = make_clip("ratio.mp4", f"testsrc=s={width}x{height}:r=24:d=2")
    _, stills = make(clip, ffmpeg, tmp_path)
    assert size_of(stills.poster, ffmpeg) == (width, height)
    assert size_of(stills.thumbnail, ffmpeg) == thumbnail
    assert sorted(tmp_path.iterdir()) == [stills.poster, stills.thumbnail]


@pytest.mark.parametrize("picture", [LONG, SHORT], ids=["at 2 s", "in the middle"])
def test_the_frame_and_its_colour(
    make_clip: MakeClip, ffmpeg: str, tmp_path: Path, picture: str
) -> None:
    clip = make_clip("turn.mp4", picture, None, "-g", "100")
    _, stills = make(clip, ffmpeg, tmp_path)
    for still in (stills.poster, stills.thumbnail):
        red, green, blue = colour_of(still, ffmpeg)
        assert red < 20
        assert green > 235
        assert blue < 20


def test_a_picture_that_ends_before_its_sound(
    make_clip: MakeClip, ffmpeg: str, tmp_path: Path
) -> None:
    clip = make_clip("long-sound.mp4", "color=lime:s=320x180:r=24:d=0.5", "sine=f=440:d=4")
    measured, stills = make(clip, ffmpeg, tmp_path)
    assert measured.duration_s > 3
    assert size_of(stills.poster, ffmpeg) == (320, 180)


def test_a_broken_video(make_clip: MakeClip, ffmpeg: str, tmp_path: Path) -> None:
    measured = inspect(make_clip("good.mp4"), ffmpeg)
    (tmp_path / "broken.mp4").write_bytes(b"broken")
    with pytest.raises(MediaError) as caught:
        make_stills(tmp_path / "broken.mp4", measured, tmp_path, ffmpeg)
    assert caught.value.code == "undecodable"


def test_a_full_disk(make_clip: MakeClip, ffmpeg: str, small_disk: Path) -> None:
    clip = make_clip("noise.mp4", f"{PICTURE},scale=1280:720,noise=alls=90:allf=t", SOUND)
    with pytest.raises(MediaError) as caught:
        make(clip, ffmpeg, small_disk)
    assert caught.value.code == "disk_full"


def test_a_read_only_disk(make_clip: MakeClip, ffmpeg: str, read_only_disk: Path) -> None:
    with pytest.raises(MediaError) as caught:
        make(make_clip("good.mp4"), ffmpeg, read_only_disk)
    assert caught.value.code == "unwritable"
