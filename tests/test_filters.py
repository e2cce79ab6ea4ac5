"""Words and drawings for templates."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from flask_babel import Babel, force_locale

from app import catalogue
from app import template_filters as filters
from app.i18n import LOCALES
from tests.fakes import FakeCloud, FakeProvider


@pytest.fixture(scope="module")
def words() -> Flask:
    """An app that knows the translations, and who makes videos."""
    app = Flask("app")
    providers = {
        "local": FakeProvider(Path()),
        "kie": FakeCloud(Path(), "kie"),
        "fal": FakeCloud(Path(), "fal", cancel_rule="until_started"),
    }
    app.extensions["vendors"] = SimpleNamespace(providers=providers)
    Babel(app)
    filters.register(app)
    return app


@pytest.fixture(params=LOCALES)
def language(words: Flask, request: pytest.FixtureRequest) -> Iterator[str]:
    with words.test_request_context(), force_locale(request.param):
        yield request.param


@pytest.fixture
def english(words: Flask) -> Iterator[None]:
    with words.test_request_context(), force_locale("en"):
        yield


def video(**values: Any) -> SimpleNamespace:
    usual: dict[str, Any] = {
        "status": "processing", "provider": "local", "cancel_requested": False, "is_late": False,
        "error_text": None, "eta_low_s": None, "eta_high_s": None, "sound_check": "passed",
        "loudness_lufs": -18.24, "true_peak_dbtp": -1.4, "audio_channels": 2, "kind": "local",
        "wait_reason": None, "sound_retried": False, "sound_refunded": False, "error_code": None,
        "has_begun": True, "started_at": None,
    }  # fmt: skip
    return SimpleNamespace(**usual | values)


# Drawings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("peaks", [None, "", "5", "0,100,50", "200,-3"])
def test_a_wave_has_its_bars_inside_its_box(peaks: str | None) -> None:
    path = filters.wave(peaks, bars=72)
    assert path.count("M") == path.count("V") == 72
    heights = [float(part) for bar in path.split("M")[1:] for part in bar.split(" ")[1].split("V")]
    assert min(heights) >= 0 and max(heights) <= filters.WAVE_HEIGHT


def test_a_wave_shows_the_loudest_peak_of_each_bar() -> None:
    quiet, loud = filters.wave("0,100", bars=2).split("M")[1:]
    assert quiet == "2 19.4V20.6" and loud == "6 1.0V39.0"


def test_the_cut_crosses_the_whole_picture() -> None:
    start, half, end = filters.cut(0), filters.cut(50), filters.cut(100)
    assert float(start.top) == 0 and float(end.bottom) == 160
    assert float(start.bottom) < float(half.bottom) < float(end.bottom)
    assert filters.cut(None) == start and filters.cut(140) == end


# Words -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "0 s"),
        (4.4, "4 s"),
        (59.6, "1 min"),
        (88, "1 min 28 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
    ],
)
def test_a_length_of_time(english: None, seconds: float | None, text: str) -> None:
    assert filters.duration_words(seconds) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (None, None, ""),
        (0, 3, "a few seconds"),
        (22, 41, "25 to 45 s"),
        (38, 40, "about 40 s"),
        (40, 110, "40 s to 2 min"),
        (61, 170, "1 min 30 s to 3 min"),
        (110, 230, "2 to 4 min"),
        (300, 900, "5 to 15 min"),
        (90, 30, "30 s to 1 min 30 s"),
        (20, None, "about 20 s"),
    ],
)
def test_an_estimate_is_no_finer_than_it_is_known(
    english: None, low: float | None, high: float | None, text: str
) -> None:
    assert filters.range_words(low, high) == text


def test_a_moment_is_written_in_utc_with_its_stamp(english: None) -> None:
    berlin = datetime(2026, 11, 22, 12, 48, tzinfo=timezone(timedelta(hours=1)))
    assert filters.when(berlin) == (
        '<time datetime="2026-11-22T11:48:00+00:00" data-when>22 Nov 2026, 11:48 UTC</time>'
    )
    assert filters.when(berlin.astimezone(UTC).replace(tzinfo=None)) == filters.when(berlin)
    assert filters.when(None) == ""


def test_numbers_of_credits(english: None) -> None:
    assert [filters.signed(n) for n in (5, 0, -5)] == ["+5", "0", "−5"]
    assert [filters.people_credits(n) for n in (1, -1, 8)] == ["1 credit", "−1 credit", "8 credits"]


def test_clock_and_size(english: None) -> None:
    assert [filters.clock(s) for s in (None, 8.04, 75)] == ["0:00", "0:08", "1:15"]
    assert filters.file_size(4_612_345) == "4.6 MB"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "Stereo, −18.2 LUFS, true peak −1.4 dBTP: nothing clips."),
        ({"audio_channels": 1}, "Mono, −18.2 LUFS, true peak −1.4 dBTP: nothing clips."),
        ({"sound_check": "silent", "loudness_lufs": None}, "No sound was found in this video."),
        (
            {"sound_check": "silent", "sound_refunded": True},
            "No sound was found, twice. The credits came back, and the video is yours.",
        ),
        (
            {"sound_check": "too_quiet", "loudness_lufs": -44},
            "Very quiet, −44.0 LUFS: headphones help.",
        ),
        (
            {"sound_check": "clipped", "true_peak_dbtp": 0.2},
            "Loud: peaks reach 0.2 dBTP and may crackle.",
        ),
        ({"sound_check": None}, "The sound has not been measured."),
    ],
)
def test_the_sound_check(english: None, values: dict[str, Any], text: str) -> None:
    assert filters.sound_words(video(**values)) == text


@pytest.mark.parametrize(
    ("values", "state", "sentence"),
    [
        ({"eta_low_s": 22, "eta_high_s": 41}, "Rendering", "Ready in 25 to 45 s"),
        ({"status": "queued"}, "Waiting in line", "The first estimate comes in a moment."),
        (
            {"is_late": True},
            "Later than expected",
            "Usually done by now. It goes on, nothing is lost.",
        ),
        ({"cancel_requested": True}, "Stopping", "The credits come back when it has stopped."),
        ({"status": "storing"}, "Saving your copy", "Drawn. Its sound is being measured."),
        ({"status": "failed", "error_text": "No room."}, "Did not work", "No room."),
        ({"status": "failed"}, "Did not work", "The renderer stopped before the video was done."),
        (
            {"status": "cancelled", "cancel_requested": True},
            "Cancelled",
            "Stopped before it was done.",
        ),
        (
            {"status": "queued", "is_late": True},
            "Waiting in line",
            (
                "In line for over 15 minutes: whoever renders is busy or away. "
                "You can cancel and get every credit back."
            ),
        ),
        (
            {"status": "queued", "kind": "cloud", "wait_reason": "spend_cap"},
            "Waiting in line",
            "Today's budget for cloud videos is used up; it goes on at midnight UTC.",
        ),
        (
            {"status": "queued", "kind": "cloud", "wait_reason": "no_key", "is_late": True},
            "Waiting in line",
            (
                "The cloud provider takes no orders from us right now; we try again by ourselves. "
                "In line for over 15 minutes; you can cancel and get every credit back."
            ),
        ),
        (
            {"status": "queued", "kind": "cloud", "sound_retried": True},
            "Waiting in line",
            "It came out silent, so it is being made once more, for free.",
        ),
        (
            {"status": "storing", "kind": "cloud"},
            "Saving your copy",
            "Made. Its picture and sound are being checked.",
        ),
        (
            {"status": "failed", "error_code": "content_rejected", "error_text": "a real person"},
            "Did not work",
            "The provider refused this prompt: a real person",
        ),
    ],
)
def test_where_a_video_is(english: None, values: dict[str, Any], state: str, sentence: str) -> None:
    one = video(**values)
    assert (filters.status_words(one), filters.progress_words(one)) == (state, sentence)


@pytest.mark.parametrize("status", ["queued", "submitting", "processing", "storing"])
def test_a_local_video_can_be_cancelled_at_any_time(english: None, status: str) -> None:
    assert filters.can_cancel(video(status=status))
    assert not filters.can_cancel(video(status=status, cancel_requested=True))


@pytest.mark.parametrize(
    ("provider", "status"),
    [
        ("local", "completed"), ("kie", "submitting"), ("kie", "processing"), ("kie", "storing"),
        ("local", "failed"), ("fal", "processing"), ("fal", "storing"), ("off", "processing"),
    ],
)  # fmt: skip
def test_cancelling_is_not_offered_where_it_would_cost(
    english: None, provider: str, status: str
) -> None:
    assert not filters.can_cancel(video(provider=provider, status=status))


def test_at_fal_it_is_offered_until_it_has_begun(english: None) -> None:
    assert filters.can_cancel(video(provider="fal", status="processing", has_begun=False))
    assert filters.can_cancel(video(provider="fal", status="submitting"))
    assert not filters.can_cancel(video(provider="kie", status="processing", has_begun=False))


def test_only_videos_under_way_are_live(words: Flask) -> None:
    assert "live" in words.jinja_env.tests
    assert filters.is_live("storing") and not filters.is_live("completed")


# The catalogue -----------------------------------------------------------------------------------


def test_a_type_has_its_name_and_prompt_in_both_languages(language: str) -> None:
    one = catalogue.all_types()[0]
    assert filters.type_name(one.id) == one.name(language)
    assert filters.type_prompt(one.id) == one.prompt(language)


def test_an_unknown_type_is_shown_as_it_is(english: None) -> None:
    assert filters.type_name("gone-for-good") == "Gone for good"
    assert filters.type_prompt("gone-for-good") == filters.still("gone-for-good") == ""


def test_types_with_a_scene_come_first_in_the_order_of_the_catalogue() -> None:
    ordered = filters.drawn_first(catalogue.all_types())
    has_scene = [bool(one.scene) for one in ordered]
    assert has_scene == sorted(has_scene, reverse=True)
    assert [one for one in ordered if one.scene] == [
        one for one in catalogue.all_types() if one.scene
    ]


@pytest.mark.parametrize("kind", ["spend", "refund", "welcome", "adjustment", "purchase"])
def test_every_kind_of_entry_has_a_name(language: str, kind: str) -> None:
    assert filters.entry_words(kind) != kind
