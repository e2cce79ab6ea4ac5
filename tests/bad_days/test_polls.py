"""Trouble of asking is no verdict: the video goes on, whatever the vendor says for a while."""

from pathlib import Path

import pytest

from app.services import keys, videos
from tests.bad_days.conftest import Begin, key_of
from tests.bad_days.day import Day, waits_for

VENDORS = ("kie", "fal", "replicate", "google")
TROUBLE = (
    "error=500", "http_error=500", "bare=502", "garbage", "empty_answer", "rate_limited=20",
    "cloudflare", "reset", "close", "bad_key", "redirect=http://127.0.0.1:9/",
)  # fmt: skip


def trouble(day: Day, vendor: str, fault: str, times: int | None, where: str = "poll") -> None:
    """Arm a fault that is written as the simulators' headers write it."""
    name, _, value = fault.partition("=")
    day[vendor].fault(name, value or None, where=where, times=times)


@pytest.mark.parametrize("fault", TROUBLE)
def test_asking_fails_for_a_minute(begin: Begin, fault: str) -> None:
    day = begin("kie")
    video_id = day.ask()
    day.turn()
    trouble(day, "kie", fault, 4)
    assert day.work(video_id, turn_s=15) == ["completed"]
    assert len(day.tasks()) == 1
    assert len(day.attempts(video_id)) == 1


@pytest.mark.parametrize("vendor", ["fal", "replicate", "google"])
@pytest.mark.parametrize("fault", ["http_error=500", "bare=502", "garbage", "rate_limited=20"])
def test_asking_another_vendor_fails_for_a_minute(begin: Begin, vendor: str, fault: str) -> None:
    day = begin(vendor)
    video_id = day.ask()
    day.turn()
    trouble(day, vendor, fault, 4)
    assert day.work(video_id, turn_s=15) == ["completed"]
    assert len(day.tasks(vendor)) == 1


@pytest.mark.parametrize("fault", ["http_error=504", "bare=502", "reset"])
def test_the_answer_of_fals_model_is_late(begin: Begin, fault: str) -> None:
    """Done, and its result cannot be read yet: it is asked for again."""
    day = begin("fal")
    video_id = day.ask()
    day.turn()
    trouble(day, "fal", fault, 3, where="result")
    assert day.work(video_id, turn_s=15) == ["completed"]
    assert len(day.tasks("fal")) == 1


@pytest.mark.usefixtures("short_patience")
def test_one_that_hangs_keeps_nobody_waiting(begin: Begin) -> None:
    """The others are asked at the same time."""
    day = begin("kie")
    first, second = day.ask_for(count="2")
    day.turn()
    day["kie"].fault("hang", where="poll", times=None, task=day.tasks()[0].id)
    day.pass_time(seconds=25)
    assert day.work(second) == ["completed"]
    assert day.status(first) == "processing"
    day["kie"].clear()
    assert day.work(first) == ["completed"]


def test_a_task_that_is_not_visible_at_once(begin: Begin) -> None:
    day = begin("kie")
    day["kie"].fault("not_visible", 3)
    video_id = day.ask()
    assert day.work(video_id) == ["completed"]
    assert len(day.tasks()) == 1


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_task_that_the_vendor_lost(begin: Begin, vendor: str) -> None:
    """For two minutes that is usual; then it is a failure, and refunded."""
    day = begin(vendor, takes_s=None)
    video_id = day.ask()
    day.turn()
    trouble(day, vendor, "unknown_id", None)
    day.pass_time(seconds=60)
    day.turn()
    assert day.status(video_id) == "processing"
    assert day.work(video_id, turn_s=30) == ["failed"]
    assert day.is_refunded(video_id)


def test_the_key_is_revoked_while_it_makes_a_video(begin: Begin) -> None:
    """Nobody else may ask: it waits for the key, and another video goes to the other key."""
    day = begin("kie", keys=("ok", "ok"))
    video_id = day.ask()
    day.turn()
    mine = day.tasks()[0].key
    day["kie"].set_key(mine, "bad")
    day.pass_time(seconds=30)
    day.called_back()
    day.turn()
    assert "key_bad" in {kind for kind, _ in day.alerts()}
    assert day.work(day.ask()) == ["completed"]
    assert day.status(video_id) == "processing"
    day["kie"].set_key(mine, "ok")
    day.call(keys.revive, "kie")
    assert day.work(video_id) == ["completed"]
    assert [task.key for task in day.tasks()].count(mine) == 1


def test_the_key_is_taken_out_of_the_settings(begin: Begin) -> None:
    """With an alert; put back, the video is fetched as if nothing had been."""
    day = begin("kie", keys=("ok", "ok"))
    video_id = day.ask()
    day.turn()
    configured = day.app.config["PROVIDER_KEYS"]
    day.app.config["PROVIDER_KEYS"] = {"kie": (key_of("kie", 2),)}
    day.pass_time(seconds=30)
    day.called_back()
    day.turn()
    assert day.status(video_id) == "processing"
    assert "key_missing" in {kind for kind, _ in day.alerts()}
    day.app.config["PROVIDER_KEYS"] = configured
    assert day.work(video_id) == ["completed"]


def test_a_video_that_was_deleted_meanwhile(begin: Begin) -> None:
    """kie cannot stop: it runs to its end unseen, the charge stands, no file is kept."""
    day = begin("kie")
    video_id = day.ask()
    day.turn()
    day.delete(video_id)
    assert day.work(video_id) == ["completed"]
    assert day.is_charged(video_id)
    assert day.tasks()[0].downloads == 0
    media = Path(day.app.config["INSTANCE_DIR"]) / "media"
    assert [path for path in media.rglob("*") if path.is_file()] == []


@pytest.mark.slow
def test_nobody_draws_it_locally_unasked(begin: Begin) -> None:
    """No cloud can take it: it waits, until its owner wants our own renderer; then that does."""
    day = begin("kie", keys=("bad",), env={"VIDEO_PROVIDERS": "kie,local"})
    video_id = day.ask()
    for _ in range(6):
        day.turn()
        day.pass_time(minutes=3)
    assert waits_for(day, video_id) == "no_key"
    assert [row["provider"] for row in day.attempts(video_id)] == ["kie"]
    day.call(videos.draw_locally, day.person.id, video_id)
    day.draw(video_id)
    assert day.status(video_id) == "completed"
    assert day.video(video_id)["kind"] == "local"
    assert day.tasks() == []
