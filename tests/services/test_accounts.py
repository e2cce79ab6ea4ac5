"""Accounts: who gets one, which passwords will do, and a verification that happens once."""

import contextlib
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask

from app import limits
from app.errors import InvalidForm, UserError
from app.models import User
from app.services import accounts, links, sessions
from tests.conftest import PASSWORD, Call, Rows

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def link_token(app: Flask, email: str) -> str:
    """The token of the link that a mail to this address would hold now."""
    with app.app_context():
        user = accounts.find(email)
        assert user is not None
        return links.verification(user).rpartition("/")[2]


@pytest.fixture
def signed_up(app: Flask, call: Call) -> Callable[[str], str]:
    """`signed_up("carol@example.org")` asks for an account and returns the link's token."""

    def sign_up(email: str) -> str:
        call(accounts.sign_up, email, PASSWORD, "en")
        return link_token(app, email)

    return sign_up


def together(app: Flask, number: int, verb: Callable[[], Any]) -> list[Any]:
    """What `number` threads got that all called the verb at the same moment."""
    barrier, results = threading.Barrier(number), []

    def run() -> None:
        with app.app_context():
            barrier.wait(timeout=30)
            try:
                results.append(verb())
            except UserError as error:
                results.append(error)

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(results) == number
    return results


# Addresses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("  Carol@Example.ORG ", "carol@example.org"),
        ("carol@shop.test", "carol@shop.test"),
        ("carol@localhost", "carol@localhost"),
        ("carol+asmr@example.org", "carol+asmr@example.org"),
    ],
)
def test_an_address_is_stored_in_lower_case(call: Call, typed: str, stored: str) -> None:
    assert call(accounts.normalise_email, typed) == stored


@pytest.mark.parametrize(
    "typed",
    ["", "carol", "@example.org", "a@b@c", "a\r\nBcc: x@y.z@w.org", "a\x00@b.org", "é" * 300],
)
def test_what_is_no_address_is_refused(call: Call, typed: str) -> None:
    with pytest.raises(UserError) as refusal:
        call(accounts.normalise_email, typed)
    assert refusal.value.field == "email"


def test_in_production_an_address_must_be_reachable(make_app: Callable[..., Flask]) -> None:
    app = make_app(APP_ENV="production", APP_URL="https://asmr.example.org")
    with app.app_context(), pytest.raises(UserError):
        accounts.normalise_email("carol@localhost")


# Accounts made by an operator ------------------------------------------------------------------


def test_a_verified_account_has_its_welcome_credits(call: Call, rows: Rows) -> None:
    call(lambda: accounts.create_user("carol@example.org", PASSWORD, is_verified=True))
    (account,) = rows("SELECT total_credits, used_credits FROM credit_accounts")
    assert (account["total_credits"], account["used_credits"]) == (limits.WELCOME_CREDITS, 0)
    (entry,) = rows("SELECT kind, key, balance_after FROM credit_entries")
    (user,) = rows("SELECT identity_key, is_admin FROM users")
    assert entry["key"] == f"welcome:{user['identity_key']}"
    assert (entry["kind"], entry["balance_after"], bool(user["is_admin"])) == ("welcome", 8, False)


@pytest.mark.parametrize("is_verified", [True, False])
def test_credits_named_by_the_operator_are_the_whole_balance(
    app: Flask, call: Call, rows: Rows, is_verified: bool
) -> None:
    call(lambda: accounts.create_user("carol@example.org", is_verified=is_verified, credits=25))
    if not is_verified:
        result = call(accounts.verify, link_token(app, "carol@example.org"), password=PASSWORD)
        assert (result.state, result.welcome) == ("done", "before")
    assert [tuple(row.values()) for row in rows("SELECT kind, amount FROM credit_entries")] == [
        ("adjustment", 25)
    ]


def test_no_credits_means_no_entry_at_all(call: Call, rows: Rows) -> None:
    call(lambda: accounts.create_user("carol@example.org", is_verified=True, credits=0))
    assert rows("SELECT 1 FROM credit_entries") == []
    assert rows("SELECT total_credits FROM credit_accounts")[0]["total_credits"] == 0


def test_an_unverified_account_has_nothing_yet(call: Call, rows: Rows) -> None:
    call(lambda: accounts.create_user("carol@example.org", PASSWORD))
    assert rows("SELECT 1 FROM credit_entries") == []
    (user,) = rows("SELECT identity_key, email_verified_at FROM users")
    assert (user["identity_key"], user["email_verified_at"]) == (None, None)


def test_an_address_named_as_admin_is_one_once_verified(app: Flask, call: Call, rows: Rows) -> None:
    call(lambda: accounts.create_user("root@example.org", PASSWORD))
    assert not rows("SELECT is_admin FROM users")[0]["is_admin"]
    call(accounts.verify, link_token(app, "root@example.org"), password=PASSWORD)
    assert rows("SELECT is_admin FROM users")[0]["is_admin"]


@pytest.mark.both_databases
def test_one_account_an_address_however_many_ask_at_once(app: Flask, rows: Rows) -> None:
    results = together(app, 6, lambda: accounts.create_user("carol@example.org", is_verified=True))
    assert sum(isinstance(result, User) for result in results) == 1
    assert rows("SELECT count(*) AS n FROM users")[0]["n"] == 1
    assert rows("SELECT sum(amount) AS credits FROM credit_entries")[0]["credits"] == 8


# Signing up ------------------------------------------------------------------------------------


def test_sign_up_names_every_wrong_field(call: Call, rows: Rows) -> None:
    with pytest.raises(InvalidForm) as refusal:
        call(accounts.sign_up, "nobody", "short", "en")
    assert set(refusal.value.errors) == {"email", "password"}
    assert rows("SELECT 1 FROM users") == []
    assert rows("SELECT 1 FROM mails") == []


def test_a_password_typed_at_sign_up_opens_nothing_before_the_link(
    call: Call, signed_up: Callable[[str], str]
) -> None:
    token = signed_up("carol@example.org")
    with pytest.raises(UserError):
        call(accounts.authenticate, "carol@example.org", PASSWORD)
    assert call(accounts.verify, token, password=PASSWORD).state == "done"
    assert call(lambda: accounts.authenticate(" Carol@example.org", PASSWORD).email) == (
        "carol@example.org"
    )


def test_the_owner_of_an_account_gets_a_note_and_keeps_the_password(
    call: Call, rows: Rows, signed_up: Callable[[str], str]
) -> None:
    call(accounts.verify, signed_up("carol@example.org"), password=PASSWORD)
    before = rows("SELECT password_hash FROM users")
    assert call(accounts.sign_up, "CAROL@example.org", "another long password", "en")
    assert rows("SELECT password_hash FROM users") == before
    assert [row["template"] for row in rows("SELECT template FROM mails ORDER BY id")] == [
        "verify",
        "address_taken",
    ]


def test_the_latest_sign_up_counts_and_ends_the_links_before_it(
    app: Flask, call: Call, signed_up: Callable[[str], str]
) -> None:
    strangers = signed_up("carol@example.org")
    call(accounts.sign_up, "carol@example.org", "the real owner types this", "zh")
    assert call(accounts.verify, strangers).state == "invalid"
    assert (
        call(
            accounts.verify,
            link_token(app, "carol@example.org"),
            password="the real owner types this",
        ).state
        == "done"
    )
    with pytest.raises(UserError):
        call(accounts.authenticate, "carol@example.org", PASSWORD)
    assert call(accounts.authenticate, "carol@example.org", "the real owner types this")


def test_the_same_form_again_keeps_the_first_link_alive(
    call: Call, signed_up: Callable[[str], str]
) -> None:
    first = signed_up("carol@example.org")
    signed_up("carol@example.org")
    assert call(accounts.verify, first, password=PASSWORD).state == "done"


@pytest.mark.both_databases
def test_the_same_form_at_the_same_moment_makes_one_account(app: Flask, rows: Rows) -> None:
    results = together(app, 4, lambda: accounts.sign_up("carol@example.org", PASSWORD, "en"))
    assert results == ["carol@example.org"] * 4
    assert rows("SELECT count(*) AS n FROM users")[0]["n"] == 1
    assert rows("SELECT count(*) AS n FROM credit_accounts")[0]["n"] == 1


def test_a_confirmed_sign_up_ends_the_sessions_from_before(
    app: Flask, call: Call, signed_up: Callable[[str], str]
) -> None:
    """An operator made the account with another password: who knew that one is out."""
    user_id = call(lambda: accounts.create_user("carol@example.org", "known to a stranger").id)
    cookie = call(sessions.start, user_id, "a stranger")
    call(accounts.verify, signed_up("carol@example.org"), password=PASSWORD)
    assert call(sessions.resume, cookie) is None


@pytest.mark.parametrize("email", ["nobody@example.org", "", "\x00", "carol@example.org\x00"])
def test_wrong_addresses_are_refused_like_wrong_passwords(call: Call, email: str) -> None:
    with pytest.raises(UserError) as unknown:
        call(accounts.authenticate, email, PASSWORD)
    call(lambda: accounts.create_user("dora@example.org", PASSWORD, is_verified=True))
    with pytest.raises(UserError) as wrong:
        call(accounts.authenticate, "dora@example.org", "not that one at all")
    assert (unknown.value.message, unknown.value.field) == (wrong.value.message, wrong.value.field)


@pytest.mark.parametrize("verb", ["authenticate", "sign_up"])
def test_an_unknown_address_takes_as_long(make_app: Callable[..., Flask], verb: str) -> None:
    """With argon2 at full cost a comparison left out would show at once."""
    app = make_app(APP_ENV="development")
    with app.app_context():
        accounts.create_user("carol@example.org", PASSWORD, is_verified=True)
        known = shortest_s(verb, ["carol@example.org"] * 3)
        unknown = shortest_s(verb, [f"p{number}@example.org" for number in range(3)])
    assert 0.5 < known / unknown < 2


def shortest_s(verb: str, emails: list[str]) -> float:
    """Seconds of the fastest of several calls: the one that was disturbed least."""
    durations = []
    for email in emails:
        started_s = time.perf_counter()
        with contextlib.suppress(UserError):
            if verb == "sign_up":
                accounts.sign_up(email, "quite another password", "en")
            else:
                accounts.authenticate(email, "quite another password")
        durations.append(time.perf_counter() - started_s)
    return min(durations)


def test_only_who_waits_for_a_link_gets_another(
    call: Call, rows: Rows, signed_up: Callable[[str], str]
) -> None:
    token = signed_up("carol@example.org")
    for email in ("carol@example.org", "nobody@example.org", "", "\x00"):
        call(accounts.send_link_again, email)
    assert rows("SELECT count(*) AS n FROM mails")[0]["n"] == 2
    call(accounts.verify, token, password=PASSWORD)
    call(accounts.send_link_again, "carol@example.org")
    assert rows("SELECT count(*) AS n FROM mails")[0]["n"] == 2
