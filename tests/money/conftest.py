"""Databases and apps for the money tests, as many as a test wants."""

import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import make_url

from app import create_app
from tests.conftest import close, settings
from tests.fakes import FakeProvider

NewApp = Callable[[], Flask]


@pytest.fixture
def new_app(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewApp]:
    """`new_app()`: an app on a migrated, empty database of its own; the one before is closed."""
    numbers, open_apps = count(), []
    server = request.getfixturevalue("postgres") if database == "postgresql" else None
    template = request.getfixturevalue(f"{'postgres' if server else 'sqlite'}_template")

    def drop() -> None:
        for app, url, folder in open_apps:
            close(app)
            shutil.rmtree(folder)
            if server:
                server.drop(url)
        open_apps.clear()

    def new() -> Flask:
        drop()
        folder = tmp_path / f"house-{next(numbers)}"
        folder.mkdir()
        if server:
            url = server.create(template)
        else:
            shutil.copyfile(template, folder / "app.sqlite")
            url = make_url(f"sqlite:///{folder}/app.sqlite")
        app = create_app(settings(url, folder))
        app.testing = True
        app.extensions["vendors"].providers = {"local": FakeProvider(folder)}
        open_apps.append((app, url, folder))
        return app

    yield new
    drop()
