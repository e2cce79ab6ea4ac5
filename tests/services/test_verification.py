"""Verification links: looked at freely, used once, by nobody else, for a day."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask

from app import limits
from app.extensions import db
from app.models import User
from app.services import accounts, links
from tests.conftest import PASSWORD, Call, Rows
from tests.services.test_accounts import link_token, together

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def signed_up(app: Flask, call: Call) -> Callable[[str], str]:
    """`signed_up("carol@example.org")` asks for an account and returns the link's token."""

    def sign_up(email: str) -> str:
        call(accounts.sign_up, email, PASSWORD, "en")
        return link_token(app, email)

    return sign_up


def test_looking_at_a_link_changes_nothing(
    call: Call, rows: Rows, signed_up: Callable[[str], str]
) -> None:
    token = signed_up("carol@example.org")
    assert call(accounts.look_at_link, token) == "ask"
    assert rows("SELECT email_verified_at FROM users")[0]["email_verified_at"] is None


def test_a_link_works_once(call: Call, rows: Rows, signed_up: Callable[[str], str]) -> None:
    token = signed_up("carol@example.org")
    first, second = (
        call(accounts.verify, token, password=PASSWORD),
        call(accounts.verify, token, password=PASSWORD),
    )
    assert (first.state, first.welcome) == ("done", "granted")
    assert (second.state, second.user_id) == ("used", None)
    assert call(accounts.look_at_link, token) == "used"
    assert rows("SELECT total_credits FROM credit_accounts")[0]["total_credits"] == 8


@pytest.mark.both_databases
@pytest.mark.parametrize("made_by", ["a form", "an operator"])
def test_a_link_works_once_for_eight_at_the_same_moment(
    app: Flask, call: Call, rows: Rows, signed_up: Callable[[str], str], made_by: str
) -> None:
    if made_by == "an operator":
        call(lambda: accounts.create_user("carol@example.org", PASSWORD))
        token = link_token(app, "carol@example.org")
    else:
        token = signed_up("carol@example.org")
    results = together(app, 8, lambda: accounts.verify(token, password=PASSWORD))
    assert sorted(result.state for result in results) == ["done"] + ["used"] * 7
    assert rows("SELECT total_credits FROM credit_accounts")[0]["total_credits"] == 8
    assert len(rows("SELECT 1 FROM credit_entries")) == 1


def test_a_link_ends_after_a_day(call: Call, rows: Rows, signed_up: Callable[[str], str]) -> None:
    with time_machine.travel(NOON, tick=False):
        token = signed_up("carol@example.org")
    day = timedelta(hours=limits.VERIFY_HOURS)
    with time_machine.travel(NOON + day, tick=False):
        assert call(accounts.look_at_link, token) == "ask"
    with time_machine.travel(NOON + day + timedelta(seconds=1), tick=False):
        assert call(accounts.look_at_link, token) == "expired"
        assert call(accounts.verify, token, password=PASSWORD).state == "expired"
    assert rows("SELECT email_verified_at FROM users")[0]["email_verified_at"] is None


def test_a_forged_link_does_nothing(
    app: Flask, call: Call, rows: Rows, signed_up: Callable[[str], str]
) -> None:
    token = signed_up("carol@example.org")
    strange = make_token(app, "another secret that is long enough", token)
    for forged in ("", "x", token[:-1], token + "A", token.upper(), strange, "é", "a.b.c", "\x00"):
        assert call(accounts.verify, forged).state == "invalid", forged
    assert rows("SELECT email_verified_at FROM users")[0]["email_verified_at"] is None


def make_token(app: Flask, secret: str, like: str) -> str:
    """The same content under another key."""
    with app.app_context():
        content = links._signer().loads(like)
        own, app.config["SECRET_KEY"] = app.config["SECRET_KEY"], secret
        try:
            return str(links._signer().dumps(content))
        finally:
            app.config["SECRET_KEY"] = own


def test_a_link_is_bound_to_its_address(
    app: Flask, call: Call, signed_up: Callable[[str], str]
) -> None:
    token = signed_up("carol@example.org")
    with app.app_context():
        db.session.execute(db.update(User).values(email="dora@example.org"))
        db.session.commit()
    assert call(accounts.verify, token, password=PASSWORD).state == "invalid"


def test_a_links_address_comes_from_the_settings(
    make_app: Callable[..., Flask], signed_up: Callable[[str], str]
) -> None:
    signed_up("carol@example.org")
    app = make_app(APP_URL="https://asmr.example.org")
    with app.test_request_context("/", headers={"Host": "evil.example"}):
        user = accounts.find("carol@example.org")
        assert user is not None
        assert links.verification(user).startswith("https://asmr.example.org/verify/")
        user.locale = "zh"
        assert links.verification(user).startswith("https://asmr.example.org/zh/verify/")
        db.session.rollback()
