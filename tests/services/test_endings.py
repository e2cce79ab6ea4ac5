"""Failing and cancelling: once, with the refund in the same transaction, whatever a vendor says."""

from datetime import timedelta

import pytest

from app.models import now
from app.services import credits, endings
from tests.conftest import Rows
from tests.faults.making import COST_CREDITS, Making

pytest_plugins = ["tests.faults.fixtures"]
pytestmark = pytest.mark.both_databases


def test_a_failure_told_three_times_is_refunded_once(making: Making) -> None:
    video_id = making.ask()
    told = [making.call(endings.fail, video_id, "deadline", "") for _ in range(3)]
    assert told == [True, False, False]
    video = making.video(video_id)
    assert (video["status"], video["error_code"]) == ("failed", "deadline")
    assert video["error_text"] == endings.REASONS["deadline"]
    assert video["refunded_credits"] == COST_CREDITS
    assert video["completed_at"] is not None
    assert making.is_refunded(video_id)


def test_the_first_of_two_endings_counts(making: Making) -> None:
    failed, cancelled, completed = making.ask_for(count="3")
    assert making.call(endings.fail, failed, "deadline", "")
    assert not making.call(endings.cancel, failed)
    assert making.call(endings.cancel, cancelled)
    assert not making.call(endings.fail, cancelled, "deadline", "")
    making.set_video(completed, status="completed")
    assert not making.call(endings.fail, completed, "deadline", "")
    assert not making.call(endings.cancel, completed)
    assert [making.status(one) for one in (failed, cancelled)] == ["failed", "cancelled"]
    assert making.is_charged(completed)


def test_an_open_attempt_ends_with_its_video(making: Making) -> None:
    video_id = making.ask()
    making.submit(video_id)
    making.call(endings.fail, video_id, "content_rejected", "the vendor's own words")
    (attempt,) = making.attempts(video_id)
    assert (attempt["state"], attempt["error_text"]) == ("failed", "the vendor's own words")
    assert attempt["ended_at"] is not None
    assert attempt["lease_token"] is None
    assert making.video(video_id)["error_text"] == "the vendor's own words"


def test_a_refusal_without_a_reason_says_that_much(making: Making) -> None:
    video_id = making.ask()
    making.submit(video_id)
    making.call(endings.fail, video_id, "content_rejected", "")
    assert making.video(video_id)["error_text"] == "The provider refused this prompt."


def test_what_else_a_vendor_says_stays_in_the_attempt(making: Making) -> None:
    video_id = making.ask()
    making.submit(video_id)
    making.call(endings.fail, video_id, "permanent", "stack trace of the vendor")
    assert making.attempts(video_id)[0]["error_text"] == "stack trace of the vendor"
    assert making.video(video_id)["error_text"] == endings.REASONS["permanent"]


def test_cancelling_only_from_some_states_leaves_the_others(making: Making) -> None:
    video_id = making.ask()
    making.submit(video_id)
    assert not making.call(endings.cancel, video_id, only_from=("queued",))
    assert not making.call(endings.cancel, video_id, if_asked=True)
    (attempt,) = making.attempts(video_id)
    assert (making.status(video_id), attempt["state"]) == ("processing", "processing")
    making.cancel(video_id)
    assert making.call(endings.cancel, video_id, if_asked=True)
    assert making.is_refunded(video_id)


def test_a_refund_that_cannot_be_written_leaves_the_video_as_it_was(
    making: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    video_id = making.ask()
    with monkeypatch.context() as patch:
        patch.setattr(credits, "refund", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            making.call(endings.fail, video_id, "deadline", "")
    assert making.status(video_id) == "queued"
    assert making.is_charged(video_id)
    assert making.call(endings.fail, video_id, "deadline", "")
    assert making.is_refunded(video_id)


@pytest.mark.parametrize(
    ("code", "text"), [("x" * 500, "y" * 5000), ("a\x00code", "cut\x00here"), ("", "")]
)
def test_a_vendors_strange_words_break_no_statement(making: Making, code: str, text: str) -> None:
    video_id = making.ask()
    making.submit(video_id)
    assert making.call(endings.fail, video_id, code, text)
    (attempt,) = making.attempts(video_id)
    assert "\x00" not in attempt["error_text"]
    assert len(attempt["error_text"]) <= 300
    assert making.video(video_id)["error_text"].startswith("The renderer stopped")
    assert making.is_refunded(video_id)


def test_no_such_video_is_no_ending(making: Making, rows: Rows) -> None:
    assert not making.call(endings.fail, "no such video", "deadline", "")
    assert len(rows("SELECT id FROM credit_entries")) == 1


def test_all_that_waited_a_day_fail_in_one_sweep(making: Making) -> None:
    ids = making.ask_for(count="4")
    for video_id in ids:
        making.set_video(video_id, created_at=now() - timedelta(hours=25))
    making.sweep()
    assert [making.status(video_id) for video_id in ids] == ["failed"] * 4
    assert {making.video(video_id)["error_code"] for video_id in ids} == {"queue_timeout"}
    assert making.balance() == 100
