"""The house of the tests: an app on a fresh database, a fixed cast, and no way to the outside.

Fixtures give no ambient app or request context: with one, `flask.g`, and in it the signed-in user,
would leak from one client to the next. Verbs of services are called through `call`, rows are looked
at through `rows`.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import URL, Engine, RowMapping, event, make_url, text

from app import create_app
from app.extensions import db, huey
from config import ROOT, Config
from tests import loopback
from tests.cast import PASSWORD, Browser, Person
from tests.clouds import CLOUDS
from tests.databases import Postgres, postgres_server, redis_server
from tests.fakes import FakeProvider

pytest_plugins = ["tests.media.fixtures", "tests.faults.fixtures"]

Call = Callable[..., Any]
Rows = Callable[..., list[RowMapping]]


@pytest.fixture(scope="session", autouse=True)
def only_loopback() -> Iterator[None]:
    """Sockets reach this machine only; names other than localhost do not resolve."""
    with loopback.guard():
        yield


# Databases ---------------------------------------------------------------------------------------


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`@pytest.mark.both_databases` runs a test on SQLite and on PostgreSQL."""
    if metafunc.definition.get_closest_marker("both_databases"):
        postgres = pytest.param("postgresql", marks=pytest.mark.postgres)
        metafunc.parametrize("database", ["sqlite", postgres], indirect=True)


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """`sqlite`, or `postgresql` where a test is marked `both_databases` or `postgres`."""
    if request.node.get_closest_marker("postgres"):
        return "postgresql"
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server to make databases on."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(
    postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The name of a migrated PostgreSQL database."""
    url = postgres.create()
    migrate(url, tmp_path_factory.mktemp("postgres-template"))
    yield str(url.database)
    postgres.drop(url)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file."""
    folder = tmp_path_factory.mktemp("sqlite-template")
    migrate(make_url(f"sqlite:///{folder}/app.sqlite"), folder)
    return folder / "app.sqlite"


@pytest.fixture
def database_url(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    """A migrated, empty database of this test's own."""
    if database == "sqlite":
        path = tmp_path / "app.sqlite"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        yield make_url(f"sqlite:///{path}")
        return
    server = request.getfixturevalue("postgres")
    url = server.take(request.getfixturevalue("postgres_template"))
    yield url
    server.give_back(url)


@pytest.fixture(scope="session")
def redis_url(worker_id: str) -> Iterator[str]:
    """An empty Redis database."""
    with redis_server(int(worker_id.removeprefix("gw")) if worker_id != "master" else 0) as url:
        yield url


def migrate(url: URL, folder: Path) -> None:
    """Bring a database to the newest schema, as `make migrate` does."""
    from flask_migrate import upgrade

    app = create_app(settings(url, folder))
    with app.app_context():
        upgrade()
    close(app)


@pytest.fixture(autouse=True)
def no_power_cuts(request: pytest.FixtureRequest) -> Iterator[None]:
    """SQLite does not wait for the disk in tests, unless they are marked `synchronous`.

    Processes die in tests, machines do not: what a killed process has written is there.
    """
    if request.node.get_closest_marker("synchronous"):
        yield
        return

    def relax(connection: object, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", relax)
    yield
    event.remove(Engine, "connect", relax)


# The app -----------------------------------------------------------------------------------------


def settings(url: URL, folder: Path, **overrides: str) -> Config:
    """The settings of an app under test; `overrides` are environment variables."""
    instance = folder / "instance"
    instance.mkdir(mode=0o700, exist_ok=True)
    kernels = Path(os.environ.get("NUMBA_CACHE_DIR", ROOT / "instance" / "numba"))
    if not (instance / "numba").exists():  # compiled once for all tests
        kernels.mkdir(parents=True, exist_ok=True)
        (instance / "numba").symlink_to(kernels)
    is_production = overrides.get("APP_ENV") == "production"
    variables = {
        "APP_ENV": "test",
        "SECRET_KEY": "only for tests, and long enough for them",
        "DATABASE_URL": url.render_as_string(hide_password=False),
        "INSTANCE_DIR": str(instance),
        "LOCAL_RENDER_QUALITY": "standard" if is_production else "draft",
        "ADMIN_EMAILS": "root@example.org",
        "FFMPEG_BIN": os.environ.get("FFMPEG_BIN", ""),
    }
    return Config.from_env({**variables, **overrides})


@pytest.fixture
def make_app(database_url: URL, tmp_path: Path) -> Iterator[Callable[..., Flask]]:
    """Builds apps on this test's database: `make_app(WELCOME_DAILY_CAP="1")`."""
    apps: list[Flask] = []

    def make(**overrides: str) -> Flask:
        app = create_app(settings(database_url, tmp_path, **overrides))
        app.testing = True
        app.test_client_class = Browser
        apps.append(app)
        return app

    yield make
    for app in apps:
        close(app)


@pytest.fixture
def app(make_app: Callable[..., Flask], request: pytest.FixtureRequest) -> Flask:
    """The app with the settings of `settings`, on a fresh database; with clouds for `clouds`."""
    return make_app(**(CLOUDS if "clouds" in request.fixturenames else {}))


def close(app: Flask) -> None:
    """Give back every connection of an app."""
    vendors = app.extensions["vendors"]
    for door in (vars(vendors).get("payments"), vars(vendors).get("screener")):  # where opened
        if door is not None:
            door.close()
    with app.app_context():
        db.session.remove()
        for engine in db.engines.values():
            engine.dispose()


@pytest.fixture
def call(app: Flask) -> Call:
    """`call(credits.balance_of, alice.id)`: a service's verb in an app context of its own."""

    def call(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        with app.app_context():
            return function(*arguments, **options)

    return call


@pytest.fixture
def rows(app: Flask) -> Rows:
    """`rows("SELECT status FROM videos WHERE id = :id", id=...)`: what the tables say now."""

    def rows(sql: str, **values: Any) -> list[RowMapping]:
        with app.app_context(), db.engine.connect() as connection:
            return list(connection.execute(text(sql), values).mappings())

    return rows


@pytest.fixture
def run_tasks(app: Flask) -> Callable[[], int]:
    """Does what the queue holds, as a worker would, tasks that those enqueue too. Returns how many.

    Scheduled tasks (the next sweep) stay where they are: a test rings for them itself.
    """

    def run() -> int:
        huey.flask_app = app
        count = 0
        while (task := huey.dequeue()) is not None:
            huey.execute(task)
            count += 1
        return count

    return run


# Browsers and the cast ---------------------------------------------------------------------------


@pytest.fixture
def make_person(call: Call) -> Callable[..., Person]:
    """`make_person("carol@example.org", credits=8, verified=False, admin=False)`."""

    def make(email: str, *, credits: int = 0, verified: bool = True, admin: bool = False) -> Person:
        from app.services import accounts

        def create() -> int:
            user = accounts.create_user(
                email, PASSWORD, is_verified=verified, is_admin=admin, credits=credits
            )
            return int(user.id)

        return Person(call(create), email)

    return make


@pytest.fixture
def alice(make_person: Callable[..., Person]) -> Person:
    """Verified, with 100 credits."""
    return make_person("alice@example.org", credits=100)


@pytest.fixture
def bob(make_person: Callable[..., Person]) -> Person:
    """Verified, with 100 credits: a stranger to alice."""
    return make_person("bob@example.org", credits=100)


@pytest.fixture
def root(make_person: Callable[..., Person]) -> Person:
    """The admin."""
    return make_person("root@example.org", admin=True)


@pytest.fixture
def client(app: Flask) -> Browser:
    """Nobody's browser."""
    return Browser.of(app)


@pytest.fixture
def client_of(app: Flask, call: Call) -> Callable[[Person], Browser]:
    """A browser in which a person is signed in."""

    def sign_in(person: Person) -> Browser:
        from app.services import sessions

        browser = Browser.of(app)
        browser.set_cookie("session", call(sessions.start, person.id, "test browser"))
        return browser

    return sign_in


@pytest.fixture
def alice_client(alice: Person, client_of: Callable[[Person], Browser]) -> Browser:
    """Alice's browser."""
    return client_of(alice)


@pytest.fixture
def bob_client(bob: Person, client_of: Callable[[Person], Browser]) -> Browser:
    """Bob's browser."""
    return client_of(bob)


@pytest.fixture
def root_client(root: Person, client_of: Callable[[Person], Browser]) -> Browser:
    """The admin's browser."""
    return client_of(root)


@pytest.fixture(autouse=True)
def _push_request_context() -> None:
    """Instead of pytest-flask's, which would share `flask.g` between clients."""


@pytest.fixture
def fake_provider(app: Flask, tmp_path: Path) -> FakeProvider:
    """The app's `local` provider is an in-memory one; the test writes its script."""
    folder = tmp_path / "fake-provider"
    folder.mkdir()
    provider = FakeProvider(folder)
    app.extensions["vendors"].providers = {"local": provider}
    return provider
