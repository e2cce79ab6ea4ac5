"""The progress card against bare Flask: CPU a request, and how many statements it costs.

Two or three servers stand on core 0, only one of them under load at a time; the load comes from
core 1, in slices of a second: bare, card, bare, card.  What counts is the CPU time of the server's
processes (not the database's) divided by the requests answered.  The card is asked for as a browser
does, with both cookies and htmx's headers; bare Flask gets a request without any.
"""

import contextlib
import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from statistics import median
from typing import Any

from flask import Flask
from sqlalchemy import Engine, event

from app.extensions import reader
from bench import scratch, servers
from bench.figures import Figure, missing, paired
from bench.people import Watcher, watcher

ROUNDS, SLICE_S = 7, 1.0
TARGETS = {"SQLite": 0.30, "PostgreSQL": 0.22}
COUNTED = 20


def measure() -> Iterator[Figure]:
    """Ratios and statement counts, on SQLite and, where it is installed, on PostgreSQL."""
    with ExitStack() as stack:
        place = stack.enter_context(scratch.folder())
        urls: dict[str, Any] = {"SQLite": scratch.sqlite_url(place)}
        server: scratch.Server | None = None
        with contextlib.suppress(scratch.NotHere):
            server = stack.enter_context(scratch.postgres())
            urls["PostgreSQL"] = stack.enter_context(server.database())
        webs: dict[str, tuple[servers.Web, Watcher]] = {}
        for name, url in urls.items():
            with scratch.app_on(url, place) as app:
                who = watcher(app)
                yield from _statements(name, app, who, server)
            variables = scratch.environment(url, place)
            webs[name] = stack.enter_context(servers.serving("wsgi:app", variables)), who
        bare = stack.enter_context(servers.serving("bench.bare:app", {}))
        yield from _ratios(bare, webs)
        if server is None:
            yield missing("fragment CPU, PostgreSQL", "PostgreSQL is not installed")


def _ratios(bare: servers.Web, webs: dict[str, tuple[servers.Web, Watcher]]) -> Iterator[Figure]:
    """Slices in turn; the first round warms up and is not counted."""
    theirs: dict[str, list[float]] = {name: [] for name in webs}
    ours: dict[str, list[float]] = {name: [] for name in webs}
    for round_, (name, (web, who)) in itertools.product(range(ROUNDS + 1), webs.items()):
        plain = bare.load("/", {}, SLICE_S).cpu_ms
        servers.settle()
        card = web.load(who.path, who.headers, SLICE_S).cpu_ms
        servers.settle()
        if round_:
            theirs[name].append(plain)
            ours[name].append(card)
    for name in webs:
        note = f"card {median(ours[name]):.3f} ms, bare Flask {median(theirs[name]):.3f} ms"
        ratio = paired(theirs[name], ours[name])
        yield Figure(f"fragment CPU, {name}", ratio, target=TARGETS[name], note=note)


def _statements(
    name: str, app: Flask, who: Watcher, server: scratch.Server | None
) -> Iterator[Figure]:
    """Statements a card, as SQLAlchemy tells them and as the database sees them."""
    browser = app.test_client(use_cookies=False)

    def ask() -> None:
        answer = browser.get(who.path, headers=who.headers, base_url="https://asmr.example")
        words = ('value="42"', "20 to 45 s", 'data-status="processing"')
        assert answer.status_code == 200 and all(word in answer.text for word in words)

    def count(how: str, counter: contextlib.AbstractContextManager[Any]) -> Figure:
        with counter as counted:
            for _ in range(COUNTED):
                ask()
            share = counted() / COUNTED
        assert share >= 1, f"nothing was {how}"
        return Figure(f"statements a fragment, {name}", share, "statements", 1, "lower", how)

    ask()  # connects and compiles
    # one after the other: a listener changes the way statements go
    yield count("told by SQLAlchemy", _listening())
    yield count("seen by the database", _seen(name, app, server))


@contextlib.contextmanager
def _listening() -> Iterator[Any]:
    told: list[str] = []

    def hear(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        told.append(sql)

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        yield lambda: len(told)
    finally:
        event.remove(Engine, "before_cursor_execute", hear)


@contextlib.contextmanager
def _seen(name: str, app: Flask, server: scratch.Server | None) -> Iterator[Any]:
    """Counts at the database: SQLite's trace of the pooled connection, PostgreSQL's own log."""
    statements: list[str] = []
    if name == "SQLite":
        with app.app_context(), reader().connect() as connection:
            driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.set_trace_callback(statements.append)
        yield lambda: len(statements)
        driver.set_trace_callback(None)
        return
    assert server is not None
    server.ask("ALTER SYSTEM SET log_statement = 'all'")
    server.ask("SELECT pg_reload_conf()")
    scratch.wait_until(
        lambda: server.ask("SHOW log_statement") == [("all",)], 10, "statements are logged"
    )
    before = _logged(server)
    yield lambda: _logged(server) - before
    server.ask("ALTER SYSTEM RESET log_statement")
    server.ask("SELECT pg_reload_conf()")


def _logged(server: scratch.Server) -> int:
    """Statements in the log, our own questions and the `PREPARE` of a driver left out."""
    lines = server.log.read_text(errors="replace").splitlines()
    starts = [line for line in lines if "LOG:  statement: " in line or "LOG:  execute " in line]
    return sum("log_statement" not in line and "pg_reload" not in line for line in starts)
