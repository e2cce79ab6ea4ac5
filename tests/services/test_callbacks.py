"""Callbacks: believed as far as they are signed, kept once, and only ever a wake-up."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from app.errors import NotFound
from app.extensions import db
from app.models import Attempt, now
from app.providers import CallbackRefused, Report
from app.services import callbacks, ticks, tidying
from tests.clouds import Clouds
from tests.conftest import Call, Rows
from tests.fakes import READY
from tests.faults.making import Making, later

pytest_plugins = ["tests.faults.fixtures"]

GOOD = {"x-signature": "good"}


@pytest.fixture
def waiting(cloudy: Making, clouds: Clouds, call: Call) -> str:
    """A video at kie whose next question is an hour away."""
    clouds.kie.script = (Report("running"), READY)
    video_id = cloudy.ask()
    cloudy.step(video_id)

    def put_off() -> None:
        db.session.execute(update(Attempt).values(next_poll_at=now() + timedelta(minutes=8)))
        db.session.commit()

    call(put_off)
    return video_id


def tell(
    call: Call, task: str, attempt_id: str = "", headers: dict[str, str] = GOOD, at: str = "kie"
) -> bool:
    return bool(call(callbacks.receive, at, headers, task.encode(), attempt_id))


@pytest.mark.both_databases
def test_a_callback_wakes_the_sweep_and_the_provider_is_asked(
    cloudy: Making, clouds: Clouds, call: Call, waiting: str
) -> None:
    (attempt,) = cloudy.attempts(waiting)
    assert call(ticks.claim, "sweep", 600)
    assert tell(call, attempt["callback_id"])
    assert call(ticks.claim, "sweep", 600)  # due again, at once
    assert cloudy.status(waiting) == "processing"  # what it said is not believed
    cloudy.sweep()
    assert len(clouds.kie.keys_of("poll")) == 2
    assert cloudy.status(waiting) == "storing"


@pytest.mark.both_databases
def test_told_again_it_is_answered_and_forgotten(
    cloudy: Making, clouds: Clouds, call: Call, rows: Rows, waiting: str
) -> None:
    clouds.kie.script = (Report("running"),)
    (attempt,) = cloudy.attempts(waiting)
    assert tell(call, attempt["callback_id"])
    cloudy.sweep()
    before = cloudy.attempts(waiting)
    assert [tell(call, attempt["callback_id"]) for _ in range(3)] == [False] * 3
    assert cloudy.attempts(waiting) == before
    assert len(rows("SELECT id FROM callbacks")) == 1
    assert tell(call, f"{attempt['callback_id']} again")  # news of the same task


def test_one_that_is_not_signed_is_refused(
    cloudy: Making, call: Call, rows: Rows, waiting: str
) -> None:
    (before,) = cloudy.attempts(waiting)
    for headers in ({}, {"x-signature": "bad"}):
        with pytest.raises(CallbackRefused):
            tell(call, before["callback_id"], before["id"], headers)
    assert rows("SELECT id FROM callbacks") == []
    assert cloudy.attempts(waiting) == [before]


@pytest.mark.parametrize("name", ["local", "google", "nobody"])
def test_who_is_no_cloud_here_calls_in_vain(clouds: Clouds, call: Call, name: str) -> None:
    with pytest.raises(NotFound):
        tell(call, "task", at=name)


@pytest.mark.parametrize("named", ["", "not an id", "01890a5d-ac96-774b-bcce-b302099a8057"])
def test_a_task_that_nobody_knows_changes_nothing_and_is_not_worth_a_row(
    cloudy: Making, call: Call, rows: Rows, waiting: str, named: str
) -> None:
    """Anybody may send such a thing, where a provider's callbacks are not signed."""
    before = cloudy.attempts(waiting)
    assert not tell(call, "a-strange-task", named)
    assert cloudy.attempts(waiting) == before
    assert rows("SELECT id FROM callbacks") == []


def test_a_callback_for_anothers_task_changes_nothing(
    cloudy: Making, clouds: Clouds, call: Call, waiting: str
) -> None:
    """It names our attempt, but a task that is not its own."""
    (before,) = cloudy.attempts(waiting)
    assert not tell(call, "a-strange-task", before["id"])
    assert cloudy.attempts(waiting) == [before]
    tell(call, before["callback_id"], at="fal")  # nor is it another provider's
    assert cloudy.attempts(waiting) == [before]
    cloudy.sweep()
    assert len(clouds.kie.keys_of("poll")) == 1
    assert clouds.kie.keys_of("adopt") == []


def test_one_that_comes_before_the_answer_to_the_submission_does_no_harm(
    cloudy: Making, clouds: Clouds, call: Call
) -> None:
    told: list[bool] = []

    def call_back(verb: str, _key: str) -> None:
        if verb == "submit":
            sql = "SELECT id FROM attempts"
            attempt_id = str(cloudy.rows(sql)[0]["id"])
            told.append(tell(call, f"kie-{attempt_id}", attempt_id))

    clouds.kie.on_call = call_back
    clouds.kie.script = (READY,)
    video_id = cloudy.ask()
    cloudy.submit(video_id)
    assert told == [True]
    cloudy.sweep()
    assert cloudy.status(video_id) == "storing"
    assert len(cloudy.attempts(video_id)) == 1


def test_one_that_comes_after_the_end_changes_nothing(
    cloudy: Making, clouds: Clouds, call: Call
) -> None:
    clouds.kie.script = (Report("failed", code="failed_there", message="no"),)
    video_id = cloudy.ask()
    cloudy.step(video_id)
    before = dict(cloudy.video(video_id)), cloudy.attempts(video_id)
    assert not tell(call, before[1][0]["callback_id"])
    cloudy.sweep()
    assert (dict(cloudy.video(video_id)), cloudy.attempts(video_id)) == before


def test_after_a_month_they_are_gone(cloudy: Making, call: Call, rows: Rows, waiting: str) -> None:
    assert tell(call, cloudy.attempts(waiting)[0]["callback_id"])
    with later(days=29):
        call(tidying.tidy)
        assert len(rows("SELECT id FROM callbacks")) == 1
    with later(days=31):
        call(tidying.tidy)
        assert rows("SELECT id FROM callbacks") == []
