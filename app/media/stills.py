"""Poster and thumbnail: one frame of a video as JPEG, which every ffmpeg can write."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app import limits
from app.media import ffmpeg as program
from app.media.errors import MediaError
from app.media.inspect import Measurements

STILL_SUFFIX: Final = ".jpg"
STILLS_TIMEOUT_S: Final = 60.0

# JPEG means full range and the BT.601 matrix (JFIF 1.02); video is mostly BT.709 in narrow range.
_TO_JPEG: Final = "out_range=pc:out_color_matrix=bt601,format=yuvj420p"


@dataclass(frozen=True)
class Stills:
    """Two JPEG files: the poster at the video's size, and the small one for cards."""

    poster: Path
    thumbnail: Path


def make_stills(video: Path, measured: Measurements, folder: Path, ffmpeg: str) -> Stills:
    """Write both stills of `video` into `folder` (an existing one).

    The frame at 2 s, or the middle of a shorter video; where the picture ends before that, its
    first frame. Raises MediaError disk_full, unwritable, undecodable, timed_out or no_ffmpeg.
    """
    stills = Stills(folder / f"poster{STILL_SUFFIX}", folder / f"thumbnail{STILL_SUFFIX}")
    for at_s in (still_at_s(measured.duration_s), 0.0):
        done = program.run(ffmpeg, _arguments(video, measured, at_s, stills), STILLS_TIMEOUT_S)
        if done.status == 0 and _is_jpeg(stills.poster) and _is_jpeg(stills.thumbnail):
            return stills
        if failure := program.find_write_failure(done):
            raise failure
    raise program.decode_failure(done)


def still_at_s(duration_s: float) -> float:
    """Where in a video its stills are taken, in seconds from its start."""
    is_long_enough = duration_s > limits.STILL_AT_S + 0.1  # the last frame starts before the end
    return limits.STILL_AT_S if is_long_enough else duration_s / 2


def thumbnail_size(width: int, height: int) -> tuple[int, int]:
    """320x180 for 16:9; any other ratio gets the same area, in even numbers."""
    area = limits.THUMBNAIL_WIDTH_PX * limits.THUMBNAIL_HEIGHT_PX
    scale = math.sqrt(area / (width * height))
    return _even(width * scale), _even(height * scale)


def _even(length_px: float) -> int:
    return max(2, 2 * round(length_px / 2))


def _arguments(video: Path, measured: Measurements, at_s: float, stills: Stills) -> list[str]:
    width, height = thumbnail_size(measured.width, measured.height)
    graph = (
        f"[0:V:0]split=2[a][b];"
        f"[a]scale={measured.width}:{measured.height}:{_TO_JPEG}[poster];"
        f"[b]scale={width}:{height}:flags=lanczos:{_TO_JPEG}[thumbnail]"
    )
    return [
        *("-loglevel", "error", "-ss", f"{at_s:.3f}", *program.read_from(video)),
        *("-filter_complex", graph),
        *_one_jpeg("poster", 3, stills.poster),
        *_one_jpeg("thumbnail", 4, stills.thumbnail),
    ]


def _one_jpeg(stream: str, quality: int, path: Path) -> list[str]:
    """Quality by ffmpeg's scale: 2 is best, 31 worst."""
    frame = ["-map", f"[{stream}]", "-frames:v", "1", "-q:v", str(quality)]
    return [*frame, "-f", "mjpeg", f"file:{path.absolute()}"]


def _is_jpeg(path: Path) -> bool:
    """Whether a whole JPEG is there: ffmpeg may end well having written no frame at all."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise MediaError("unwritable", f"{path.name}: {error.strerror}") from error
    return content.startswith(b"\xff\xd8") and content.rstrip(b"\0").endswith(b"\xff\xd9")
