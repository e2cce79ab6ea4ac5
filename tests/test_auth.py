"""Who is asking: the guard of pages, the cookie and its session, and the flood limits."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from app import limits
from app.extensions import limiter
from app.services import sessions
from tests.conftest import PASSWORD, Call, Person

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def is_signed_in(client: FlaskClient) -> bool:
    return client.get("/studio").status_code == 200


def cookie_of(client: FlaskClient) -> str | None:
    cookie = client.get_cookie("session")
    return cookie.value if cookie else None


# Where to go afterwards ------------------------------------------------------------------------


def test_a_page_asks_to_sign_in_and_comes_back(alice: Person, client: FlaskClient) -> None:
    asked = client.get("/zh/videos?q=glass&state=ready")
    assert asked.status_code == 302
    assert asked.location == "/zh/sign-in?next=/zh/videos?q%3Dglass%26state%3Dready"
    form = client.get(asked.location)
    goal = re.search(r'action="/zh/sign-in".*?name="next" value="([^"]+)"', form.text, re.DOTALL)
    assert goal is not None
    answer = client.post(
        "/zh/sign-in",
        data={"email": alice.email, "password": PASSWORD, "next": goal[1].replace("&amp;", "&")},
    )
    assert answer.location == "/zh/videos?q=glass&state=ready"


def test_a_fragment_is_told_to_load_the_form(client: FlaskClient) -> None:
    answer = client.post(
        "/studio/quote",
        headers={"HX-Request": "true", "HX-Current-URL": "http://localhost/studio?type=ice-cut"},
    )
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == "/sign-in?next=/studio?type%3Dice-cut"


def test_what_was_posted_is_not_come_back_to(client: FlaskClient) -> None:
    answer = client.post("/videos", data={"prompt": "rain"})
    assert answer.status_code == 302
    assert answer.location == "/sign-in?next=/studio"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "\t//evil.example",
        "/\n/evil.example",
        "javascript:alert(1)",
        "http:evil.example",
        "evil.example",
        "//evil.example@localhost/",
        "/a\r\nSet-Cookie: x=y",
        "//[evil",
        "",
    ],
)
def test_no_target_leads_to_another_site(alice: Person, client: FlaskClient, target: str) -> None:
    answer = client.post(
        "/sign-in", data={"email": alice.email, "password": PASSWORD, "next": target}
    )
    assert (answer.status_code, answer.location) == (303, "/studio")


# The cookie ------------------------------------------------------------------------------------


def test_the_cookie_is_for_this_site_only_and_not_for_scripts(
    alice: Person, client: FlaskClient
) -> None:
    answer = client.post("/sign-in", data={"email": alice.email, "password": PASSWORD})
    (cookie,) = [line for line in answer.headers.getlist("Set-Cookie") if "session=" in line]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie
    assert "Max-Age=2592000" in cookie
    assert "Domain" not in cookie


def test_in_production_it_is_bound_to_the_host(
    make_app: Callable[..., Flask], alice: Person
) -> None:
    app = make_app(APP_ENV="production", APP_URL="https://asmr.example.org")
    limiter.enabled = False
    client = app.test_client()
    page = client.get("/sign-in", base_url="https://asmr.example.org")
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    assert token is not None
    answer = client.post(
        "/sign-in",
        base_url="https://asmr.example.org",
        headers={"Referer": "https://asmr.example.org/sign-in"},
        data={"email": alice.email, "password": PASSWORD, "csrf_token": token[1]},
        csrf=False,
    )
    assert answer.status_code == 303
    (cookie,) = [line for line in answer.headers.getlist("Set-Cookie") if "session=" in line]
    assert cookie.startswith("__Host-session=")
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie


@pytest.mark.parametrize("forged", ["", "forged", "x" * 4000, "a.b.c", "%00", "é"])
def test_a_forged_cookie_is_signed_out_and_taken_away(client: FlaskClient, forged: str) -> None:
    client.set_cookie("session", forged)
    answer = client.get("/studio")
    assert answer.status_code == 302
    assert cookie_of(client) is None


def test_a_session_that_is_over_is_taken_away(
    alice: Person, client: FlaskClient, call: Call
) -> None:
    with time_machine.travel(NOON, tick=False):
        client.set_cookie("session", call(sessions.start, alice.id, ""))
        assert is_signed_in(client)
    with time_machine.travel(NOON + limits.SESSION_DAYS * DAY, tick=False):
        assert not is_signed_in(client)
    assert cookie_of(client) is None


def test_a_revoked_session_is_taken_away(alice_client: FlaskClient, call: Call) -> None:
    assert is_signed_in(alice_client)
    call(sessions.revoke, str(cookie_of(alice_client)))
    assert not is_signed_in(alice_client)
    assert cookie_of(alice_client) is None


def test_a_visit_a_day_keeps_someone_signed_in(
    alice: Person, client: FlaskClient, call: Call
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        client.set_cookie("session", call(sessions.start, alice.id, ""))
        for _ in range(limits.SESSION_DAYS + 5):
            clock.shift(DAY + timedelta(minutes=1))
            answer = client.get("/studio")
            assert answer.status_code == 200
        (cookie,) = [line for line in answer.headers.getlist("Set-Cookie") if "session=" in line]
        assert "Max-Age=2592000" in cookie
        again = client.get("/studio").headers.getlist("Set-Cookie")
        assert not [line for line in again if "session=" in line]


# Floods ----------------------------------------------------------------------------------------


@pytest.fixture
def minute() -> Iterator[time_machine.Traveller]:
    """The clock stands early in a minute, where the flood limits begin to count anew."""
    with time_machine.travel(NOON + timedelta(seconds=1), tick=False) as clock:
        yield clock


@pytest.mark.parametrize("path", ["/sign-in", "/sign-up", "/verify"])
def test_ten_tries_a_minute_then_a_pause(
    make_app: Callable[..., Flask], minute: time_machine.Traveller, path: str
) -> None:
    client = make_app(APP_ENV="development").test_client()
    data = {"email": "not an address", "password": "nothing"}
    statuses = [client.post(path, data=data).status_code for _ in range(11)]
    assert 429 not in statuses[:10]
    assert statuses[10] == 429
    pause = int(client.post(path, data=data).headers["Retry-After"])
    assert 59 <= pause <= 60
    if path != "/verify":
        assert client.get(path).status_code == 200  # looking at the form is no try
    minute.shift(pause + 1)
    statuses = [client.post(path, data=data).status_code for _ in range(2)]
    assert statuses[0] != 429  # they come back one at a time, as the old minute slides away
    assert statuses[1] == 429


def test_many_visitors_cannot_aim_at_one_account(
    make_app: Callable[..., Flask], minute: time_machine.Traveller
) -> None:
    client = make_app(APP_ENV="development").test_client()
    data = {"email": "carol@example.org", "password": "wrong"}
    statuses = [
        client.post(
            "/sign-in", data=data, environ_base={"REMOTE_ADDR": f"192.0.2.{number}"}
        ).status_code
        for number in range(11)
    ]
    assert statuses == [422] * 10 + [429]
