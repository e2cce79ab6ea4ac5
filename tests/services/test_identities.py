"""A person beyond accounts: one welcome for all spellings of a mailbox, under a daily cap."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask

from app.extensions import huey
from app.services import accounts, identities, ticks
from app.tasks import accounts as tasks
from tests.conftest import PASSWORD, Call, Rows
from tests.services.test_accounts import link_token, together

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
NEXT_DAY = datetime(2026, 3, 11, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("carol@gmail.com", "C.A.R.O.L@GoogleMail.com"),
        ("carol@gmail.com", "carol+asmr@gmail.com"),
        ("carol@example.org", "carol+second+time@example.org"),
        ("carol@example.org", "\uff23arol@example.org"),  # a full-width C
    ],
)
def test_spellings_of_one_mailbox_are_one_person(call: Call, one: str, other: str) -> None:
    assert identities.normalise(one) == identities.normalise(other)
    assert call(identities.key_of, one) == call(identities.key_of, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("carol@example.org", "car.ol@example.org"),
        ("carol@example.org", "carol@example.net"),
        ("carol@gmail.com", "carol@gmail.com.example.org"),
        ("+carol@example.org", "+dora@example.org"),
    ],
)
def test_other_mailboxes_are_other_people(call: Call, one: str, other: str) -> None:
    assert call(identities.key_of, one) != call(identities.key_of, other)


@pytest.mark.both_databases
def test_the_secret_is_made_once_and_stays(app: Flask, call: Call, rows: Rows) -> None:
    keys = together(app, 6, lambda: identities.key_of("carol@example.org"))
    assert len(set(keys)) == 1
    (secret,) = rows("SELECT name, value FROM secrets")
    assert secret["name"] == "identity"
    assert len(bytes.fromhex(secret["value"])) == 32
    assert call(identities.key_of, "carol@example.org") == keys[0]


def test_a_key_shows_nothing_of_the_address(call: Call, rows: Rows) -> None:
    call(lambda: accounts.create_user("carol@example.org", is_verified=True))
    (identity,) = rows("SELECT key FROM identities")
    assert len(bytes.fromhex(identity["key"])) == 32
    assert "carol" not in str(rows("SELECT * FROM credit_entries"))


def test_aliases_of_one_person_are_welcomed_once(call: Call, rows: Rows) -> None:
    for email in ("carol@gmail.com", "ca.rol@gmail.com", "carol+x@googlemail.com"):
        call(lambda email=email: accounts.create_user(email, is_verified=True))
    assert rows("SELECT count(*) AS n FROM users")[0]["n"] == 3
    assert [row["amount"] for row in rows("SELECT amount FROM credit_entries")] == [8]


@pytest.mark.both_databases
def test_aliases_at_the_same_moment_are_welcomed_once(app: Flask, call: Call, rows: Rows) -> None:
    emails = [f"carol+{number}@example.org" for number in range(6)]
    for email in emails:
        call(accounts.sign_up, email, PASSWORD, "en")
    tokens = [link_token(app, email) for email in emails]
    results = together(app, 6, lambda: accounts.verify(tokens.pop(), password=PASSWORD))
    assert sorted(result.welcome for result in results) == ["before"] * 5 + ["granted"]
    assert [row["amount"] for row in rows("SELECT amount FROM credit_entries")] == [8]


# The daily cap ---------------------------------------------------------------------------------


@pytest.fixture
def capped(make_app: Callable[..., Flask]) -> Flask:
    """An app that welcomes two a day."""
    return make_app(WELCOME_DAILY_CAP="2")


def verify(app: Flask, email: str) -> accounts.Verification:
    """Sign up and follow the link."""
    with app.app_context():
        accounts.sign_up(email, PASSWORD, "en")
    token = link_token(app, email)
    with app.app_context():
        return accounts.verify(token, password=PASSWORD)


def welcomes(rows: Rows) -> int:
    return len(rows("SELECT 1 FROM credit_entries WHERE kind = 'welcome'"))


def test_above_the_cap_the_address_is_verified_and_the_grant_waits(
    capped: Flask, rows: Rows
) -> None:
    with time_machine.travel(NOON, tick=False):
        results = [verify(capped, f"{name}@example.org") for name in ("ann", "ben", "cay")]
    assert [result.state for result in results] == ["done"] * 3
    assert [result.welcome for result in results] == ["granted", "granted", "later"]
    assert welcomes(rows) == 2
    (due,) = rows("SELECT welcome_due_at AS at FROM identities WHERE welcome_due_at IS NOT NULL")
    assert str(due["at"]).startswith("2026-03-11 00:00:00")


def test_the_next_day_gives_what_was_put_off_once(capped: Flask, rows: Rows) -> None:
    with time_machine.travel(NOON, tick=False):
        for number in range(5):
            verify(capped, f"p{number}@example.org")
        with capped.app_context():
            assert identities.grant_due_welcomes() == 0
    with time_machine.travel(NEXT_DAY, tick=False), capped.app_context():
        assert identities.grant_due_welcomes() == 2  # the cap holds for them too
        assert identities.grant_due_welcomes() == 0
    with time_machine.travel(NEXT_DAY + timedelta(days=1), tick=False), capped.app_context():
        assert identities.grant_due_welcomes() == 1
        assert identities.grant_due_welcomes() == 0
    assert welcomes(rows) == 5
    assert rows("SELECT 1 FROM identities WHERE welcome_due_at IS NOT NULL") == []


def test_who_waits_for_the_grant_gets_no_second_by_an_alias(capped: Flask, rows: Rows) -> None:
    with time_machine.travel(NOON, tick=False):
        for name in ("ann", "ben", "cay"):
            verify(capped, f"{name}@example.org")
        assert verify(capped, "cay+again@example.org").welcome == "before"
    with time_machine.travel(NEXT_DAY, tick=False), capped.app_context():
        assert identities.grant_due_welcomes() == 1
    assert welcomes(rows) == 3


@pytest.mark.both_databases
def test_the_cap_holds_for_many_at_the_same_moment(
    make_app: Callable[..., Flask], rows: Rows
) -> None:
    app = make_app(WELCOME_DAILY_CAP="3")
    emails = [f"p{number}@example.org" for number in range(8)]
    with app.app_context():
        for email in emails:
            accounts.sign_up(email, PASSWORD, "en")
    tokens = [link_token(app, email) for email in emails]
    results = together(app, 8, lambda: accounts.verify(tokens.pop(), password=PASSWORD))
    assert sorted(result.welcome for result in results) == ["granted"] * 3 + ["later"] * 5
    assert welcomes(rows) == 3


@pytest.mark.both_databases
def test_many_workers_grant_what_is_due_once(make_app: Callable[..., Flask], rows: Rows) -> None:
    app = make_app(WELCOME_DAILY_CAP="3")
    with time_machine.travel(NOON, tick=False):
        for number in range(6):
            verify(app, f"p{number}@example.org")
    with time_machine.travel(NEXT_DAY, tick=False):
        assert sum(together(app, 4, identities.grant_due_welcomes)) == 3
    assert welcomes(rows) == 6


def test_the_task_grants_once_an_hour(capped: Flask, rows: Rows) -> None:
    huey.flask_app = capped
    with time_machine.travel(NOON, tick=False):
        for name in ("ann", "ben", "cay"):
            verify(capped, f"{name}@example.org")
        tasks.grant_due_welcomes.call_local()
        assert welcomes(rows) == 2
    with time_machine.travel(NEXT_DAY, tick=False):
        tasks.grant_due_welcomes.call_local()
        assert welcomes(rows) == 3
        with capped.app_context():
            assert not ticks.claim("welcomes", tasks.HOUR_S - tasks.SLACK_S)
