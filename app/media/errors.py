"""The one error type of media: a code for the program, a message for the log."""

import errno
from typing import Literal

MediaCode = Literal[
    "disk_full",
    "unwritable",
    "missing",
    "undecodable",
    "no_picture",
    "no_ffmpeg",
    "timed_out",
    "too_large",
    "unreachable",  # a storage across the network, and it may be back soon
]

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


class MediaError(Exception):
    """Something is wrong with a file, a storage or ffmpeg; `code` says which."""

    def __init__(self, code: MediaCode, message: str) -> None:
        super().__init__(message)
        self.code: MediaCode = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def write_error(error: OSError, what: str) -> MediaError:
    """Why writing `what` failed. All that is not a full disk counts as unwritable."""
    reason = error.strerror or type(error).__name__
    if error.errno in _DISK_FULL:
        return MediaError("disk_full", f"{what}: {reason}")
    if error.errno == errno.EFBIG:
        return MediaError("too_large", f"{what}: {reason}")
    return MediaError("unwritable", f"{what}: {reason}")
