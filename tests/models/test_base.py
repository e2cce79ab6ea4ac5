"""Ids that sort by time, and times that come back as they went."""

import threading
import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
import time_machine
from flask import Flask
from sqlalchemy.dialects import sqlite

from app.extensions import db
from app.models import Tick, is_id, new_id, now
from app.models.base import UtcDateTime

NOON = datetime(2026, 3, 10, 12, 0, 0, 123456, tzinfo=UTC)


def test_an_id_is_a_uuid_of_version_7_with_the_time_in_front() -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    made = uuid.UUID(new_id())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    milliseconds = made.int >> 80
    assert milliseconds >= before.timestamp() * 1000


def test_ids_sort_in_the_order_they_were_made_also_in_one_millisecond() -> None:
    with time_machine.travel(NOON, tick=False):
        ids = [new_id() for _ in range(10_000)]  # more than the sequence of one millisecond holds
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert all(uuid.UUID(one).version == 7 for one in ids)


def test_a_clock_set_back_makes_no_smaller_ids() -> None:
    first = new_id()
    with time_machine.travel(NOON - timedelta(days=365), tick=False):
        second = new_id()
    assert second > first


def test_threads_share_no_id() -> None:
    made: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: made.append([new_id() for _ in range(500)]))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one for ids in made for one in ids}) == 8 * 500
    assert all(ids == sorted(ids) for ids in made)


@pytest.mark.parametrize("text", ["", "7", "\x00", "x" * 36, "0" * 35, "0" * 37, "\ud800" * 36])
def test_what_is_no_id(text: str) -> None:
    assert not is_id(text)


def test_what_is_an_id() -> None:
    assert is_id(new_id())


def test_now_is_aware_and_in_utc() -> None:
    assert now().tzinfo is UTC


@pytest.mark.both_databases
@pytest.mark.parametrize(
    "moment", [NOON, NOON.astimezone(timezone(timedelta(hours=8)))], ids=["utc", "beijing"]
)
def test_a_time_comes_back_in_utc_to_the_microsecond(app: Flask, moment: datetime) -> None:
    with app.app_context():
        db.session.add(Tick(name="test", due_at=moment))
        db.session.commit()
        read = db.session.scalars(db.select(Tick.due_at)).one()
        later = db.session.scalar(db.select(Tick.name).where(Tick.due_at > moment))
    assert read == NOON
    assert read.utcoffset() == timedelta(0)
    assert later is None


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        UtcDateTime().process_bind_param(datetime(2026, 3, 10), sqlite.dialect())  # noqa: DTZ001


def test_no_time_is_no_time() -> None:
    column = UtcDateTime()
    assert column.process_bind_param(None, sqlite.dialect()) is None
    assert column.process_result_value(None, sqlite.dialect()) is None
