"""The word that a file carries with it: who made it (EU AI Act, article 50: machine-readable)."""

from pathlib import Path
from typing import Final

from app.media import ffmpeg as program
from app.media.errors import MediaError
from app.media.whole import whole_file

LABEL_TIMEOUT_S: Final = 60.0
"""Nothing is decoded: a second for the largest file, and patience with a busy disk."""


def label(source: Path, target: Path, comment: str, ffmpeg: str) -> None:
    """Write `source` with `comment` in its metadata to `target`, picture and sound as they are.

    The index goes to the front, so that players start before the whole file is there.  Raises
    MediaError missing, disk_full, unwritable, undecodable, timed_out or no_ffmpeg.
    """
    if not source.is_file():
        raise MediaError("missing", f"{source.name}: no such file")
    with whole_file(target) as labelled:
        arguments = [
            *("-loglevel", "error", *program.read_from(source)),
            *("-map", "0:V:0", "-map", "0:a:0?", "-c", "copy", "-map_metadata", "0"),
            *("-metadata", f"comment={comment}", "-movflags", "+faststart"),
            *("-f", "mp4", f"file:{Path(labelled.name).absolute()}"),
        ]
        done = program.run(ffmpeg, arguments, LABEL_TIMEOUT_S)
        if done.status != 0:
            raise program.find_write_failure(done) or program.decode_failure(done)
