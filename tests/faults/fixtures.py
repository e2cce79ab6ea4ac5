"""Fixtures of fault tests. A test module asks for them by `pytest_plugins`."""

import os
import random
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import URL, make_url

from app.providers import Price
from app.services import attempts, keys
from tests.cast import Person
from tests.clouds import Clouds
from tests.conftest import Call, Rows
from tests.fakes import FakeCloud, FakeProvider
from tests.faults.machine import Machine
from tests.faults.making import Making
from tests.media.clips import MakeClip


@pytest.fixture
def making(call: Call, rows: Rows, fake_provider: FakeProvider, alice: Person) -> Iterator[Making]:
    """Alice's workshop on the in-memory provider; its books are checked when the test is over."""
    one = Making(call, rows, fake_provider, alice)
    yield one
    one.check_books()


@pytest.fixture
def clouds(app: Flask, tmp_path: Path) -> Clouds:
    """`kie` with three keys, then `fal` with one, then `local`: as `VIDEO_PROVIDERS` says."""
    folder = tmp_path / "fakes"
    folder.mkdir()
    one = Clouds(
        app,
        FakeCloud(folder, "kie"),
        FakeCloud(folder, "fal", cancel_rule="until_started", price=Price(flat_cents=25.0)),
        FakeProvider(folder),
    )
    one.use("kie", "fal", "local")
    with app.app_context():
        keys.sync()
    return one


@pytest.fixture
def cloudy(call: Call, rows: Rows, clouds: Clouds, alice: Person) -> Iterator[Making]:
    """The same in the clouds: videos go to kie first; `clouds` has all who could make them."""
    one = Making(call, rows, clouds.kie, alice)
    yield one
    one.check_books()


@pytest.fixture
def make_machine(
    sqlite_template: Path, tmp_path: Path, short_clip: Path
) -> Iterator[Callable[..., Machine]]:
    """Machines on SQLite (or on `url`), each in a folder of its own, all ended with the test.

    They have the fast provider, unless the test says `clip=None`.
    """
    machines: list[Machine] = []

    def make(url: URL | None = None, **options: Any) -> Machine:
        folder = tmp_path / f"machine-{len(machines)}"
        folder.mkdir()
        if url is None:
            shutil.copyfile(sqlite_template, folder / "app.sqlite")
            url = make_url(f"sqlite:///{folder}/app.sqlite")
        machines.append(Machine(folder, url, **{"clip": short_clip, **options}))
        return machines[-1]

    yield make
    for machine in machines:
        machine.close()


@pytest.fixture
def seed() -> int:
    """FAULTS_SEED, else another one each time."""
    return int(os.environ.get("FAULTS_SEED") or random.randrange(2**32))


@pytest.fixture(scope="session")
def short_clip(make_clip: MakeClip) -> Path:
    """What the fast provider hands out: 4 s, as was asked for."""
    picture = "testsrc=s=320x320:r=24:d=4"
    return make_clip("short.mp4", picture, "sine=f=440:d=4,aformat=channel_layouts=stereo")


@pytest.fixture
def many_submits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many submissions at once as a test has threads: as from many workers."""
    monkeypatch.setattr(attempts, "_cloud_submits", threading.BoundedSemaphore(100))
