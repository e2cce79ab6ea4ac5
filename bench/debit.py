"""A debit (guarded UPDATE, entry, video row, one transaction) against the driver alone.

The SQL of our side is written down once while it runs, and that very text is what the raw driver
executes: the ratio is what Python and SQLAlchemy cost, not another statement.  One client, slices
in turn; at synchronous=NORMAL, where no disk is waited for, per second of CPU, and as shipped
(FULL) by the clock.  PostgreSQL is in debit_postgres.py.
"""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from flask import Flask
from sqlalchemy import event

from app.extensions import db
from app.models import new_id
from bench import debit_postgres, scratch
from bench.figures import Figure, missing, paired, percentile
from bench.spending import Recorded, anyone, check, debit, fill, record

ROUNDS = 7
SLICE_TRANSACTIONS = 400
THREADS, THREADS_S = 32, 3.0


def measure() -> Iterator[Figure]:
    """Ratios on SQLite, and on PostgreSQL where it is installed."""
    with scratch.folder() as place:
        yield from _sqlite(place, "NORMAL")
        yield from _sqlite(place, "FULL")
        yield _threads(place, "NORMAL", 15)
        yield _threads(place, "FULL", None)
        try:
            with scratch.postgres() as server:
                yield from debit_postgres.measure(server, place)
        except scratch.NotHere as error:
            yield missing("debit against pgbench, PostgreSQL", str(error))


def _sqlite(place: Path, synchronous: str) -> Iterator[Figure]:
    url = scratch.sqlite_url(place)
    with scratch.app_on(url, place) as app, _at(app, synchronous):
        fill(app)
        with contextlib.closing(_raw(url, synchronous)) as connection:
            raw = _replay(connection, record(app))
            with app.app_context():
                asked = db.session.connection().exec_driver_sql("PRAGMA synchronous").scalar()
                assert asked == {"NORMAL": 1, "FULL": 2}[synchronous]
                ours, theirs = _in_turn(lambda: debit(anyone(), new_id()), raw, synchronous)
        check(app)
    note = f"ours {median(ours):.0f}, sqlite3 {median(theirs):.0f} transactions/s"
    if synchronous == "NORMAL":
        note += " of CPU"
        yield Figure("debit against sqlite3, NORMAL", paired(ours, theirs), target=0.30, note=note)
    else:
        yield Figure("debit against sqlite3, FULL (as shipped)", paired(ours, theirs), note=note)


@contextlib.contextmanager
def _at(app: Flask, synchronous: str) -> Iterator[None]:
    """Open the app's connections anew with another setting than the shipped one."""

    def set_it(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA synchronous={synchronous}")

    with app.app_context():
        engine = db.engine
    event.listen(engine, "connect", set_it)
    engine.dispose()
    yield


def _raw(url: str, synchronous: str) -> sqlite3.Connection:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=15)
    for pragma in ("journal_mode=WAL", f"synchronous={synchronous}", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _replay(connection: sqlite3.Connection, recorded: Recorded) -> Callable[[], None]:
    """The same statements by the driver alone, with a new video each time."""
    statements = [
        (sql, [(recorded.role(value), value) for value in values])
        for sql, values in recorded.statements
    ]

    def run() -> None:
        video = new_id()
        changing = {"user": anyone(), "video": video, "key": f"spend:{video}"}
        connection.execute("BEGIN IMMEDIATE")
        for sql, values in statements:
            bound = [changing[role] if role else value for role, value in values]
            connection.execute(sql, bound).fetchone()
        connection.execute("COMMIT")

    return run


def _in_turn(
    ours: Callable[[], None], theirs: Callable[[], None], synchronous: str
) -> tuple[list[float], list[float]]:
    """Transactions a second of both, slice by slice; the first slices warm up.

    At NORMAL per second of CPU, so that a busy machine changes nothing; at FULL by the clock, since
    a commit waits for the disk.
    """
    clock = time.process_time if synchronous == "NORMAL" else time.perf_counter
    many = SLICE_TRANSACTIONS if synchronous == "NORMAL" else SLICE_TRANSACTIONS // 4
    rates: tuple[list[float], list[float]] = [], []
    for round_ in range(ROUNDS + 1):
        for kind, run in enumerate((ours, theirs)):
            started = clock()
            for _ in range(many):
                run()
            if round_:
                rates[kind].append(many / (clock() - started))
    return rates


def _threads(place: Path, synchronous: str, target: float | None) -> Figure:
    """Whether some threads starve: the slowest hundredth against the median.

    The promise is about our lock, so it is held at NORMAL; at FULL a disk that stalls is in it.
    """
    latencies: list[float] = []
    url = scratch.sqlite_url(place)
    with scratch.app_on(url, place) as app, _at(app, synchronous):
        fill(app)
        barrier = threading.Barrier(THREADS)

        def spend_on() -> None:
            mine: list[float] = []
            with app.app_context():
                barrier.wait()
                end = time.perf_counter() + THREADS_S
                while (started := time.perf_counter()) < end:
                    debit(anyone(), new_id())
                    mine.append(time.perf_counter() - started)
            latencies.extend(mine)

        threads = [threading.Thread(target=spend_on) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        check(app)
    middle, slow = median(latencies), percentile(latencies, 0.99)
    note = f"median {middle * 1000:.1f} ms, p99 {slow * 1000:.1f} ms, {len(latencies)} debits"
    name = f"debit by {THREADS} threads, {synchronous}, p99 / median"
    return Figure(name, slow / middle, "x", target, "lower", note)
