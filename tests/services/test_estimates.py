"""Times that are not invented: from real durations, or from what the renderer says itself."""

from datetime import timedelta

import pytest

from app.models import now
from app.providers import Report
from app.services import estimates
from tests.fakes import RUNNING, FakeProvider
from tests.faults.making import Making

pytest_plugins = ["tests.faults.fixtures"]

NO_HISTORY = (0.7, 1.8)  # seconds a second: the provider expects 8 s for 8 s


def took(making: Making, *seconds: float) -> list[str]:
    """Videos of 4 s that were made, in so long."""
    ids = [making.ask() for _ in seconds]
    for number, (video_id, took_s) in enumerate(zip(ids, seconds, strict=True)):
        end = now() + timedelta(seconds=number)
        start = end - timedelta(seconds=took_s)
        making.set_video(video_id, status="completed", started_at=start, completed_at=end)
    return ids


@pytest.mark.parametrize(
    ("ordered", "share", "found"),
    [
        ([7.0], 0.9, 7.0),
        ([1.0, 3.0], 0.5, 2.0),
        ([1.0, 2.0, 3.0], 0.0, 1.0),
        ([1.0, 2.0, 3.0], 1.0, 3.0),
        ([float(n) for n in range(11)], 0.9, 9.0),
    ],
)
def test_quantiles_lie_between_the_closest_values(
    ordered: list[float], share: float, found: float
) -> None:
    assert estimates.quantile(ordered, share) == pytest.approx(found)


@pytest.mark.both_databases
def test_a_pace_comes_from_recent_videos_once_there_are_three(making: Making) -> None:
    assert making.call(estimates.usual_pace, "local") == pytest.approx(NO_HISTORY)
    took(making, 4.0, 8.0)
    assert making.call(estimates.usual_pace, "local") == pytest.approx(NO_HISTORY)
    took(making, 12.0)
    assert making.call(estimates.usual_pace, "local") == pytest.approx((2.0, 2.8))
    assert making.call(estimates.usual_pace, "kie") == pytest.approx((90 / 8 * 0.7, 90 / 8 * 1.8))


def test_only_the_newest_count(making: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates, "RECENT", 3)
    took(making, 400.0, 8.0, 8.0, 8.0)
    assert making.call(estimates.usual_pace, "local") == pytest.approx((2.0, 2.0))


def left(making: Making, duration_s: int, elapsed_s: float, report: Report) -> object:
    return making.call(lambda: estimates.Paces().left("local", duration_s, elapsed_s, report))


def test_a_renderers_own_estimate_is_trusted_most(making: Making) -> None:
    assert left(making, 8, 1.0, Report("running", percent=50, eta_s=20.0)) == (17, 25)
    assert left(making, 8, 1.0, Report("running", eta_s=0.0)) == (0, 1)


def test_without_one_it_is_the_usual_time_less_what_has_passed(making: Making) -> None:
    report = Report("running")
    assert left(making, 30, 0.0, report) == (21, 54)
    assert left(making, 30, 40.0, report) == (0, 14)
    assert left(making, 30, 54.0, report) == (None, None)  # no more promises


@pytest.mark.both_databases
def test_a_queue_has_places_and_times_that_add_up(making: Making) -> None:
    ids = making.ask_for(count="3", duration="10")
    making.call(estimates.write)
    places = [making.video(video_id) for video_id in ids]
    assert [video["queue_position"] for video in places] == [1, 2, 3]
    assert [video["eta_low_s"] for video in places] == [7, 14, 21]
    assert [video["eta_high_s"] for video in places] == [18, 36, 54]


def test_the_one_being_made_counts_and_has_no_place(
    making: Making, fake_provider: FakeProvider
) -> None:
    fake_provider.script = (RUNNING,)  # says 4 s are left
    first, second = making.ask_for(count="2", duration="10")
    making.submit(first)
    making.sweep()
    making.call(estimates.write)
    assert making.video(first)["queue_position"] is None
    waiting = making.video(second)
    assert waiting["queue_position"] == 1
    assert (waiting["eta_low_s"], waiting["eta_high_s"]) == (10, 23)  # 3 to 5 s, then 7 to 18


def test_places_move_up_when_one_leaves(making: Making) -> None:
    first, second = making.ask_for(count="2")
    making.call(estimates.write)
    making.cancel(first)
    assert making.video(first)["queue_position"] is None
    making.call(estimates.write)
    assert making.video(second)["queue_position"] == 1


def test_above_a_minute_times_come_in_steps_of_five(making: Making) -> None:
    _, second = making.ask_for(count="2", duration="30")
    making.call(estimates.write)
    video = making.video(second)
    assert (video["eta_low_s"], video["eta_high_s"]) == (42, 110)
