"""Videos: ask for them, watch them being made, play, name, keep or delete them."""

import re
from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from app import auth, catalogue
from app.auth import require_sign_in
from app.blueprints import composing, images, receipts, studio
from app.error_pages import text_of
from app.errors import InvalidForm, NotFound, TooMany, UserError, _l
from app.htmx import is_fragment_request
from app.services import cards, form_tokens, library, requests, videos
from app.services.library import Filters
from app.tasks.videos import ring

TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
PRICE = re.compile(r"[0-9]{1,9}")

bp = Blueprint("videos", __name__, url_prefix="/videos")


@bp.get("")
@require_sign_in
def index() -> ResponseReturnValue:
    """The user's library: search, filters, keyset pages."""
    filters = Filters(
        q=request.args.get("q", "").strip(),
        type=request.args.get("type", ""),
        state=request.args.get("state", "all"),
        favourite=request.args.get("favourite") == "1",
    )
    rows, cursor = library.page(current_user.id, filters, before=request.args.get("before", ""))
    name = "videos/_page.html" if is_fragment_request() else "videos/index.html"
    return render_template(
        name,
        videos=rows,
        next_cursor=cursor,
        filters=filters,
        is_filtered=filters != Filters(),
        catalogue=composing.choices(),
    )


@bp.post("")
@require_sign_in
def create() -> ResponseReturnValue:
    """Charge and queue 1 to 4 videos; a refusal shows the form again with what is wrong."""
    form, wrong = images.typed()
    try:
        if wrong is not None:
            raise wrong
        ids = _request(form)
    except UserError as error:
        return _form_again(form, error)
    ring(ids)
    if not is_fragment_request():
        return redirect(url_for("studio.show", _anchor="live-h"), 303)
    made = [videos.get_owned(current_user.id, video_id) for video_id in reversed(ids)]
    recent = library.recent(current_user.id, len(ids) + 4)
    context = composing.composed(form, fresh=True, is_new=True)
    context["messages"] = [("ok", _("Paid and in line. You can close this page; it goes on."))]
    body = render_template(
        "videos/_created.html", videos=made, running=studio.running(recent), **context
    )
    return make_response(body, 201)


def _request(form: Any) -> list[str]:
    wanted = requests.parse(form)
    token, price = form.get("token", ""), form.get("price", "")
    if not TOKEN.fullmatch(token) or not PRICE.fullmatch(price):
        raise UserError(_l("This form was incomplete. Nothing was charged; press again."))
    kind = form.get("kind", "")
    return videos.request_video(
        current_user.id, wanted, token=token, price_credits=int(price), kind=kind
    )


def _form_again(form: dict[str, str], error: UserError) -> Response:
    """A used or a strange token is replaced; any other refusal leaves it good."""
    token = form.get("token", "")
    fresh = isinstance(error, form_tokens.FormReused) or not TOKEN.fullmatch(token)
    context = composing.composed(form, fresh=fresh, error=error)
    if isinstance(error, InvalidForm) and "" not in context["errors"]:
        context["errors"][""] = _(error.message)
    if is_fragment_request():
        body: str = render_template("studio/_composer.html", **context)
    else:
        body = studio.page(context)
    response = make_response(body, error.status)
    if isinstance(error, TooMany):
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


@bp.get("/<uuid:video_id>")
def show(video_id: Any) -> ResponseReturnValue:
    """The page of a video; to htmx its card, by one statement that also authorises."""
    if is_fragment_request():
        return card(str(video_id))
    return page(str(video_id))


def card(video_id: str) -> ResponseReturnValue:
    """The hot path: no ORM, no session, no user object."""
    video = cards.find(video_id, auth.session_token_hash())
    if video is None:
        if not current_user.is_authenticated:
            return auth.ask_to_sign_in()
        raise NotFound(_l("That video is not here."))
    return _card_of(video)


def _card_of(video: Any) -> str:
    """The card; with the balance in the header where credits have just come back."""
    card = render_template("videos/_card.html", video=video)
    if video.refunded_credits:
        card += render_template("credits/_balance.html")
    return card


@require_sign_in
def page(video_id: str) -> ResponseReturnValue:
    """Player, prompt, settings, sound check and receipt."""
    video = videos.get_owned(current_user.id, video_id)
    return render_template(
        "videos/show.html",
        video=video,
        type=catalogue.find_type(video.type),
        receipt=receipts.of(video),
        scene_name=composing.scene_words(video.scene),
    )


@bp.post("/<uuid:video_id>/title")
@require_sign_in
def rename(video_id: Any) -> ResponseReturnValue:
    """Another title; one that will not do comes back in its form, with what is wrong beside it."""
    title = request.form.get("title", "")
    try:
        video = videos.rename(current_user.id, str(video_id), title)
    except UserError as error:
        if error.field != "title" or not is_fragment_request():
            raise
        owned = videos.get_owned(current_user.id, str(video_id))
        words = text_of(error)
        return render_template("videos/_title.html", video=owned, error=words, typed=title), 422
    return _changed("videos/_title.html", video)


@bp.post("/<uuid:video_id>/favourite")
@require_sign_in
def favour(video_id: Any) -> ResponseReturnValue:
    """Mark as a favourite."""
    return _changed(
        "videos/_favourite.html", videos.set_favourite(current_user.id, str(video_id), True)
    )


@bp.delete("/<uuid:video_id>/favourite")
@require_sign_in
def unfavour(video_id: Any) -> ResponseReturnValue:
    """Take the mark away."""
    return _changed(
        "videos/_favourite.html", videos.set_favourite(current_user.id, str(video_id), False)
    )


@bp.post("/<uuid:video_id>/cancellation")
@require_sign_in
def cancel(video_id: Any) -> ResponseReturnValue:
    """Ask to stop; refunded at once from the queue, else when the stop is certain."""
    video = videos.cancel(current_user.id, str(video_id))
    ring([])
    return _card_of(video) if is_fragment_request() else _back(video)


@bp.post("/<uuid:video_id>/local-drawing")
@require_sign_in
def draw_locally(video_id: Any) -> ResponseReturnValue:
    """Let our own renderer make what no cloud could take for a quarter of an hour."""
    video = videos.draw_locally(current_user.id, str(video_id))
    ring([video.id])
    return _card_of(video) if is_fragment_request() else _back(video)


@bp.delete("/<uuid:video_id>")
@require_sign_in
def delete(video_id: Any) -> ResponseReturnValue:
    """Files gone, ledger kept."""
    videos.delete(current_user.id, str(video_id))
    ring([])
    if is_fragment_request():
        return "", 204, {"HX-Redirect": url_for("videos.index")}
    return redirect(url_for("videos.index"), 303)


@bp.get("/<uuid:video_id>/receipt")
@require_sign_in
def receipt(video_id: Any) -> ResponseReturnValue:
    """What was charged, what came back, and why."""
    video = videos.get_owned(current_user.id, str(video_id))
    return render_template("videos/receipt.html", video=video, receipt=receipts.of(video))


def _changed(name: str, video: Any) -> ResponseReturnValue:
    """The fragment that changed; a plain form goes back to where it was sent from."""
    return render_template(name, video=video) if is_fragment_request() else _back(video)


def _back(video: Any) -> ResponseReturnValue:
    back = auth.safe_next(request.form.get("next") or url_for("videos.show", video_id=video.id))
    return redirect(back, 303)
