"""Accounts through the front door: from the form over the mail to the welcome credits."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.extensions import limiter
from app.services import accounts
from tests.conftest import PASSWORD, Call, Person, Rows
from tests.services.test_accounts import link_token
from tests.services.test_mails import body, outbox

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
CAROL = {"email": "carol@example.org", "password": PASSWORD}
DAY = timedelta(days=1)


def sign_up(client: FlaskClient, **changes: str) -> TestResponse:
    return client.post("/sign-up", data={**CAROL, **changes})


def is_signed_in(client: FlaskClient) -> bool:
    return client.get("/studio").status_code == 200


def cookie_of(client: FlaskClient) -> str | None:
    cookie = client.get_cookie("session")
    return cookie.value if cookie else None


# The whole way ---------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_from_the_form_to_eight_credits(
    app: Flask, client: FlaskClient, rows: Rows, run_tasks: Callable[[], int]
) -> None:
    answer = sign_up(client)
    assert (answer.status_code, answer.location) == (303, "/sign-up/sent")
    assert CAROL["email"] in client.get("/sign-up/sent").text
    assert not is_signed_in(client)

    run_tasks()
    (message,) = outbox(app)
    link = re.search(r"http://\S+/verify/\S+", body(message))
    assert link is not None
    path = link[0].removeprefix(app.config["APP_URL"])

    assert client.get(path).status_code == 200
    assert client.head(path).status_code == 200
    assert rows("SELECT 1 FROM credit_entries") == []  # a mail scanner gives nothing away

    answer = client.post(path)
    assert (answer.status_code, answer.location) == (303, "/studio")
    page = client.get("/studio")
    assert page.status_code == 200
    assert "Your address is confirmed. 8 credits are yours." in page.text
    assert [row["amount"] for row in rows("SELECT amount FROM credit_entries")] == [8]

    again = client.post(path)
    assert again.status_code == 410
    assert len(rows("SELECT 1 FROM credit_entries")) == 1


def test_in_chinese_the_whole_way_stays_chinese(
    app: Flask, client: FlaskClient, rows: Rows, run_tasks: Callable[[], int]
) -> None:
    answer = client.post("/zh/sign-up", data=CAROL)
    assert answer.location == "/zh/sign-up/sent"
    assert rows("SELECT locale FROM users")[0]["locale"] == "zh"
    run_tasks()
    link = re.search(r"http://\S+/zh/verify/\S+", body(outbox(app)[0]))
    assert link is not None
    answer = client.post(link[0].removeprefix(app.config["APP_URL"]))
    assert answer.location == "/zh/studio"


def test_who_was_going_somewhere_arrives_there_after_signing_up(
    app: Flask, client: FlaskClient
) -> None:
    goal = "/studio?prompt=glass+strawberry"
    sent_away = client.get(goal)
    assert sent_away.status_code == 302
    client.post("/sign-up", query_string={"next": goal}, data=CAROL)
    answer = client.post(f"/verify/{link_token(app, CAROL['email'])}")
    assert answer.location == goal


def test_signing_in_and_out(alice: Person, client: FlaskClient, rows: Rows) -> None:
    answer = client.post("/sign-in", data={"email": "Alice@Example.org ", "password": PASSWORD})
    assert (answer.status_code, answer.location) == (303, "/studio")
    assert is_signed_in(client)
    token = cookie_of(client)
    answer = client.post("/sign-out")
    assert (answer.status_code, answer.location) == (303, "/")
    assert cookie_of(client) is None
    client.set_cookie("session", str(token))  # a copy that someone kept
    assert not is_signed_in(client)
    assert client.post("/sign-out").status_code == 303  # again: nothing to do


def test_signing_in_again_ends_the_session_before(alice_client: FlaskClient, alice: Person) -> None:
    before = cookie_of(alice_client)
    alice_client.post("/sign-in", data={"email": alice.email, "password": PASSWORD})
    after = cookie_of(alice_client)
    assert after not in (None, before)
    alice_client.set_cookie("session", str(before))
    assert not is_signed_in(alice_client)


@pytest.mark.parametrize("path", ["/sign-up", "/sign-in"])
def test_forms_send_those_on_who_are_signed_in(alice_client: FlaskClient, path: str) -> None:
    assert alice_client.get(path).location == "/studio"


# Bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"email": ""}, "does not look like an e-mail address"),
        ({"email": "no address"}, "does not look like an e-mail address"),
        ({"password": ""}, "Use at least 10 characters."),
        ({"password": "password123"}, "among the first that others would try"),
        ({"password": "carol@example.org"}, "must not be your e-mail address"),
        ({"password": "x" * 300}, "Use at most 256 characters."),
    ],
)
def test_the_form_comes_back_with_what_is_wrong(
    client: FlaskClient, rows: Rows, changes: dict[str, str], words: str
) -> None:
    answer = sign_up(client, **changes)
    assert answer.status_code == 422
    assert words in answer.text
    assert 'type="password"' in answer.text
    assert PASSWORD not in answer.text  # what was typed there is not sent back
    assert rows("SELECT 1 FROM users") == []


def test_what_was_typed_is_escaped(client: FlaskClient) -> None:
    answer = sign_up(client, email='"><script>alert(1)</script>')
    assert answer.status_code == 422
    assert "<script>alert(1)" not in answer.text


def test_missing_fields_are_a_form_error_and_no_crash(client: FlaskClient) -> None:
    assert client.post("/sign-up", data={}).status_code == 422
    assert client.post("/sign-in", data={}).status_code == 422
    assert client.post("/verify", data={}).status_code == 303


@pytest.mark.parametrize("path", ["/sign-up", "/sign-in", "/sign-out", "/verify", "/verify/x"])
def test_without_a_csrf_token_nothing_happens(
    alice_client: FlaskClient, rows: Rows, path: str
) -> None:
    answer = alice_client.post(path, data=CAROL, csrf=False)
    assert answer.status_code == 400
    assert is_signed_in(alice_client)
    assert len(rows("SELECT 1 FROM users")) == 1
    assert rows("SELECT 1 FROM mails") == []


@pytest.mark.parametrize("path", ["/sign-out", "/verify"])
def test_a_link_in_a_page_cannot_sign_anyone_out(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 405


@pytest.mark.parametrize("path", ["/sign-up", "/sign-in"])
def test_other_methods_are_not_allowed(client: FlaskClient, path: str) -> None:
    for method in ("PUT", "DELETE", "PATCH"):
        assert client.open(path, method=method).status_code == 405


def test_the_csrf_state_starts_anew_at_both_ends(alice: Person, client: FlaskClient) -> None:
    tokens = [client.csrf_token()]  # type: ignore[attr-defined]
    client.post("/sign-in", data={"email": alice.email, "password": PASSWORD})
    with client.session_transaction() as state:
        assert "csrf_token" not in state
    tokens.append(client.csrf_token())  # type: ignore[attr-defined]
    stale = client.post("/sign-out", csrf=False, headers={"X-CSRFToken": tokens[0]})
    assert stale.status_code == 400
    client.post("/sign-out")
    with client.session_transaction() as state:
        assert "csrf_token" not in state


# Nobody learns who has an account ----------------------------------------------------------------


def test_a_taken_address_gets_the_same_answer(
    app: Flask, alice: Person, run_tasks: Callable[[], int]
) -> None:
    answers = []
    for email in (alice.email, "fresh@example.org"):
        client = app.test_client()
        posted = client.post("/sign-up", data={"email": email, "password": PASSWORD})
        page = client.get("/sign-up/sent")
        text = page.text.replace(email, "EMAIL")
        answers.append((posted.status_code, posted.location, page.status_code, plain(text)))
        tried = client.post("/sign-in", data={"email": email, "password": PASSWORD + "!"})
        assert tried.status_code == 422
    assert answers[0] == answers[1]
    run_tasks()
    subjects = {str(message["To"]): str(message["Subject"]) for message in outbox(app)}
    assert subjects[alice.email] == "You have an account at CuttingASMR"
    assert subjects["fresh@example.org"] == "Confirm your address for CuttingASMR"
    note = next(message for message in outbox(app) if message["To"] == alice.email)
    assert "/verify/" not in body(note)


def plain(page: str) -> str:
    """A page without its tokens."""
    return re.sub(r'(value|content)="[^"]{20,}"', "", page)


def test_wrong_password_unknown_and_unconfirmed_look_alike(
    app: Flask, alice: Person, client: FlaskClient
) -> None:
    sign_up(client)
    pages = set()
    for email, password in (
        (alice.email, "not the right one"),
        ("nobody@example.org", PASSWORD),
        (CAROL["email"], PASSWORD),
    ):
        answer = app.test_client().post("/sign-in", data={"email": email, "password": password})
        assert answer.status_code == 422
        pages.add(plain(answer.text.replace(email, "EMAIL")))
    assert len(pages) == 1


def test_asking_for_the_link_again_says_the_same_to_all(
    alice: Person, client: FlaskClient, rows: Rows
) -> None:
    sign_up(client)
    for email in (CAROL["email"], alice.email, "nobody@example.org"):
        answer = client.post("/verify", data={"email": email})
        assert (answer.status_code, answer.location) == (303, "/sign-up/sent")
    assert [row["to"] for row in rows('SELECT "to" FROM mails')] == [CAROL["email"]] * 2


# Links -----------------------------------------------------------------------------------------


def test_a_forged_link_is_said_to_be_one(client: FlaskClient, rows: Rows) -> None:
    sign_up(client)
    for answer in (client.get("/verify/forged"), client.post("/verify/forged")):
        assert answer.status_code == 404
        assert "This link does not work" in answer.text
    assert not is_signed_in(client)


def test_an_old_link_is_said_to_be_old(app: Flask, client: FlaskClient) -> None:
    with time_machine.travel(NOON, tick=False):
        sign_up(client)
        path = f"/verify/{link_token(app, CAROL['email'])}"
    with time_machine.travel(NOON + DAY + timedelta(minutes=1), tick=False):
        for answer in (client.get(path), client.post(path)):
            assert answer.status_code == 410
            assert "too old" in answer.text


def test_above_the_cap_the_page_says_when_credits_come(make_app: Callable[..., Flask]) -> None:
    app = make_app(WELCOME_DAILY_CAP="0")
    client = app.test_client()
    sign_up(client)
    client.post(f"/verify/{link_token(app, CAROL['email'])}")
    assert "8 credits arrive tomorrow" in client.get("/studio").text


def test_an_alias_is_told_that_welcome_credits_are_once(
    app: Flask, client: FlaskClient, call: Call
) -> None:
    call(lambda: accounts.create_user("carol+first@example.org", is_verified=True))
    sign_up(client)
    client.post(f"/verify/{link_token(app, CAROL['email'])}")
    assert "Welcome credits are once a person" in client.get("/studio").text


@pytest.mark.parametrize(
    ("environment", "address", "headers", "shows"),
    [
        ("development", "127.0.0.1", {}, True),
        ("development", "::1", {}, True),
        ("development", "192.0.2.7", {}, False),
        ("development", "127.0.0.1", {"X-Forwarded-For": "192.0.2.7"}, False),
        ("test", "127.0.0.1", {}, False),
    ],
)
def test_only_a_developers_own_browser_sees_the_link(
    make_app: Callable[..., Flask],
    environment: str,
    address: str,
    headers: dict[str, str],
    shows: bool,
) -> None:
    app = make_app(APP_ENV=environment)
    limiter.enabled = False
    client = app.test_client()
    sign_up(client)
    page = client.get("/sign-up/sent", headers=headers, environ_base={"REMOTE_ADDR": address})
    assert page.status_code == 200
    assert ("/verify/" in page.text) is shows


# Whose password it is ----------------------------------------------------------------------------


def test_another_browser_confirms_only_with_the_password_of_the_form(
    app: Flask, client: FlaskClient
) -> None:
    sign_up(client)
    path = f"/verify/{link_token(app, CAROL['email'])}"
    elsewhere = app.test_client()
    assert 'name="password"' in elsewhere.get(path).text
    assert 'name="password"' not in client.get(path).text
    answer = elsewhere.post(path, data={"password": "a stranger guesses this"})
    assert answer.status_code == 422 and 'aria-invalid="true"' in answer.text
    assert elsewhere.post(path, data={"password": PASSWORD}).status_code == 303
    assert is_signed_in(elsewhere)


def test_a_strangers_form_is_not_confirmed_by_the_owner(app: Flask, client: FlaskClient) -> None:
    sign_up(client)
    stranger = app.test_client()
    sign_up(stranger, password="what the stranger wants")
    path = f"/verify/{link_token(app, CAROL['email'])}"  # the newest mail's
    assert client.post(path, data={"password": PASSWORD}).status_code == 422
    sign_up(client)
    path = f"/verify/{link_token(app, CAROL['email'])}"
    assert client.post(path).status_code == 303
    again = app.test_client()
    again.post("/sign-in", data={**CAROL, "password": "what the stranger wants"})
    assert not is_signed_in(again)
