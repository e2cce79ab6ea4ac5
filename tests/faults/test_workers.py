"""Any number of workers: each tick once, each video once; one may leave, and the queue may go."""

import signal
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise

import pytest
import redis
from sqlalchemy import URL

from app.tasks.videos import SLACK_S, SWEEP_EVERY_S
from tests.faults.machine import Machine
from tests.faults.nursery import Part, nursery
from tests.faults.visitor import Visitor
from tests.waiting import wait_until

pytest_plugins = ["tests.faults.fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

HANDED_OVER_S = 20.0  # 15 s for running tasks, and a little


def ask(machine: Machine, visitor: Visitor, prompt: str, count: int) -> None:
    assert visitor.send("/videos", visitor.fill_in(prompt, count)) == 303


def ask_for_twelve(machine: Machine, prompt: str) -> None:
    """Two people, since nobody gets more than ten an hour."""
    for name, counts in (("ann", (4, 4)), ("ben", (4,))):
        visitor = machine.visit(f"{name}.{prompt}@example.org")
        for count in counts:
            ask(machine, visitor, prompt, count)


LOG_TICKS = {  # the only exact witness of who claimed what
    "sqlite": (
        "CREATE TABLE tick_log (number INTEGER PRIMARY KEY, name TEXT, due_at TIMESTAMP)",
        """CREATE TRIGGER log_ticks AFTER UPDATE ON ticks
           BEGIN INSERT INTO tick_log (name, due_at) VALUES (NEW.name, NEW.due_at); END""",
    ),
    "postgresql": (
        "CREATE TABLE tick_log (number SERIAL, name TEXT, due_at TIMESTAMPTZ)",
        """CREATE FUNCTION log_tick() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           INSERT INTO tick_log (name, due_at) VALUES (NEW.name, NEW.due_at); RETURN NEW; END $$""",
        """CREATE TRIGGER log_ticks AFTER UPDATE ON ticks
           FOR EACH ROW EXECUTE FUNCTION log_tick()""",
    ),
}


def log_ticks(machine: Machine) -> None:
    """Keep what every claim of a tick writes, from now on."""
    with machine.engine.connect() as connection:
        for statement in LOG_TICKS[machine.engine.dialect.name]:
            connection.exec_driver_sql(statement)


def check_each_tick_was_claimed_once(machine: Machine) -> None:
    sql = "SELECT due_at FROM tick_log WHERE name = 'sweep' ORDER BY number"
    due = [datetime.fromisoformat(str(row["due_at"])) for row in machine.rows(sql)]
    gaps_s = [(later - before).total_seconds() for before, later in pairwise(due)]
    assert len(due) >= 2
    assert min(gaps_s) >= SWEEP_EVERY_S - SLACK_S, gaps_s


@pytest.mark.both_databases
def test_two_or_three_workers_make_each_video_once(
    database: str,
    database_url: URL,
    make_machine: Callable[..., Machine],
    request: pytest.FixtureRequest,
) -> None:
    is_server = database == "postgresql"
    redis_url = request.getfixturevalue("redis_url") if is_server else ""
    with nursery() as start:
        machine = make_machine(database_url, start=start, redis_url=redis_url)
        machine.start_web()
        workers = [machine.start_worker() for _ in range(3 if is_server else 2)]
        log_ticks(machine)
        ask_for_twelve(machine, "first")
        machine.wait_for_the_end()
        videos = machine.videos("first")
        assert [video["status"] for video in videos] == ["completed"] * 12
        check_each_once(machine, workers)
        leave(machine, workers, "second")
        check_each_tick_was_claimed_once(machine)


def check_each_once(machine: Machine, workers: list[Part]) -> None:
    """One attempt a video, and every worker took part."""
    assert [row["number"] for row in machine.rows("SELECT number FROM attempts")] == [1] * 12
    assert len(machine.trace("submit.before")) == 12
    assert len(machine.trace("fetch.before")) == 12
    ran = [*machine.trace("run:submit_video.before"), *machine.trace("run:sweep_videos.before")]
    assert {int(words[1]) for words in ran} == {worker.pid for worker in workers}
    machine.check()


def leave(machine: Machine, workers: list[Part], prompt: str) -> None:
    """One worker is told to stop in the middle: it ends in good order, the others go on."""
    ask_for_twelve(machine, prompt)
    leaving = workers[0]
    mine = str(leaving.pid)
    wait_until(lambda: any(w[1] == mine for w in machine.trace("submit.after")), 30, "it is busy")
    leaving.send(signal.SIGTERM)
    wait_until(lambda: not leaving.is_alive, HANDED_OVER_S, "the worker has left")
    machine.wait_for_the_end()
    assert [video["status"] for video in machine.videos(prompt)] == ["completed"] * 12
    begun = [words for words in machine.trace("run:store_video.before") if words[1] == mine]
    ended = [words for words in machine.trace("run:store_video.after") if words[1] == mine]
    assert len(begun) == len(ended), "it left in the middle of a task"
    machine.check()


@pytest.mark.postgres
def test_an_emptied_redis_only_delays(
    database_url: URL, make_machine: Callable[..., Machine], redis_url: str
) -> None:
    with nursery() as start, redis.Redis.from_url(redis_url) as connection:
        machine = make_machine(database_url, start=start, redis_url=redis_url)
        check_an_emptied_queue(machine, connection.flushdb)


@pytest.mark.postgres
@pytest.mark.proof
def test_an_emptied_redis_delays_a_minute_at_most(
    database_url: URL, make_machine: Callable[..., Machine], redis_url: str
) -> None:
    """With Huey's own minute."""
    with redis.Redis.from_url(redis_url) as connection:
        machine = make_machine(database_url, redis_url=redis_url, FAULTS_MINUTE_S="60")
        check_an_emptied_queue(machine, connection.flushdb)


def check_an_emptied_queue(machine: Machine, empty: Callable[[], object]) -> None:
    """Bells and the chain of sweeps are gone in the middle; the table is the queue."""
    machine.start_web()
    worker = machine.start_worker()
    visitor = machine.visit("ann@example.org")
    machine.arm("run:submit_video.before", name="STOP")
    ask(machine, visitor, "glass", 4)
    wait_until(lambda: machine.is_hit and worker.is_asleep, 20, "the worker stands still")
    assert empty()
    worker.send(signal.SIGCONT)
    machine.wait_for_the_end(65)
    assert [video["status"] for video in machine.videos("glass")] == ["completed"] * 4
    machine.check()


def test_a_lost_bell_only_delays(make_machine: Callable[..., Machine]) -> None:
    """The queue's file is gone before a worker starts, and the web writes into the void since."""
    with nursery() as start:
        machine = make_machine(start=start)
        machine.start_web()
        visitor = machine.visit("ann@example.org")
        ask(machine, visitor, "before", 1)
        for path in machine.instance.glob("queue.sqlite*"):
            path.unlink()
        machine.start_worker()
        machine.wait_for_the_end()
        ask(machine, visitor, "after", 1)
        machine.wait_for_the_end()
        for prompt in ("before", "after"):
            assert [video["status"] for video in machine.videos(prompt)] == ["completed"]
        machine.check()
