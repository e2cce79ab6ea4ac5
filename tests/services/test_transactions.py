"""Money transactions: all or nothing, one writer at a time on SQLite, statements compiled once."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest
from flask import Flask
from psycopg import ProgrammingError
from sqlalchemy import bindparam, event, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from app.extensions import db, reader
from app.models import Tick, User
from app.services import accounts, transactions
from app.services.transactions import FairLock, Statement, write_transaction
from tests.conftest import Call, Person, Rows
from tests.waiting import wait_until

Add = Callable[[str, datetime], None]
NOON = datetime(2026, 3, 10, 12, 0, 0, 250000, tzinfo=UTC)
ADD = Statement(insert(Tick.__table__).values(name=bindparam("name"), due_at=bindparam("due_at")))
FIND = Statement(select(Tick.name, Tick.due_at).where(Tick.name == bindparam("wanted")))


# Transactions ------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_it_commits_at_its_end_and_rolls_back_on_any_error(app: Flask, rows: Rows) -> None:
    with app.app_context():
        with write_transaction() as connection:
            ADD(connection, name="kept", due_at=NOON)
        with pytest.raises(KeyboardInterrupt):
            _write_and_be_interrupted()
    assert [row["name"] for row in rows("SELECT name FROM ticks")] == ["kept"]


def _write_and_be_interrupted() -> None:
    with write_transaction() as connection:
        ADD(connection, name="lost", due_at=NOON)
        raise KeyboardInterrupt


@pytest.mark.both_databases
def test_it_ends_the_session_first_so_that_nothing_stale_is_seen(app: Flask, alice: Person) -> None:
    with app.app_context():
        user = db.session.get_one(User, alice.id)
        user.locale = "xx"
        with write_transaction() as connection:
            connection.execute(update(User).values(locale="zh"))
        assert user.locale == "zh"


@pytest.mark.both_databases
def test_reading_first_and_writing_then_loses_nothing(app: Flask, call: Call, rows: Rows) -> None:
    """On SQLite a deferred transaction would end such a writer with "database is locked"."""
    call(accounts.create_user, "counter@example.org", credits=0)

    def count_up() -> None:
        with app.app_context():
            for _ in range(5):
                with write_transaction() as connection:
                    one = select(text("used_credits FROM credit_accounts")).with_for_update()
                    seen = connection.scalar(one)
                    connection.execute(
                        text("UPDATE credit_accounts SET used_credits = :n"), {"n": seen + 1}
                    )

    threads = [threading.Thread(target=count_up) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert rows("SELECT used_credits FROM credit_accounts") == [{"used_credits": 30}]


@pytest.mark.synchronous
def test_on_sqlite_only_money_takes_the_write_lock_at_once(app: Flask) -> None:
    begun: list[str] = []
    with app.app_context():
        engine = db.engine

        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if statement.startswith("BEGIN"):
                begun.append(statement)

        event.listen(engine, "before_cursor_execute", note)
        db.session.execute(text("SELECT 1"))
        with write_transaction() as connection:
            connection.execute(text("SELECT 1"))
        event.remove(engine, "before_cursor_execute", note)
        pragmas = {
            name: db.session.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert begun == ["BEGIN", "BEGIN IMMEDIATE"]
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_on_sqlite_readers_do_not_wait_for_a_writer(app: Flask, alice: Person) -> None:
    seen: list[int] = []

    def read() -> None:
        with app.app_context():
            query = text("SELECT total_credits FROM credit_accounts")
            seen.append(db.session.scalar(query))

    with app.app_context(), write_transaction() as connection:
        connection.execute(text("UPDATE credit_accounts SET total_credits = 1"))
        reader = threading.Thread(target=read)
        reader.start()
        reader.join(10)
        assert seen == [100]


# The fair lock -----------------------------------------------------------------------------------


def test_the_lock_is_handed_on_in_order_of_arrival() -> None:
    lock, order, threads = FairLock(), [], []

    def queue_up(number: int) -> None:
        with lock:
            order.append(number)

    with lock:
        for number in range(8):
            threads.append(threading.Thread(target=queue_up, args=(number,)))
            threads[-1].start()
            wait_until(partial(_is_waiting, lock, number + 1))
    for thread in threads:
        thread.join(10)
    assert order == list(range(8))


def _is_waiting(lock: FairLock, number: int) -> bool:
    return len(lock._waiting) == number


def test_an_error_inside_hands_the_lock_on() -> None:
    lock = FairLock()
    with pytest.raises(ZeroDivisionError), lock:
        raise ZeroDivisionError
    with lock:
        assert lock._held
    assert not lock._held


def test_the_sqlite_lock_is_free_again_when_begin_fails(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        with monkeypatch.context() as patch:
            patch.setattr(db.engine.dialect, "do_begin", lambda _: 1 / 0)
            with pytest.raises(ZeroDivisionError), write_transaction():
                pass
        assert not transactions._sqlite_writers._held
        with write_transaction() as connection:
            assert connection.scalar(text("SELECT 1")) == 1


# Statements --------------------------------------------------------------------------------------


@pytest.fixture
def add(app: Flask) -> Add:
    """`add("name", moment)`: a committed row, written by a Statement."""

    def add(name: str, due_at: datetime) -> None:
        with app.app_context(), write_transaction() as connection:
            ADD(connection, name=name, due_at=due_at)

    return add


@pytest.mark.both_databases
def test_values_are_converted_both_ways(app: Flask, add: Add) -> None:
    beijing = (NOON + timedelta(hours=8)).astimezone(timezone(timedelta(hours=8)))
    add("100% 'sure'", NOON)
    add("%s", beijing)
    with app.app_context():
        row = FIND.first(reader(), wanted="100% 'sure'")
        assert (row.name, row.due_at) == ("100% 'sure'", NOON)
        assert FIND.first(reader(), wanted="%s").due_at == beijing
        assert FIND.first(reader(), wanted="nothing") is None


@pytest.mark.both_databases
def test_a_constant_in_the_statement_is_bound_too(app: Flask, add: Add) -> None:
    rename = Statement(
        update(Tick.__table__).where(Tick.name == bindparam("old")).values(name="renamed")
    )
    add("one", NOON)
    with app.app_context():
        with write_transaction() as connection:
            assert rename(connection, old="one").rowcount == 1
        assert FIND.first(reader(), wanted="renamed").due_at == NOON


@pytest.mark.both_databases
def test_it_is_compiled_once(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    statement = Statement(select(Tick.name).where(Tick.name == bindparam("wanted")))
    with app.app_context(), write_transaction() as connection:
        statement(connection, wanted="x")
        monkeypatch.setattr(statement, "_compile", lambda _: 1 / 0)
        assert statement(connection, wanted="x").all() == []


@pytest.mark.both_databases
def test_a_forgotten_value_is_an_error(app: Flask) -> None:
    """As NULL it would make a guard false, or a row wrong, and nobody would see it."""
    statement = Statement(select(Tick.name).where(Tick.name == bindparam("wanted")))
    with app.app_context(), pytest.raises((KeyError, ProgrammingError)):
        statement.first(reader())
    with app.app_context(), pytest.raises((KeyError, DBAPIError)):
        _ask_without_the_value(statement)


def _ask_without_the_value(statement: Statement) -> None:
    with write_transaction() as connection:
        statement(connection, wnated="x")
