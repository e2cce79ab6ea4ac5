"""The bytes of a video: the file with Range, poster and thumbnail, to their owner only.

From a disk this app sends them itself. From S3 it sends the owner there, with an address that works
for an hour: the bytes of a video never pass through a web process.
"""

import time
from datetime import UTC
from pathlib import Path
from typing import Any

from flask import Blueprint, abort, redirect, request, send_file
from flask.typing import ResponseReturnValue
from flask_login import current_user

from app import media
from app.auth import require_sign_in
from app.services import vendors, videos

ADDRESS_LIFE_S = 3600
"""Long enough for a player that was paused, short enough for a link that got about."""
SAME_FOR_S = 1200
"""So long the same address is given again: a browser knows what it has by its address."""
KNOWN_MOST = 10_000

bp = Blueprint("files", __name__, url_prefix="/videos/<uuid:video_id>")


@bp.get("/file")
@require_sign_in
def video(video_id: Any) -> ResponseReturnValue:
    """The MP4; `?download=1` names it after its title."""
    owned = videos.get_owned(current_user.id, str(video_id))
    name = f"{owned.title or 'video'}.mp4" if "download" in request.args else None
    return _send(owned, owned.file_key, "video/mp4", name)


@bp.get("/poster")
@require_sign_in
def poster(video_id: Any) -> ResponseReturnValue:
    """One frame at the video's size."""
    owned = videos.get_owned(current_user.id, str(video_id))
    return _send(owned, owned.poster_key, "image/jpeg")


@bp.get("/thumbnail")
@require_sign_in
def thumbnail(video_id: Any) -> ResponseReturnValue:
    """One frame for cards."""
    owned = videos.get_owned(current_user.id, str(video_id))
    return _send(owned, owned.thumbnail_key, "image/jpeg")


def _send(
    owned: Any, key: str | None, mimetype: str, name: str | None = None
) -> ResponseReturnValue:
    if key is None:
        abort(404)
    storage = vendors.current().storage
    if isinstance(storage, media.DiskStorage):
        return _send_file(owned, storage.path(key), mimetype, name)
    # Whether it is there is not asked: that would be a call to a vendor for each picture of a page.
    response = redirect(_address(storage, key, mimetype, name))
    response.headers["Cache-Control"] = "private, no-store"  # the next one gets a fresh address
    return response


_known: dict[tuple[str, str | None], tuple[float, str]] = {}


def _address(storage: media.Storage, key: str, mimetype: str, name: str | None) -> str:
    """A signed address, the same for a while."""
    made_at, address = _known.get((key, name), (0.0, ""))
    if not address or time.monotonic() - made_at > SAME_FOR_S:
        address = str(
            storage.address(key, expires_s=ADDRESS_LIFE_S, mimetype=mimetype, filename=name)
        )
        if len(_known) >= KNOWN_MOST:
            _known.clear()
        _known[key, name] = time.monotonic(), address
    return address


def _send_file(owned: Any, path: Path, mimetype: str, name: str | None) -> ResponseReturnValue:
    if not path.is_file():
        abort(404)
    response = send_file(
        path,
        mimetype=mimetype,
        as_attachment=name is not None,
        download_name=name,
        conditional=True,
        etag=f"{owned.id}-{path.name}",
        last_modified=owned.completed_at.astimezone(UTC) if owned.completed_at else None,
    )
    response.headers["Cache-Control"] = "private, no-cache"
    return response
