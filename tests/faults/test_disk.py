"""A full or unwritable media disk: refunded, said plainly, nothing half-written; then it works."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.services import alerts, tidying
from tests.cast import Person
from tests.conftest import Call, Rows
from tests.fakes import READY
from tests.faults.making import Making
from tests.media.clips import MakeClip

pytest_plugins = ["tests.faults.fixtures"]

NOISE = "nullsrc=s=320x180:r=24:d=2,geq=random(1)*255:128:128"
"""A picture that cannot be made small: more than the small disk holds."""


def files_on(disk: Path) -> list[str]:
    return sorted(str(path.relative_to(disk)) for path in disk.rglob("*") if path.is_file())


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Not a byte is free."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    yield
    filler.unlink()


def read_only(disk: Path, *, is_on: bool) -> None:
    how = "ro" if is_on else "rw"
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True, timeout=10)


def open_alerts(call: Call) -> dict[str, str]:
    found = call(alerts.open_alerts)
    return {alert.kind: alert.text for alert in found}


@pytest.fixture
def app(make_app: Callable[..., Flask], small_disk: Path) -> Flask:
    """An app whose files go to a small disk of its own."""
    return make_app(STORAGE_URL=f"file://{small_disk}")


def check_it_was_given_up(
    making: Making, call: Call, browser: FlaskClient, video_id: str, code: str
) -> None:
    video = making.video(video_id)
    assert (video["status"], video["error_code"]) == ("failed", code)
    assert making.is_refunded(video_id)
    assert code in open_alerts(call)
    card = browser.get(f"/videos/{video_id}", headers={"HX-Request": "true"}).text
    assert "Our disk had no room for it. We have been told." in card
    assert making.provider.forgotten


def test_a_disk_that_gets_full_while_storing(
    making: Making,
    small_disk: Path,
    make_clip: MakeClip,
    call: Call,
    client_of: Callable[[Person], FlaskClient],
) -> None:
    making.provider.script = (READY,)
    making.provider.clip = make_clip("noise.mp4", NOISE)
    assert making.provider.clip.stat().st_size > 256 * 1024
    video_id = making.ask()
    making.make(video_id)
    check_it_was_given_up(making, call, client_of(making.person), video_id, "disk_full")
    assert files_on(small_disk) == []
    making.provider.clip = make_clip("good.mp4")
    assert making.make(making.ask()) == "completed"


def test_a_disk_that_is_full_before_and_free_again(
    making: Making,
    small_disk: Path,
    make_clip: MakeClip,
    call: Call,
    client_of: Callable[[Person], FlaskClient],
) -> None:
    making.provider.script = (READY,)
    making.provider.clip = make_clip("good.mp4")
    browser = client_of(making.person)
    video_id = making.ask()
    with filled(small_disk):
        making.make(video_id)
        check_it_was_given_up(making, call, browser, video_id, "disk_full")
        assert files_on(small_disk) == ["filler"]
    after = making.ask()
    assert making.make(after) == "completed"
    with browser.get(f"/videos/{after}/file") as answer:
        assert answer.status_code == 200
    assert len(files_on(small_disk)) == 3


def test_a_disk_that_cannot_be_written_and_can_again(
    making: Making,
    small_disk: Path,
    make_clip: MakeClip,
    call: Call,
    client_of: Callable[[Person], FlaskClient],
) -> None:
    making.provider.script = (READY,)
    making.provider.clip = make_clip("good.mp4")
    before = making.ask()
    assert making.make(before) == "completed"
    kept = files_on(small_disk)
    read_only(small_disk, is_on=True)
    video_id = making.ask()
    making.make(video_id)
    check_it_was_given_up(making, call, client_of(making.person), video_id, "unwritable")
    assert files_on(small_disk) == kept
    read_only(small_disk, is_on=False)
    assert making.make(making.ask()) == "completed"
    assert len(files_on(small_disk)) == 6


def test_alerts_of_the_same_disk_are_counted_not_repeated(
    making: Making, small_disk: Path, make_clip: MakeClip, rows: Rows
) -> None:
    making.provider.script = (READY,)
    making.provider.clip = make_clip("good.mp4")
    ids = making.ask_for(count="3")
    with filled(small_disk):
        for video_id in ids:
            assert making.make(video_id) == "failed"
    assert [row["count"] for row in rows("SELECT count FROM alerts")] == [3]
    assert making.balance() == 100


def test_deleting_on_a_read_only_disk_hides_the_video_all_the_same(
    making: Making,
    small_disk: Path,
    make_clip: MakeClip,
    client_of: Callable[[Person], FlaskClient],
) -> None:
    making.provider.script = (READY,)
    making.provider.clip = make_clip("good.mp4")
    video_id = making.ask()
    assert making.make(video_id) == "completed"
    browser = client_of(making.person)
    read_only(small_disk, is_on=True)
    answer = browser.post(f"/videos/{video_id}", data={"_method": "DELETE"})
    assert answer.status_code == 303
    assert browser.get(f"/videos/{video_id}/file").status_code == 404
    read_only(small_disk, is_on=False)
    making.call(tidying.tidy)
    assert files_on(small_disk) == []
