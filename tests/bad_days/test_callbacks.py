"""Callbacks that are wrong, double, late or somebody else's: at most a wake-up, never a verdict."""

import pytest

from tests.bad_days.conftest import Begin
from tests.bad_days.day import Day

SIGNED = ("kie", "fal", "replicate")
FAULTS = ("wrong_signature", "unsigned", "stale", "skew=600")
HMAC_KEY = "test-hmac-key-of-kie-0001"


def begin_signed(begin: Begin, vendor: str, **options: object) -> Day:
    """A day at whose end callbacks are signed, also kie's."""
    return begin(vendor, **({"hmac_key": HMAC_KEY} if vendor == "kie" else {}), **options)


def kept(day: Day) -> int:
    """How many callbacks were believed."""
    return len(day.rows("SELECT id FROM callbacks"))


@pytest.mark.parametrize("vendor", SIGNED)
def test_a_callback_wakes_the_sweep(begin: Begin, vendor: str) -> None:
    """Done seconds after the last question: the next one need not wait for its time."""
    day = begin_signed(begin, vendor, takes_s=None)
    video_id = day.ask()
    day.turn()
    day.turn()
    day[vendor].finish(day.tasks(vendor)[0].id)
    assert day.called_back(vendor=vendor) == [204]
    day.sweep()
    assert day.status(video_id) == "storing"
    assert day.work(video_id) == ["completed"]


# kie signs the task and the time alone: of its body nothing is believed, tampered with or not
LIES = [(vendor, fault) for vendor in SIGNED for fault in FAULTS] + [
    ("fal", "tampered"),
    ("replicate", "tampered"),
]


@pytest.mark.parametrize(("vendor", "fault"), LIES)
def test_a_callback_that_is_not_believed(begin: Begin, vendor: str, fault: str) -> None:
    """401, nothing is kept, nobody is woken; the video is made by asking."""
    day = begin_signed(begin, vendor, takes_s=None, retry_waits_s=())
    video_id = day.ask()
    day.turn()
    day.turn()
    day[vendor].fault(fault, where="callback")
    day[vendor].finish(day.tasks(vendor)[0].id)
    assert day.called_back(vendor=vendor) == [401]
    assert kept(day) == 0
    day.turn()
    assert day.status(video_id) == "processing"
    assert day.work(video_id) == ["completed"]


def test_a_callback_signed_with_an_unknown_key_of_fal(begin: Begin) -> None:
    day = begin("fal", retry_waits_s=())
    day["fal"].fault("forged_key", where="callback")
    video_id = day.ask()
    assert day.work(video_id) == ["completed"]
    assert day.called_back(vendor="fal") == [401]
    assert kept(day) == 0


def test_a_secret_that_was_changed_at_replicate(begin: Begin) -> None:
    """Two signatures during a change: one that fits is enough."""
    day = begin("replicate")
    day["replicate"].fault("two_signatures", where="callback")
    video_id = day.ask()
    assert day.work(video_id) == ["completed"]
    assert day.called_back(vendor="replicate") == [204]


@pytest.mark.parametrize("vendor", SIGNED)
def test_a_lost_callback(begin: Begin, vendor: str) -> None:
    day = begin(vendor)
    day[vendor].fault("lost", where="callback", times=None)
    video_id = day.ask()
    assert day.work(video_id) == ["completed"]
    assert day[vendor].callbacks == []


@pytest.mark.parametrize("vendor", SIGNED)
def test_a_callback_comes_four_times(begin: Begin, vendor: str) -> None:
    """Each is answered well, one is kept; one video, one file, one charge."""
    day = begin_signed(begin, vendor, takes_s=None)
    day[vendor].fault("duplicate", 3, where="callback")
    video_id = day.ask()
    day.turn()
    day.turn()
    [task] = day.tasks(vendor)
    day[vendor].finish(task.id)
    assert day.called_back(4, vendor) == [204] * 4  # while it is still being made here
    assert kept(day) == 1
    assert day.work(video_id) == ["completed"]
    assert task.downloads == 1
    day.pass_time(minutes=2)
    [again] = day[vendor].send_callback(task.id)
    assert again.status == 204
    day.turn()
    assert task.downloads == 1
    assert day.is_charged(video_id)


@pytest.mark.parametrize("vendor", SIGNED)
def test_a_callback_names_another_video(begin: Begin, vendor: str) -> None:
    """Signed well, and wrong: the other one is asked about, and is still being made."""
    day = begin_signed(begin, vendor, takes_s=None)
    first, second = day.ask_for(count="2")
    day.turn()
    day.turn()
    mine, other = day.tasks(vendor)
    day[vendor].fault("other_task", other.id, where="callback")
    day[vendor].finish(mine.id)
    day.called_back(vendor=vendor)
    day.turn()
    assert "storing" not in (day.status(first), day.status(second))
    day[vendor].finish(other.id)
    assert day.work(first, second) == ["completed"] * 2
    assert [task.downloads for task in day.tasks(vendor)] == [1, 1]


@pytest.mark.parametrize("vendor", SIGNED)
def test_a_lost_order_is_not_given_another_videos_task(begin: Begin, vendor: str) -> None:
    """The only word of the first is a callback that names the second's: it is not believed."""
    day = begin_signed(begin, vendor, takes_s=None)
    second = day.ask()
    day.turn()
    [other] = day.tasks(vendor)
    day[vendor].fault(f"accept_then_reset, other_task={other.id}")
    if vendor == "replicate":  # which would find the right one by itself
        day[vendor].fault("error", 503, where="list", times=None)
    first = day.ask()
    day.turn()
    assert day.status(first) == "submitting"
    day[vendor].finish(day.tasks(vendor)[1].id)
    day.called_back(vendor=vendor)
    day.pass_time(seconds=21)
    day.turn()
    assert day.status(first) == "submitting"
    day[vendor].finish(other.id)
    assert day.work(second) == ["completed"]
    day.pass_time(minutes=31)
    assert day.work(first) == ["failed"]
    assert day.is_refunded(first)
    assert day.last(second)["callback_id"] == other.id
    assert other.downloads == 1


@pytest.mark.parametrize("vendor", SIGNED)
@pytest.mark.parametrize(("skew_s", "status"), [(-120.0, 204), (900.0, 401)])
def test_the_vendors_clock_is_wrong(begin: Begin, vendor: str, skew_s: float, status: int) -> None:
    """Two minutes are forgiven; further off the callback is not believed, and the video comes."""
    day = begin_signed(begin, vendor, clock_skew_s=skew_s, retry_waits_s=())
    video_id = day.ask()
    assert day.work(video_id) == ["completed"]
    assert day.called_back(vendor=vendor) == [status]
    assert len(day.tasks(vendor)) == 1


@pytest.mark.parametrize("skew_s", [-900.0, 900.0])
def test_replicates_list_with_a_wrong_clock(begin: Begin, skew_s: float) -> None:
    """An order whose answer was lost is found again, or stays unknown: it is not made twice."""
    day = begin("replicate", clock_skew_s=skew_s)
    day["replicate"].fault("accept_then_reset, lost")
    video_id = day.ask()
    day.turn()
    day.pass_time(seconds=21)
    day.work(video_id, turn_s=60)
    assert len(day.tasks("replicate")) == 1


def test_nobody_is_called_at_google(begin: Begin) -> None:
    day = begin("google")
    video_id = day.ask()
    assert day.work(video_id) == ["completed"]
    assert day["google"].callbacks == []
    assert "callback" not in str(day.tasks("google")[0].request).lower()
