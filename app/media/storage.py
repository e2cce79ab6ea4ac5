"""Files under STORAGE_URL, by key. A key either names a whole file or nothing at all."""

import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from app.media.errors import MediaError, write_error
from app.media.protocol import Storage, check_key, is_key
from app.media.s3 import open_s3
from app.media.whole import whole_file

_PARTIAL = re.compile(r"\..+\.[0-9a-f]{16}\.part")
_CHUNK_BYTES = 1024 * 1024


def open_storage(url: str, endpoint_url: str | None = None) -> Storage:
    """The storage a STORAGE_URL names: `file:///absolute/path` (made when first written to), or
    `s3://bucket/prefix`, at AWS unless `endpoint_url` says where.

    Reaches for nothing yet. Raises ValueError with a sentence for the person who set the variable.
    """
    parts = urlsplit(url)
    if parts.scheme == "s3":
        return open_s3(url, endpoint_url)
    if parts.scheme != "file":
        raise ValueError(f"wants file:///absolute/path or s3://bucket/prefix, not {url!r}")
    path = unquote(parts.path)
    if parts.netloc or not path.startswith("/") or "\0" in path or parts.query or parts.fragment:
        raise ValueError(f"wants file:///absolute/path with three slashes, not {url!r}")
    return DiskStorage(Path(path))


class DiskStorage:
    """Files in one folder of this machine."""

    origin = None

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def place(self) -> str:
        """The folder, its links followed."""
        return f"{self.root.resolve()}/"

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
        return self.root.joinpath(*check_key(key).split("/"))

    def exists(self, key: str) -> bool:
        """Whether a file lives under `key`."""
        return self.path(key).is_file()

    def fetch(self, key: str, target: Path) -> None:
        """Copy `key` out. Raises MediaError missing, disk_full, too_large or unwritable."""
        with self._open(key) as content, whole_file(target) as copy:
            shutil.copyfileobj(content, copy, _CHUNK_BYTES)

    def digest(self, key: str) -> str:
        """SHA-256 in hexadecimal. Raises MediaError missing or unwritable (a broken disk)."""
        try:
            with self._open(key) as content:
                return hashlib.file_digest(content, "sha256").hexdigest()
        except OSError as error:
            raise write_error(error, key) from error

    def size(self, key: str) -> int:
        """Bytes of the file under `key`. Raises MediaError missing."""
        with self._open(key) as content:
            return os.fstat(content.fileno()).st_size

    def _open(self, key: str) -> BufferedReader:
        try:
            return self.path(key).open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise MediaError("missing", f"{key}: {error.strerror}") from error
        except OSError as error:  # there, but not ours to read: never taken for absent
            raise write_error(error, key) from error

    def keys(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Each key at or below `prefix`, with its bytes. May raise unwritable: a locked folder."""
        start = self.path(prefix) if prefix else self.root
        if prefix and (alone_bytes := _size_bytes(start)) is not None:
            yield prefix, alone_bytes
        for folder, _, names in os.walk(start, onerror=_not_passed_over):
            for name in names:
                path = Path(folder, name)
                key = path.relative_to(self.root).as_posix()
                if is_key(key) and (size_bytes := _size_bytes(path)) is not None:
                    yield key, size_bytes

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

    def address(
        self, key: str, *, expires_s: int, mimetype: str, filename: str | None = None
    ) -> None:
        """None: this app serves the file at `path` itself."""

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
        shutil.copyfileobj(content, copy, _CHUNK_BYTES)
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


def _size_bytes(path: Path) -> int | None:
    """None for what is no file, or is gone by now."""
    try:
        return path.stat().st_size if path.is_file() else None
    except FileNotFoundError:
        return None


def _not_passed_over(error: OSError) -> None:
    """A folder that cannot be read is trouble, one that is not there holds no keys."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise write_error(error, str(error.filename)) from error


def _partials(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        yield from (Path(folder, name) for name in names if _PARTIAL.fullmatch(name))


def _modified_at(path: Path) -> float:
    """Seconds since the epoch; a file that vanished counts as brand new, so it is left alone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return float("inf")
