"""Keys, accounts and whole vendors that fail: videos wait and say so, none is lost."""

from datetime import timedelta

import pytest

from app.models import now
from app.services import keys
from tests.bad_days.conftest import Begin, key_of
from tests.bad_days.day import waits_for

VENDORS = ("kie", "fal", "replicate", "google")


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_key_is_bad(begin: Begin, vendor: str) -> None:
    """Each is tried once, with an alert; the video waits, says why, and may be cancelled."""
    count = 3 if vendor == "kie" else 1
    day = begin(vendor, keys=("bad",) * count)
    video_id = day.ask()
    for _ in range(count + 1):
        day.turn()
    assert waits_for(day, video_id) == "no_key"
    assert [row["state"] for row in day.keys(vendor)] == ["disabled"] * count
    assert len(day.requests("submit", vendor)) == count
    day.check_keys()
    kinds = sorted(kind for kind, _ in day.alerts())
    assert kinds == ["key_bad"] * count + ["no_healthy_key"]
    day.pass_time(minutes=16)
    day.turn()
    assert day.video(video_id)["is_late"]
    assert len(day.requests("submit", vendor)) == count  # a refused key is not tried again
    day.cancel(video_id)
    assert day.is_refunded(video_id)
    assert day.tasks(vendor) == []


def test_a_video_waits_for_a_good_key_a_whole_day_at_most(begin: Begin) -> None:
    day = begin("kie", keys=("bad",))
    video_id = day.ask()
    day.turn()
    day.pass_time(hours=23)
    day.turn()
    assert waits_for(day, video_id) == "no_key"
    day.pass_time(hours=2)
    assert day.work(video_id) == ["failed"]
    assert day.video(video_id)["error_code"] == "queue_timeout"
    assert day.is_refunded(video_id)


def test_a_key_that_was_mended_makes_what_waited(begin: Begin) -> None:
    day = begin("kie", keys=("bad",))
    video_id = day.ask()
    day.turn()
    day.turn()
    assert waits_for(day, video_id) == "no_key"
    day["kie"].set_key(key_of("kie"), "ok")
    assert day.call(keys.revive, "kie") == 1
    assert day.work(video_id) == ["completed"]
    assert len(day.tasks()) == 1
    assert day.alerts() == set()


def test_a_mended_key_is_found_by_the_recovery(begin: Begin) -> None:
    """Nobody says anything: after five minutes a check-up finds that the key is taken again."""
    day = begin("kie", keys=("bad",))
    video_id = day.ask()
    day.turn()
    day.check_keys()
    assert {kind for kind, _ in day.alerts()} == {"key_bad", "no_healthy_key"}
    day["kie"].set_key(key_of("kie"), "ok")
    day.pass_time(minutes=5)
    day.check_keys()
    assert day.alerts() == set()
    assert day.work(video_id) == ["completed"]


def test_one_key_of_three_is_rate_limited(begin: Begin) -> None:
    """It rests as long as the vendor says; the others carry on, and nobody notices."""
    day = begin("kie", keys=("limited=90", "ok", "ok"))
    videos = day.ask_for(count="4")
    assert day.work(*videos) == ["completed"] * 4
    first, *others = day.keys()
    assert (first["state"], first["last_error_code"]) == ("healthy", "rate_limited")
    assert [row["errors"] for row in others] == [0, 0]
    assert [request.key for request in day.requests("submit")].count(key_of("kie", 1)) == 1
    assert {task.key for task in day.tasks()} == {key_of("kie", 2), key_of("kie", 3)}
    assert day.alerts() == set()
    day["kie"].set_key(key_of("kie", 1), "ok")
    day.pass_time(seconds=91)
    assert day.work(day.ask()) == ["completed"]
    assert day.tasks()[-1].key == key_of("kie", 1)


@pytest.mark.parametrize("vendor", VENDORS)
def test_all_out_of_credit(begin: Begin, vendor: str) -> None:
    """Parked, with an alert; when somebody has paid, what waited is made."""
    count = 2 if vendor == "kie" else 1
    day = begin(vendor, keys=("empty",) * count)
    video_id = day.ask()
    for _ in range(count + 1):
        day.turn()
    assert waits_for(day, video_id) == "no_key"
    assert [row["state"] for row in day.keys(vendor)] == ["parked"] * count
    assert day.tasks(vendor) == []
    day.check_keys()
    assert "no_healthy_key" in {kind for kind, _ in day.alerts()}
    for number in range(1, count + 1):
        day[vendor].set_key(key_of(vendor, number), "ok")
    day.pass_time(minutes=5)
    day.check_keys()
    assert day.work(video_id) == ["completed"]
    assert len(day.tasks(vendor)) == 1
    assert day.alerts() == set()


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_vendor_is_down_for_an_hour(begin: Begin, vendor: str) -> None:
    """What was asked for meanwhile waits and says so; it is made when the vendor is back."""
    day = begin(vendor)
    with day[vendor].outage():
        video_id = day.ask()
        for _ in range(12):
            day.turn()
            day.check_keys()
            day.pass_time(minutes=5)
        assert waits_for(day, video_id) in ("provider_down", "no_key")
        assert day.video(video_id)["is_late"]
    assert day.tasks(vendor) == []
    day.pass_time(minutes=5)
    day.check_keys()
    assert day.work(video_id) == ["completed"]
    assert len(day.tasks(vendor)) == 1
    assert day.is_charged(video_id)
    assert day.alerts() == set()


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_vendor_goes_down_with_videos_in_flight(begin: Begin, vendor: str) -> None:
    """Asking fails for a quarter of an hour: that is no verdict on the video."""
    day = begin(vendor)
    video_id = day.ask()
    day.turn()
    with day[vendor].outage():
        for _ in range(15):
            day.pass_time(minutes=1)
            day.turn()
        assert day.status(video_id) == "processing"
    assert day.work(video_id, turn_s=60) == ["completed"]
    assert len(day.tasks(vendor)) == 1


@pytest.mark.parametrize("vendor", ["kie", "google"])
def test_a_vendor_away_past_the_deadline_delivers_a_gift(begin: Begin, vendor: str) -> None:
    """An hour: refunded after half of it; what was made all the same is given away."""
    day = begin(vendor)
    video_id = day.ask()
    day.turn()
    with day[vendor].outage():
        for _ in range(12):
            day.pass_time(minutes=5)
            day.turn()
        assert day.status(video_id) == "failed"
        assert day.is_refunded(video_id)
    assert day.work(video_id, turn_s=300, until="completed") == ["completed"]
    assert day.video(video_id)["is_gift"]
    assert len(day.tasks(vendor)) == 1


def test_the_spend_cap_is_reached(begin: Begin) -> None:
    """30 cents each, 70 a day: the third waits and says so, with an alert, until the next day."""
    day = begin("kie", env={"PROVIDER_DAILY_CAP_CENTS": "70"})
    noon = (now() + timedelta(days=1)).replace(hour=12, minute=0)
    day.pass_time(seconds=(noon - now()).total_seconds())
    first, second, third = day.ask_for(count="3")
    assert day.work(first, second) == ["completed"] * 2
    assert waits_for(day, third) == "spend_cap"
    assert ("spend_cap", "kie") in day.alerts()
    day.pass_time(hours=11)
    day.turn()
    assert waits_for(day, third) == "spend_cap"
    assert day.video(third)["is_late"]
    assert len(day.tasks()) == 2
    day.pass_time(hours=1)
    assert day.work(third) == ["completed"]
    assert len(day.tasks()) == 3


def test_a_refused_order_does_not_count_in_the_cap(begin: Begin) -> None:
    day = begin("kie", env={"PROVIDER_DAILY_CAP_CENTS": "30"})
    day["kie"].fault("error", 455)
    video_id = day.ask()
    assert day.work(video_id) == ["completed"]
    assert [row["cost_cents"] for row in day.attempts(video_id)] == [0, 30]


def test_a_burst_stays_below_the_vendors_rate(begin: Begin) -> None:
    """More at once than one key may send: the others wait their turn, and nobody is refused."""
    day = begin("kie", credits=10_000)
    day["kie"].fault("fail_later", 30, times=None)  # what comes of them is not the question here
    videos = [one for person in ("ann", "ben", "cem") for one in day.ask_as(person, 8)]
    assert day.work(*videos, turn_s=2) == ["failed"] * 24
    assert {request.status for request in day.requests("submit")} == {200}
    assert len(day.tasks()) == 2 * 24
