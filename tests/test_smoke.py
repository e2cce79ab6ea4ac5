"""The app stands: it boots for production, answers carry the policy, errors are our own."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import security
from config import Config, ConfigError

PUBLIC = ("/", "/sign-up", "/sign-in", "/zh/", "/zh/sign-up", "/api/health", "/nowhere", "/zh")


@pytest.mark.parametrize("path", PUBLIC)
def test_every_answer_carries_the_policy(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["Content-Security-Policy"] == security.CSP
    assert "unsafe" not in security.CSP and security.CSP.startswith("default-src 'none'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "Strict-Transport-Security" not in headers  # not over plain http


def test_both_languages_have_their_address(client: FlaskClient) -> None:
    assert '<html lang="en"' in client.get("/").text
    chinese = client.get("/zh/sign-up")
    assert '<html lang="zh-Hans"' in chinese.text and 'action="/zh/sign-up"' in chinese.text
    assert client.get("/zhx").status_code == 404


def test_not_found_and_bugs_have_pages_of_our_own(app: Flask, client: FlaskClient) -> None:
    app.testing = False
    app.add_url_rule("/broken", "broken", lambda: str(1 / 0))
    page = client.get("/nowhere")
    assert page.status_code == 404 and "Nothing was charged" in page.text
    page = client.get("/broken")
    assert page.status_code == 500 and "ZeroDivisionError" not in page.text
    fragment = client.get("/broken", headers={"HX-Request": "true"})
    assert fragment.status_code == 500 and fragment.headers["HX-Reswap"] == "none"


def test_api_errors_are_problem_json(client: FlaskClient) -> None:
    answer = client.get("/api/nowhere")
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")
    assert answer.json is not None and answer.json["status"] == 404


def test_static_files_are_cached_by_their_content(app: Flask, client: FlaskClient) -> None:
    with app.test_request_context():
        address = app.jinja_env.globals["asset"]("css/base.css")  # type: ignore[operator]
    for path, is_fixed in ((address, True), (address.partition("?")[0], False)):
        answer = client.get(path, buffered=True)
        assert ("immutable" in answer.headers["Cache-Control"]) == is_fixed


def test_the_theme_is_a_cookie_and_stays_on_the_page(client: FlaskClient) -> None:
    answer = client.post("/preferences", data={"theme": "dark", "next": "/sign-up"})
    assert answer.status_code == 303 and answer.location == "/sign-up"
    assert 'data-theme="dark"' in client.get("/").text
    client.post("/preferences", data={"theme": ""})
    assert "data-theme=" not in client.get("/").text.partition("<body")[0]


def test_production_wants_a_secret_and_https(make_app: Callable[..., Flask]) -> None:
    secret = "s" * 32
    for env, name in (
        ({}, "SECRET_KEY"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY"),
        ({"SECRET_KEY": secret}, "APP_URL"),
        ({"SECRET_KEY": secret, "APP_URL": "http://example.org"}, "APP_URL"),
    ):
        with pytest.raises(ConfigError, match=name):
            Config.from_env({"APP_ENV": "production", **env})
    app = make_app(
        APP_ENV="production",
        SECRET_KEY=secret,
        APP_URL="https://example.org",
        LOCAL_RENDER_QUALITY="standard",
    )
    answer = app.test_client().get("/sign-up", base_url="https://example.org")
    assert "Strict-Transport-Security" in answer.headers
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-") and "Secure" in cookie and "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie and "Path=/" in cookie
