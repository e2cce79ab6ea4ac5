"""Asking the clouds: in batches, at a pace, with one write-back; and what each answer leads to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, update

from app import limits
from app.extensions import db
from app.models import Attempt, now
from app.providers import ProviderError, Report
from app.services import dues, estimates, write_back
from tests.clouds import Clouds
from tests.conftest import Call, Rows
from tests.fakes import READY
from tests.faults.making import Making, later
from tests.money.conftest import no_ffmpeg as _no_ffmpeg

pytest_plugins = ["tests.faults.fixtures"]
no_ffmpeg = _no_ffmpeg

RUNS = Report("running")
QUEUED = Report("queued")
DOWN = ProviderError("transient", "connect error")


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    """What is said to the database meanwhile."""
    with app.app_context():
        engine = db.engine
    said: list[str] = []

    def listen(_c: Any, _k: Any, statement: str, *_: Any) -> None:
        said.append(statement)

    event.listen(engine, "before_cursor_execute", listen)
    yield said
    event.remove(engine, "before_cursor_execute", listen)


def submit(making: Making, count: int = 1) -> list[str]:
    """So many videos, all taken."""
    ids: list[str] = []
    while len(ids) < count:
        ids += making.ask_for(count=str(min(4, count - len(ids))))
    for video_id in ids:
        assert making.submit(video_id)
    return ids


def gap_s(call: Call, video_id: str) -> float:
    """Seconds from now until the video's next question."""

    def look() -> float:
        due = db.session.scalar(db.select(Attempt.next_poll_at).where(Attempt.video_id == video_id))
        return float((due - now()).total_seconds())

    return float(call(look))


# Many at once ------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_what_runs_on_is_written_back_in_one_go(app: Flask, cloudy: Making, clouds: Clouds) -> None:
    clouds.kie.script = (Report("running", percent=30.4, eta_s=40.0),)
    few = submit(cloudy, 3)  # one a key, for keys have rows of their own
    with statements(app) as of_three:
        cloudy.sweep()
    many = submit(cloudy, 7)
    with later(seconds=11), statements(app) as of_ten:
        cloudy.sweep()
    assert sum(clouds.kie.polls.values()) == 13
    assert len(of_ten) == len(of_three)
    for video_id in few + many:
        video, (attempt,) = cloudy.video(video_id), cloudy.attempts(video_id)
        assert (video["progress"], video["eta_low_s"], video["eta_high_s"]) == (30, 34, 50)
        assert attempt["lease_token"] is None
        assert attempt["expected_s"] == pytest.approx(45, abs=10)


def test_questions_are_asked_at_the_same_time(cloudy: Making, clouds: Clouds) -> None:
    """Ten threads stand at one barrier: asked one after the other they would never meet."""
    together = threading.Barrier(limits.ASK_AT_ONCE, timeout=20)
    clouds.kie.on_call = lambda verb, _key: together.wait() if verb == "poll" else None
    clouds.kie.script = (RUNS,)
    submit(cloudy, limits.ASK_AT_ONCE)
    cloudy.sweep()
    assert sum(clouds.kie.polls.values()) == limits.ASK_AT_ONCE
    assert not together.broken


def test_more_than_a_batch_is_asked_in_one_sweep(
    cloudy: Making, clouds: Clouds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ASK_BATCH", 3)
    clouds.kie.script = (RUNS,)
    ids = submit(cloudy, 8)
    cloudy.sweep()
    assert sorted(clouds.kie.polls.values()) == [1] * len(ids)


@pytest.mark.postgres
def test_no_transaction_is_open_while_a_cloud_is_asked(
    cloudy: Making, clouds: Clouds, rows: Rows, no_ffmpeg: None
) -> None:
    seen: list[tuple[str, int]] = []

    def look(verb: str, _key: str) -> None:
        idle = "SELECT count(*) AS n FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
        seen.append((verb, rows(f"{idle} AND datname = current_database()")[0]["n"]))

    clouds.kie.on_call = look
    clouds.kie.script = (READY,)
    assert cloudy.make(cloudy.ask()) == "completed"
    assert seen == [("submit", 0), ("poll", 0), ("fetch", 0)]


@pytest.mark.both_databases
def test_a_write_back_by_one_that_overslept_changes_nothing(
    cloudy: Making, clouds: Clouds, call: Call
) -> None:
    (video_id,) = submit(cloudy)

    def oversleep() -> None:
        (due,) = dues.claim()
        db.session.execute(update(Attempt).values(lease_token="another"))
        db.session.commit()
        row = write_back.row(due, Report("running", percent=77.0), estimates.Paces())
        write_back.write([row], due.lease.token)

    call(oversleep)
    assert cloudy.video(video_id)["progress"] is None
    assert cloudy.attempts(video_id)[0]["lease_token"] == "another"


@pytest.mark.parametrize("error", [DOWN, KeyError("our bug")], ids=["vendor", "adapter"])
def test_one_that_cannot_be_asked_about_stops_no_other(
    cloudy: Making, clouds: Clouds, error: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = submit(cloudy, 3)
    bad = cloudy.attempts(ids[0])[0]["remote_id"]
    poll = clouds.kie.poll

    def answer(handle: str, key: str) -> Report:
        if handle == bad:
            raise error
        return poll(handle, key)

    monkeypatch.setattr(clouds.kie, "poll", answer)
    clouds.kie.script = (READY,)
    cloudy.sweep()
    assert [cloudy.status(one) for one in ids] == ["processing", "storing", "storing"]
    monkeypatch.undo()
    with later(seconds=11):
        cloudy.sweep()
    assert cloudy.status(ids[0]) == "storing"


# The pace ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("elapsed_s", "pace_s"),
    [(1, 10), (60, 10), (80, 5), (120, 5), (140, 10), (301, 20), (901, 30)],
)
def test_the_pace_is_quick_near_the_end_and_slow_when_late(
    cloudy: Making, clouds: Clouds, call: Call, elapsed_s: float, pace_s: float
) -> None:
    """Expected after 90 s."""
    clouds.kie.script = (RUNS,)
    (video_id,) = submit(cloudy)
    with later(seconds=elapsed_s):
        cloudy.sweep()
        assert gap_s(call, video_id) == pytest.approx(pace_s, abs=1.5)
    assert bool(cloudy.video(video_id)["is_late"]) == (elapsed_s > limits.LATE_AFTER_S)


def test_between_two_questions_nobody_asks(cloudy: Making, clouds: Clouds) -> None:
    clouds.kie.script = (RUNS,)
    with later():
        submit(cloudy)
        for seconds in (0, 2, 4, 6, 8):
            with later(seconds=seconds):
                cloudy.sweep()
        assert sum(clouds.kie.polls.values()) == 1
        with later(seconds=11):
            cloudy.sweep()
        assert sum(clouds.kie.polls.values()) == 2


# Lost --------------------------------------------------------------------------------------------


def test_a_task_unknown_for_a_moment_is_waited_for(
    cloudy: Making, clouds: Clouds, no_ffmpeg: None
) -> None:
    clouds.kie.script = (Report("lost"), Report("lost"), READY)
    (video_id,) = submit(cloudy)
    assert cloudy.step(video_id) == "processing"
    with later(seconds=limits.UNKNOWN_GRACE_S - 5):
        assert cloudy.step(video_id) == "processing"
    with later(seconds=limits.UNKNOWN_GRACE_S + 30):
        assert cloudy.make(video_id) == "completed"
    assert cloudy.is_charged(video_id)


def test_a_task_unknown_for_longer_is_a_failure_with_its_refund(
    cloudy: Making, clouds: Clouds
) -> None:
    clouds.kie.script = (Report("lost"),)
    (video_id,) = submit(cloudy)
    with later(seconds=limits.UNKNOWN_GRACE_S + 1):
        assert cloudy.step(video_id) == "failed"
    assert cloudy.video(video_id)["error_code"] == "lost_there"
    assert len(clouds.kie.keys_of("submit")) == 1
    assert cloudy.is_refunded(video_id)


def test_a_result_that_expired_is_a_failure_with_its_refund(
    cloudy: Making, clouds: Clouds, monkeypatch: pytest.MonkeyPatch
) -> None:
    clouds.kie.script = (READY,)

    def gone(verb: str, _key: str) -> None:
        if verb == "fetch":
            raise ProviderError("result_expired", "410")

    clouds.kie.on_call = gone
    video_id = cloudy.ask()
    assert cloudy.make(video_id) == "failed"
    assert cloudy.is_refunded(video_id)


def test_a_result_that_cannot_be_fetched_now_is_fetched_later(
    cloudy: Making, clouds: Clouds, no_ffmpeg: None
) -> None:
    clouds.kie.script = (READY,)
    errors = [ProviderError("transient", "stalled"), ProviderError("rate_limited", "429")]

    def stall(verb: str, _key: str) -> None:
        if verb == "fetch" and errors:
            raise errors.pop()

    clouds.kie.on_call = stall
    video_id = cloudy.ask()
    for seconds in (0, 25, 50):
        with later(seconds=seconds):
            cloudy.step(video_id)
    assert cloudy.status(video_id) == "completed"
    assert clouds.kie.keys_of("fetch") == [clouds.kie.keys_of("submit")[0]] * 3
    assert cloudy.is_charged(video_id)
