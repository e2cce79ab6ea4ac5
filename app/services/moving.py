"""Results change their storage: copied, proved, and only then removed where they were."""

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Select, select

from app.extensions import db
from app.media import MediaError, Storage
from app.models import StartImage, Video
from app.services import endings


@dataclass(frozen=True)
class Moved:
    """One file that is now, proved, in the new storage. `was_there`: an earlier run brought it."""

    key: str
    size_bytes: int
    was_there: bool


def move(source: Storage, target: Storage, *, delete: bool) -> Iterator[Moved]:
    """Bring every file of `source` to `target`, one by one; yields each when it is there.

    A file counts as there when its size and its SHA-256, read back from `target`, are those of the
    original; such a file is not sent again, so a run that ended early is simply run again. With
    `delete` the original goes then.

    What people have deleted in between is not brought back: the file of a deleted video goes from
    the source too, a picture that no row knows stays where it is.

    Raises MediaError of either storage, or unwritable when a copy differs: the original stays.
    Raises ValueError where one storage lies in the other: with `delete` it would remove the copies.
    """
    if source.place.startswith(target.place) or target.place.startswith(source.place):
        raise ValueError("one of the two storages lies in the other")
    with tempfile.TemporaryDirectory(prefix="move-") as name:
        for key, _ in source.keys(""):
            if _is_forgotten(key):
                continue
            moved = None
            if not _is_deleted(key):
                moved = _copy(source, target, key, Path(name) / "file")
            if delete:
                source.delete(key)
            if moved is not None:
                yield moved


def _is_deleted(key: str) -> bool:
    """Whether `key` is a file of a video that its user has deleted."""
    segments = key.split("/")
    if len(segments) < 3 or endings.folder(segments[1]) != "/".join(segments[:2]):
        return False
    return _any(select(Video.id).where(Video.id == segments[1], Video.deleted_at.is_not(None)))


def _is_forgotten(key: str) -> bool:
    """Whether `key` is a start image that was tidied away.

    Less sure than a deleted video's row, since a wrong database knows no picture either.
    """
    is_image = key.startswith("images/")
    return is_image and not _any(select(StartImage.id).where(StartImage.file_key == key))


def _any(rows: Select[str]) -> bool:
    with db.engine.connect() as connection:  # given back before anything is sent
        return connection.execute(rows.limit(1)).first() is not None


def _copy(source: Storage, target: Storage, key: str, scratch: Path) -> Moved | None:
    """None for one that is gone by now.

    Through a file of ours: what is compared at the end is what was read once.
    """
    try:
        source.fetch(key, scratch)
    except MediaError as error:
        if error.code == "missing":
            return None
        raise
    size_bytes, digest = scratch.stat().st_size, _digest(scratch)
    was_there = _has(target, key, size_bytes, digest)
    if not was_there:
        target.put(key, scratch)
        if not _has(target, key, size_bytes, digest):
            raise MediaError("unwritable", f"{key}: the copy differs from the original")
    return Moved(key, size_bytes, was_there)


def _digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _has(storage: Storage, key: str, size_bytes: int, digest: str) -> bool:
    """Its size first: that is known without reading it all."""
    try:
        return storage.size(key) == size_bytes and storage.digest(key) == digest
    except MediaError as error:
        if error.code == "missing":
            return False
        raise
