"""SIGSTOP: a worker that outlives its lease wakes up, and changes nothing."""

import hashlib
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from app.extensions import db
from app.models import Attempt
from tests.faults.machine import Machine
from tests.faults.nursery import Part, nursery
from tests.waiting import wait_until

pytest_plugins = ["tests.faults.fixtures"]

ASLEEP = ("fetch.after", "inspect.after", "put:video.half", "put.after")
LEASE_S = 20


def state_of(machine: Machine, prompt: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The video's row, and the hash of each of its files."""
    (video,) = machine.videos(prompt)
    folder = machine.media / "videos" / video["id"]
    files = [path for path in folder.iterdir() if not path.name.startswith(".")]
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return dict(video), hashes


def fall_asleep(machine: Machine, worker: Part, where: str, prompt: str, count: int = 1) -> None:
    """Ask for a video; the worker is stopped while it stores it."""
    machine.arm(where, name="STOP", count=count)
    visitor = machine.visit(f"{where.replace(':', '.')}@example.org")
    assert visitor.send("/videos", visitor.fill_in(prompt)) == 303
    wait_until(lambda: machine.is_hit and worker.is_asleep, 40, f"the worker stands at {where}")
    assert machine.videos(prompt)[0]["status"] == "storing"


def end_leases(machine: Machine) -> None:
    """As if LEASE_S had gone by."""

    def end() -> None:
        past = datetime.now(UTC) - timedelta(seconds=1)
        held = Attempt.lease_until.is_not(None)
        db.session.execute(update(Attempt).where(held).values(lease_until=past))
        db.session.commit()

    machine.call(end)


def wake_up(machine: Machine, worker: Part) -> None:
    """Let it go on, and wait until it is through with what it was at."""

    def stored() -> int:
        return len([1 for words in machine.trace("run:store_video.after") if words[1] == pid])

    pid, before = str(worker.pid), 0
    before = stored()
    worker.send(signal.SIGCONT)
    wait_until(lambda: stored() > before, 30, "the sleeper is through")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_worker_that_overslept_its_lease_changes_nothing(
    make_machine: Callable[..., Machine],
) -> None:
    with nursery() as start:
        machine = make_machine(start=start)
        machine.start_web()
        for where in ASLEEP:
            prompt = f"slept at {where}"
            sleeper = machine.start_worker()
            fall_asleep(machine, sleeper, where, prompt, count=3 if where == "put.after" else 1)
            other = machine.start_worker()
            end_leases(machine)
            machine.wait_for_the_end()
            before = state_of(machine, prompt)
            assert before[0]["status"] == "completed"
            wake_up(machine, sleeper)
            assert state_of(machine, prompt) == before, where
            machine.check()
            sleeper.kill()
            other.kill()


@pytest.mark.proof
@pytest.mark.timeout(300)
def test_the_lease_of_a_sleeper_runs_out_by_itself(make_machine: Callable[..., Machine]) -> None:
    machine = make_machine(FAULTS_MINUTE_S="60")
    machine.start_web()
    sleeper = machine.start_worker()
    fall_asleep(machine, sleeper, "inspect.after", "slept")
    machine.start_worker()
    machine.wait_for_the_end(LEASE_S + 15)
    before = state_of(machine, "slept")
    wake_up(machine, sleeper)
    assert state_of(machine, "slept") == before
    machine.check()
