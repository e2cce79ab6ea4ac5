"""Reading what `ffmpeg -i` prints about a file: the only probe there is without ffprobe.

The words have been the same from ffmpeg 5 to 9; where versions or containers differ (stream ids,
language tags) the patterns accept both. Indentation counts: a stranger's metadata stands deeper, so
a key called "Stream #0:0: Video" is not taken for a stream.
"""

import re
from dataclasses import dataclass
from typing import Final

from app.media.errors import MediaError

_DURATION: Final = re.compile(r"^  Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)", re.MULTILINE)
_COMMENT: Final = re.compile(r"^    comment +: (.*)$", re.MULTILINE | re.IGNORECASE)
_STREAM: Final = re.compile(
    r"^  Stream #0:(\d+)(?:\[0x[0-9a-f]+\])?(?:\([^)]*\))?: (Video|Audio): (\w+)(.*)$",
    re.MULTILINE,
)
_SIZE: Final = re.compile(r", (\d{1,5})x(\d{1,5})(?=[ ,]|$)")
_FPS: Final = re.compile(r", (\d+(?:\.\d+)?)(k?) fps")
_TURNED: Final = re.compile(r"rotation of -?(?:90|270)\.00 degrees")
_LAYOUTS: Final = {"mono": 1, "stereo": 2, "2.1": 3, "quad": 4, "5.0": 5, "5.1": 6, "7.1": 8}


@dataclass(frozen=True)
class Header:
    """What a container says of itself. Width and height are as shown, a turned video turned."""

    video_index: int
    video_codec: str
    width: int
    height: int
    fps: float | None
    duration_s: float | None
    audio_index: int | None
    audio_codec: str | None
    audio_channels: int | None
    comment: str


def parse_header(log: str) -> Header:
    """The first picture and the first sound of the log of `ffmpeg -i FILE`.

    Raises MediaError no_picture without a video stream (cover art of a sound file is none) and
    undecodable when the stream has no size.
    """
    log = log[log.index("Input #0") :]
    streams = list(_STREAM.finditer(log))
    videos = [s for s in streams if s[2] == "Video" and "(attached pic)" not in s[4]]
    sounds = [s for s in streams if s[2] == "Audio" and s[3] != "none"]
    if not videos:
        raise MediaError("no_picture", "the file has no video stream")
    video, sound = videos[0], sounds[0] if sounds else None
    width, height = _size(video, log)
    comment = _COMMENT.search(log, 0, streams[0].start())
    return Header(
        video_index=int(video[1]),
        video_codec=video[3],
        width=width,
        height=height,
        fps=_fps(video[4]),
        duration_s=_duration_s(log),
        audio_index=int(sound[1]) if sound else None,
        audio_codec=sound[3] if sound else None,
        audio_channels=_channels(sound[4]) if sound else None,
        comment=comment[1].strip() if comment else "",
    )


def _size(video: re.Match[str], log: str) -> tuple[int, int]:
    size = _SIZE.search(video[4])
    if size is None:
        raise MediaError("undecodable", f"a picture without a size: {video[0].strip()}")
    width, height = int(size[1]), int(size[2])
    following = log[video.end() :].partition("\n  Stream #")[0]
    return (height, width) if _TURNED.search(following) else (width, height)


def _fps(details: str) -> float | None:
    found = _FPS.search(details)
    if found is None:
        return None
    return float(found[1]) * (1000 if found[2] else 1)


def _duration_s(log: str) -> float | None:
    """None for "N/A", which a recording that was never closed has."""
    found = _DURATION.search(log)
    if found is None:
        return None
    hours, minutes, seconds = found.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _channels(details: str) -> int | None:
    """From ", 48000 Hz, 5.1(side), fltp" or ", 48000 Hz, 3 channels, fltp"."""
    found = re.search(r" Hz, (?:(\d+) channels|([\w.]+))", details)
    if found is None:
        return None
    return int(found[1]) if found[1] else _LAYOUTS.get(found[2])
