"""Who appears in tests, and the browser they use."""

from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from flask_wtf.csrf import generate_csrf
from werkzeug.test import TestResponse

PASSWORD = "seven quiet strawberries"
UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}


class Browser(FlaskClient):
    """A client that sends the CSRF token as a page's script does; `csrf=False` leaves it out."""

    @classmethod
    def of(cls, app: Flask) -> "Browser":
        """A new browser, without cookies."""
        browser = app.test_client()
        assert isinstance(browser, cls)
        return browser

    def open(self, *arguments: Any, csrf: bool = True, **options: Any) -> TestResponse:
        if csrf and str(options.get("method", "GET")).upper() in UNSAFE:
            headers = dict(options.pop("headers", None) or {})
            options["headers"] = {"X-CSRFToken": self.csrf_token(), **headers}
        return super().open(*arguments, **options)

    def csrf_token(self) -> str:
        """A token that belongs to this browser's state cookie."""
        with self.application.test_request_context() as context:
            with self.session_transaction() as state:
                context.session.update(state)
                token = generate_csrf()
                state.update(context.session)
            return token


@dataclass(frozen=True)
class Person:
    """One of the cast."""

    id: int
    email: str
    password: str = PASSWORD
