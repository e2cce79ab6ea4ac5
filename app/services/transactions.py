"""Write transactions: short, serialised on SQLite, with statements compiled once.

Every change of state happens inside `write_transaction()`.  On SQLite it is BEGIN IMMEDIATE
behind a fair lock of this process (the busy handler alone starves some writers: p99 was hundreds of
times the median); on PostgreSQL the guarded UPDATE itself takes the row lock.
"""

import threading
from collections import deque, namedtuple
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, CursorResult, Engine
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError

from app.extensions import db


class FairLock:
    """A mutex that is handed on in order of arrival."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._held = False
        self._holder = 0

    def __enter__(self) -> None:
        me = threading.get_ident()
        if self._holder == me:
            raise RuntimeError("a transaction inside a transaction would wait for itself")
        self._wait()
        self._holder = me

    def _wait(self) -> None:
        with self._guard:
            if not self._held:
                self._held = True
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()  # released by the holder before us, who leaves `_held` true

    def __exit__(self, *_: object) -> None:
        self._holder = 0
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False


_sqlite_writers = FairLock()


@contextmanager
def write_transaction() -> Iterator[Connection]:
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


Converters = tuple[tuple[int, Callable[[Any], Any]], ...]


@dataclass(frozen=True)
class _Compiled:
    """What the driver needs: SQL, the order of positional values, and how values become its own."""

    sql: str
    order: tuple[str, ...] | None
    constants: dict[str, Any]
    to_driver: dict[str, Callable[[Any], Any]]

    def bind(self, values: dict[str, Any]) -> Any:
        """What the driver is given: by name, or in order where it knows no names."""
        bound = {**self.constants, **values}
        for name, convert in self.to_driver.items():
            bound[name] = convert(bound[name])
        return bound if self.order is None else tuple(map(bound.__getitem__, self.order))


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
        return connection.exec_driver_sql(compiled.sql, compiled.bind(values))

    def first(self, engine: Engine, **values: Any) -> Any:
        """The first row of a SELECT as a named tuple with converted values, or None.

        For engines in AUTOCOMMIT. A connection that died in the pool, because the server was
        restarted, is replaced and the question asked once more.
        """
        compiled = self._for(engine.dialect)
        bound = compiled.bind(values)
        # Where someone listens (tracing, tests) statements go SQLAlchemy's way, to be heard.
        ask = _ask_heard if engine.dispatch.before_cursor_execute else _ask
        try:
            found, description = ask(engine, compiled.sql, bound)
        except ConnectionLost:
            found, description = ask(engine, compiled.sql, bound)
        if found is None:
            return None
        row = list(found)
        for index, convert in self._converters(engine.dialect, description):
            row[index] = convert(row[index])
        return self._row._make(row)

    def _converters(self, dialect: Dialect, description: Any) -> Converters:
        """Which columns' values become something else, and by what; found out once a dialect."""
        found = self._from_driver.get(dialect.name)
        if found is None:
            processors = (
                column.type.dialect_impl(dialect).result_processor(dialect, told[1])
                for column, told in zip(self._statement.selected_columns, description, strict=True)
            )
            found = self._from_driver[dialect.name] = tuple(
                (index, convert) for index, convert in enumerate(processors) if convert is not None
            )
        return found

    def _for(self, dialect: Dialect) -> _Compiled:
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = self._compile(dialect)
        return compiled

    def _compile(self, dialect: Dialect) -> _Compiled:
        compiled = self._statement.compile(dialect=dialect)
        to_driver = {
            name: convert
            for bind, name in compiled.bind_names.items()
            if (convert := bind.type.dialect_impl(dialect).bind_processor(dialect)) is not None
        }
        order = tuple(compiled.positiontup) if compiled.positional else None
        # Only what the statement itself holds: a value that the caller forgets must be missed.
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        return _Compiled(str(compiled), order, constants, to_driver)


class ConnectionLost(RuntimeError):
    """The connection was dead; the pool has been emptied, so that the next one is new."""


def _ask(engine: Engine, sql: str, bound: Any) -> tuple[Any, Any]:
    """The first row, and what the driver says of its columns.

    Straight to the driver: SQLAlchemy describes the columns of such a result anew each time, which
    for a card costs ten times what SQLite needs to find the row.
    """
    pooled = engine.raw_connection()
    try:
        cursor = pooled.cursor()
        cursor.execute(sql, bound)
        answer = cursor.fetchone(), cursor.description
        cursor.close()
    except engine.dialect.loaded_dbapi.Error as error:
        was_dead = engine.dialect.is_disconnect(error, pooled, None)
        pooled.invalidate()
        if not was_dead:
            raise
        engine.dispose()
        raise ConnectionLost from error
    pooled.close()
    return answer


def _ask_heard(engine: Engine, sql: str, bound: Any) -> tuple[Any, Any]:
    """The same by SQLAlchemy, which tells its listeners."""
    try:
        with engine.connect() as connection:
            result = connection.exec_driver_sql(sql, bound)
            description = result.cursor.description
            return result.first(), description
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise ConnectionLost from error
