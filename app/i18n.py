"""Two languages: English at `/`, Simplified Chinese at `/zh/`. The address decides.

A WSGI middleware moves the `/zh` prefix into SCRIPT_NAME, so that routes are written once and every
`url_for` keeps the language by itself (docs/decisions/003).
"""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, request

from app.extensions import babel

PREFIXES = {"zh": "/zh"}
LOCALES = ("en", "zh")


class LanguagePrefix:
    """/zh/studio -> SCRIPT_NAME=/zh, PATH_INFO=/studio."""

    def __init__(self, wsgi_app: Callable[..., Iterable[bytes]]) -> None:
        self._wsgi_app = wsgi_app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        environ["app.locale"] = "en"
        for locale, prefix in PREFIXES.items():
            if path == prefix or path.startswith(f"{prefix}/"):
                environ["app.locale"] = locale
                environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + prefix
                environ["PATH_INFO"] = path[len(prefix) :] or "/"
        return self._wsgi_app(environ, start_response)


def init_app(app: Flask) -> None:
    """Install the middleware, the locale selector and what templates need."""
    app.wsgi_app = LanguagePrefix(app.wsgi_app)  # type: ignore[method-assign]
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = "translations"
    babel.init_app(app, locale_selector=locale)
    app.jinja_env.globals.update(other_language_url=other_language_url)

    @app.context_processor
    def _locale() -> dict[str, str]:
        return {"locale": locale()}


def locale() -> str:
    """`en` or `zh`, from the address of the current request; English outside of one."""
    return str(request.environ.get("app.locale", "en")) if request else "en"


def other_language_url(code: str) -> str:
    """The current page's address in another language; the query is kept.

    What answers a form may have no page at its address: then it is the home page's.
    """
    root = request.script_root.removesuffix(PREFIXES.get(locale(), ""))
    if request.method not in ("GET", "HEAD"):
        return f"{root}{PREFIXES.get(code, '')}/"
    path = "/" + request.path.lstrip("/")  # `//host` would be another site
    query = request.query_string.decode("ascii", "replace")
    return f"{root}{PREFIXES.get(code, '')}{path}" + (f"?{query}" if query else "")
