"""Files under STORAGE_URL, by key. A key either names a whole file or nothing at all."""

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from app.media.errors import MediaError, write_error

# A segment starts with a letter, a digit or _: so there is no "..", and no key can name a partial.
_SEGMENT = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,199}")
_PARTIAL = re.compile(r"\..+\.[0-9a-f]{16}\.part")
_KEY_MAX_CHARS = 500


def open_storage(url: str) -> "Storage":
    """The storage a STORAGE_URL names: `file:///absolute/path` (made when first written to).

    Raises ValueError with a sentence for the person who set the variable.
    """
    parts = urlsplit(url)
    if parts.scheme == "s3":
        raise ValueError("s3:// storage comes later; use file:///absolute/path")
    if parts.scheme != "file":
        raise ValueError(f"wants file:///absolute/path, not {url!r}")
    path = unquote(parts.path)
    if parts.netloc or not path.startswith("/") or "\0" in path or parts.query or parts.fragment:
        raise ValueError(f"wants file:///absolute/path with three slashes, not {url!r}")
    return DiskStorage(Path(path))


class DiskStorage:
    """Files in one folder of this machine. Safe to use from many threads and processes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, key: str, source: Path) -> None:
        """Copy `source` to `key`, whole and durable, replacing what was there.

        Written beside its place under another name, synced, renamed, and the folder synced: after
        a crash or a power cut the key holds the old file, the new one or none, never a half.

        Raises MediaError missing (no source), disk_full, too_large or unwritable, and then leaves
        nothing of the new file behind.
        """
        target = self.path(key)
        try:
            content = source.open("rb")
        except OSError as error:
            raise MediaError("missing", f"{source.name}: {error.strerror}") from error
        with content:
            partial = target.parent / f".{target.name}.{secrets.token_hex(8)}.part"
            try:
                _make_folder(target.parent)
                _write_new(partial, content)
                _move_into_place(partial, target)
            except OSError as error:
                raise write_error(error, key) from error
            finally:
                _remove_quietly(partial)

    def path(self, key: str) -> Path:
        """Where `key` lives, there or not. Raises ValueError for what is not a key."""
        segments = key.split("/")
        if len(key) > _KEY_MAX_CHARS or not all(_SEGMENT.fullmatch(part) for part in segments):
            raise ValueError(f"not a storage key: {key!r}")
        return self.root.joinpath(*segments)

    def exists(self, key: str) -> bool:
        """Whether a file lives under `key`."""
        return self.path(key).is_file()

    def delete(self, key: str) -> None:
        """Remove the file under `key`; one that is not there is fine. May raise unwritable."""
        try:
            self.path(key).unlink(missing_ok=True)
        except NotADirectoryError:
            return  # a parent of the key is a file: nothing can be there
        except OSError as error:
            raise write_error(error, key) from error

    def delete_all(self, prefix: str) -> None:
        """Remove everything below the folder `prefix`, partials too. May raise unwritable.

        A prefix is whole segments: `videos/ab` leaves `videos/abc` alone.
        """
        folder = self.path(prefix)
        while folder.exists():
            try:
                shutil.rmtree(folder)
            except FileNotFoundError:
                continue  # another process is removing the same files
            except NotADirectoryError:
                self.delete(prefix)
            except OSError as error:
                raise write_error(error, prefix) from error

    def sweep_partials(self, older_than_s: float) -> int:
        """Remove what a killed `put` left, once `older_than_s` old; returns how many went.

        Choose an age no running put can reach. What cannot be removed is left for the next sweep.
        """
        newest_removed = time.time() - older_than_s
        return sum(
            _remove_quietly(partial)
            for partial in _partials(self.root)
            if _modified_at(partial) <= newest_removed
        )


Storage = DiskStorage
"""What callers name in their types. One kind so far; another will share its methods."""


def _make_folder(folder: Path) -> None:
    """Make the folder and its parents, each synced into the one above it."""
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for path in reversed(missing):
        try:
            path.mkdir()
        except FileExistsError:
            continue  # not missing at all, or another process was faster
        _sync_folder(path.parent)


def _write_new(path: Path, content: BinaryIO) -> None:
    # O_EXCL and O_NOFOLLOW: never through a link somebody put there. 0640: videos are private.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o640), "wb") as copy:
        shutil.copyfileobj(content, copy, 1024 * 1024)
        copy.flush()
        os.fsync(copy.fileno())


def _move_into_place(partial: Path, target: Path) -> None:
    partial.replace(target)
    try:
        _sync_folder(target.parent)
    except OSError:
        _remove_quietly(target)  # the caller is told it failed, so it must not be there
        raise


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_quietly(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True


def _partials(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        yield from (Path(folder, name) for name in names if _PARTIAL.fullmatch(name))


def _modified_at(path: Path) -> float:
    """Seconds since the epoch; a file that vanished counts as brand new, so it is left alone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return float("inf")
