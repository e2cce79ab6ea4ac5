"""Doorbells: the chain of sweeps starts and ends by itself; a task may run twice, or never."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import limits, tasks
from app.extensions import db, huey
from app.models import ProviderKey
from app.services import alerts, ticks
from app.tasks import videos
from tests.cast import Person
from tests.clouds import KIE_KEYS, Clouds
from tests.conftest import Call
from tests.fakes import READY, RUNNING
from tests.faults.making import FORM, Making, later
from tests.media.clips import MakeClip

pytest_plugins = ["tests.faults.fixtures"]

RunTasks = Callable[[], int]


@pytest.fixture(autouse=True)
def queue(app: Flask) -> Iterator[None]:
    """The app's own queue, empty before and after."""
    huey.flask_app = app
    huey.flush()
    yield
    huey.flush()


@pytest.fixture
def good(making: Making, make_clip: MakeClip) -> Making:
    """Renders that succeed at the first look."""
    making.provider.script = (READY,)
    making.provider.clip = make_clip("good.mp4")
    return making


def planned() -> list[str]:
    """Names of the tasks that are due later."""
    return [task.name for task in huey.scheduled()]


def queued() -> list[str]:
    """Names of the tasks that are due now."""
    return [task.name for task in huey.pending()]


def let_time_pass(run_tasks: RunTasks, seconds: float = 2.1) -> int:
    """What Huey's scheduler and worker do in that time. Returns how many tasks ran."""
    with later(seconds=seconds):
        for task in huey.read_schedule(datetime.now(UTC).replace(tzinfo=None)):
            huey.enqueue(task)
        return run_tasks()


# From the bell to the video ----------------------------------------------------------------------


def test_a_rung_video_is_made_by_tasks_alone(good: Making, run_tasks: RunTasks) -> None:
    video_id = good.ask()
    videos.ring([video_id])
    run_tasks()
    for seconds in range(2, 12, 2):
        let_time_pass(run_tasks, seconds)
    assert good.status(video_id) == "completed"
    assert good.is_charged(video_id)
    assert (queued(), planned()) == ([], [])


def test_without_a_bell_the_minute_finds_it(good: Making, run_tasks: RunTasks) -> None:
    video_id = good.ask()
    videos.start_sweeping()
    run_tasks()
    for seconds in range(2, 14, 2):
        let_time_pass(run_tasks, seconds)
    assert good.status(video_id) == "completed"


def test_a_finished_video_makes_room_for_the_next(good: Making, run_tasks: RunTasks) -> None:
    good.provider.room = 1
    ids = good.ask_for(count="3")
    videos.ring(ids)
    run_tasks()
    for seconds in range(2, 40, 2):
        let_time_pass(run_tasks, seconds)
    assert [good.status(video_id) for video_id in ids] == ["completed"] * 3
    assert (queued(), planned()) == ([], [])


def test_a_queue_that_takes_no_bell_does_not_break_the_request(
    good: Making,
    client_of: Callable[[Person], FlaskClient],
    monkeypatch: pytest.MonkeyPatch,
    call: Call,
) -> None:
    def refuse(*_: object) -> None:
        raise ConnectionError("the queue is down")

    monkeypatch.setattr(huey.storage, "enqueue", refuse)
    browser = client_of(good.person)
    form = {**FORM, "prompt": "no bell", "token": "t" * 20, "price": "5", "seed": ""}
    assert browser.post("/videos", data=form).status_code == 303
    (video,) = good.rows("SELECT id, status FROM videos")
    assert video["status"] == "queued"
    answer = browser.post(f"/videos/{video['id']}/cancellation")
    assert answer.status_code == 303
    assert good.status(video["id"]) == "cancelled"


# The chain ---------------------------------------------------------------------------------------


def test_the_chain_goes_on_while_anything_is_in_flight(making: Making, run_tasks: RunTasks) -> None:
    making.provider.script = (RUNNING,)
    video_id = making.ask()
    making.submit(video_id)
    videos.start_sweeping()
    run_tasks()
    for count in range(1, 5):
        assert planned() == ["sweep_videos"]
        let_time_pass(run_tasks, 2.1 * count)
    assert making.provider.polls[making.attempts(video_id)[0]["remote_id"]] == 5


def test_the_chain_ends_when_nothing_is_in_flight(making: Making, run_tasks: RunTasks) -> None:
    videos.start_sweeping()
    run_tasks()
    assert (queued(), planned()) == ([], [])


def test_an_ended_chain_starts_anew_by_news(good: Making, run_tasks: RunTasks) -> None:
    videos.start_sweeping()
    run_tasks()
    assert planned() == []
    video_id = good.ask()
    videos.ring([video_id])  # the last sweep was a moment ago: put off, not dropped
    run_tasks()
    assert good.status(video_id) == "processing"
    assert set(planned()) == {"sweep_videos"}
    let_time_pass(run_tasks)
    assert good.status(video_id) == "completed"


def test_several_chains_become_one(making: Making, run_tasks: RunTasks) -> None:
    making.provider.script = (RUNNING,)
    video_id = making.ask()
    making.submit(video_id)
    for _ in range(6):
        videos.sweep_videos.schedule(delay=videos.SWEEP_EVERY_S)
    let_time_pass(run_tasks)
    assert planned() == ["sweep_videos"]
    assert making.provider.polls[making.attempts(video_id)[0]["remote_id"]] == 1


def test_a_sweep_that_comes_too_early_does_nothing(making: Making, run_tasks: RunTasks) -> None:
    making.provider.script = (RUNNING,)
    making.submit(making.ask())
    videos.sweep_videos()
    videos.sweep_videos()
    run_tasks()
    assert sum(making.provider.polls.values()) == 1
    assert planned() == ["sweep_videos"]


def test_a_sweep_that_fails_is_followed_by_another(
    good: Making, run_tasks: RunTasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    video_id = good.ask()
    good.submit(video_id)

    def fail() -> None:
        raise OSError("the database is gone")

    with monkeypatch.context() as patch:
        patch.setattr(videos.sweeps, "refresh_due", fail)
        videos.sweep_videos()
        run_tasks()
    assert planned() == ["sweep_videos"]
    let_time_pass(run_tasks, videos.RETRY_S + 0.1)
    assert good.status(video_id) == "completed"


def test_a_sweep_that_dies_is_followed_by_the_next_minute(
    good: Making, run_tasks: RunTasks, call: Call
) -> None:
    video_id = good.ask()
    good.submit(video_id)
    assert call(ticks.claim, "sweep", videos.SWEEP_EVERY_S)  # by a worker that was killed then
    assert (queued(), planned()) == ([], [])
    with later(seconds=60):
        videos.start_sweeping()
        run_tasks()
    assert good.status(video_id) == "completed"


# Twice -------------------------------------------------------------------------------------------


def test_every_task_may_run_twice(good: Making, run_tasks: RunTasks) -> None:
    good.provider.script = (RUNNING,)
    video_id = good.ask()
    for _ in range(2):
        videos.submit_video(video_id)
    run_tasks()
    assert len(good.provider.orders) == 1
    good.provider.script = (READY,)
    good.finish_render(video_id)
    for _ in range(3):
        videos.store_video(video_id)
    run_tasks()
    assert good.status(video_id) == "completed"
    assert len(good.attempts(video_id)) == 1
    assert good.is_charged(video_id)


def test_a_bell_for_a_video_that_has_ended_does_nothing(good: Making, run_tasks: RunTasks) -> None:
    video_id = good.ask()
    good.cancel(video_id)
    videos.submit_video(video_id)
    videos.store_video(video_id)
    run_tasks()
    assert good.status(video_id) == "cancelled"
    assert good.provider.orders == {}
    assert planned() == []


# A worker's start, and the hour ------------------------------------------------------------------


def test_a_starting_worker_sweeps_at_once(good: Making, run_tasks: RunTasks, call: Call) -> None:
    video_id = good.ask()
    assert call(ticks.claim, "sweep", 1000)  # a worker that died in the middle of its sweep
    tasks.on_start()
    run_tasks()
    assert good.status(video_id) == "processing"


def test_the_hour_removes_what_dead_workers_left(
    good: Making, app: Flask, run_tasks: RunTasks, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    video_id = good.ask()
    monkeypatch.setattr(good.provider, "forget", lambda handle: None)  # it died before
    assert good.make(video_id) == "completed"
    monkeypatch.undo()
    folder = Path(app.config["STORAGE_URL"].removeprefix("file://")) / "videos" / video_id
    partial = folder / ".video.mp4.0123456789abcdef.part"
    partial.write_bytes(b"half")
    young = folder / ".video.mp4.fedcba9876543210.part"
    with later(hours=1.5):
        young.write_bytes(b"half, but somebody is at it")
        moment = (datetime.now(UTC) - timedelta(minutes=1)).timestamp()
        os.utime(young, (moment, moment))
        videos.tidy()
        run_tasks()
    assert not partial.exists()
    assert young.exists()
    assert good.provider.forgotten == [good.attempts(video_id)[0]["remote_id"]]
    assert (folder / "video.mp4").exists()


# Keys --------------------------------------------------------------------------------------------


def test_keys_are_checked_once_a_minute_by_however_many_workers(
    clouds: Clouds, run_tasks: RunTasks
) -> None:
    for _ in range(3):  # each consumer has the same periodic task
        videos.check_keys()
    run_tasks()
    assert sorted(clouds.kie.keys_of("check")) == sorted(KIE_KEYS)
    with later(seconds=limits.KEY_CHECK_S):
        videos.check_keys()
        run_tasks()
    assert len(clouds.kie.keys_of("check")) == 2 * len(KIE_KEYS)


def test_a_starting_worker_knows_its_keys_and_says_what_is_off(
    clouds: Clouds, call: Call, run_tasks: RunTasks
) -> None:
    call(_forget_keys)
    clouds.kie.retired = "it ended in June"
    tasks.on_start()
    run_tasks()
    assert call(lambda: len(db.session.scalars(db.select(ProviderKey)).all())) == 4
    assert [one.kind for one in call(alerts.open_alerts)] == ["model_gone"]


def _forget_keys() -> None:
    db.session.execute(db.delete(ProviderKey))
    db.session.commit()
