"""Errors as a page, a fragment or problem+json (RFC 9457); the session is rolled back first."""

import contextlib
import logging
import uuid
from typing import Any

from flask import Flask, Response, g, jsonify, make_response, render_template, request
from flask_babel import gettext as _
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from app import auth, limits
from app.errors import TooMany, UserError
from app.extensions import db
from app.htmx import is_fragment_request
from app.payments import NotSigned
from app.providers import CallbackRefused, ProviderError

log = logging.getLogger(__name__)


def init_app(app: Flask) -> None:
    """Register the handlers and give each request an id."""
    app.register_error_handler(UserError, show_user_error)
    app.register_error_handler(CSRFError, show_csrf_error)
    app.register_error_handler(CallbackRefused, show_refused_callback)
    app.register_error_handler(NotSigned, show_not_signed)
    app.register_error_handler(ProviderError, show_vendor_trouble)
    app.register_error_handler(HTTPException, show_http_error)
    app.register_error_handler(Exception, show_bug)


def request_id() -> str:
    """A random id of this request, for logs and for the person who reports an error."""
    if "request_id" not in g:
        g.request_id = uuid.uuid4().hex[:12]
    return str(g.request_id)


def text_of(error: UserError) -> str:
    """The message in the visitor's language."""
    return _(error.message, **error.values_)


def show_user_error(error: UserError) -> Response:
    """A rule said no."""
    db.session.rollback()
    response = _answer(error.status, _title(error.status), text_of(error), error.field)
    if isinstance(error, TooMany):
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def show_csrf_error(_error: CSRFError) -> Response:
    """No token, or not ours: usually a page from before signing in or out.

    A program without a session hears that: there is nothing that could be forged.
    """
    db.session.rollback()
    if request.path.startswith("/api/") and not current_user.is_authenticated:
        return show_http_error(auth.no_session())
    return _answer(
        400,
        _("This page is out of date"),
        _("Nothing was done and nothing was charged. Load the page again and repeat it."),
    )


def show_refused_callback(error: CallbackRefused) -> Response:
    """Not signed as its sender signs: nothing was believed."""
    db.session.rollback()
    log.warning("callback refused at %s: %s", request.path, error)
    return _answer(401, _("Not believed"), _("The signature of this callback does not fit."))


def show_not_signed(error: NotSigned) -> Response:
    """Not from Creem: an event is refused, an address said to come from there leads nowhere."""
    db.session.rollback()
    log.warning("not signed by Creem at %s: %s", request.path, error)
    if request.path.startswith("/api/"):
        return _answer(401, _("Not believed"), _("The signature of this message does not fit."))
    return _answer(404, _title(404), _message(404))


def show_vendor_trouble(error: ProviderError) -> Response:
    """A callback that nobody can judge now, its sender's keys being away: it comes again."""
    db.session.rollback()
    log.warning("%s: %s", request.path, error)
    return _answer(503, _title(503), _message(503))


def show_http_error(error: HTTPException) -> Response:
    """Not found, not allowed, too large, too many: in the site's own words."""
    db.session.rollback()
    if error.code is None or error.code < 400:  # a redirect in the shape of an exception
        return make_response(error.get_response())
    response = _answer(error.code, _title(error.code), _message(error.code))
    original = error.get_response()
    for name in ("Allow", "Retry-After", "WWW-Authenticate", "Content-Range"):
        if name in original.headers:
            response.headers[name] = original.headers[name]
    return response


def show_bug(error: Exception) -> Response:
    """Ours. The visitor gets an id, the log the rest."""
    with contextlib.suppress(SQLAlchemyError):
        db.session.rollback()
    log.error("request %s: %s %s", request_id(), request.method, request.path, exc_info=error)
    try:
        return _answer(500, _title(500), _message(500))
    except SQLAlchemyError:  # the page asks for the visitor and the balance: not without a database
        return Response(f"{_message(500)} ({request_id()})", 500, mimetype="text/plain")


def _answer(status: int, title: str, message: str, field: str = "") -> Response:
    if request.path.startswith("/api/"):
        response = jsonify(_problem(status, title, message, field))
        response.mimetype = "application/problem+json"
    elif is_fragment_request():
        response = make_response(
            render_template("shared/_flash.html", messages=[("danger", message)])
        )
        response.headers["HX-Reswap"] = "none"  # htmx 4 swaps errors: the target must stay
    else:
        response = make_response(
            render_template(
                "errors/error.html",
                status=status,
                title=title,
                message=message,
                request_id=request_id() if status >= 500 else None,
            )
        )
    response.status_code = status
    return response


def _problem(status: int, title: str, message: str, field: str) -> dict[str, Any]:
    problem: dict[str, Any] = {"type": "about:blank", "title": title, "status": status}
    problem["detail"] = message
    if field:
        problem["errors"] = [{"path": field, "message": message}]
    if status >= 500:
        problem["request_id"] = request_id()
    return problem


def _title(status: int) -> str:
    titles = {
        400: _("That did not arrive as it should"),
        401: _("Please sign in"),
        402: _("Not enough credits"),
        404: _("That page is not here"),
        405: _("That is not possible here"),
        413: _("That is too large"),
        416: _("That part of the file is not there"),
        422: _("That did not work"),
        429: _("A moment, please"),
        500: _("Something broke on our side"),
        503: _("Something is not available just now"),
    }
    return titles.get(status, titles[500 if status >= 500 else 400])


def _most_bytes() -> int:
    """The limit as a person knows it: where a picture may come along, the picture's own."""
    most = request.max_content_length or 0
    return limits.IMAGE_MAX_BYTES if most > limits.BODY_MAX_BYTES else most


def _message(status: int) -> str:
    messages = {
        400: _("The request could not be read. Nothing was charged."),
        401: _("This page is for people who are signed in."),
        404: _("It may have been deleted, or the address has a slip in it. Nothing was charged."),
        405: _("This address does not take that kind of request. Nothing was charged."),
        413: _(
            "What was sent is larger than %(most)d MB. Nothing was charged.",
            most=_most_bytes() // 2**20,
        ),
        416: _("The file is shorter than the part that was asked for."),
        429: _("That was a lot in a short time. Wait a minute, then try again."),
        503: _("Try again in a few minutes. Nothing was charged."),
        500: _("We have written it down. Nothing was charged for what did not happen; try again."),
    }
    return messages.get(status, messages[500 if status >= 500 else 400])
