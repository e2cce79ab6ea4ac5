"""The sweep: asks the providers, moves what is done, gives up what is late, never gets stuck."""

import os
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from app import limits
from app.extensions import db
from app.models import Attempt, now
from app.providers import ProviderError, Report
from app.services import leases, sweeps, ticks
from tests.conftest import Call
from tests.fakes import READY, RUNNING
from tests.faults.making import Making, later
from tests.media.clips import MakeClip

pytest_plugins = ["tests.faults.fixtures"]

DOWN = ProviderError("transient", "connection refused", permanent=False)


def in_parallel(count: int, act: Callable[[], object]) -> list[object]:
    """The answers of `count` threads that start at the same moment; an error is an answer too."""
    barrier, answers = threading.Barrier(count), []

    def run() -> None:
        barrier.wait(10)
        try:
            answers.append(act())
        except Exception as error:  # noqa: BLE001  the test looks at it
            answers.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return answers


# Asking ------------------------------------------------------------------------------------------


def test_progress_and_time_left_are_the_providers(making: Making) -> None:
    making.provider.script = (Report("running", percent=12.7, eta_s=40.0),)
    video_id = making.ask()
    assert making.step(video_id) == "processing"
    video = making.video(video_id)
    assert video["progress"] == 12
    assert video["eta_low_s"] < 40 < video["eta_high_s"]


def test_what_is_not_due_is_not_asked_about(
    making: Making, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    video_id = making.ask()
    making.step(video_id)
    handle = making.attempts(video_id)[0]["remote_id"]
    asked = making.provider.polls[handle]

    def put_off() -> None:
        db.session.execute(update(Attempt).values(next_poll_at=now() + timedelta(seconds=10)))
        db.session.commit()

    call(put_off)
    making.sweep()
    assert making.provider.polls[handle] == asked
    with later(seconds=11):
        making.sweep()
    assert making.provider.polls[handle] == asked + 1


@pytest.mark.both_databases
def test_sweeps_at_the_same_moment_ask_once_and_move_once(making: Making) -> None:
    making.provider.script = (READY,)
    ids = making.ask_for(count="4")
    for video_id in ids:
        making.submit(video_id)
    answers = in_parallel(4, making.sweep)
    assert all(isinstance(answer, sweeps.Swept) for answer in answers), answers
    assert sorted(making.provider.polls.values()) == [1, 1, 1, 1]
    assert {making.status(video_id) for video_id in ids} == {"storing"}


@pytest.mark.parametrize("error", [DOWN, ValueError("our bug")], ids=["vendor", "bug"])
def test_one_that_cannot_be_asked_about_does_not_stop_the_others(
    making: Making, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    ids = making.ask_for(count="3")
    for video_id in ids:
        making.submit(video_id)
    bad = making.attempts(ids[0])[0]["remote_id"]
    poll = making.provider.poll

    def answer(handle: str, *key: str) -> Report:
        if handle == bad:
            raise error
        return poll(handle, *key)

    making.provider.script = (READY,)
    monkeypatch.setattr(making.provider, "poll", answer)
    making.sweep()
    assert [making.status(video_id) for video_id in ids] == ["processing", "storing", "storing"]
    monkeypatch.undo()
    with later(seconds=limits.LEASE_S + 1):
        making.sweep()
    assert making.status(ids[0]) == "storing"


@pytest.mark.parametrize("code", ["permanent", "content_rejected", "something new"])
def test_a_render_that_failed_is_refunded_and_forgotten(making: Making, code: str) -> None:
    making.provider.script = (Report("failed", code=code, message="no"),)
    video_id = making.ask()
    assert making.make(video_id) == "failed"
    assert making.video(video_id)["error_text"]
    assert making.is_refunded(video_id)
    assert making.provider.forgotten == [making.attempts(video_id)[0]["remote_id"]]


def test_a_failure_reported_three_times_pays_once(making: Making) -> None:
    making.provider.script = (Report("failed", code="permanent", message="no"),)
    video_id = making.ask()
    making.submit(video_id)
    for _ in range(3):
        making.sweep()
    assert making.is_refunded(video_id)


# Late, and too late ------------------------------------------------------------------------------


def test_the_local_renderer_is_late_after_twice_its_own_estimate(making: Making) -> None:
    making.provider.script = (Report("running", percent=1.0, eta_s=20.0),)
    video_id = making.ask()
    making.step(video_id)
    with later(seconds=30):
        making.step(video_id)
        assert not making.video(video_id)["is_late"]
    with later(seconds=45):
        making.step(video_id)
        assert making.video(video_id)["is_late"]
    assert making.status(video_id) == "processing"
    assert making.is_charged(video_id)


def test_a_cloud_is_late_after_five_minutes_and_late_is_no_verdict(
    cloudy: Making, make_clip: MakeClip
) -> None:
    cloudy.provider.clip = make_clip("good.mp4")
    cloudy.provider.script = (RUNNING,)
    video_id = cloudy.ask()
    cloudy.step(video_id)
    with later(minutes=4.5):
        cloudy.step(video_id)
        assert not cloudy.video(video_id)["is_late"]
    with later(minutes=29):
        assert cloudy.step(video_id) == "processing"
        assert cloudy.video(video_id)["is_late"]
    with later(minutes=29.8):
        cloudy.provider.script = (READY,)
        assert cloudy.make(video_id) == "completed"
    assert cloudy.is_charged(video_id)


@pytest.mark.both_databases
def test_half_an_hour_after_the_acceptance_it_fails_with_its_refund(making: Making) -> None:
    making.provider.script = (RUNNING,)
    video_id = making.ask()
    making.step(video_id)
    with later(minutes=30.5):
        assert making.step(video_id) == "failed"
    assert making.video(video_id)["error_code"] == "deadline"
    assert making.is_refunded(video_id)
    assert making.provider.cancelled == [making.attempts(video_id)[0]["remote_id"]]


def test_the_deadline_holds_while_the_provider_is_down(making: Making) -> None:
    making.provider.script = (DOWN,)
    video_id = making.ask()
    making.step(video_id)
    with later(minutes=29):
        assert making.step(video_id) == "processing"
    with later(minutes=30.5):
        assert making.step(video_id) == "failed"
    assert making.is_refunded(video_id)


def test_a_result_that_comes_at_the_last_moment_counts(making: Making, make_clip: MakeClip) -> None:
    """Late results before the refund: the video completes, the charge stands."""
    making.provider.clip = make_clip("good.mp4")
    making.provider.script = (RUNNING, READY)
    video_id = making.ask()
    making.step(video_id)
    with later(minutes=31):
        assert making.make(video_id) == "completed"
    assert making.is_charged(video_id)


def test_a_quarter_of_an_hour_in_the_queue_is_late(making: Making) -> None:
    making.provider.room = 0
    video_id = making.ask()
    making.step(video_id)
    assert not making.video(video_id)["is_late"]
    with later(minutes=14):
        making.step(video_id)
        assert not making.video(video_id)["is_late"]
    with later(minutes=16):
        assert making.step(video_id) == "queued"
        assert making.video(video_id)["is_late"]
    assert making.is_charged(video_id)


@pytest.mark.both_databases
def test_a_day_in_the_queue_fails_every_video_with_its_refund(making: Making) -> None:
    making.provider.room = 0
    ids = making.ask_for(count="4")
    with later(hours=23.5):
        making.sweep()
        assert {making.status(video_id) for video_id in ids} == {"queued"}
    with later(hours=24.5):
        making.sweep()
        assert {making.status(video_id) for video_id in ids} == {"failed"}
    assert {making.video(video_id)["error_code"] for video_id in ids} == {"queue_timeout"}
    assert all(making.is_refunded(video_id) for video_id in ids)
    assert making.balance() == 100


def try_in_vain(making: Making, video_id: str, times: int) -> None:
    """Workers die, or a bug strikes, while they store the result."""
    with pytest.MonkeyPatch.context() as patch:

        def explode(handle: str, *_: str) -> Path:
            raise RuntimeError("our bug")

        patch.setattr(making.provider, "fetch", explode)
        for _ in range(times):
            with pytest.raises(RuntimeError):
                making.store(video_id)
            making.end_leases()


@pytest.mark.both_databases
def test_a_result_that_nobody_can_store_fails_after_a_while(making: Making) -> None:
    making.provider.script = (READY,)
    video_id = making.ask()
    making.finish_render(video_id)
    try_in_vain(making, video_id, limits.STORE_TRIES)
    with later(minutes=14):
        making.sweep()
        assert making.status(video_id) == "storing"
    with later(minutes=16):
        making.sweep()
    assert making.status(video_id) == "failed"
    assert making.video(video_id)["error_code"] == "store_timeout"
    assert making.is_refunded(video_id)
    assert not making.store(video_id)


def test_a_result_that_waited_for_a_machine_that_was_off_is_stored(
    making: Making, make_clip: MakeClip
) -> None:
    making.provider.script = (READY,)
    making.provider.clip = make_clip("good.mp4")
    video_id = making.ask()
    making.finish_render(video_id)
    try_in_vain(making, video_id, 1)
    with later(hours=10):
        assert making.make(video_id) == "completed"
    assert making.is_charged(video_id)


# Stopping ----------------------------------------------------------------------------------------


def test_a_render_is_cancelled_and_refunded_when_the_stop_is_certain(making: Making) -> None:
    making.provider.script = (RUNNING,)
    video_id = making.ask()
    making.step(video_id)
    making.cancel(video_id)
    assert making.status(video_id) == "processing"
    assert making.is_charged(video_id)
    assert making.step(video_id) == "cancelled"
    handle = making.attempts(video_id)[0]["remote_id"]
    assert (making.provider.cancelled, making.provider.forgotten) == ([handle], [handle])
    assert making.is_refunded(video_id)


def test_in_the_queue_it_is_cancelled_at_once(making: Making) -> None:
    video_id = making.ask()
    making.cancel(video_id)
    assert making.status(video_id) == "cancelled"
    assert making.is_refunded(video_id)
    assert not making.submit(video_id)


def test_a_vendor_that_cannot_stop_keeps_the_charge_when_the_result_comes_first(
    cloudy: Making, make_clip: MakeClip
) -> None:
    """Money rules: if the result comes first, the video completes and the charge stands."""
    cloudy.provider.cancel_rule = "until_started"
    cloudy.provider.can_stop = False
    cloudy.provider.clip = make_clip("good.mp4")
    cloudy.provider.submit_errors = [ProviderError("unknown_outcome", "lost", permanent=False)]
    cloudy.provider.takes_order_anyway = True
    video_id = cloudy.ask()
    cloudy.submit(video_id)
    cloudy.cancel(video_id)  # still submitting: allowed, but it has begun
    cloudy.end_leases()
    assert cloudy.step(video_id) == "processing"
    cloudy.sweep()  # recovered by the last one, asked about by this one
    assert not cloudy.video(video_id)["cancel_requested"]  # too late, and it says so no more
    with later(seconds=10.5):
        assert cloudy.make(video_id) == "completed"
    assert cloudy.is_charged(video_id)


# Leases ------------------------------------------------------------------------------------------


def hold(making: Making, call: Call, owner: str) -> str:
    """A video whose attempt is leased by `owner` for another 15 s. Returns its id."""
    video_id = making.ask()
    making.submit(video_id)

    def lease() -> None:
        values = leases.values(leases.new_lease("")) | {"lease_owner": owner}
        db.session.execute(update(Attempt).values(**values))
        db.session.commit()

    call(lease)
    return video_id


def test_leases_of_dead_processes_of_this_host_are_free_at_once(making: Making, call: Call) -> None:
    making.provider.script = (READY,)
    video_id = hold(making, call, f"{socket.gethostname()}/{os.getpid()}/1")  # its pid lives again
    making.sweep()
    assert making.status(video_id) == "processing"
    assert call(leases.free_dead) == 1
    making.sweep()
    assert making.status(video_id) == "storing"


@pytest.mark.parametrize("owner", ["", "another-host/1/1"], ids=["alive", "elsewhere"])
def test_leases_of_others_are_not_touched(making: Making, call: Call, owner: str) -> None:
    making.provider.script = (READY,)
    video_id = hold(making, call, owner or leases.owner())
    assert call(leases.free_dead) == 0
    making.sweep()
    assert making.status(video_id) == "processing"
    with later(seconds=limits.LEASE_S + 1):
        making.sweep()
    assert making.status(video_id) == "storing"


# Ticks -------------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_a_tick_is_claimed_by_one_of_many(call: Call) -> None:
    def claim() -> object:
        return call(ticks.claim, "sweep", 600)

    assert sorted(map(str, in_parallel(8, claim))) == ["False"] * 7 + ["True"]
    with later(minutes=9):
        assert not claim()
    with later(minutes=11):
        assert sorted(map(str, in_parallel(8, claim))) == ["False"] * 7 + ["True"]


def test_a_tick_made_due_is_claimed_at_once(call: Call) -> None:
    assert call(ticks.claim, "sweep", 60)
    call(ticks.make_due, "sweep")
    assert call(ticks.claim, "sweep", 60)
    assert call(ticks.claim, "another", 60)


def test_a_clock_set_back_an_hour_does_not_stop_the_sweeps(call: Call) -> None:
    with later(hours=1):
        assert call(ticks.claim, "sweep", 1.5)
    assert call(ticks.claim, "sweep", 1.5)
    assert not call(ticks.claim, "sweep", 1.5)


# What it says ------------------------------------------------------------------------------------


def test_it_names_what_needs_a_bell_and_counts_what_is_in_flight(making: Making) -> None:
    making.provider.script = (READY,)
    first, second, third = making.ask_for(count="3")
    making.submit(first)
    swept = making.sweep()
    assert (swept.to_store, swept.to_submit) == ([first], [second, third])
    assert swept.in_flight == 3
    for video_id in (second, third):
        making.cancel(video_id)
    making.store(first)
    assert making.sweep() == sweeps.Swept([], [], 0)
