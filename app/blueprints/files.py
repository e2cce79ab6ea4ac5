"""The bytes of a video: the file with Range, poster and thumbnail, to their owner only."""

from datetime import UTC
from typing import Any

from flask import Blueprint, Response, abort, request, send_file
from flask.typing import ResponseReturnValue
from flask_login import current_user

from app.auth import require_sign_in
from app.services import vendors, videos

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


def _send(owned: Any, key: str | None, mimetype: str, name: str | None = None) -> Response:
    storage = vendors.current().storage
    if key is None or not storage.exists(key):
        abort(404)
    response = send_file(
        storage.path(key),
        mimetype=mimetype,
        as_attachment=name is not None,
        download_name=name,
        conditional=True,
        etag=f"{owned.id}-{key.rpartition('/')[2]}",
        last_modified=owned.completed_at.astimezone(UTC) if owned.completed_at else None,
    )
    response.headers["Cache-Control"] = "private, no-cache"
    return response
