"""Signed-in browsers: what a token opens, for how long, and what ends it."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from app import limits
from app.services import sessions
from app.services.transactions import write_transaction
from tests.conftest import Call, Person, Rows

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAYS = timedelta(days=limits.SESSION_DAYS)


def owner(call: Call, token: str) -> int | None:
    """Whose session a token is."""

    def look() -> int | None:
        found = sessions.resume(token)
        return found[0].id if found else None

    result: int | None = call(look)
    return result


def test_a_token_opens_its_users_session(call: Call, rows: Rows, alice: Person) -> None:
    token = call(sessions.start, alice.id, "Firefox " + "x" * 500)
    assert owner(call, token) == alice.id
    (row,) = rows("SELECT token_hash, device FROM sessions")
    assert row["token_hash"] == sessions.hash_of(token)
    assert token not in str(row)
    assert len(row["device"]) == 200


def test_every_session_has_a_token_of_its_own(call: Call, alice: Person) -> None:
    tokens = {call(sessions.start, alice.id, "") for _ in range(5)}
    assert len(tokens) == 5
    assert all(len(token) >= 43 for token in tokens)  # 256 bits


@pytest.mark.parametrize("token", ["", "x", "\x00", "\udcff", "é" * 5000])
def test_a_forged_token_opens_nothing(call: Call, alice: Person, token: str) -> None:
    call(sessions.start, alice.id, "")
    assert owner(call, token) is None


def test_the_hash_of_a_token_is_no_token(call: Call, alice: Person) -> None:
    token = call(sessions.start, alice.id, "")
    assert owner(call, sessions.hash_of(token)) is None


def test_a_session_ends_after_thirty_days_without_a_visit(call: Call, alice: Person) -> None:
    with time_machine.travel(NOON, tick=False):
        token = call(sessions.start, alice.id, "")
    with time_machine.travel(NOON + DAYS, tick=False):
        assert owner(call, token) is None


def test_a_visit_lengthens_it_at_most_once_a_day(call: Call, rows: Rows, alice: Person) -> None:
    def renewed(token: str) -> bool:
        found = sessions.resume(token)
        assert found is not None
        return found[1]

    with time_machine.travel(NOON, tick=False):
        token = call(sessions.start, alice.id, "")
        assert call(renewed, token) is False
    first = rows("SELECT expires_at FROM sessions")
    with time_machine.travel(NOON + timedelta(hours=23), tick=False):
        assert call(renewed, token) is False
    assert rows("SELECT expires_at FROM sessions") == first
    with time_machine.travel(NOON + timedelta(hours=25), tick=False):
        assert call(renewed, token) is True
        assert call(renewed, token) is False
    with time_machine.travel(NOON + DAYS + timedelta(hours=12), tick=False):
        assert owner(call, token) == alice.id


def test_a_revoked_session_is_over_and_the_others_are_not(call: Call, alice: Person) -> None:
    one, other = call(sessions.start, alice.id, ""), call(sessions.start, alice.id, "")
    call(sessions.revoke, one)
    call(sessions.revoke, "forged")
    assert (owner(call, one), owner(call, other)) == (None, alice.id)


def test_all_sessions_of_one_user_end_together(call: Call, alice: Person, bob: Person) -> None:
    tokens = [call(sessions.start, alice.id, "") for _ in range(3)]
    bobs = call(sessions.start, bob.id, "")

    def revoke_all() -> None:
        with write_transaction() as connection:
            sessions.revoke_all(connection, alice.id)

    call(revoke_all)
    assert [owner(call, token) for token in tokens] == [None] * 3
    assert owner(call, bobs) == bob.id


def test_only_sessions_that_are_over_are_deleted(call: Call, rows: Rows, alice: Person) -> None:
    with time_machine.travel(NOON - DAYS, tick=False):
        call(sessions.start, alice.id, "old")
    with time_machine.travel(NOON, tick=False):
        call(sessions.revoke, call(sessions.start, alice.id, "revoked"))
        call(sessions.start, alice.id, "open")
        assert call(sessions.delete_ended) == 2
        assert call(sessions.delete_ended) == 0
    assert [row["device"] for row in rows("SELECT device FROM sessions")] == ["open"]
