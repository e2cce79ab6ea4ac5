"""A claim ends with its worker, and a worker that overslept its claim changes nothing."""

import os
import socket
import subprocess
import sys
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import update

from app import limits
from app.extensions import db
from app.models import Attempt, Video, now
from app.providers import ProviderError
from app.services import attempts, endings, leases, queueing, results, sounds
from app.services.leases import Lease
from app.services.transactions import write_transaction
from tests.conftest import Rows
from tests.faults.making import Making, later
from tests.money.racing import race
from tests.waiting import wait_until

pytest_plugins = ["tests.faults.fixtures"]
pytestmark = pytest.mark.both_databases


@pytest.fixture
def attempt_id(making: Making) -> str:
    """An attempt that the provider has and nobody works on."""
    video_id = making.ask()
    making.submit(video_id)
    return str(making.attempts(video_id)[0]["id"])


def take(making: Making, attempt_id: str) -> Lease:
    lease = making.call(leases.take, attempt_id, "processing")
    assert isinstance(lease, Lease)
    return lease


def set_attempt(making: Making, attempt_id: str, **values: object) -> None:
    def write() -> None:
        with write_transaction() as connection:
            connection.execute(update(Attempt).where(Attempt.id == attempt_id).values(**values))

    making.call(write)


def lease_of(rows: Rows) -> dict[str, object]:
    return dict(rows("SELECT lease_token, lease_owner, lease_until FROM attempts")[0])


def _video(video_id: str) -> Video:
    video = db.session.get_one(Video, video_id)
    db.session.expunge(video)
    return video


def dead_owner() -> str:
    """The name of a process that has ended."""
    code = "from app.services import leases; print(leases.owner())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_of_many_one_takes_it_until_it_ends(
    app: Flask, making: Making, attempt_id: str, rows: Rows
) -> None:
    taken = race(
        app, [lambda: leases.take(attempt_id, "processing")] * 6, before="UPDATE attempts"
    ).results
    assert len([lease for lease in taken if lease]) == 1
    assert lease_of(rows)["lease_owner"] == leases.owner()
    assert making.call(leases.take, attempt_id, "processing") is None
    assert making.call(leases.take, attempt_id, "ready") is None
    with later(seconds=limits.LEASE_S + 1):
        assert making.call(leases.take, attempt_id, "processing") is not None


def test_a_lease_from_before_the_clock_was_set_back_is_free(
    making: Making, attempt_id: str
) -> None:
    take(making, attempt_id)
    with later(hours=-1):
        assert making.call(leases.take, attempt_id, "processing") is not None


def test_a_dead_workers_lease_is_freed_at_once(making: Making, attempt_id: str) -> None:
    take(making, attempt_id)
    set_attempt(making, attempt_id, lease_owner=dead_owner())
    assert making.call(leases.free_dead) == 1
    assert making.call(leases.free_dead) == 0
    assert making.call(leases.take, attempt_id, "processing") is not None


@pytest.mark.parametrize(
    ("owner", "is_freed"),
    [
        (leases.owner(), False),
        (f"{socket.gethostname()}/{os.getpid()}/1", True),  # our pid, but of another process
        ("another-host/1/1", False),  # nobody here can tell
        (f"{socket.gethostname()}-2/1/1", False),
    ],
    ids=["ours", "reused pid", "another host", "a host named alike"],
)
def test_a_live_lease_is_kept(making: Making, attempt_id: str, owner: str, is_freed: bool) -> None:
    take(making, attempt_id)
    set_attempt(making, attempt_id, lease_owner=owner)
    assert making.call(leases.free_dead) == is_freed
    assert (making.call(leases.take, attempt_id, "processing") is not None) == is_freed


def test_the_heartbeat_renews_a_lease_while_its_work_goes_on(
    making: Making, attempt_id: str, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HEARTBEAT_S", 0.01)
    lease = take(making, attempt_id)
    set_attempt(making, attempt_id, lease_until=now())
    ended = lease_of(rows)["lease_until"]

    def work() -> None:
        with leases.kept_alive(lease):
            wait_until(lambda: str(lease_of(rows)["lease_until"]) > str(ended))

    making.call(work)
    assert making.call(leases.take, attempt_id, "processing") is None


def test_the_heartbeat_does_not_take_back_what_another_has_now(
    making: Making, attempt_id: str, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HEARTBEAT_S", 0.01)
    old = take(making, attempt_id)
    set_attempt(making, attempt_id, lease_until=now() - timedelta(seconds=1))
    new = take(making, attempt_id)
    held = lease_of(rows)
    beats: list[None] = []

    def beat() -> datetime:
        beats.append(None)
        return now()

    monkeypatch.setattr(leases, "_until", beat)

    def work() -> None:
        with leases.kept_alive(old):
            wait_until(lambda: len(beats) > 1)

    making.call(work)
    assert lease_of(rows) == held
    assert lease_of(rows)["lease_token"] == new.token


def test_a_worker_that_overslept_changes_nothing(
    making: Making, attempt_id: str, rows: Rows
) -> None:
    (video_id,) = making.asked
    provider, hiccup = making.provider, ProviderError("transient", "503")
    old = take(making, attempt_id)
    set_attempt(making, attempt_id, lease_until=now() - timedelta(seconds=1))
    take(making, attempt_id)
    before = rows("SELECT * FROM attempts"), rows("SELECT * FROM videos")
    assert not making.call(attempts.accept, old, "a late handle", provider)
    assert not making.call(queueing.requeue, video_id, old, hiccup)
    assert not making.call(queueing.give_back, video_id, old, "lost", "renderer_died", "")
    assert not making.call(endings.fail, video_id, "deadline", "", lease=old)
    assert not making.call(endings.cancel, video_id, lease=old)
    assert not making.call(results._complete, video_id, old, {})
    assert not making.call(sounds.make_again, making.call(_video, video_id), old, {})
    assert not making.call(sounds.deliver_refunded, video_id, old, {})
    assert (rows("SELECT * FROM attempts"), rows("SELECT * FROM videos")) == before
    assert making.is_charged(video_id)
