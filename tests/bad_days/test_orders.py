"""Orders that go wrong on their way: taken and not answered, refused, cancelled in the middle."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from app.errors import UserError
from tests.bad_days.conftest import Begin
from tests.bad_days.day import Day
from tests.waiting import wait_until

LOST_ANSWERS = (
    "accept_then_reset",
    "accept_then_close",
    "accept_then_bare",
    "accept_then_bare=503",
)
VENDORS = ("kie", "fal", "replicate", "google")
WITH_CALLBACKS = ("kie", "fal", "replicate")
DEADLINE = {"minutes": 31}


@pytest.mark.parametrize(
    ("vendor", "fault"),
    [*(("kie", fault) for fault in LOST_ANSWERS), ("fal", "accept_then_reset")],
)
def test_a_lost_answer_is_made_good_by_the_callback(begin: Begin, vendor: str, fault: str) -> None:
    """The vendor took the order, nobody heard: its callback names the task, and it is ours."""
    day = begin(vendor)
    day[vendor].fault(fault)
    video_id = day.ask()
    day.turn()
    assert day.status(video_id) == "submitting"
    assert day.last(video_id)["remote_id"] is None
    day.pass_time(seconds=21)
    assert day.called_back(vendor=vendor) == [204]
    assert day.work(video_id) == ["completed"]
    [task] = day.tasks(vendor)
    assert day.last(video_id)["callback_id"] == task.id
    assert day.is_charged(video_id)


@pytest.mark.usefixtures("short_patience")
def test_an_answer_that_takes_too_long_is_made_good_by_the_callback(begin: Begin) -> None:
    """The time-out itself, not only a connection that breaks."""
    day = begin("kie")
    day["kie"].fault("accept_then_hang")
    video_id = day.ask()
    day.turn()
    assert day.status(video_id) == "submitting"
    day.pass_time(seconds=21)
    day.called_back()
    assert day.work(video_id) == ["completed"]
    assert len(day.tasks()) == 1


@pytest.mark.parametrize("vendor", ["kie", "fal", "google"])
def test_a_lost_answer_without_a_callback_is_refunded_at_the_deadline(
    begin: Begin, vendor: str
) -> None:
    """Nobody can say whether it was taken: never submitted again, and not refunded early."""
    day = begin(vendor)
    day[vendor].fault("accept_then_reset")
    if vendor != "google":
        day[vendor].fault("lost", where="callback", times=None)
    video_id = day.ask()
    for _ in range(28):
        day.turn()
        day.pass_time(minutes=1)
    assert day.status(video_id) == "submitting"
    assert day.is_charged(video_id)
    day.pass_time(minutes=3)
    assert day.work(video_id) == ["failed"]
    assert day.video(video_id)["error_code"] == "deadline"
    assert day.is_refunded(video_id)
    for _ in range(4):
        day.pass_time(hours=8)
        day.turn()
    assert len(day.tasks(vendor)) == 1
    assert len(day.attempts(video_id)) == 1
    assert day.last(video_id)["state"] == "failed"


@pytest.mark.parametrize("vendor", WITH_CALLBACKS)
def test_a_callback_after_the_refund_brings_a_gift(begin: Begin, vendor: str) -> None:
    """Its answer was lost, half an hour is over, the credits are back: then it calls."""
    day = begin(vendor, takes_s=None)
    day[vendor].fault("accept_then_reset")
    if vendor == "replicate":  # which would find it by itself
        day[vendor].fault("error", 503, where="list", times=None)
    video_id = day.ask()
    day.turn()
    day.pass_time(**DEADLINE)
    assert day.work(video_id) == ["failed"]
    day[vendor].finish(day.tasks(vendor)[0].id)
    assert day.called_back(vendor=vendor) == [204]
    assert day.work(video_id, until="completed") == ["completed"]
    assert day.video(video_id)["is_gift"]
    assert day.is_refunded(video_id)
    assert len(day.tasks(vendor)) == 1


def test_replicate_finds_an_order_whose_answer_was_lost(begin: Begin) -> None:
    """It lists its predictions: no callback is needed."""
    day = begin("replicate")
    day["replicate"].fault("accept_then_reset")
    day["replicate"].fault("lost", where="callback", times=None)
    video_id = day.ask()
    day.turn()
    day.pass_time(seconds=21)
    assert day.work(video_id) == ["completed"]
    assert len(day.tasks("replicate")) == 1


def test_replicate_says_that_it_never_got_an_order(begin: Begin) -> None:
    """The connection broke before anything was done: it is certain, so it is sent once more."""
    day = begin("replicate")
    day["replicate"].fault("reset")
    video_id = day.ask()
    day.turn()
    assert day.status(video_id) == "submitting"
    day.pass_time(seconds=21)
    assert day.work(video_id) == ["completed"]
    assert len(day.tasks("replicate")) == 1
    assert [row["state"] for row in day.attempts(video_id)] == ["failed", "done"]


@pytest.mark.parametrize("vendor", WITH_CALLBACKS)
@pytest.mark.parametrize("answer", ["", ", accept_then_reset"])
def test_a_callback_comes_before_the_answer(begin: Begin, vendor: str, answer: str) -> None:
    """Done at once, and told at once: while we still wait to hear that it was taken."""
    day = begin(vendor)
    day[vendor].fault(f"early{answer}")
    video_id = day.ask()
    day.turn()
    assert day.called_back(vendor=vendor) == [204]
    if answer:
        day.pass_time(seconds=21)
    assert day.work(video_id) == ["completed"]
    assert len(day.tasks(vendor)) == 1


def in_the_middle_of_submitting(day: Day, vendor: str, video_id: str) -> "Middle":
    """The vendor has the order and takes its time to say so."""
    return Middle(day, vendor, video_id)


class Middle:
    """Between the vendor's yes and our row: what is done in the block happens there."""

    def __init__(self, day: Day, vendor: str, video_id: str) -> None:
        self.day, self.vendor, self.video_id = day, vendor, video_id
        self.pool = ThreadPoolExecutor(1)

    def __enter__(self) -> None:
        self.day[self.vendor].fault("delay", 0.5)
        self.submission = self.pool.submit(self.day.submit, self.video_id)
        wait_until(lambda: self.day.tasks(self.vendor), 10, "the vendor has it")
        assert self.day.status(self.video_id) == "submitting"

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown()
        assert self.submission.result()


@pytest.mark.parametrize("vendor", ["fal", "replicate"])
def test_cancelled_between_submit_and_save(begin: Begin, vendor: str) -> None:
    """The handle is stored, the vendor is told to stop, the credits come back when it has."""
    day = begin(vendor, queue_s=60.0, takes_s=80.0)
    video_id = day.ask()
    with in_the_middle_of_submitting(day, vendor, video_id):
        day.cancel(video_id)
        assert day.is_charged(video_id)
    assert day.last(video_id)["remote_id"]
    assert day.work(video_id) == ["cancelled"]
    assert day.is_refunded(video_id)
    assert [task.state for task in day.tasks(vendor)] == ["cancelled"]


def test_cancelled_when_it_has_begun(begin: Begin) -> None:
    """Asked for in time, and the vendor had begun: it completes, and the charge stands."""
    day = begin("fal")
    day["fal"].fault("keeps_running")
    video_id = day.ask()
    with in_the_middle_of_submitting(day, "fal", video_id):
        day.cancel(video_id)
    assert day.work(video_id) == ["completed"]
    assert day.is_charged(video_id)
    assert not day.video(video_id)["cancel_requested"]


@pytest.mark.parametrize("vendor", ["kie", "google"])
def test_too_late_to_cancel_between_submit_and_save(begin: Begin, vendor: str) -> None:
    day = begin(vendor)
    video_id = day.ask()
    with in_the_middle_of_submitting(day, vendor, video_id), pytest.raises(UserError):
        day.cancel(video_id)
    assert day.work(video_id) == ["completed"]
    assert day.is_charged(video_id)


def test_an_unknown_outcome_does_not_go_to_the_second(begin: Begin) -> None:
    day = begin("kie", "fal")
    day["kie"].fault("accept_then_reset, lost")
    video_id = day.ask()
    day.turn()
    day.pass_time(**DEADLINE)
    assert day.work(video_id) == ["failed"]
    assert (len(day.tasks("kie")), day.tasks("fal")) == (1, [])


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_late_result_before_the_refund(begin: Begin, vendor: str) -> None:
    """25 minutes: late, and said so; the charge stands."""
    day = begin(vendor, takes_s=25 * 60.0)
    video_id = day.ask()
    day.turn()
    day.pass_time(minutes=10)
    day.turn()
    assert day.video(video_id)["is_late"]
    day.pass_time(minutes=14)
    assert day.work(video_id, turn_s=20) == ["completed"]
    assert day.is_charged(video_id)
    assert not day.video(video_id)["is_gift"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_late_result_after_the_refund(begin: Begin, vendor: str) -> None:
    """40 minutes: refunded after 30, then given away, and never charged again."""
    day = begin(vendor, takes_s=40 * 60.0)
    video_id = day.ask()
    day.turn()
    day.pass_time(**DEADLINE)
    assert day.work(video_id) == ["failed"]
    assert day.is_refunded(video_id)
    balance = day.balance()
    day.pass_time(minutes=10)
    assert day.work(video_id, turn_s=60, until="completed") == ["completed"]
    assert day.video(video_id)["is_gift"]
    assert day.balance() == balance
    assert len(day.tasks(vendor)) == 1


def test_a_video_that_never_comes_is_asked_about_for_a_day(begin: Begin) -> None:
    day = begin("kie", takes_s=None)
    video_id = day.ask()
    day.turn()
    day.pass_time(**DEADLINE)
    assert day.work(video_id) == ["failed"]
    for _ in range(13):
        day.pass_time(hours=2)
        day.turn()
    assert day.last(video_id)["state"] == "failed"
    polls = day.tasks()[0].polls
    day.pass_time(hours=2)
    day.turn()
    assert day.tasks()[0].polls == polls
