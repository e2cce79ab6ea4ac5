"""Scratch databases, and an app on them. All of it is gone when the `with` ends."""

import contextlib
import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import URL, make_url

from app import create_app
from app.extensions import db
from bench.processes import tree_cpu_s
from config import Config

_numbers = itertools.count()


class NotHere(RuntimeError):
    """Something that a measurement needs is not on this machine; the message says what."""


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder with a short path, as sockets want."""
    with tempfile.TemporaryDirectory(prefix="asmr-bench-", ignore_cleanup_errors=True) as name:
        (Path(name) / "instance").mkdir(mode=0o700)
        yield Path(name)


def environment(url: URL | str, place: Path) -> dict[str, str]:
    """The variables of an app in production, as it is shipped, on a scratch database."""
    text = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    return {
        "APP_ENV": "production",
        "APP_URL": "https://asmr.example",
        "SECRET_KEY": "only for measuring, and long enough",
        "DATABASE_URL": text,
        "INSTANCE_DIR": str(place / "instance"),
        "LOG_LEVEL": "WARNING",
    }


def make_app(url: URL | str, place: Path) -> Flask:
    """The whole app on a database of the newest schema."""
    app = create_app(Config.from_env(environment(url, place)))
    with app.app_context():
        upgrade()
    return app


def close(app: Flask) -> None:
    """Give back every connection of an app."""
    with app.app_context():
        db.session.remove()
        for engine in db.engines.values():
            engine.dispose()


@contextlib.contextmanager
def app_on(url: URL | str, place: Path) -> Iterator[Flask]:
    """`make_app`, closed at the end."""
    app = make_app(url, place)
    try:
        yield app
    finally:
        close(app)


def sqlite_url(place: Path) -> str:
    """A SQLite file of its own."""
    return f"sqlite:///{place}/scratch{next(_numbers)}.sqlite"


class Server:
    """A PostgreSQL server of this run's own, on loopback, with fsync as in production."""

    def __init__(self, programs: Path, place: Path, port: int) -> None:
        self.programs = programs
        self.log = place / "log"
        self.url = make_url(f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres")

    def cpu_s(self) -> float:
        """Seconds of CPU that the server and its sessions, ended ones too, have used."""
        words = (self.log.parent / "data" / "postmaster.pid").read_text().split()
        return tree_cpu_s(int(words[0]))

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        """Run one statement outside a transaction; its rows, if it has any."""
        with psycopg.connect(plain(self.url), autocommit=True, connect_timeout=3) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    @contextlib.contextmanager
    def database(self) -> Iterator[URL]:
        """A new, empty database, dropped at the end whoever is still connected."""
        name = f"asmr_bench_{next(_numbers)}"
        self.ask(f"CREATE DATABASE {name}")
        try:
            yield self.url.set(database=name)
        finally:
            self.ask(f"DROP DATABASE {name} WITH (FORCE)")


def plain(url: URL) -> str:
    """The address as psycopg and pgbench read it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@contextlib.contextmanager
def postgres() -> Iterator[Server]:
    """Start a server, end it by its pid. Raises NotHere without PostgreSQL's programs."""
    programs = _programs()
    as_owner = [] if os.getuid() else ["runuser", "-u", "postgres", "--"]  # refuses to run as root
    with folder() as place, contextlib.ExitStack() as stack:
        if not os.getuid():
            owner = pwd.getpwnam("postgres")
            os.chown(place, owner.pw_uid, owner.pw_gid)
        data = f"{place}/data"
        initdb = [str(programs / "initdb"), "-D", data, "-U", "postgres", "--no-sync"]
        subprocess.run(
            [*as_owner, *initdb, "--auth=trust", "--encoding=UTF8"],
            check=True,
            capture_output=True,
            cwd=place,
        )
        server = Server(programs, place, free_port())
        stack.enter_context(_running(as_owner, server, place))
        wait_until(lambda: _answers(server), 30, "PostgreSQL answers")
        yield server


def free_port() -> int:
    """A port on which nothing listens just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(is_so: Callable[[], bool], deadline_s: float, what: str) -> None:
    """Look every 20 ms until it is so. Raises TimeoutError."""
    end_s = time.monotonic() + deadline_s
    while not is_so():
        if time.monotonic() > end_s:
            raise TimeoutError(f"waited {deadline_s} s in vain: {what}")
        time.sleep(0.02)


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    program = shutil.which("postgres") or (str(found[-1]) if found else None)
    if program is None:
        raise NotHere("PostgreSQL is not installed")
    return Path(program).resolve().parent


@contextlib.contextmanager
def _running(as_owner: list[str], server: Server, place: Path) -> Iterator[None]:
    options = [
        f"port={server.url.port}",
        "listen_addresses=127.0.0.1",
        f"unix_socket_directories={place}",
        "shared_buffers=512MB",
        "max_wal_size=4GB",
        "max_connections=100",
    ]
    flags = [word for option in options for word in ("-c", option)]
    command = [*as_owner, str(server.programs / "postgres"), "-D", f"{place}/data", *flags]
    with server.log.open("wb") as log:
        process = subprocess.Popen(command, cwd=place, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()  # runuser passes it on: a smart shutdown, once clients have left
        process.wait(60)


def _answers(server: Server) -> bool:
    try:
        server.ask("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True
