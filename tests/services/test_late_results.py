"""A deadline, a refund, and what comes after it: a gift at a net of nothing, or nothing at all."""

import pytest

from app import limits
from app.providers import ProviderError, Report
from app.services import audits, callbacks, endings
from tests.clouds import Clouds
from tests.conftest import Call, Rows
from tests.fakes import READY
from tests.faults.making import COST_CREDITS, Making, later
from tests.money.conftest import no_ffmpeg as _no_ffmpeg

pytest_plugins = ["tests.faults.fixtures"]
no_ffmpeg = _no_ffmpeg

RUNS = Report("running")
UNKNOWN = ProviderError("unknown_outcome", "no answer within 30 s")
GOOD = {"x-signature": "good"}


@pytest.fixture
def overdue(cloudy: Making, clouds: Clouds) -> str:
    """A video that was refunded after half an hour, while kie may still deliver."""
    clouds.kie.script = (RUNS,)
    video_id = cloudy.ask()
    cloudy.submit(video_id)
    with later(minutes=30.5):
        assert cloudy.step(video_id) == "failed"
    assert cloudy.video(video_id)["error_code"] == "deadline"
    assert cloudy.attempts(video_id)[0]["state"] == "late"
    assert cloudy.is_refunded(video_id)
    return video_id


def net(making: Making, video_id: str) -> int:
    return sum(amount for _, amount in making.entries(video_id))


# Before the refund, after it ---------------------------------------------------------------------


@pytest.mark.both_databases
def test_a_result_before_the_refund_keeps_the_charge(
    cloudy: Making, clouds: Clouds, no_ffmpeg: None
) -> None:
    clouds.kie.script = (RUNS, READY)
    video_id = cloudy.ask()
    cloudy.step(video_id)
    with later(minutes=31):
        assert cloudy.make(video_id) == "completed"
    assert not cloudy.video(video_id)["is_gift"]
    assert cloudy.is_charged(video_id)


@pytest.mark.both_databases
def test_a_result_after_the_refund_is_a_gift(
    cloudy: Making, clouds: Clouds, overdue: str, no_ffmpeg: None, call: Call
) -> None:
    clouds.kie.script = (READY,)
    with later(minutes=36):
        for ready in cloudy.sweep().to_store:
            assert cloudy.store(ready)
    video = cloudy.video(overdue)
    assert (video["status"], video["error_code"], video["error_text"]) == ("completed", None, None)
    assert video["is_gift"] and video["file_key"]
    assert net(cloudy, overdue) == 0
    assert cloudy.is_refunded(overdue)
    assert cloudy.balance() == 100
    assert list(call(lambda: list(audits.verify_ledger()))) == []
    with later(minutes=60):
        assert cloudy.step(overdue) == "completed"
    assert cloudy.is_refunded(overdue)


def test_after_the_refund_it_is_asked_every_five_minutes_for_a_day(
    cloudy: Making, clouds: Clouds, overdue: str
) -> None:
    asked = len(clouds.kie.keys_of("poll"))
    for minutes in (32, 34):
        with later(minutes=minutes):
            cloudy.sweep()
    assert len(clouds.kie.keys_of("poll")) == asked
    for minutes in (36, 42):
        with later(minutes=minutes):
            cloudy.sweep()
    assert len(clouds.kie.keys_of("poll")) == asked + 2
    with later(seconds=limits.GIFT_WATCH_S + 60):
        cloudy.sweep()
    assert cloudy.attempts(overdue)[0]["state"] == "failed"
    with later(seconds=limits.GIFT_WATCH_S + 7200):
        assert cloudy.sweep().in_flight == 0
    assert len(clouds.kie.keys_of("poll")) == asked + 3


@pytest.mark.parametrize("state", ["failed", "cancelled", "lost"])
def test_what_never_comes_changes_nothing(
    cloudy: Making, clouds: Clouds, overdue: str, state: str
) -> None:
    clouds.kie.script = (Report(state),)  # type: ignore[arg-type]
    before = dict(cloudy.video(overdue))
    with later(minutes=40):
        cloudy.sweep()
    assert cloudy.attempts(overdue)[0]["state"] == "failed"
    assert dict(cloudy.video(overdue)) == before
    assert cloudy.is_refunded(overdue)


def test_a_provider_that_is_down_then_is_asked_again(
    cloudy: Making, clouds: Clouds, overdue: str, no_ffmpeg: None
) -> None:
    clouds.kie.script = (ProviderError("transient", "connect error"),)
    with later(minutes=36):
        cloudy.sweep()
    assert cloudy.attempts(overdue)[0]["state"] == "late"
    clouds.kie.script = (READY,)
    with later(minutes=42):
        assert cloudy.step(overdue) == "completed"
    assert net(cloudy, overdue) == 0


# Nobody wants it any more ------------------------------------------------------------------------


def test_a_deleted_one_gets_no_file(
    cloudy: Making, clouds: Clouds, overdue: str, no_ffmpeg: None
) -> None:
    cloudy.delete(overdue)
    clouds.kie.script = (READY,)
    with later(minutes=36):
        assert cloudy.step(overdue) == "failed"
    assert clouds.kie.keys_of("fetch") == []
    assert cloudy.attempts(overdue)[0]["state"] == "failed"
    assert cloudy.is_refunded(overdue)
    with later(minutes=45):
        assert cloudy.sweep().in_flight == 0


@pytest.mark.both_databases
def test_one_that_was_to_be_stopped_gets_no_file(cloudy: Making, clouds: Clouds) -> None:
    """The wish came while nobody could be asked; the refund came with the deadline."""
    clouds.use("fal")
    clouds.fal.script = (Report("queued"),)
    video_id = cloudy.ask()
    cloudy.step(video_id)
    cloudy.cancel(video_id)
    clouds.fal.script, clouds.fal.can_stop = (ProviderError("transient", "503"),), False
    with later(minutes=30.5):
        assert cloudy.step(video_id) == "failed"
    assert cloudy.is_refunded(video_id)
    clouds.fal.script = (READY,)
    with later(minutes=36):
        assert cloudy.step(video_id) == "failed"
    assert clouds.fal.keys_of("fetch") == []
    with later(minutes=37):
        assert cloudy.sweep().in_flight == 0
    assert cloudy.is_refunded(video_id)


def test_a_gift_that_cannot_be_had_is_given_up_after_a_day(
    cloudy: Making, clouds: Clouds, overdue: str
) -> None:
    clouds.kie.script = (READY,)

    def stall(verb: str, _key: str) -> None:
        if verb == "fetch":
            raise ProviderError("transient", "stalled")

    clouds.kie.on_call = stall
    for tries in range(limits.STORE_TRIES + 1):
        with later(minutes=36 + tries):
            cloudy.step(overdue)
    assert cloudy.attempts(overdue)[0]["state"] == "late"  # nobody waits: at its slow pace again
    assert len(clouds.kie.keys_of("fetch")) == 2  # not every lease's end, every five minutes
    with later(seconds=limits.GIFT_WATCH_S + 60):
        cloudy.sweep()
        assert cloudy.sweep().in_flight == 0
    assert (cloudy.status(overdue), cloudy.attempts(overdue)[0]["state"]) == ("failed", "failed")
    assert cloudy.is_refunded(overdue)


def test_a_gift_that_is_no_video_stays_failed_and_leaves_no_file(
    cloudy: Making, clouds: Clouds, overdue: str
) -> None:
    clouds.kie.script = (READY,)  # and its file plays nowhere
    with later(minutes=36):
        assert cloudy.step(overdue) == "failed"
    assert cloudy.attempts(overdue)[0]["state"] == "failed"
    assert cloudy.video(overdue)["error_code"] == "deadline"
    assert cloudy.is_refunded(overdue)


# An unknown submission, found by its callback ----------------------------------------------------


def lose_the_answer(making: Making, clouds: Clouds) -> tuple[str, str]:
    """A video, and its attempt, that kie has while nobody here knows."""
    clouds.kie.submit_errors = [UNKNOWN]
    clouds.kie.takes_order_anyway = True
    clouds.kie.recover_error = UNKNOWN
    video_id = making.ask()
    making.submit(video_id)
    return video_id, str(making.attempts(video_id)[0]["id"])


def finish(making: Making, video_id: str) -> None:
    """Two more questions, each when it is due."""
    for minutes in (1, 2):
        with later(minutes=minutes):
            state = making.step(video_id)
    assert state == "completed"


def tell(call: Call, attempt_id: str, task: str) -> bool:
    return bool(call(callbacks.receive, "kie", GOOD, task.encode(), attempt_id))


@pytest.mark.both_databases
def test_a_callback_finds_an_unknown_submission_before_the_refund(
    cloudy: Making, clouds: Clouds, call: Call, no_ffmpeg: None
) -> None:
    video_id, attempt_id = lose_the_answer(cloudy, clouds)
    assert tell(call, attempt_id, f"kie-{attempt_id}")
    with later(seconds=limits.LEASE_S + 1):
        assert cloudy.step(video_id) == "processing"
    assert clouds.kie.keys_of("adopt") == clouds.kie.keys_of("submit")
    finish(cloudy, video_id)
    assert cloudy.attempts(video_id)[0]["remote_id"] == f"kie-{attempt_id} more"
    assert cloudy.is_charged(video_id)


@pytest.mark.both_databases
def test_a_callback_finds_an_unknown_submission_after_the_refund(
    cloudy: Making, clouds: Clouds, call: Call, no_ffmpeg: None
) -> None:
    video_id, attempt_id = lose_the_answer(cloudy, clouds)
    with later(minutes=30.5):
        assert cloudy.step(video_id) == "failed"
    assert cloudy.is_refunded(video_id)
    clouds.kie.script = (READY,)
    with later(minutes=33):
        assert tell(call, attempt_id, f"kie-{attempt_id}")
        assert cloudy.step(video_id) == "completed"
    assert cloudy.video(video_id)["is_gift"]
    assert net(cloudy, video_id) == 0
    assert list(call(lambda: list(audits.verify_ledger()))) == []


def test_a_strange_task_is_not_adopted(cloudy: Making, clouds: Clouds, call: Call) -> None:
    """The address was guessed or mixed up: the provider does not say that the task is ours."""
    video_id, attempt_id = lose_the_answer(cloudy, clouds)
    other = cloudy.ask()
    with later(seconds=1):
        cloudy.submit(other)
    task = str(cloudy.attempts(other)[0]["callback_id"])
    assert tell(call, attempt_id, task)
    with later(seconds=limits.LEASE_S + 1):
        assert cloudy.step(video_id) == "submitting"
    assert cloudy.attempts(video_id)[0]["remote_id"] is None


def test_a_gift_and_an_ending_never_meet(
    cloudy: Making, clouds: Clouds, overdue: str, call: Call, rows: Rows
) -> None:
    assert not call(endings.fail, overdue, "deadline", "")
    assert not call(endings.cancel, overdue)
    assert cloudy.entries(overdue) == [("spend", -COST_CREDITS), ("refund", COST_CREDITS)]
