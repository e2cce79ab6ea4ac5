"""Two languages: English at `/`, Simplified Chinese at `/zh/`. The address decides.

A WSGI middleware moves the `/zh` prefix into SCRIPT_NAME, so that routes are written once and every
`url_for` keeps the language by itself (docs/decisions/003).
"""

from collections.abc import Callable, Iterable
from typing import Any

from babel.support import NullTranslations
from flask import Flask, has_request_context, request
from flask_babel import get_locale, get_translations
from jinja2 import pass_eval_context
from jinja2.nodes import EvalContext
from markupsafe import Markup

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
    babel.init_app(app, locale_selector=_of_address)
    words = {"_": _in_template, "gettext": _in_template, "ngettext": _in_template_plural}
    app.jinja_env.globals.update(words, other_language_url=other_language_url)

    @app.context_processor
    def _locale() -> dict[str, str]:
        return {"locale": locale()}


def _of_address() -> str:
    return str(request.environ.get("app.locale", "en")) if has_request_context() else "en"


def locale() -> str:
    """`en` or `zh`: of the request's address; outside of one, what `force_locale` says."""
    code = request.environ.get("app.locale") if has_request_context() else None
    if code is None:
        known = get_locale()
        return "zh" if known is not None and known.language == "zh" else "en"
    return str(code)


_catalogues: dict[str, NullTranslations] = {}


def _catalogue() -> NullTranslations:
    """Flask-Babel finds it anew for every text, which took a third of a card's time."""
    code = request.environ.get("app.locale") if has_request_context() else None
    if code is None:
        return get_translations()
    found = _catalogues.get(code)
    if found is None:
        found = _catalogues[code] = get_translations()
    return found


def gettext(text: str, /, **values: object) -> str:
    """The text in the visitor's language, with its values."""
    words: str = _catalogue().ugettext(text)
    return words % values if values else words


def ngettext(one: str, many: str, number: int, /, **values: object) -> str:
    """The text for `number` things in the visitor's language; `%(num)s` is the number."""
    words: str = _catalogue().ungettext(one, many, number)
    return words % {"num": number, **values}


@pass_eval_context
def _in_template(context: EvalContext, text: str, /, **values: object) -> str:
    """`gettext` for templates: the text is trusted, values are escaped where the page is."""
    words: str = _catalogue().ugettext(text)
    if context.autoescape:
        words = Markup(words)  # noqa: S704 - our own catalogue
    return words % values if values or "%" in words else words


@pass_eval_context
def _in_template_plural(
    context: EvalContext, one: str, many: str, number: int, /, **values: object
) -> str:
    words: str = _catalogue().ungettext(one, many, number)
    if context.autoescape:
        words = Markup(words)  # noqa: S704 - our own catalogue
    return words % {"num": number, **values}


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
