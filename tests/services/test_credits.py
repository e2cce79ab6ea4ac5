"""Verbs that move a balance, each once a key; and a verification that finds every tampering."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app.errors import NotEnoughCredits
from app.extensions import db
from app.services import audits, credits, endings
from app.services.credits import AlreadySpent
from app.services.transactions import write_transaction
from tests.conftest import Call, Person, Rows
from tests.fakes import FakeProvider
from tests.faults.making import Making

pytestmark = pytest.mark.both_databases

Inside = Callable[..., Any]
Entries = Callable[[], list[tuple[Any, ...]]]


@pytest.fixture
def inside(call: Call) -> Inside:
    """`inside(credits.spend, alice.id, 8, key=…)`: in a money transaction of its own."""

    def inside(verb: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        def run() -> Any:
            with write_transaction() as connection:
                return verb(connection, *arguments, **options)

        return call(run)

    return inside


@pytest.fixture
def entries(rows: Rows) -> Entries:
    """Kind, amount, balance after and key of every entry, oldest first."""
    sql = "SELECT kind, amount, balance_after, key FROM credit_entries ORDER BY id"
    return lambda: [tuple(row.values()) for row in rows(sql)]


@pytest.fixture
def carol(make_person: Callable[..., Person]) -> Person:
    """Has 10 credits."""
    return make_person("carol@example.org", credits=10)


OPENING = ("adjustment", 10, 10, "opening:1")


def spend(inside: Inside, person: Person, cost: int, key: str = "spend:v") -> Any:
    return inside(credits.spend, person.id, cost, key=key, reference="v")


def refund(inside: Inside, person: Person, amount: int, key: str = "refund:v") -> Any:
    return inside(credits.refund, person.id, amount, key=key, reason="test", reference="v")


# Spending ----------------------------------------------------------------------------------------


def test_a_spend_takes_credits_and_writes_one_entry(
    carol: Person, inside: Inside, entries: Entries, rows: Rows
) -> None:
    assert spend(inside, carol, 8) == 2
    assert entries() == [OPENING, ("spend", -8, 2, "spend:v")]
    (account,) = rows("SELECT total_credits, used_credits FROM credit_accounts")
    assert tuple(account.values()) == (10, 8)


def test_the_last_credit_may_be_spent_and_not_one_more(
    carol: Person, inside: Inside, entries: Entries
) -> None:
    with pytest.raises(NotEnoughCredits) as refusal:
        spend(inside, carol, 11)
    assert str(refusal.value) == "You need 11 credits and have 10. Nothing was charged."
    assert refusal.value.status == 402
    assert entries() == [OPENING]
    assert spend(inside, carol, 10) == 0
    with pytest.raises(NotEnoughCredits):
        spend(inside, carol, 1, key="spend:w")


def test_a_key_is_spent_once(carol: Person, inside: Inside, entries: Entries) -> None:
    spend(inside, carol, 4)
    for cost in (4, 1, 10):
        with pytest.raises(AlreadySpent):
            spend(inside, carol, cost)
    assert entries() == [OPENING, ("spend", -4, 6, "spend:v")]


def test_a_spend_is_gone_with_the_transaction_it_was_in(
    carol: Person, inside: Inside, entries: Entries, call: Call
) -> None:
    def spend_and_crash(connection: Any) -> None:
        credits.spend(connection, carol.id, 8, key="spend:v", reference="v")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        inside(spend_and_crash)
    assert entries() == [OPENING]
    assert call(credits.balance_of, carol.id) == 10
    assert spend(inside, carol, 8) == 2


def test_one_persons_spend_leaves_the_others_balance(
    carol: Person, bob: Person, inside: Inside, call: Call
) -> None:
    spend(inside, carol, 8)
    assert [call(credits.balance_of, person.id) for person in (carol, bob)] == [2, 100]


def test_someone_without_an_account_has_nothing(inside: Inside, call: Call) -> None:
    nobody = Person(999, "nobody@example.org")
    assert call(credits.balance_of, nobody.id) == 0
    with pytest.raises(NotEnoughCredits):
        spend(inside, nobody, 1)
    with pytest.raises(LookupError):
        refund(inside, nobody, 1)


# Giving back and granting ------------------------------------------------------------------------


def test_a_refund_gives_used_credits_back_once(
    carol: Person, inside: Inside, entries: Entries, rows: Rows
) -> None:
    spend(inside, carol, 8)
    assert [refund(inside, carol, 8) for _ in range(3)] == [True, False, False]
    assert entries()[2:] == [("refund", 8, 10, "refund:v")]
    (account,) = rows("SELECT total_credits, used_credits FROM credit_accounts")
    assert tuple(account.values()) == (10, 0)


@pytest.mark.parametrize("kind", ["welcome", "purchase", "recovery", "adjustment", "referral"])
def test_a_grant_moves_the_total_once(
    carol: Person, inside: Inside, entries: Entries, rows: Rows, kind: str
) -> None:
    def grant() -> Any:
        return inside(credits.grant, carol.id, 8, kind=kind, key="gift", reason="test")

    assert [grant() for _ in range(3)] == [True, False, False]
    assert entries()[1:] == [(kind, 8, 18, "gift")]
    (account,) = rows("SELECT total_credits, used_credits FROM credit_accounts")
    assert tuple(account.values()) == (18, 0)


def test_an_adjustment_may_leave_a_debt_and_then_nothing_can_be_spent(
    carol: Person, inside: Inside, entries: Entries, call: Call
) -> None:
    assert call(credits.adjust, carol.id, -15, key="claw", reason="chargeback")
    assert not call(credits.adjust, carol.id, -15, key="claw", reason="chargeback")
    assert call(credits.balance_of, carol.id) == -5
    with pytest.raises(NotEnoughCredits):
        spend(inside, carol, 1)
    assert call(credits.adjust, carol.id, 6, key="gift", reason="test")
    assert spend(inside, carol, 1) == 0
    assert [entry[2] for entry in entries()] == [10, -5, 1, 0]


# Verifying ---------------------------------------------------------------------------------------


@pytest.fixture
def making(call: Call, rows: Rows, fake_provider: FakeProvider, alice: Person) -> Making:
    """Alice's videos; nobody looks at her books but these tests."""
    return Making(call, rows, fake_provider, alice)


@pytest.fixture
def tamper(app: Flask) -> Callable[[str], None]:
    """Run a statement behind the services' back."""

    def tamper(statement: str) -> None:
        with app.app_context(), db.engine.begin() as connection:
            connection.execute(text(statement))

    return tamper


@pytest.fixture
def differences(call: Call) -> Callable[[], dict[str, tuple[int, int]]]:
    def found() -> dict[str, tuple[int, int]]:
        rows = call(lambda: list(audits.verify_ledger()))
        return {row.what: (row.stored, row.recomputed) for row in rows}

    return found


ENTRY = (
    "INSERT INTO credit_entries"
    " (user_id, kind, amount, balance_after, reason, reference, key, created_at) VALUES"
)


def test_an_honest_ledger_has_no_differences(
    making: Making, differences: Callable[[], dict[str, tuple[int, int]]], call: Call
) -> None:
    kept, failed, cancelled = making.ask_for(count="3")
    call(endings.fail, failed, "deadline", "")
    call(endings.cancel, cancelled)
    assert making.status(kept) == "queued"
    assert differences() == {}


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (
            "UPDATE credit_accounts SET total_credits = total_credits + 1",
            {"user 1 total_credits": (101, 100)},
        ),
        (
            "UPDATE credit_accounts SET used_credits = used_credits - 5",
            {"user 1 used_credits": (0, 5)},
        ),
        ("DELETE FROM credit_accounts", {
            "user 1 total_credits": (0, 100), "user 1 used_credits": (0, 5),
        }),
        (f"{ENTRY} (1, 'purchase', 9, 104, 'x', NULL, 'forged', '2026-01-01')", {
            "user 1 total_credits": (100, 109),
        }),
        (f"{ENTRY} (1, 'purchase', 0, 500, 'x', NULL, 'forged', '2026-01-01')", {
            "entry 3 balance_after": (500, 95),
        }),
        ("UPDATE videos SET status = 'failed'", {"video net": (5, 0)}),
        ("UPDATE videos SET status = 'cancelled'", {"video net": (5, 0)}),
        ("UPDATE videos SET is_gift = (1 = 1)", {"video net": (5, 0)}),
        ("UPDATE videos SET cost_credits = 4", {"video net": (5, 4)}),
        ("DELETE FROM videos", {"entries of unknown video": (5, 0)}),
    ],
)  # fmt: skip
def test_a_tampering_is_named(
    making: Making,
    tamper: Callable[[str], None],
    differences: Callable[[], dict[str, tuple[int, int]]],
    statement: str,
    found: dict[str, tuple[int, int]],
) -> None:
    video_id = making.ask()
    tamper(statement)
    named = {what.replace(f"video {video_id}", "video"): row for what, row in differences().items()}
    assert named == found


def test_a_refund_that_was_never_charged_is_named(
    making: Making, inside: Inside, differences: Callable[[], dict[str, tuple[int, int]]]
) -> None:
    video_id = making.ask()
    for key in ("refund:one", "refund:two"):
        inside(credits.refund, making.person.id, 5, key=key, reason="x", reference=video_id)
    assert differences() == {f"video {video_id} net": (-5, 5)}
