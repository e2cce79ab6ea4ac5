"""The sound guarantee: a silent cloud video is made once more for free, then refunded; it stays."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app import catalogue, limits
from app.providers import ProviderError, Report
from app.services import audits, routes, sounds
from tests.clouds import Clouds
from tests.conftest import Call, Rows
from tests.fakes import READY
from tests.faults.making import COST_CREDITS, Making, later
from tests.media.clips import MakeClip

pytest_plugins = ["tests.faults.fixtures"]

REFUNDED = [("spend", -COST_CREDITS), ("refund", COST_CREDITS)]


@pytest.fixture
def good(make_clip: MakeClip) -> Path:
    return make_clip("good.mp4")


@pytest.fixture
def silent(cloudy: Making, clouds: Clouds, make_clip: MakeClip) -> Making:
    """All that the clouds make is silent."""
    for cloud in (clouds.kie, clouds.fal):
        cloud.script = (READY,)
        cloud.clip = make_clip("silent.mp4", sound="anullsrc=d=2")
    return cloudy


def work(making: Making, video_id: str, after_s: float) -> str:
    """One more round of a worker, a little later."""
    with later(seconds=after_s):
        return making.step(video_id)


def files(app: Flask, video_id: str) -> dict[str, bytes]:
    folder = Path(app.config["STORAGE_URL"].removeprefix("file://")) / "videos" / video_id
    return {path.name: path.read_bytes() for path in folder.glob("*")}


def codes(making: Making, video_id: str) -> list[Any]:
    return [one["error_code"] for one in making.attempts(video_id)]


# The second render -------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_silent_then_good_is_charged_once(
    silent: Making, clouds: Clouds, good: Path, call: Call, app: Flask
) -> None:
    video_id = silent.ask()
    assert work(silent, video_id, 0) == "queued"
    video = silent.video(video_id)
    assert video["sound_retried"] and video["file_key"]
    assert silent.is_charged(video_id)
    first = files(app, video_id)
    clouds.kie.clip = good
    assert work(silent, video_id, 1) == "completed"
    video = silent.video(video_id)
    assert (video["sound_check"], bool(video["sound_refunded"])) == ("passed", False)
    assert sorted(first) == ["poster.jpg", "thumbnail.jpg", "video.mp4"]
    assert sorted(files(app, video_id)) == ["poster-2.jpg", "thumbnail-2.jpg", "video-2.mp4"]
    assert codes(silent, video_id) == ["silent", None]
    assert [one["cost_cents"] for one in silent.attempts(video_id)] == [20, 20]
    assert call(routes.spent_cents, "kie") == 40  # the second counts in the cap
    assert silent.is_charged(video_id)
    seeds = [order.seed for order in clouds.kie.orders.values()]
    assert seeds[1] == (seeds[0] + 1) % 2**32  # not the same silence again


@pytest.mark.both_databases
def test_silent_twice_is_delivered_and_refunded(
    silent: Making, clouds: Clouds, call: Call, app: Flask
) -> None:
    video_id = silent.ask()
    assert [work(silent, video_id, second) for second in (0, 1)] == ["queued", "completed"]
    video = silent.video(video_id)
    assert video["sound_refunded"] and video["sound_check"] == "silent"
    assert video["refunded_credits"] == COST_CREDITS
    assert sorted(files(app, video_id)) == ["poster-2.jpg", "thumbnail-2.jpg", "video-2.mp4"]
    assert silent.entries(video_id) == REFUNDED
    assert silent.balance() == 100
    assert len(silent.attempts(video_id)) == 2
    assert list(call(lambda: list(audits.verify_ledger()))) == []


@pytest.mark.parametrize("how", ["fails", "never comes", "is refused", "is no video"])
def test_where_the_second_comes_to_nothing_the_first_is_delivered_and_refunded(
    silent: Making, clouds: Clouds, app: Flask, tmp_path: Path, how: str
) -> None:
    clouds.use("kie")
    video_id = silent.ask()
    assert work(silent, video_id, 0) == "queued"
    first = files(app, video_id)
    after_s = 1.0
    if how == "fails":
        clouds.kie.script = (Report("failed", code="failed_there", message="oops"),)
    elif how == "is refused":
        clouds.kie.submit_errors = [ProviderError("content_rejected", "no")]
    elif how == "never comes":
        clouds.kie.script = (Report("running"),)
        work(silent, video_id, 1)
        after_s = limits.DEADLINE_S + 30
    else:
        clouds.kie.clip = tmp_path / "page.mp4"
        clouds.kie.clip.write_bytes(b"<!doctype html>")
    assert work(silent, video_id, after_s) == "completed"
    video = silent.video(video_id)
    assert video["sound_refunded"] and not video["error_code"]
    assert files(app, video_id) == first
    assert video["size_bytes"] == len(first["video.mp4"])
    assert silent.entries(video_id) == REFUNDED


def test_what_waits_for_its_second_render_may_be_cancelled_and_is_kept(silent: Making) -> None:
    video_id = silent.ask()
    work(silent, video_id, 0)
    silent.cancel(video_id)
    video = silent.video(video_id)
    assert (video["status"], bool(video["sound_refunded"])) == ("completed", True)
    assert silent.entries(video_id) == REFUNDED


def test_deleted_while_it_is_made_again_it_leaves_nothing(
    silent: Making, clouds: Clouds, app: Flask
) -> None:
    clouds.kie.script = (READY,)
    video_id = silent.ask()
    work(silent, video_id, 0)
    with later(seconds=1):
        silent.submit(video_id)
    silent.delete(video_id)
    work(silent, video_id, 2)
    assert silent.status(video_id) == "completed"
    assert files(app, video_id) == {}
    assert silent.video(video_id)["file_key"] is None


def test_the_first_video_price_stays_used_by_a_video_that_is_kept(
    silent: Making, clouds: Clouds, call: Call, rows: Rows
) -> None:
    video_id = silent.ask(duration="8")
    for second in (0, 1):
        work(silent, video_id, second)
    assert silent.video(video_id)["sound_refunded"]
    assert silent.balance() == 100
    assert [row["first_video_id"] for row in rows("SELECT first_video_id FROM identities")] == [
        video_id
    ]


# Where it does not hold --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prompt",
    [
        "A silent video of a knife",
        "slicing glass, no sound",
        "Ice WITHOUT ANY AUDIO",
        "切玻璃，不要声音",
    ],
)
def test_silence_that_was_asked_for_is_no_fault(silent: Making, prompt: str) -> None:
    video_id = silent.ask(prompt=prompt)
    assert work(silent, video_id, 0) == "completed"
    assert silent.video(video_id)["sound_check"] == "silent"
    assert silent.is_charged(video_id)


@pytest.mark.parametrize(
    "prompt",
    [
        "a commuter train", "silently sliced", "soundproof foam", "a silent kitchen, crisp cuts",
        "Near silence, with thick slow drips", "muted pastel colours", "No sound but the knife",
        "背景静音，只有刀声",
    ],
)  # fmt: skip
def test_other_words_ask_for_no_silence(prompt: str) -> None:
    assert not sounds.ASKS_FOR_SILENCE.search(prompt)


def test_nothing_that_we_offer_asks_for_silence() -> None:
    offered = [one.prompt(locale) for one in catalogue.all_types() for locale in ("en", "zh")]
    offered += [one.heard(locale) for one in catalogue.all_types() for locale in ("en", "zh")]
    choices = [choice for part in catalogue.all_parts() for choice in part.choices]
    offered += [choice.words(locale) for choice in choices for locale in ("en", "zh")]
    assert len(offered) > 200
    assert [text for text in offered if sounds.ASKS_FOR_SILENCE.search(text)] == []


def test_three_videos_a_day_have_it_and_the_fourth_none(silent: Making) -> None:
    """Each of the three is silent twice: still it is three videos."""
    for number in range(limits.SOUND_RETRIES_PER_DAY):
        video_id = silent.ask()
        states = [work(silent, video_id, 10 * number + second) for second in (0, 1)]
        assert states == ["queued", "completed"]
    fourth = silent.ask()
    assert work(silent, fourth, 60) == "completed"
    assert not silent.video(fourth)["sound_retried"]
    assert silent.is_charged(fourth)
    with later(hours=24.1):
        assert silent.step(silent.ask()) == "queued"  # another day: made once more


def test_the_local_renderer_is_not_asked_twice(
    silent: Making, clouds: Clouds, make_clip: MakeClip
) -> None:
    clouds.use("local")
    clouds.local.script, clouds.local.clip = (READY,), clouds.kie.clip
    video_id = silent.ask()
    assert work(silent, video_id, 0) == "completed"
    assert len(silent.attempts(video_id)) == 1
    assert silent.is_charged(video_id)


def test_a_silent_gift_is_a_gift(silent: Making, clouds: Clouds) -> None:
    clouds.kie.script = (Report("running"),)
    video_id = silent.ask()
    work(silent, video_id, 0)
    assert work(silent, video_id, limits.DEADLINE_S + 30) == "failed"
    clouds.kie.script = (READY,)
    assert work(silent, video_id, limits.DEADLINE_S + 400) == "completed"
    assert silent.video(video_id)["is_gift"]
    assert len(silent.attempts(video_id)) == 1
    assert silent.entries(video_id) == REFUNDED
