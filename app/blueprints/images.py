"""The picture that a video may start with: sent ahead of its form, shown to its owner."""

from typing import Any

from flask import Blueprint, Response, abort, make_response, render_template, request, send_file
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.exceptions import RequestEntityTooLarge

from app import error_pages, limits
from app.auth import require_sign_in
from app.blueprints import composing, studio
from app.errors import TooMany, UserError, _l
from app.extensions import limiter
from app.htmx import is_fragment_request
from app.media import MediaError
from app.services import images

TAKE_PICTURES = ("images.create", "videos.create", "studio.quote")

bp = Blueprint("images", __name__, url_prefix="/studio/image")


@bp.app_url_value_preprocessor
def _let_pictures_in(endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """A larger body, where a picture may be in it.

    Here, because CSRF protection reads the form before any `before_request` that comes after it.
    """
    if endpoint in TAKE_PICTURES and request.mimetype == "multipart/form-data":
        request.max_content_length = limits.IMAGE_BODY_MAX_BYTES


@bp.post("")
@limiter.limit("30/minute;300/hour", methods=["POST"])
@require_sign_in
def create() -> ResponseReturnValue:
    """Keep a picture: the field again with its preview, or with what is wrong; a page likewise."""
    form, error = typed()
    if error is None and not _came_along():
        error = UserError(_l("Choose a picture first."), field=images.FIELD)
    return _field(form, error)


def typed() -> tuple[dict[str, str], UserError | None]:
    """The form as sent; a picture that came along is kept, and its id stands in `image_id`.

    With a picture that cannot be used, the form as it was and what is wrong.
    """
    form = request.form.to_dict()
    if not _came_along():
        return form, None
    try:
        content = request.files["image"].stream.read()
        form["image_id"] = images.keep(current_user.id, content).id
    except UserError as error:
        return form, error
    return form, None


def _came_along() -> bool:
    """Whether a file was chosen: without one, browsers send a part without name and content."""
    file = request.files.get("image")
    return file is not None and bool(file.filename)


def _field(form: dict[str, str], error: UserError | None) -> Response:
    image = images.find_owned(current_user.id, form.get("image_id", ""))
    if is_fragment_request():
        errors = {} if error is None else {"image": error_pages.text_of(error)}
        body = render_template("studio/_image.html", image=image, errors=errors)
    else:
        body = studio.page({**composing.composed(form, error=error), "image": image})
    response = make_response(body, 201 if error is None else error.status)
    if isinstance(error, TooMany):
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


@bp.errorhandler(RequestEntityTooLarge)
def _too_large(error: RequestEntityTooLarge) -> Response:
    """The body was not read: neither the form nor the picture is known."""
    if not is_fragment_request():
        return error_pages.show_http_error(error)
    words = error_pages.text_of(UserError(images.REFUSALS["too_large"], **images.WORDS))
    body = render_template("studio/_image.html", image=None, errors={"image": words})
    return make_response(body, 413)


@bp.get("/<uuid:image_id>")
@require_sign_in
def show(image_id: Any) -> ResponseReturnValue:
    """The picture as it is kept, to its owner only."""
    owned = images.get_owned(current_user.id, str(image_id))
    try:
        path = images.path_of(owned.id)
    except MediaError as error:
        abort(404 if error.code == "missing" else 503)
    response = send_file(path, mimetype="image/jpeg", conditional=True, etag=owned.digest)
    response.headers["Cache-Control"] = "private, no-cache"
    return response
