"""Databases for tests: each test gets one to itself, empty, with the schema of one migrated once.

SQLite is a copied file.  PostgreSQL takes a third of a second for a copy of a database, so one is
emptied after its test and used again, unless the test left another schema behind.  The servers are
those of TEST_DATABASE_URL and TEST_REDIS_URL, else those that answer on the usual local ports, else
private ones that end with the run.
"""

import contextlib
import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import redis
from sqlalchemy import URL, make_url

from tests.needs import missing
from tests.waiting import wait_until

USUAL_POSTGRES = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
USUAL_REDIS = "redis://127.0.0.1:6379/15"
PREFIX = "cuttingasmr_test"

# As the owner, past triggers and foreign keys; numbers begin at 1 again.
EMPTY = """
DO $$
DECLARE each record;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR each IN SELECT tablename FROM pg_tables
        WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    LOOP EXECUTE format('DELETE FROM public.%I', each.tablename); END LOOP;
    FOR each IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'
    LOOP EXECUTE format('ALTER SEQUENCE public.%I RESTART', each.sequencename); END LOOP;
END $$
"""
SCHEMA = """
SELECT md5(string_agg(line, chr(10) ORDER BY line)) FROM (
    SELECT format('%s %s %s %s %s %s', attrelid::regclass, attnum, attname, atttypid, attnotnull,
                  (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef
                   WHERE adrelid = attrelid AND adnum = attnum)) AS line
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT format('%s %s', pg_get_triggerdef(oid), tgenabled) FROM pg_trigger
    WHERE NOT tgisinternal
    UNION ALL SELECT format('%s %s', conrelid::regclass, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT version_num FROM alembic_version
) AS lines
"""


class Postgres:
    """A server on which this test run makes and drops databases."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self._admin = connect(url)
        self._numbers = itertools.count()
        self._free: list[URL] = []
        self._schema = ""
        self._drop_leftovers()

    def create(self, template: str = "template1") -> URL:
        """A new database, the copy of `template`."""
        name = f"{PREFIX}_{os.getpid()}_{next(self._numbers)}"
        self._admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
        return self.url.set(database=name)

    def take(self, template: str) -> URL:
        """An empty database with the schema of `template`; to be given back."""
        if self._free:
            return self._free.pop()
        url = self.create(template)
        with connect(url) as connection:
            self._schema = _schema_of(connection)
        return url

    def give_back(self, url: URL) -> None:
        """Empty a database for the next test; one with another schema is dropped."""
        self._admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [url.database],
        )
        try:
            with connect(url) as connection:
                is_whole = _schema_of(connection) == self._schema
                if is_whole:
                    connection.execute(EMPTY)
        except psycopg.Error:  # a test may leave a database that nobody can enter
            is_whole = False
        if is_whole:
            self._free.append(url)
        else:
            self.drop(url)

    def drop(self, url: URL) -> None:
        """Remove a database, whoever is still connected to it."""
        self._admin.execute(f'DROP DATABASE IF EXISTS "{url.database}" WITH (FORCE)'.encode())

    def close(self) -> None:
        """Drop what was given back, and end the connection; other databases stay."""
        for url in self._free:
            self.drop(url)
        self._admin.close()

    def _drop_leftovers(self) -> None:
        """Remove the databases of test runs that were killed."""
        pattern = PREFIX.replace("_", r"\_") + r"\_%"
        rows = self._admin.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE %s", [pattern]
        )
        for (name,) in rows.fetchall():
            if not Path(f"/proc/{name.split('_')[2]}").exists():
                self.drop(self.url.set(database=name))


def _schema_of(connection: "psycopg.Connection[tuple[str, ...]]") -> str:
    """A digest of tables, triggers, constraints, functions and the migration they came from."""
    found = connection.execute(SCHEMA).fetchone()
    return str(found[0]) if found else ""


def connect(url: URL) -> "psycopg.Connection[tuple[str, ...]]":
    """An autocommit connection to a server. Raises psycopg.OperationalError."""
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True, connect_timeout=3)


@contextlib.contextmanager
def postgres_server() -> Iterator[Postgres]:
    """A server that lets us create databases; skips the test when there is none to be had."""
    with contextlib.ExitStack() as stack:
        if given := os.environ.get("TEST_DATABASE_URL"):
            url = make_url(given)
        elif _answers(make_url(USUAL_POSTGRES)):
            url = make_url(USUAL_POSTGRES)
        else:
            url = stack.enter_context(_private_postgres())
        server = Postgres(url)
        stack.callback(server.close)
        yield server


@contextlib.contextmanager
def redis_server(number: int) -> Iterator[str]:
    """The URL of an empty Redis database; `number` counts down from 15 for parallel test runs."""
    with contextlib.ExitStack() as stack:
        if not (url := os.environ.get("TEST_REDIS_URL")):
            url = USUAL_REDIS.replace("/15", f"/{15 - number}")
            if not _pings(url):
                url = stack.enter_context(_private_redis())
        with redis.Redis.from_url(url) as client:
            client.flushdb()
            yield url
            client.flushdb()


def free_port() -> int:
    """A port on which nothing listens just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: URL) -> bool:
    try:
        connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def _pings(url: str) -> bool:
    with redis.Redis.from_url(url, socket_connect_timeout=3) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


@contextlib.contextmanager
def _private_postgres() -> Iterator[URL]:
    """A cluster in a temporary folder, without fsync, open to all on a random loopback port."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    postgres = shutil.which("postgres") or (str(programs[-1]) if programs else None)
    if postgres is None:
        missing("PostgreSQL")
    as_owner = (
        [] if os.getuid() else ["runuser", "-u", "postgres", "--"]
    )  # it refuses to run as root
    with _folder("postgres") as folder:
        initdb = [str(Path(postgres).with_name("initdb")), "-D", f"{folder}/data", "-U", "postgres"]
        subprocess.run(
            [*as_owner, *initdb, "--auth=trust", "--encoding=UTF8", "--no-sync"],
            check=True,
            capture_output=True,
            cwd=folder,
        )
        port = free_port()
        options = [
            f"port={port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={folder}",
        ]
        options += ["fsync=off", "full_page_writes=off", "max_connections=100"]
        flags = [word for option in options for word in ("-c", option)]
        url = make_url(USUAL_POSTGRES).set(port=port)
        with _process([*as_owner, postgres, "-D", f"{folder}/data", *flags], folder):
            wait_until(lambda: _answers(url), 30, "PostgreSQL started")
            yield url


@contextlib.contextmanager
def _private_redis() -> Iterator[str]:
    if not (program := shutil.which("redis-server")):
        missing("Redis")
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    with (
        _folder("") as folder,
        _process([program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""], folder),
    ):
        wait_until(lambda: _pings(url), 10, "Redis started")
        yield url


@contextlib.contextmanager
def _folder(owner: str) -> Iterator[Path]:
    """A temporary folder with a short path, as sockets want; owned by `owner` when we are root."""
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}_", ignore_cleanup_errors=True) as name:
        if owner and not os.getuid():
            entry = pwd.getpwnam(owner)
            os.chown(name, entry.pw_uid, entry.pw_gid)
        yield Path(name)


@contextlib.contextmanager
def _process(command: list[str], folder: Path) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)
