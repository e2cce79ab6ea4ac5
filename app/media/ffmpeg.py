"""Finding ffmpeg and running it on files that strangers may have made.

There may be no ffprobe (the package imageio-ffmpeg brings none), so nothing here needs one.
"""

import importlib
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.media.errors import MediaCode, MediaError

THREADS: Final = 2
"""Of each ffmpeg: a worker shares its machine with the web process and a renderer."""

_PIXELS_MAX: Final = 7680 * 4320
_ENVIRONMENT: Final = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "HOME")
_MESSAGE_MAX_CHARS: Final = 300
_COMPLAINT: Final = re.compile(r"[Ee]rror|[Cc]orrupt|[Ii]nvalid|not found")

# What ffmpeg says when the *output* cannot be written; the words are strerror(3) in the C locale,
# which ffmpeg never leaves.
_WRITE_FAILURES: Final[tuple[tuple[str, MediaCode], ...]] = (
    ("No space left on device", "disk_full"),
    ("Disk quota exceeded", "disk_full"),
    ("Read-only file system", "unwritable"),
    ("Permission denied", "unwritable"),
)


@dataclass(frozen=True)
class Finished:
    """One finished run: exit status, standard output, and the log (standard error)."""

    status: int
    output: str
    log: str


def find_ffmpeg(named: str | None = None) -> str:
    """The ffmpeg to use: `named` (FFMPEG_BIN), else imageio-ffmpeg's, else the one on PATH.

    The packaged one first: it is new enough and has every codec, which nobody knows of the other.
    Raises MediaError no_ffmpeg. A named program that is not there is an error, never skipped.
    """
    if named:
        found = shutil.which(named)
        if found is None:
            raise MediaError("no_ffmpeg", f"FFMPEG_BIN names no program: {named}")
        return found
    found = _packaged_ffmpeg() or shutil.which("ffmpeg")
    if found is None:
        raise MediaError("no_ffmpeg", "no imageio-ffmpeg and no ffmpeg on PATH")
    return found


def _packaged_ffmpeg() -> str | None:
    try:
        return str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
    except (ImportError, RuntimeError):  # no wheel for this platform, or its program is gone
        return None


def read_from(video: Path) -> list[str]:
    """Input options for a file that is not trusted, `-i` included.

    Only containers that hold their own media (an .mp4 may be a playlist inside, which would open
    other files of this machine), only the file itself, and no picture large enough to eat the
    memory.
    """
    return [
        *("-format_whitelist", "mov,mp4,matroska,webm"),
        *("-protocol_whitelist", "file,pipe"),
        *("-max_pixels", str(_PIXELS_MAX)),
        *("-threads", str(THREADS)),
        *("-i", f"file:{video.absolute()}"),
    ]


def run(ffmpeg: str, arguments: Sequence[str], timeout_s: float) -> Finished:
    """Run ffmpeg to its end, whatever its exit status.

    Raises MediaError timed_out (after killing it) or no_ffmpeg (it does not start).
    """
    command = [ffmpeg, "-hide_banner", "-nostdin", "-y", *arguments]
    # Secrets of our environment are no business of a program that reads strangers' files.
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise MediaError("timed_out", f"ffmpeg was not done after {timeout_s:g} s") from error
    except OSError as error:
        raise MediaError("no_ffmpeg", f"{ffmpeg} does not start: {error.strerror}") from error
    output = done.stdout.decode(errors="replace")
    return Finished(done.returncode, output, done.stderr.decode(errors="replace"))


def decode_failure(done: Finished) -> MediaError:
    """A run that could not read its input, with the first complaints of the log."""
    complaints = [line.strip() for line in done.log.splitlines() if _COMPLAINT.search(line)]
    said = "; ".join(complaints[:2])[:_MESSAGE_MAX_CHARS]
    return MediaError("undecodable", said or f"ffmpeg ended with status {done.status}")


def find_write_failure(done: Finished) -> MediaError | None:
    """Whether a run failed because of the disk it wrote to.

    Only for runs with `-loglevel error`: a fuller log quotes the file's own metadata.
    """
    for words, code in _WRITE_FAILURES:
        if words in done.log:
            return MediaError(code, f"ffmpeg: {words}")
    return None
