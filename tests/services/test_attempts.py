"""How a video is handed to its provider: once, with three outcomes, and what follows from each."""

import socket
import threading

import pytest
from sqlalchemy import update

from app.extensions import db
from app.models import Attempt
from app.providers import ProviderError, Report
from app.services import queueing
from tests.conftest import Call
from tests.fakes import READY, RUNNING
from tests.faults.making import COST_CREDITS, Making, later
from tests.media.clips import MakeClip

pytest_plugins = ["tests.faults.fixtures"]

TRANSIENT = ProviderError("transient", "503", permanent=False)
REFUSED = ProviderError("content_rejected", "no", permanent=True)
UNKNOWN = ProviderError("unknown_outcome", "the answer got lost", permanent=False)


# Accepted ----------------------------------------------------------------------------------------


def test_an_accepted_video_is_processing_under_the_providers_handle(making: Making) -> None:
    video_id = making.ask()
    assert making.submit(video_id)
    video, (attempt,) = making.video(video_id), making.attempts(video_id)
    assert (video["status"], attempt["state"]) == ("processing", "processing")
    assert attempt["remote_id"] in making.provider.orders
    assert attempt["lease_token"] is None
    order = making.provider.orders[attempt["remote_id"]]
    assert (order.prompt, order.duration_s, order.seed) == (video["prompt"], 4, video["seed"])
    assert making.is_charged(video_id)


def test_submitting_again_places_no_second_order(making: Making) -> None:
    video_id = making.ask()
    assert making.submit(video_id)
    assert not making.submit(video_id)
    assert len(making.provider.orders) == 1


@pytest.mark.both_databases
def test_of_many_workers_at_once_one_submits(making: Making) -> None:
    video_id = making.ask()
    barrier, answers = threading.Barrier(6), []

    def submit() -> None:
        barrier.wait(10)
        answers.append(making.submit(video_id))

    threads = [threading.Thread(target=submit) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(answers) == [False] * 5 + [True]
    assert len(making.provider.orders) == len(making.attempts(video_id)) == 1


def test_without_room_a_video_waits_in_the_queue(making: Making) -> None:
    making.provider.room = 1
    first, second = making.ask_for(count="2")
    assert making.submit(first)
    assert not making.submit(second)
    assert making.status(second) == "queued"
    assert making.attempts(second) == []
    making.provider.forget(making.attempts(first)[0]["remote_id"])
    assert making.submit(second)


@pytest.mark.parametrize("video_id", ["", "0" * 36, "not an id"])
def test_a_task_for_a_video_that_is_not_there_does_nothing(making: Making, video_id: str) -> None:
    assert not making.submit(video_id)
    assert not making.store(video_id)


# Refused -----------------------------------------------------------------------------------------


def test_a_refused_video_fails_with_its_refund_at_once(making: Making) -> None:
    making.provider.submit_errors = [REFUSED]
    video_id = making.ask()
    assert making.submit(video_id)
    video = making.video(video_id)
    assert (video["status"], video["error_code"]) == ("failed", "content_rejected")
    assert video["error_text"] == "no"  # the provider's own reason
    assert making.is_refunded(video_id)
    assert video["refunded_credits"] == COST_CREDITS
    assert making.balance() == 100
    assert not making.submit(video_id)
    assert making.provider.orders == {}


def test_a_hiccup_is_tried_again_as_a_new_attempt(making: Making, make_clip: MakeClip) -> None:
    making.provider.clip = make_clip("good.mp4")
    making.provider.submit_errors = [TRANSIENT, TRANSIENT]
    video_id = making.ask()
    assert making.make(video_id) == "completed"
    states = [attempt["state"] for attempt in making.attempts(video_id)]
    assert states == ["failed", "failed", "done"]
    assert len({attempt["id"] for attempt in making.attempts(video_id)}) == 3
    assert making.is_charged(video_id)


@pytest.mark.both_databases
def test_after_three_hiccups_it_fails_with_its_refund(making: Making) -> None:
    making.provider.submit_errors = [TRANSIENT] * 9
    video_id = making.ask()
    assert making.make(video_id) == "failed"
    assert len(making.attempts(video_id)) == queueing.MAX_DEATHS == 3
    assert len(making.provider.submit_errors) == 6
    assert making.is_refunded(video_id)


def test_a_bug_in_the_provider_at_submit_ends_in_a_new_attempt(
    making: Making, make_clip: MakeClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    making.provider.clip = make_clip("good.mp4")
    video_id = making.ask()
    with monkeypatch.context() as patch:

        def explode(*_: object) -> str:
            raise KeyError("our bug")

        patch.setattr(making.provider, "submit", explode)
        with pytest.raises(KeyError):
            making.submit(video_id)
    assert making.status(video_id) == "submitting"
    making.end_leases()
    assert making.make(video_id) == "completed"
    assert [attempt["state"] for attempt in making.attempts(video_id)] == ["lost", "done"]


# Unknown -----------------------------------------------------------------------------------------


def lose_the_answer(making: Making, *, takes_order: bool) -> str:
    """A submission of which nobody can say whether it arrived."""
    making.provider.submit_errors = [UNKNOWN]
    making.provider.takes_order_anyway = takes_order
    making.provider.recover_error = UNKNOWN
    video_id = making.ask()
    assert making.submit(video_id)
    return video_id


@pytest.mark.parametrize("takes_order", [True, False])
def test_an_unknown_outcome_is_neither_resubmitted_nor_refunded_before_the_deadline(
    making: Making, takes_order: bool
) -> None:
    video_id = lose_the_answer(making, takes_order=takes_order)
    for minutes in (0, 1, 10, 29.5):
        with later(minutes=minutes):
            assert making.step(video_id) == "submitting"
    assert len(making.attempts(video_id)) == 1
    assert len(making.provider.orders) == takes_order
    assert making.is_charged(video_id)


@pytest.mark.both_databases
def test_an_unknown_outcome_is_refunded_after_the_deadline(making: Making) -> None:
    video_id = lose_the_answer(making, takes_order=True)
    with later(minutes=30.5):
        assert making.step(video_id) == "failed"
    assert making.video(video_id)["error_code"] == "deadline"
    assert making.is_refunded(video_id)
    assert len(making.provider.orders) == 1


def test_a_recovered_handle_is_accepted(making: Making, make_clip: MakeClip) -> None:
    making.provider.clip = make_clip("good.mp4")
    video_id = lose_the_answer(making, takes_order=True)
    making.provider.recover_error = None
    with later(seconds=21):
        assert making.make(video_id) == "completed"
    (attempt,) = making.attempts(video_id)
    assert (attempt["state"], attempt["remote_id"]) == ("done", f"fake-{attempt['id']}")
    assert making.is_charged(video_id)


@pytest.mark.both_databases
def test_what_surely_never_arrived_is_submitted_anew(making: Making, make_clip: MakeClip) -> None:
    making.provider.clip = make_clip("good.mp4")
    video_id = lose_the_answer(making, takes_order=False)
    making.provider.recover_error = None
    with later(seconds=21):
        assert making.make(video_id) == "completed"
    assert [attempt["state"] for attempt in making.attempts(video_id)] == ["lost", "done"]
    assert making.is_charged(video_id)


@pytest.mark.both_databases
def test_the_reaper_leaves_a_submission_alone_while_its_lease_runs(making: Making) -> None:
    video_id = lose_the_answer(making, takes_order=False)
    making.provider.recover_error = None  # would say: never began
    assert making.step(video_id) == "submitting"
    with later(seconds=10):
        assert making.step(video_id) == "submitting"


def test_a_handle_that_arrives_after_cancelling_is_stored_and_cancelled(making: Making) -> None:
    video_id = lose_the_answer(making, takes_order=True)
    making.cancel(video_id)
    assert making.status(video_id) == "submitting"
    assert making.is_charged(video_id)
    making.provider.recover_error = None
    with later(seconds=21):
        assert making.make(video_id) == "cancelled"
    (attempt,) = making.attempts(video_id)
    assert making.provider.cancelled == [attempt["remote_id"]]
    assert making.is_refunded(video_id)


def test_cancelled_while_a_submission_comes_to_nothing(making: Making) -> None:
    video_id = lose_the_answer(making, takes_order=False)
    making.cancel(video_id)
    making.provider.recover_error = None
    with later(seconds=21):
        assert making.make(video_id) == "cancelled"
    assert making.provider.orders == {}
    assert making.is_refunded(video_id)


# Lost --------------------------------------------------------------------------------------------


def test_a_lost_render_is_started_anew(making: Making, make_clip: MakeClip) -> None:
    making.provider.clip = make_clip("good.mp4")
    making.provider.script = (RUNNING, Report("lost"))
    video_id = making.ask()
    assert making.step(video_id) == "processing"
    assert making.step(video_id) == "queued"
    assert making.video(video_id)["progress"] is None
    making.provider.script = (READY,)
    assert making.make(video_id) == "completed"
    assert [attempt["state"] for attempt in making.attempts(video_id)] == ["lost", "done"]
    assert len(making.provider.forgotten) == 2
    assert making.is_charged(video_id)


@pytest.mark.both_databases
def test_a_render_lost_three_times_fails_with_its_refund(making: Making) -> None:
    making.provider.script = (Report("lost"),)
    video_id = making.ask()
    assert making.make(video_id) == "failed"
    states = [attempt["state"] for attempt in making.attempts(video_id)]
    assert states == ["lost", "lost", "failed"]
    assert making.video(video_id)["error_code"] == "renderer_died"
    assert making.is_refunded(video_id)
    assert making.make(video_id) == "failed"
    assert making.is_refunded(video_id)


def test_a_render_that_ended_with_its_worker_does_not_count(
    making: Making, make_clip: MakeClip, call: Call
) -> None:
    making.provider.clip = make_clip("good.mp4")
    making.provider.script = (Report("lost"),)
    video_id = making.ask()
    for _ in range(5):  # five deployments in the middle of one render
        making.submit(video_id)
        end_the_worker(call)
        making.sweep()
        assert making.status(video_id) == "queued"
    making.provider.script = (READY,)
    assert making.make(video_id) == "completed"
    assert making.is_charged(video_id)


def test_a_video_that_ends_every_worker_is_given_up_in_the_end(making: Making, call: Call) -> None:
    making.provider.script = (Report("lost"),)
    video_id = making.ask()
    for _ in range(queueing.MAX_ATTEMPTS):
        making.submit(video_id)
        end_the_worker(call)
        making.sweep()
    assert making.status(video_id) == "failed"
    assert len(making.attempts(video_id)) == queueing.MAX_ATTEMPTS
    assert making.is_refunded(video_id)


def end_the_worker(call: Call) -> None:
    """As if the process that submitted had been killed and another one took its place."""

    def end() -> None:
        db.session.execute(update(Attempt).values(worker=f"{socket.gethostname()}/1/1"))
        db.session.commit()

    call(end)
