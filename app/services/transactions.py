"""Money transactions: short, serialised on SQLite, with statements compiled once.

A balance changes inside `money_transaction()` and nowhere else.  On SQLite it is BEGIN IMMEDIATE
behind a fair lock of this process (the busy handler alone starves some writers: p99 was hundreds of
times the median); on PostgreSQL the guarded UPDATE itself takes the row lock.
"""

import threading
from collections import deque, namedtuple
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, CursorResult
from sqlalchemy.engine import Dialect

from app.extensions import db


class FairLock:
    """A mutex that is handed on in order of arrival."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._held = False

    def __enter__(self) -> None:
        with self._guard:
            if not self._held:
                self._held = True
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()  # released by the holder before us, who leaves `_held` true

    def __exit__(self, *_: object) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False


_sqlite_writers = FairLock()


@contextmanager
def money_transaction() -> Iterator[Connection]:
    """A connection inside one transaction, committed at the end, rolled back on any error.

    Nothing slow belongs inside: no vendor call, no template, no file.  The ORM session of the
    request is ended first, so that it neither holds a lock nor shows rows from before.
    """
    db.session.rollback()
    if db.engine.dialect.name != "sqlite":
        with db.engine.begin() as connection:
            yield connection
        return
    immediate = db.engine.execution_options(immediate=True)
    with _sqlite_writers, immediate.begin() as connection:
        yield connection


Converters = tuple[Callable[[Any], Any] | None, ...]


@dataclass(frozen=True)
class _Compiled:
    """What the driver needs: SQL, the order of positional values, and how values become its own."""

    sql: str
    order: tuple[str, ...] | None
    constants: dict[str, Any]
    to_driver: dict[str, Callable[[Any], Any]]


class Statement:
    """A Core statement that is compiled once a dialect and then handed to the driver as it is.

    Building and looking up a statement costs several times what the database needs to run it, and
    SQLite's write lock is held meanwhile.  Values are bound by name; column types convert as usual.
    """

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}
        self._from_driver: dict[str, Converters] = {}
        names = [column.key for column in getattr(statement, "selected_columns", ())]
        self._row: Any = namedtuple("Row", names) if names else None

    def __call__(self, connection: Connection, **values: Any) -> CursorResult[Any]:
        """Run it; rows come as the driver gives them."""
        compiled = self._for(connection.dialect)
        bound = {**compiled.constants, **values}
        for name, convert in compiled.to_driver.items():
            bound[name] = convert(bound[name])
        if compiled.order is None:
            return connection.exec_driver_sql(compiled.sql, bound)
        return connection.exec_driver_sql(
            compiled.sql, tuple(bound[name] for name in compiled.order)
        )

    def first(self, connection: Connection, **values: Any) -> Any:
        """The first row of a SELECT as a named tuple with converted values, or None."""
        result = self(connection, **values)
        converters = self._from_driver.get(connection.dialect.name)
        if converters is None:
            converters = self._converters(connection.dialect, result.cursor.description)
        row = result.first()
        if row is None:
            return None
        return self._row._make(
            value if convert is None else convert(value)
            for value, convert in zip(row, converters, strict=True)
        )

    def _converters(self, dialect: Dialect, description: Any) -> Converters:
        """How each column's value becomes what its type promises; kept after the first row."""
        found = self._from_driver[dialect.name] = tuple(
            column.type.dialect_impl(dialect).result_processor(dialect, told[1])
            for column, told in zip(self._statement.selected_columns, description, strict=True)
        )
        return found

    def _for(self, dialect: Dialect) -> _Compiled:
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = self._compile(dialect)
        return compiled

    def _compile(self, dialect: Dialect) -> _Compiled:
        compiled = self._statement.compile(
            dialect=dialect, compile_kwargs={"render_postcompile": True}
        )
        to_driver = {
            name: convert
            for bind, name in compiled.bind_names.items()
            if (convert := bind.type.dialect_impl(dialect).bind_processor(dialect)) is not None
        }
        order = tuple(compiled.positiontup) if compiled.positional else None
        return _Compiled(str(compiled), order, dict(compiled.params), to_driver)
