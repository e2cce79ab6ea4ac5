"""The Flask extensions and the queue, made once and bound to an app by `init_app`."""

import functools
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from flask import Flask, Response
from flask_babel import Babel
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from huey import Huey, MemoryHuey
from huey.serializer import SignedSerializer
from huey.storage import MemoryStorage, RedisStorage, SqliteStorage
from sqlalchemy import Engine, MetaData, event
from sqlalchemy.orm import DeclarativeBase

P = ParamSpec("P")
R = TypeVar("R")

BUSY_TIMEOUT_MS = 15_000
# Single reads outside a transaction: saves BEGIN and ROLLBACK, on PostgreSQL a round trip each.
READS: dict[str, Any] = {
    "isolation_level": "AUTOCOMMIT",
    "pool_reset_on_return": None,
    "pool_pre_ping": False,  # a second statement for each; Statement.first asks again instead
    "execution_options": {"is_reader": True},
}


class Base(DeclarativeBase):
    """Constraint names are fixed, so that a migration can name what it changes."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Visitors(LoginManager):
    """Flask-Login without its own cookie, for which it would read the session at every answer."""

    def _update_remember_cookie(self, response: Response) -> Response:
        return response


class RouteLimiter(Limiter):
    """No limit holds for every route, so only the views that have one look at theirs."""

    def _check_request_limit(
        self, callable_name: str | None = None, in_middleware: bool = True
    ) -> None:
        if not in_middleware:
            super()._check_request_limit(callable_name, in_middleware)


db = SQLAlchemy(model_class=Base)
migrate = Migrate(render_as_batch=True)
login = Visitors()
csrf = CSRFProtect()
babel = Babel()
limiter = RouteLimiter(get_remote_address, strategy="sliding-window-counter", headers_enabled=True)
# The queue object is global because tasks are declared on it at import; `init_app` gives it its
# storage.  Results are never read, and would pile up in SQLite.
huey: Huey = MemoryHuey("cuttingasmr", results=False)


def init_app(app: Flask) -> None:
    """Bind every extension to `app`."""
    config = app.config
    app.config["SQLALCHEMY_DATABASE_URI"] = config["DATABASE_URL"]
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(config["DATABASE_URL"])
    app.config["SQLALCHEMY_BINDS"] = {
        "reads": {"url": config["DATABASE_URL"], **engine_options(config["DATABASE_URL"]), **READS}
    }
    app.config["RATELIMIT_STORAGE_URI"] = config["REDIS_URL"] or "memory://"
    app.config["RATELIMIT_IN_MEMORY_FALLBACK_ENABLED"] = bool(config["REDIS_URL"])
    app.config["RATELIMIT_KEY_PREFIX"] = "sliding"
    app.config["RATELIMIT_ENABLED"] = config["APP_ENV"] != "test"
    db.init_app(app)
    migrate.init_app(app, db, directory=str(Path(app.root_path).parent / "migrations"))
    login.init_app(app, add_context_processor=False)  # it would load the user on every render
    csrf.init_app(app)
    limiter.init_app(app)
    bind_queue(app)


def reader() -> Engine:
    """The engine for single reads on hot paths."""
    return db.engines["reads"]


def engine_options(url: str) -> dict[str, Any]:
    """Pool settings: a connection a thread and a few more; SQLite connections may change thread."""
    if url.startswith("sqlite"):
        return {"connect_args": {"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000}}
    return {"pool_size": 10, "max_overflow": 20, "pool_pre_ping": True}


def bind_queue(app: Flask) -> None:
    """Give Huey its storage: Redis, or a SQLite file of its own, or memory in tests."""
    config = app.config
    # Huey pickles: the signature keeps a writable queue from becoming code execution.
    huey.serializer = SignedSerializer(secret=config["SECRET_KEY"])
    if config["APP_ENV"] == "test":
        huey.storage = MemoryStorage(huey.name)
    elif config["REDIS_URL"]:
        huey.storage = RedisStorage(huey.name, url=config["REDIS_URL"])
    else:
        filename = str(config["INSTANCE_DIR"] / "queue.sqlite")
        huey.storage = SqliteStorage(huey.name, filename=filename, timeout=15)
    huey.flask_app = app


def in_app_context(function: Callable[P, R]) -> Callable[P, R]:
    """Run a Huey task inside the app: the consumer's threads do not enter it by themselves."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with huey.flask_app.app_context():
            return function(*args, **kwargs)

    return wrapper


@event.listens_for(Engine, "connect")
def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """WAL lets readers pass a writer; FULL syncs every commit, since commits are money."""
    if not isinstance(connection, sqlite3.Connection):
        return
    connection.isolation_level = None  # we say BEGIN ourselves, see _begin_sqlite
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")


@event.listens_for(Engine, "begin")
def _begin_sqlite(connection: Any) -> None:
    """BEGIN IMMEDIATE for writers that read first, so that they never have to upgrade a lock.

    pysqlite's deferred BEGIN plus read-then-write fails with "database is locked" at once,
    whatever the busy timeout.  On every session it would make plain reads wait behind a writer.
    """
    options = connection.get_execution_options()
    if connection.dialect.name == "sqlite" and not options.get("is_reader"):
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("immediate") else "BEGIN")
