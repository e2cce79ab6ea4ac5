"""Who is asking: the session cookie, the guard of pages, and where to go after signing in.

Flask-Login serves `current_user` through a request loader only; `login_user` is never called.  Our
cookie holds a random token (services/sessions.py).  Flask's own session holds the CSRF state and
flashes, and starts anew when someone signs in or out.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from flask import (
    Flask,
    Request,
    Response,
    abort,
    current_app,
    g,
    make_response,
    redirect,
    request,
    session,
    url_for,
)
from flask_login import current_user
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from app import limits
from app.extensions import login
from app.htmx import is_fragment_request
from app.models import User
from app.services import sessions

View = TypeVar("View", bound=Callable[..., Any])

MAX_AGE_S = limits.SESSION_DAYS * 24 * 3600


def init_app(app: Flask) -> None:
    """Let requests be recognised by our cookie, and keep the cookie in step with its session."""
    login.session_protection = None  # would write into Flask's session at every visit
    login.request_loader(_load_user)
    app.after_request(_keep_cookie)


def cookie_name() -> str:
    """`__Host-` binds the cookie to this host, https and the path / (RFC 6265bis, 4.1.3.2)."""
    return "__Host-session" if _is_secure() else "session"


def session_token_hash() -> str | None:
    """What the table knows of the request's cookie, None when there is none: for hot queries."""
    token = request.cookies.get(cookie_name())
    return sessions.hash_of(token) if token else None


def start_session(response: Response, user: User) -> None:
    """Sign the browser in: a new token, a new CSRF state; an old session of it ends."""
    old = request.cookies.get(cookie_name())
    user_id = user.id
    if old:
        sessions.revoke(old)
    token = sessions.start(user_id, request.headers.get("User-Agent", ""))
    session.clear()
    g.session_cookie_set = True
    _set_cookie(response, token)


def end_session(response: Response) -> None:
    """Sign the browser out; the session is revoked, so a copy of the cookie opens nothing."""
    if token := request.cookies.get(cookie_name()):
        sessions.revoke(token)
    session.clear()
    g.session_cookie_set = True
    _delete_cookie(response)


def require_sign_in(view: View) -> View:
    """Let only those in who are signed in; others are asked to, and come back afterwards."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if not current_user.is_authenticated:
            return ask_to_sign_in()
        return view(*args, **kwargs)

    return cast(View, guarded)


def require_admin(view: View) -> View:
    """Let only administrators in; to everybody else there is nothing here."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if not (current_user.is_authenticated and current_user.is_admin):
            abort(404)
        return view(*args, **kwargs)

    return cast(View, guarded)


def no_session() -> Unauthorized:
    """401 for a program. The scheme is that of draft-broyer-http-cookie-auth: a form gives it."""
    form = {"form-action": url_for("accounts.sign_in"), "cookie-name": cookie_name()}
    wanted = WWWAuthenticate("cookie", {"realm": "CuttingASMR", **form})
    return Unauthorized(www_authenticate=wanted)


def ask_to_sign_in() -> Response:
    """A page goes to the form (302); htmx gets 401 and is told to load the form as a page."""
    if not is_fragment_request():
        return make_response(redirect(_form_address(_here()), 302))
    page = urlsplit(request.headers.get("HX-Current-URL", ""))
    back = page.path + (f"?{page.query}" if page.query else "")
    response = make_response("", 401)
    response.headers["HX-Redirect"] = _form_address(back)
    return response


def safe_next(target: str | None, fallback: str | None = None) -> str:
    """`target` when it is a path on this site, else `fallback`, else the home page.

    Browsers read a backslash as a slash, drop control characters, and take `//host` for another
    site (WHATWG URL, 4.4): none of these is a path here.
    """
    home = fallback or url_for("pages.home")
    if not target or not target.startswith("/") or target.startswith("//"):
        return home
    if "\\" in target or any(ord(character) < 33 or ord(character) == 127 for character in target):
        return home
    try:
        parts = urlsplit(target)
    except ValueError:
        return home
    return home if parts.scheme or parts.netloc else target


def _here() -> str:
    """Where to come back to; what was posted cannot be repeated by a GET."""
    if request.method not in ("GET", "HEAD"):
        return ""
    query = request.query_string.decode("ascii", "replace")
    return f"{request.script_root}{request.path}" + (f"?{query}" if query else "")


def _form_address(back: str) -> str:
    return url_for("accounts.sign_in", next=safe_next(back, url_for("studio.show")))


def _load_user(asked: Request) -> User | None:
    token = asked.cookies.get(cookie_name())
    if token is None:
        return None
    resumed = sessions.resume(token)
    if resumed is None:
        g.session_is_dead = True
        return None
    user, g.session_renewed = resumed
    return user


def _keep_cookie(response: Response) -> Response:
    """Lengthen the cookie of a renewed session, drop one that opens nothing."""
    if "session_cookie_set" in g:
        return response
    if g.get("session_is_dead"):
        _delete_cookie(response)
    elif g.get("session_renewed"):
        _set_cookie(response, request.cookies[cookie_name()])
    return response


def _set_cookie(response: Response, token: str) -> None:
    response.set_cookie(cookie_name(), token, max_age=MAX_AGE_S, **_attributes())


def _delete_cookie(response: Response) -> None:
    response.delete_cookie(cookie_name(), **_attributes())


def _attributes() -> dict[str, Any]:
    return {"path": "/", "secure": _is_secure(), "httponly": True, "samesite": "Lax"}


def _is_secure() -> bool:
    return bool(current_app.config["APP_ENV"] == "production")
