"""Headers, cookies, method override and static addresses. The policy holds for every answer."""

import hashlib
from collections.abc import Callable, Iterable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from flask import Flask, Response, request
from werkzeug.middleware.proxy_fix import ProxyFix

from app import limits, media
from app.state_cookie import LazySessions


def csp(media_origin: str | None = None) -> str:
    """The policy. `media_origin` is where pictures and videos come from, beside this site."""
    media_from = "'self'" if media_origin is None else f"'self' {media_origin}"
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src {media_from}",
            f"media-src {media_from}",
            "font-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


CSP = csp()
"""As it is while results live on a disk."""
HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
HSTS = ("Strict-Transport-Security", "max-age=63072000; includeSubDomains; preload")
STATIC_MAX_AGE_S = 365 * 24 * 3600
OVERRIDES = ("DELETE",)


def init_app(app: Flask) -> None:
    """Apply the policy to every answer of `app`."""
    is_production = app.config["APP_ENV"] == "production"
    app.config.update(
        MAX_CONTENT_LENGTH=limits.BODY_MAX_BYTES,
        MAX_FORM_MEMORY_SIZE=limits.BODY_MAX_BYTES,
        SESSION_COOKIE_NAME="__Host-state" if is_production else "state",
        SESSION_COOKIE_PATH="/",
        SESSION_COOKIE_SECURE=is_production,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=None,  # a page left open overnight still posts
        WTF_CSRF_HEADERS=["X-CSRFToken"],
        SEND_FILE_MAX_AGE_DEFAULT=0,
    )
    storage = media.open_storage(app.config["STORAGE_URL"], app.config["S3_ENDPOINT_URL"])
    policy = ("Content-Security-Policy", csp(storage.origin))
    headers = (policy, *HEADERS, HSTS) if is_production else (policy, *HEADERS)

    @app.after_request
    def _cache(response: Response) -> Response:
        if request.endpoint == "static" and "v" in request.args:
            response.headers["Cache-Control"] = f"public, max-age={STATIC_MAX_AGE_S}, immutable"
        elif "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "no-store"
        if response.status_code < 400:  # the flood limits say it with every answer
            response.headers.pop("Retry-After", None)
        return response

    app.jinja_env.globals.update(asset=asset_of(app))
    app.session_interface = LazySessions()
    app.wsgi_app = Policy(app.wsgi_app, headers)  # type: ignore[method-assign]
    app.wsgi_app = MethodOverride(app.wsgi_app)  # type: ignore[method-assign]
    if hops := app.config["TRUSTED_PROXIES"]:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops
        )


def asset_of(app: Flask) -> Callable[[str], str]:
    """`asset(name)`: address of a static file with a digest of its content, cacheable for ever."""
    folder = Path(app.static_folder or "")

    @cache
    def address(name: str) -> str:
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()[:12]
        return f"/static/{name}?v={digest}"

    @cache
    def address_at(name: str, _changed_ns: int) -> str:
        return address.__wrapped__(name)

    def fresh(name: str) -> str:
        return address_at(name, (folder / name).stat().st_mtime_ns)

    return fresh if app.config["APP_ENV"] == "development" else address


class Policy:
    """Adds the headers to every answer, also to one that never reached a route.

    Not `after_request`: setting a header there looks through all that are there already.
    """

    def __init__(
        self, wsgi_app: Callable[..., Iterable[bytes]], headers: tuple[tuple[str, str], ...]
    ) -> None:
        self._wsgi_app, self._headers = wsgi_app, headers

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], error: Any = None) -> Any:
            return start_response(status, [*headers, *self._headers], error)

        return self._wsgi_app(environ, start)


class MethodOverride:
    """A plain HTML form reaches DELETE by POST with `_method=DELETE` in its body.

    Only small urlencoded forms are read, and their body is put back for the app; CSRF is checked
    as for any form, since the token is in the same body.
    """

    def __init__(self, wsgi_app: Callable[..., Iterable[bytes]]) -> None:
        self._wsgi_app = wsgi_app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "POST" and _may_override(environ):
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            environ["wsgi.input"] = BytesIO(body)
            wanted = parse_qs(body.decode("latin-1")).get("_method", [""])[0].upper()
            if wanted in OVERRIDES:
                environ["REQUEST_METHOD"] = wanted
        return self._wsgi_app(environ, start_response)


def _may_override(environ: dict[str, Any]) -> bool:
    length = environ.get("CONTENT_LENGTH") or ""
    kind = environ.get("CONTENT_TYPE", "").partition(";")[0].strip()
    return (
        kind == "application/x-www-form-urlencoded"
        and length.isdigit()
        and int(length) <= 4096  # such forms hold a token and a method
    )
