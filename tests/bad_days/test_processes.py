"""Real workers that are killed with -9, and several at once: no order is placed twice or lost."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from sqlalchemy import URL

from app.services import attempts, audits, requests, sweeps, videos
from app.tasks.videos import ring
from tests.bad_days.conftest import Begin, key_of, settings_of
from tests.faults.machine import ENDED, Machine
from tests.faults.making import later
from tests.faults.nursery import Part, nursery
from tests.simulators import Simulator, start
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FORM = {
    "type": "glass-fruit",
    "prompt": "Slow slicing of a glass strawberry",
    "aspect_ratio": "16:9",
    "duration": "8",
    "resolution": "720p",
    "count": "1",
}


@pytest.fixture
def begin_machine(make_machine: Callable[..., Machine]) -> Iterator[Callable[..., Any]]:
    """`machine, vendor = begin_machine("kie", takes_s=2.0)`: real processes, and whom they ask."""
    with ExitStack() as stack:
        start_part = stack.enter_context(nursery())

        def both(
            vendor: str, url: URL | None = None, *, keys: int = 1, **options: Any
        ) -> tuple[Machine, Simulator]:
            states = {key_of(vendor, number): "ok" for number in range(1, keys + 1)}
            simulator = stack.enter_context(start(vendor, keys=states, **options))
            env = settings_of({vendor: simulator}, 0)
            env |= {"APP_URL": "", "PROVIDER_DAILY_CAP_CENTS": "100000"}
            return make_machine(url, clip=None, start=start_part, **env), simulator

        yield both


def ask(machine: Machine, user_id: int, token: str, count: int = 1) -> list[str]:
    """Charged and queued, as a form does it."""

    def request() -> list[str]:
        wanted = requests.parse({**FORM, "count": str(count)})
        price = videos.quote(user_id, wanted).price.total
        return videos.request_video(user_id, wanted, token=token, price_credits=price)

    ids: list[str] = machine.call(request)
    return ids


def statuses(machine: Machine) -> dict[str, int]:
    """How many videos are in which state."""
    rows = machine.rows("SELECT status, count(*) AS n FROM videos GROUP BY status")
    return {row["status"]: row["n"] for row in rows}


def end_what_nobody_can_know(machine: Machine) -> None:
    """Half an hour later, in this process: an order that nobody heard of again is refunded."""

    def turn() -> None:
        swept = sweeps.refresh_due()
        for video_id in swept.to_store:  # its callback came after the workers' last look
            attempts.store(video_id)

    with later(minutes=31):
        machine.call(turn)
        machine.call(turn)


def check(machine: Machine, vendor: Simulator) -> None:
    """The books, each order once, no secret in any log."""
    assert list(machine.call(lambda: list(audits.verify_ledger()))) == []
    assert set(statuses(machine)) <= set(ENDED)
    sql = (
        "SELECT v.status, count(e.id) AS n, sum(e.amount) AS net FROM videos v"
        " JOIN credit_entries e ON e.reference = v.id GROUP BY v.id, v.status, v.cost_credits"
        " HAVING NOT (v.status = 'completed' AND count(e.id) = 1)"
        " AND NOT (v.status <> 'completed' AND count(e.id) = 2 AND sum(e.amount) = 0)"
    )
    assert machine.rows(sql) == []
    sql = "SELECT id FROM attempts WHERE state IN ('submitting', 'processing', 'ready')"
    assert machine.rows(sql) == []
    placed = [task.callback_url for task in vendor.tasks.values() if task.callback_url]
    assert len(placed) == len(set(placed)), "an attempt was placed twice"
    assert vendor.violations == []
    logs = "".join(part.log.read_text() for part in machine.parts)
    assert [key for key in vendor.keys if key in logs] == []
    assert "Traceback" not in logs, logs[-3000:]


@pytest.mark.parametrize("vendor", ["kie", "fal", "replicate"])
def test_killed_between_submit_and_save(begin_machine: Callable[..., Any], vendor: str) -> None:
    """The vendor has it, we do not know its name: after a restart a callback or a list tells."""
    machine, simulator = begin_machine(vendor, takes_s=1.0)
    machine.start_web()
    worker = machine.start_worker()
    machine.arm("submit.after")
    ask(machine, machine.add_person("ann@example.org"), "token")
    wait_until(lambda: not worker.is_alive, 30, "the worker dies with the answer in its hand")
    [attempt] = machine.rows("SELECT state, remote_id FROM attempts")
    assert (attempt["state"], attempt["remote_id"]) == ("submitting", None)
    wait_until(lambda: simulator.callbacks, 10, "the vendor calls back")
    machine.disarm()
    machine.start_worker()
    machine.wait_for_the_end()
    assert statuses(machine) == {"completed": 1}
    assert len(simulator.tasks) == 1
    machine.check()
    check(machine, simulator)


def test_killed_between_submit_and_save_and_nobody_calls(begin_machine: Callable[..., Any]) -> None:
    """It stays unknown: never ordered again, and refunded half an hour after it was sent."""
    machine, simulator = begin_machine("google", takes_s=1.0)
    worker = machine.start_worker()
    machine.arm("submit.after")
    ask(machine, machine.add_person("ann@example.org"), "token")
    wait_until(lambda: not worker.is_alive, 30, "the worker dies with the answer in its hand")
    machine.disarm()
    machine.start_worker()
    wait_until(lambda: len(machine.trace("recover.after")) + _unknown(machine) >= 1, 30, "asked")
    assert statuses(machine) == {"submitting": 1}
    for part in machine.parts:
        part.kill()
    end_what_nobody_can_know(machine)
    assert statuses(machine) == {"failed": 1}
    assert len(simulator.tasks) == 1
    assert len(machine.rows("SELECT id FROM attempts")) == 1
    machine.check()


def _unknown(machine: Machine) -> int:
    """How often a worker has said that nobody can say."""
    return sum(part.log.read_text().count("still unknown") for part in machine.parts)


@pytest.mark.both_databases
@pytest.mark.parametrize("vendor", ["kie", "fal"])
def test_eight_workers_and_one_video(begin: Begin, vendor: str) -> None:
    """All at once at each step: one order, one download, one charge."""
    day = begin(vendor)
    day[vendor].fault("lost", where="callback", times=None)  # it would wake in the middle of a step
    video_id = day.ask()
    workers = 8
    barrier = threading.Barrier(workers)

    def together(step: Callable[[], Any]) -> list[Any]:
        def one(_: int) -> Any:
            barrier.wait(10)
            return step()

        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(one, range(workers)))

    assert sum(together(lambda: day.submit(video_id))) == 1
    [task] = day.tasks(vendor)
    polls = task.polls
    together(day.sweep)
    assert task.polls - polls <= 1
    day.pass_time(seconds=25)
    together(day.sweep)
    assert day.status(video_id) == "storing"
    assert sum(together(lambda: day.store(video_id))) == 1
    assert day.status(video_id) == "completed"
    assert task.downloads == 1
    assert len(day.tasks(vendor)) == 1


COUNTS = (4, 4, 2)  # ten an hour are allowed, four at once


# 300 clips are fetched, decoded and measured: more than a minute on two cores, so that is a proof
@pytest.mark.postgres
@pytest.mark.parametrize(
    ("people", "keys", "takes_s"),
    [
        pytest.param(4, 1, 8.0, id="40 videos"),
        pytest.param(30, 5, 20.0, id="300 videos", marks=pytest.mark.proof),
    ],
)
def test_many_videos_in_flight_through_two_restarts(
    begin_machine: Callable[..., Any], database_url: URL, people: int, keys: int, takes_s: float
) -> None:
    """Everything is killed while orders go out, and again when most are being made.

    Each order goes the real road, at kie's own rate of 20 in 10 s a key; clips of half a second,
    since the machine has better things to do than to decode.
    """
    machine, kie = begin_machine(
        "kie", database_url, keys=keys, takes_s=takes_s, credits=100_000, clip_s=0.5
    )
    ids = [
        one
        for person in range(people)
        for user_id in [machine.add_person(f"person-{person}@example.org")]
        for number, count in enumerate(COUNTS)
        for one in ask(machine, user_id, f"token-{number}", count)
    ]
    parts = start_all(machine)
    machine.call(ring, ids)
    for least in (len(ids) // 5, len(ids) * 4 // 5):
        wait_until(partial(has_ordered, kie, least), 100, f"{least} are ordered")
        for part in parts:
            part.kill()
        parts = start_all(machine)
    wait_until(lambda: statuses(machine).get("queued", 0) == 0, 100, "all are ordered")
    wait_until(lambda: set(statuses(machine)) <= {*ENDED, "submitting"}, 200, "all have ended")
    for part in parts:
        part.kill()
    end_what_nobody_can_know(machine)
    ended = statuses(machine)
    assert sum(ended.values()) == len(ids)
    assert ended["completed"] >= len(ids) - 16  # at most what eight threads held, two times
    assert len(kie.tasks) <= len(ids)
    check(machine, kie)


def has_ordered(vendor: Simulator, least: int) -> bool:
    """Whether so many orders have come there."""
    return len(vendor.tasks) >= least


def start_all(machine: Machine) -> list[Part]:
    """The web, for the callbacks, and two workers."""
    return [machine.start_web(), machine.start_worker(), machine.start_worker()]
