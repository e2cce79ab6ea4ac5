"""A debit (guarded UPDATE, entry, video row, one transaction) against the driver alone.

The SQL of our side is written down once while it runs, and that very text is what the raw driver
and pgbench execute: the ratio is what Python and SQLAlchemy cost, not another statement.
SQLite: one client, CPU time, slices in turn; at synchronous=NORMAL, where no disk is waited for, and
as shipped (FULL) by the clock.  PostgreSQL: 8 clients, a process each, against pgbench with 8.
"""

import contextlib
import random
import re
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from flask import Flask
from sqlalchemy import Engine, event, func, insert, select

from app.extensions import db
from app.models import CreditAccount, CreditEntry, User, new_id, now
from app.services import credits
from app.services.transactions import money_transaction
from app.services.videos import _INSERT
from bench import scratch
from bench.clients import Clients
from bench.figures import Figure, missing, paired, percentile

ACCOUNTS = 1000
ROUNDS = 7
SLICE_TRANSACTIONS = 400
SLICE_S = 0.5
THREADS, THREADS_S = 32, 3.0
CLIENTS = 8
COST_CREDITS = 8


def debit(user_id: int, video_id: str) -> None:
    """What `request_video` does with the money of one video, and nothing around it."""
    with money_transaction() as connection:
        credits.spend(
            connection, user_id, COST_CREDITS, key=f"spend:{video_id}", reference=video_id
        )
        _INSERT(
            connection,
            id=video_id,
            user_id=user_id,
            type="glass-fruit",
            title="slow slicing of a glass strawberry",
            prompt="slow slicing of a glass strawberry on a wooden board",
            aspect_ratio="16:9",
            duration_s=8,
            resolution="720p",
            seed=1,
            provider="local",
            scene="fruit",
            scene_recognised=True,
            request_token="b" * 32,
            cost_credits=COST_CREDITS,
            discount_credits=2,
            created_at=now(),
        )


def measure() -> Iterator[Figure]:
    """Ratios on SQLite, and on PostgreSQL where it is installed."""
    with scratch.folder() as place:
        yield from _sqlite(place, "NORMAL")
        yield from _sqlite(place, "FULL")
        yield _threads(place)
        try:
            with scratch.postgres() as server:
                yield from _postgres(server, place)
        except scratch.NotHere as error:
            yield missing("debit against pgbench, PostgreSQL", str(error))


# What is measured --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recorded:
    """The statements of one debit, with the values they carried."""

    statements: list[tuple[str, Any]]
    user_id: int
    video_id: str

    def role(self, value: object) -> str:
        """Which values change from debit to debit: `user`, `video`, `key`, or '' for the rest."""
        roles = {self.user_id: "user", self.video_id: "video", f"spend:{self.video_id}": "key"}
        return roles.get(value, "") if isinstance(value, int | str) else ""


def record(app: Flask) -> Recorded:
    """Run one debit and write down what goes to the driver."""
    heard: list[tuple[str, Any]] = []

    def hear(_connection: Any, _cursor: Any, sql: str, values: Any, *_: Any) -> None:
        if not sql.startswith("BEGIN"):
            heard.append((sql, values))

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        with app.app_context():
            # no other value of the statements is this number
            user_id, video_id = ACCOUNTS, new_id()
            debit(user_id, video_id)
    finally:
        event.remove(Engine, "before_cursor_execute", hear)
    return Recorded(heard, user_id, video_id)


def fill(app: Flask) -> None:
    """Accounts 1 to ACCOUNTS, rich enough never to be refused."""
    ids = range(1, ACCOUNTS + 1)
    with app.app_context():
        db.session.execute(
            insert(User),
            [
                {"id": i, "email": f"{i}@example.org", "is_admin": False, "locale": "en"}
                for i in ids
            ],
        )
        db.session.execute(
            insert(CreditAccount),
            [{"user_id": i, "total_credits": 10**9, "used_credits": 0} for i in ids],
        )
        db.session.execute(  # the entries the balances come from
            insert(CreditEntry),
            [
                {
                    "user_id": i, "kind": "adjustment", "amount": 10**9, "balance_after": 10**9,
                    "reason": "bench", "key": f"bench:{i}",
                }
                for i in ids
            ],
        )  # fmt: skip
        db.session.commit()


def check(app: Flask) -> None:
    """A fast debit that loses credits would be no good: the balances are the sums of the entries."""
    with app.app_context():
        balance = CreditAccount.total_credits - CreditAccount.used_credits
        balances = db.session.scalar(select(func.sum(balance)))
        entries = db.session.scalar(select(func.sum(CreditEntry.amount)))
    assert balances == entries, f"balances {balances}, entries {entries}"


def anyone() -> int:
    """Some account."""
    return random.randrange(1, ACCOUNTS + 1)


# SQLite ------------------------------------------------------------------------------------------


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
        yield Figure(
            "debit against sqlite3, NORMAL", paired(ours, theirs), target=0.30, note=note
        )
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


def _threads(place: Path) -> Figure:
    """Whether some threads starve: the slowest hundredth against the median, as shipped."""
    latencies: list[float] = []
    url = scratch.sqlite_url(place)
    with scratch.app_on(url, place) as app:
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
    return Figure(
        f"debit by {THREADS} threads, p99 / median", slow / middle, "x", 15, "lower", note
    )


# PostgreSQL --------------------------------------------------------------------------------------


def _postgres(server: scratch.Server, place: Path) -> Iterator[Figure]:
    with server.database() as url, scratch.app_on(url, place) as app:
        fill(app)
        recorded = record(app)
        scripts = {
            "spread": _script(recorded, place / "spread.sql", f"random(1, {ACCOUNTS})"),
            "hot": _script(recorded, place / "hot.sql", "1"),
        }
        rates: dict[tuple[str, str], list[float]] = {}
        with Clients(CLIENTS, url.render_as_string(hide_password=False), place) as clients:
            for round_ in range(ROUNDS):
                for name, script in scripts.items():
                    pair = _pgbench(server, url, script), clients.rate(name == "hot", 1.0)
                    if round_:
                        rates.setdefault(("pgbench", name), []).append(pair[0])
                        rates.setdefault(("ours", name), []).append(pair[1])
        check(app)
    ours, theirs = rates["ours", "spread"], rates["pgbench", "spread"]
    note = f"ours {median(ours):.0f}, pgbench {median(theirs):.0f} transactions/s"
    yield Figure(
        f"debit against pgbench, {CLIENTS} clients", paired(ours, theirs), target=0.25, note=note
    )
    for who in ("ours", "pgbench"):
        hot = paired(rates[who, "hot"], rates[who, "spread"])
        yield Figure(f"debit, one hot account / spread, {who}", hot)


def _script(recorded: Recorded, path: Path, user: str) -> Path:
    """The recorded statements as pgbench reads them."""

    def value(match: re.Match[str], values: dict[str, Any]) -> str:
        held = values[match[1]]
        role = recorded.role(held)
        if role:
            return {"user": ":user", "video": ":video", "key": "('spend:' || :video)"}[role]
        text = str(held).replace("'", "''")
        return str(held) if isinstance(held, bool | int) else f"'{text}'"

    lines = [f"\\set user {user}", "\\set video random(1, 9000000000000000000)", "BEGIN;"]
    for sql, values in recorded.statements:
        text = re.sub(r"%\((\w+)\)s", lambda match, values=values: value(match, values), sql)
        lines.append(" ".join(text.split()) + ";")
    path.write_text("\n".join([*lines, "COMMIT;", ""]))
    return path


def _pgbench(server: scratch.Server, url: Any, script: Path) -> float:
    """Transactions a second by pgbench with prepared statements."""
    command = [
        *(str(server.programs / "pgbench"), "--no-vacuum", "--protocol=prepared"),
        *(f"--client={CLIENTS}", "--jobs=2", "--time=1", f"--file={script}", scratch.plain(url)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
    failed = re.search(r"number of failed transactions: ([1-9]\d*)", done.stdout)
    if done.returncode or found is None or failed:
        raise RuntimeError(f"pgbench: {done.stdout}{done.stderr}")
    return float(found[1])
