"""The studio: the composer with the live cards beside it."""

from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user

from app import limits
from app.auth import require_sign_in
from app.blueprints import composing
from app.htmx import is_fragment_request
from app.services import library, videos

bp = Blueprint("studio", __name__)


@bp.get("/studio")
@require_sign_in
def show() -> ResponseReturnValue:
    """The composer, empty, for a type (`?type=`) or with a video's settings (`?again=`)."""
    if video_id := request.args.get("again"):
        context = composing.again(videos.get_owned(current_user.id, video_id))
    else:
        chosen = {name: request.args[name] for name in ("type", "prompt") if name in request.args}
        context = composing.blank(**chosen)
    return page(context)


@bp.post("/studio/quote")
@require_sign_in
def quote() -> ResponseReturnValue:
    """The price for the form as it stands: a fragment, or the page where JavaScript is off."""
    from app.blueprints import images  # it shows the studio too

    form, error = images.typed()
    context = composing.composed(form, error=error)
    if is_fragment_request():
        return render_template("studio/_quote.html", **context)
    return page(context)


def page(context: dict[str, Any]) -> str:
    """The whole studio around a composer."""
    recent = library.recent(current_user.id, limits.STUDIO_RECENT_VIDEOS)
    return render_template("studio/show.html", videos=recent, running=running(recent), **context)


def running(recent: list[Any]) -> dict[str, Any] | None:
    """How many videos are being made, and the first of them."""
    live = [video for video in recent if video.is_live]
    return {"count": len(live), "video": live[-1]} if live else None
