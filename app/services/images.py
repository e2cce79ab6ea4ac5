"""Pictures that videos start with: kept for their owner, lent to providers, tidied away.

The row comes before its file and goes before it: what a crash leaves is a row without a file, which
`tidy` finds.  Nobody knows of a row before its file is there, since `keep` has not returned.
"""

import contextlib
import logging
import os
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, exists, insert, select, update

from app import limits, media
from app.errors import NotFound, TooMany, UserError, _l
from app.extensions import db
from app.media.images import ImageCode, ImageRefused, Picture, reencode
from app.models import LIVE, StartImage, Video, is_id, new_id, now
from app.services import credits, vendors
from app.services.transactions import write_transaction

log = logging.getLogger(__name__)

FIELD = "image"
TIDY_AT_ONCE = 500
LENT_S = 60 * 60
"""A copy made for a provider is read within minutes; after an hour nobody needs it."""

REFUSALS: dict[ImageCode, str] = {
    "empty": _l("This file is empty. Choose another picture."),
    "too_large": _l(
        "The picture is larger than %(megabytes)d MB. Save it smaller, then choose it."
    ),
    "not_a_picture": _l("This is not a JPEG, PNG or WebP picture. Choose another file."),
    "broken": _l("The picture is damaged or was cut off on its way. Choose it again, or another."),
    "animated": _l("This picture moves. Choose one that stands still."),
    "too_many_pixels": _l(
        "The picture has more than %(megapixels)d million pixels (%(jpeg)d as a JPEG). "
        "Save it smaller, then choose it."
    ),
    "too_small": _l("The picture is too small: each side needs at least %(least)d pixels."),
    "too_narrow": _l("The picture is too long and narrow. Cut it to at most %(ratio)d to 1."),
}
WORDS: dict[str, Any] = {
    "megabytes": limits.IMAGE_MAX_BYTES // 2**20,
    "megapixels": limits.IMAGE_MAX_PIXELS_WHOLE // 10**6,
    "jpeg": limits.IMAGE_MAX_PIXELS // 10**6,
    "least": limits.IMAGE_MIN_PX,
    "ratio": limits.IMAGE_MAX_PX // limits.IMAGE_MIN_PX,
}


class NotKept(UserError):
    """Our disk, not the visitor's picture."""

    status = 503


def keep(user_id: int, data: bytes | Path) -> StartImage:
    """Decode, encode anew and store a picture; the same one again is the same row.

    Raises UserError for what cannot be used, TooMany above the limit of an hour, and NotKept.
    """
    with tempfile.TemporaryDirectory(prefix="image-") as folder:
        file = Path(folder, "image.jpg")
        try:
            picture = reencode(data, file)
            image_id, is_new = _reserve(user_id, picture)
            _store(image_id, file, is_new)
        except ImageRefused as refused:
            raise UserError(REFUSALS[refused.code], field=FIELD, **WORDS) from refused
        except media.MediaError as error:
            log.error("a picture could not be stored: %s", error)
            message = _l("The picture could not be stored just now. Try again in a moment.")
            raise NotKept(message, field=FIELD) from error
    return get_owned(user_id, image_id)


def get_owned(user_id: int, image_id: str) -> StartImage:
    """The user's picture. Raises NotFound when it is not there, or another's."""
    image = find_owned(user_id, image_id)
    if image is None:
        raise NotFound(_l("That picture is not here."))
    return image


def find_owned(user_id: int, image_id: str) -> StartImage | None:
    """The user's picture, None when it is not there, tidied away, or another's."""
    if not is_id(image_id):
        return None
    mine = select(StartImage).where(StartImage.id == image_id, StartImage.user_id == user_id)
    image: StartImage | None = db.session.scalar(mine)
    return image


def hold(connection: Connection, user_id: int, image_id: str) -> None:
    """Inside the transaction that writes the videos which use it: `tidy` lets the picture be.

    Raises UserError where the picture has been tidied away, or is another's.
    """
    held = connection.execute(
        update(StartImage)
        .where(StartImage.id == image_id, StartImage.user_id == user_id)
        .values(created_at=now())
    )
    if held.rowcount != 1:
        message = _l("The picture is no longer here. Nothing was charged; choose it again.")
        raise UserError(message, field=FIELD)


def path_of(image_id: str) -> Path:
    """The picture as a local file, to read now: storage elsewhere is copied here for an hour.

    Raises NotFound, or MediaError where the file is missing or cannot be had.
    """
    key = db.session.scalar(select(StartImage.file_key).where(StartImage.id == image_id))
    if key is None:
        raise NotFound(_l("That picture is not here."))
    return _local_file(key)


def tidy() -> int:
    """Remove what nobody uses: a day old, and no video of it left. Returns how many went.

    A deleted video keeps its picture while it is still being made, then lets it go.
    """
    before = now() - timedelta(hours=limits.IMAGE_UNUSED_H)
    gone = (Video.deleted_at.is_not(None)) & (Video.status.not_in(LIVE))
    with write_transaction() as connection:
        connection.execute(
            update(Video).where(Video.image_id.is_not(None), gone).values(image_id=None)
        )
        unused = (
            select(StartImage.id)
            .where(StartImage.created_at < before, ~exists().where(Video.image_id == StartImage.id))
            .order_by(StartImage.created_at)
            .limit(TIDY_AT_ONCE)
        )
        keys = connection.scalars(
            delete(StartImage)
            .where(StartImage.id.in_(unused), StartImage.created_at < before)
            .returning(StartImage.file_key)
        ).all()
    for key in keys:
        try:
            vendors.current().storage.delete(key)
        except media.MediaError as error:
            log.error("a picture that nobody uses stays on the disk: %s", error)
    _forget_copies()
    return len(keys)


def _reserve(user_id: int, picture: Picture) -> tuple[str, bool]:
    """A row for the picture, and whether it is new; counted under the account's lock."""
    with write_transaction() as connection:
        credits.lock(connection, user_id)
        mine = StartImage.user_id == user_id
        known = connection.scalar(
            update(StartImage)
            .where(
                StartImage.id.in_(
                    select(StartImage.id).where(mine, StartImage.digest == picture.digest).limit(1)
                )
            )
            .values(created_at=now())  # or it might be tidied away while the form is filled in
            .returning(StartImage.id)
        )
        if known is not None:
            return str(known), False
        _check_hourly_limit(connection, user_id)
        image_id = new_id()
        connection.execute(
            insert(StartImage).values(
                id=image_id,
                user_id=user_id,
                file_key=_key(image_id),
                digest=picture.digest,
                width=picture.width,
                height=picture.height,
                size_bytes=picture.size_bytes,
                created_at=now(),
            )
        )
    return image_id, True


def _check_hourly_limit(connection: Connection, user_id: int) -> None:
    hour_ago = now() - timedelta(hours=1)
    times = connection.scalars(
        select(StartImage.created_at)
        .where(StartImage.user_id == user_id, StartImage.created_at > hour_ago)
        .order_by(StartImage.created_at.desc())
        .limit(limits.IMAGES_PER_HOUR)
    ).all()
    if len(times) < limits.IMAGES_PER_HOUR:
        return
    frees_at = times[-1] + timedelta(hours=1)
    wait_s = max(1, int((frees_at - now()).total_seconds()) + 1)
    raise TooMany(
        _l("You can send %(most)d pictures an hour; the next place is free in %(minutes)d min."),
        retry_after_s=wait_s,
        field=FIELD,
        most=limits.IMAGES_PER_HOUR,
        minutes=-(-wait_s // 60),
    )


def _key(image_id: str) -> str:
    return f"images/{image_id}.jpg"


def _store(image_id: str, file: Path, is_new: bool) -> None:
    """Put the file behind its row; where that fails a new row goes again."""
    storage, key = vendors.current().storage, _key(image_id)
    try:
        if is_new or not storage.exists(key):
            storage.put(key, file)
    except media.MediaError:
        if is_new:
            with write_transaction() as connection:
                connection.execute(delete(StartImage).where(StartImage.id == image_id))
        raise


def _copies() -> Path:
    return Path(vendors.current().config["INSTANCE_DIR"]) / "downloads" / "images"


def _local_file(key: str) -> Path:
    """Where a file of the storage can be read: in place on a disk, else a copy of it."""
    storage = vendors.current().storage
    if isinstance(storage, media.DiskStorage):
        path = storage.path(key)
        if not path.is_file():
            raise media.MediaError("missing", key)
        return path
    copy = _copies() / key.rpartition("/")[2]
    copy.parent.mkdir(parents=True, exist_ok=True)
    if copy.is_file():
        os.utime(copy)  # its hour begins anew
    else:
        storage.fetch(key, copy)
    return copy


def _forget_copies() -> None:
    oldest = time.time() - LENT_S
    for copy in _copies().glob("*.jpg"):
        with contextlib.suppress(FileNotFoundError):  # another worker was faster
            if copy.stat().st_mtime < oldest:
                copy.unlink()
