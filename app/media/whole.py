"""A file that is there whole, or not at all."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from app.media.errors import write_error


@contextmanager
def whole_file(target: Path) -> Iterator[BinaryIO]:
    """A new file that becomes `target` when the block ends well, and is gone when it does not.

    Its folder must exist. Not synced: for copies that are made again after a power cut. An OSError
    in the block becomes MediaError disk_full, too_large or unwritable.
    """
    partial = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    try:
        with partial.open("xb") as content:
            yield content
        partial.replace(target)
    except OSError as error:
        raise write_error(error, target.name) from error
    finally:
        with suppress(OSError):
            partial.unlink()
