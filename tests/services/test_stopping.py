"""Stopping a cloud video: while it costs us nothing, and with the refund once it is certain."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from app.errors import UserError
from app.extensions import db
from app.models import Attempt, now
from app.providers import ProviderError, Report
from tests.clouds import Clouds
from tests.conftest import Call
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


# Stopping ----------------------------------------------------------------------------------------


@pytest.fixture
def fal(cloudy: Making, clouds: Clouds) -> Making:
    """Stopped at no cost until it has begun."""
    clouds.use("fal", "kie")
    clouds.fal.script = (QUEUED,)
    cloudy.provider = clouds.fal
    return cloudy


@pytest.mark.both_databases
def test_at_fal_it_is_stopped_while_it_waits_there(fal: Making, clouds: Clouds) -> None:
    (video_id,) = submit(fal)
    fal.sweep()
    fal.cancel(video_id)
    assert fal.is_charged(video_id)  # until the stop is certain
    assert fal.step(video_id) == "cancelled"
    assert clouds.fal.cancelled == [fal.attempts(video_id)[0]["remote_id"]]
    assert fal.is_refunded(video_id)


def test_begun_it_is_offered_no_more(fal: Making, clouds: Clouds) -> None:
    clouds.fal.script = (RUNS,)
    (video_id,) = submit(fal)
    fal.sweep()
    with pytest.raises(UserError):
        fal.cancel(video_id)
    assert not fal.video(video_id)["cancel_requested"]


def test_begun_before_the_wish_arrived_it_completes_and_stays_charged(
    fal: Making, clouds: Clouds, no_ffmpeg: None
) -> None:
    (video_id,) = submit(fal)
    fal.sweep()
    fal.cancel(video_id)
    clouds.fal.can_stop, clouds.fal.script = False, (RUNS,)
    assert fal.step(video_id) == "processing"
    assert not fal.video(video_id)["cancel_requested"]
    clouds.fal.script = (READY,)
    with later(minutes=1):
        assert fal.make(video_id) == "completed"
    assert fal.is_charged(video_id)


@pytest.mark.both_databases
def test_a_wish_to_stop_outlives_a_provider_that_does_not_answer(
    fal: Making, clouds: Clouds
) -> None:
    """Whether it has begun is not known then: the wish must not be dropped."""
    (video_id,) = submit(fal)
    fal.sweep()
    fal.cancel(video_id)
    clouds.fal.on_call = _raise_down
    fal.sweep()
    assert fal.video(video_id)["cancel_requested"]
    assert not fal.video(video_id)["has_begun"]
    clouds.fal.on_call = None
    assert fal.step(video_id) == "cancelled"
    assert fal.is_refunded(video_id)


def _raise_down(_verb: str, _key: str) -> None:
    raise DOWN


def test_at_kie_nothing_is_stopped_once_it_was_sent(cloudy: Making, clouds: Clouds) -> None:
    clouds.kie.script = (RUNS,)
    (video_id,) = submit(cloudy)
    with pytest.raises(UserError):
        cloudy.cancel(video_id)
    cloudy.sweep()
    assert "cancel" not in [verb for verb, _ in clouds.kie.calls]
