"""The last page of a library of a million videos against its first page.

The pages are those of /videos: `library.page`, 50 a page.  By the clock, the two in turn, since
what matters is how the database finds them; both caches are warm.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from flask import Flask

from app.extensions import db
from app.services import accounts, library
from app.services.library import Filters
from bench import scratch
from bench.figures import Figure, missing, paired

VIDEOS = 1_000_000
PAGE = 50
ROUNDS, CALLS = 9, 5
COLUMNS = (
    "id", "user_id", "type", "title", "prompt", "aspect_ratio", "duration_s", "resolution", "seed",
    "provider", "scene", "scene_recognised", "request_token", "cost_credits", "discount_credits",
    "refunded_credits", "status", "is_late", "is_gift", "cancel_requested", "is_favourite",
    "created_at", "completed_at",
)  # fmt: skip
Load = Callable[[Any, Iterator[tuple[Any, ...]]], None]


def measure() -> Iterator[Figure]:
    """Ratios on SQLite, and on PostgreSQL where it is installed."""
    with ExitStack() as stack:
        place = stack.enter_context(scratch.folder())
        yield _measured("SQLite", scratch.sqlite_url(place), place, _into_sqlite)
        try:
            server = stack.enter_context(scratch.postgres())
        except scratch.NotHere as error:
            yield missing("last page / first page, PostgreSQL", str(error))
            return
        url = stack.enter_context(server.database())
        yield _measured("PostgreSQL", url, place, _into_postgres)


def _measured(name: str, url: Any, place: Path, load: Load) -> Figure:
    with scratch.app_on(url, place) as app:
        with app.app_context():
            user_id = accounts.create_user(
                "bench@example.org", "seven quiet strawberries",
                is_verified=True, is_admin=False, credits=0,
            ).id  # fmt: skip
            db.session.rollback()
        started = time.perf_counter()
        load(url, _rows(user_id))
        loaded_s = time.perf_counter() - started
        first, last = _times(app, user_id)
    note = f"{median(last) * 1000:.2f} / {median(first) * 1000:.2f} ms, loaded in {loaded_s:.0f} s"
    return Figure(
        f"last page / first page, {name}",
        paired(last, first),
        target=1.5,
        better="lower",
        note=note,
    )


def _times(app: Flask, user_id: int) -> tuple[list[float], list[float]]:
    """Seconds for the last and the first page, slice by slice; the first slices warm up."""
    with app.app_context():

        def page(before: str) -> float:
            started = time.perf_counter()
            for _ in range(CALLS):
                rows, _ = library.page(user_id, Filters(), before=before, size=PAGE)
                assert len(rows) == PAGE
                db.session.rollback()
            return (time.perf_counter() - started) / CALLS

        pairs = [(page(_id(PAGE)), page("")) for _ in range(ROUNDS + 1)][1:]
    last, first = zip(*pairs, strict=True)
    return list(last), list(first)


def _id(number: int) -> str:
    """Ids that sort as they were made, like those of the app."""
    return f"01900000-0000-7000-8000-{number:012x}"


def _rows(user_id: int) -> Iterator[tuple[Any, ...]]:
    moment = "2026-01-01 00:00:00.000000"
    rest = (
        user_id, "glass-fruit", "slow slicing of a glass strawberry",
        "slow slicing of a glass strawberry on a wooden board", "16:9", 8, "720p", 1, "local",
        "fruit", True, "b" * 32, 10, 0, 0, "completed", False, False, False, False, moment, moment,
    )  # fmt: skip
    return ((_id(number), *rest) for number in range(VIDEOS))


def _into_sqlite(url: str, rows: Iterator[tuple[Any, ...]]) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as file:
        file.execute("PRAGMA synchronous=OFF")
        indexes = file.execute(
            "SELECT name, sql FROM sqlite_master"
            " WHERE type='index' AND tbl_name='videos' AND sql IS NOT NULL"
        ).fetchall()
        for name, _ in indexes:
            file.execute(f"DROP INDEX {name}")
        file.execute("BEGIN")
        marks = ", ".join("?" * len(COLUMNS))
        insert = f"INSERT INTO videos ({', '.join(COLUMNS)}) VALUES ({marks})"  # noqa: S608 - ours
        file.executemany(insert, rows)
        file.execute("COMMIT")
        for _, sql in indexes:
            file.execute(sql)
        file.execute("ANALYZE")


def _into_postgres(url: Any, rows: Iterator[tuple[Any, ...]]) -> None:
    with psycopg.connect(scratch.plain(url), autocommit=True) as connection:
        found = connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes"
            " WHERE tablename = 'videos' AND indexname NOT LIKE 'pk%'"
        ).fetchall()
        for name, _ in found:
            connection.execute(f"DROP INDEX {name}".encode())
        copy = f"COPY videos ({', '.join(COLUMNS)}) FROM STDIN"
        with connection.transaction(), connection.cursor().copy(copy.encode()) as out:
            for row in rows:
                out.write_row(row)
        for _, definition in found:
            connection.execute(definition.encode())
        connection.execute("VACUUM ANALYZE videos")
