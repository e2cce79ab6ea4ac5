"""Handing a video to a cloud: the intent first, one order, and what each kind of no leads to."""

from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from PIL import Image

from app import limits
from app.providers import ProviderError, Report
from app.services import alerts, images, keys, submitting
from tests.clouds import KIE_KEYS, Clouds
from tests.conftest import Call, Rows
from tests.fakes import READY
from tests.faults.making import Making, later
from tests.media.clips import MakeClip
from tests.money.conftest import no_ffmpeg as _no_ffmpeg

pytest_plugins = ["tests.faults.fixtures"]
no_ffmpeg = _no_ffmpeg

DOWN = ProviderError("transient", "connect error")
UNKNOWN = ProviderError("unknown_outcome", "no answer within 30 s")
ONE, TWO, SIX = KIE_KEYS


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SUBMIT_BACKOFF_S", 0.001)


def story(making: Making, video_id: str) -> list[tuple[str, str, Any]]:
    """(provider, state, error code) of each attempt."""
    return [(one["provider"], one["state"], one["error_code"]) for one in making.attempts(video_id)]


# The intent, the call, the handle ----------------------------------------------------------------


@pytest.mark.postgres
def test_no_transaction_is_open_across_the_call(
    cloudy: Making, clouds: Clouds, rows: Rows, call: Call
) -> None:
    """Not even one that only read, as the picture's file is looked up."""
    picture = BytesIO()
    Image.new("RGB", (400, 300)).save(picture, "PNG")
    clouds.kie.takes_image = True
    image_id = call(lambda: images.keep(cloudy.person.id, picture.getvalue()).id)
    seen: list[int] = []

    def look(_verb: str, _key: str) -> None:
        idle = "SELECT count(*) AS n FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
        seen.append(rows(f"{idle} AND datname = current_database()")[0]["n"])

    clouds.kie.on_call = look
    assert cloudy.submit(cloudy.ask(image_id=image_id))
    assert seen == [0]
    (order,) = clouds.kie.orders.values()
    assert order.image is not None and order.image.is_file()


@pytest.mark.both_databases
def test_the_intent_is_stored_before_the_call(cloudy: Making, clouds: Clouds, rows: Rows) -> None:
    seen: list[Any] = []

    def look(verb: str, key: str) -> None:
        if verb == "submit":
            sql = "SELECT state, provider_key, remote_id, cost_cents, model FROM attempts"
            seen.append(dict(rows(sql)[0]) | {"key": key})

    clouds.kie.on_call = look
    video_id = cloudy.ask()
    assert cloudy.submit(video_id)
    assert seen == [
        {
            "state": "submitting",
            "provider_key": keys.fingerprint(ONE),
            "remote_id": None,
            "cost_cents": 20,
            "model": "fake-1",
            "key": ONE,
        }
    ]
    (attempt,) = cloudy.attempts(video_id)
    assert attempt["remote_id"] == f"kie-{attempt['id']} more"
    assert attempt["callback_id"] == f"kie-{attempt['id']}"
    assert cloudy.video(video_id)["provider"] == "kie"


def test_the_order_names_its_callback(cloudy: Making, clouds: Clouds) -> None:
    video_id = cloudy.ask()
    cloudy.submit(video_id)
    (order,) = clouds.kie.orders.values()
    (attempt,) = cloudy.attempts(video_id)
    assert order.callback_url == (f"https://asmr.example/api/webhooks/kie?attempt={attempt['id']}")


@pytest.mark.parametrize(
    ("site", "base_url", "is_named"),
    [
        ("http://asmr.example", "https://api.kie.ai", False),
        ("http://127.0.0.1:8000", "http://127.0.0.1:9", True),  # a simulator calls us there
        ("https://asmr.example", "https://api.kie.ai", True),
    ],
)
def test_a_site_without_https_names_none(
    app: Flask, cloudy: Making, clouds: Clouds, site: str, base_url: str, is_named: bool
) -> None:
    app.config["APP_URL"] = site
    app.config["CLOUDS"] = {"kie": {"base_url": base_url}}
    cloudy.submit(cloudy.ask())
    (order,) = clouds.kie.orders.values()
    assert (order.callback_url is not None) == is_named


# A sure no ---------------------------------------------------------------------------------------


def test_a_hiccup_is_tried_three_times_with_one_key(cloudy: Making, clouds: Clouds) -> None:
    clouds.kie.submit_errors = [DOWN, DOWN]
    video_id = cloudy.ask()
    assert cloudy.submit(video_id)
    assert clouds.kie.keys_of("submit") == [ONE] * 3
    assert story(cloudy, video_id) == [("kie", "processing", None)]


def test_the_waits_between_double_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SUBMIT_BACKOFF_S", 1.0)
    first = {submitting.backoff_s(1) for _ in range(50)}
    second = {submitting.backoff_s(2) for _ in range(50)}
    assert len(first) > 10
    assert 0.5 <= min(first) and max(first) <= 1.0
    assert 1.0 <= min(second) and max(second) <= 2.0


def test_after_three_it_waits_and_comes_again_at_no_cost(
    cloudy: Making, clouds: Clouds, rows: Rows
) -> None:
    clouds.kie.submit_errors = [DOWN] * 3
    video_id = cloudy.ask()
    cloudy.submit(video_id)
    assert clouds.kie.keys_of("submit") == [ONE] * 3
    assert cloudy.status(video_id) == "queued"
    assert cloudy.video(video_id)["wait_reason"] == "provider_down"
    assert cloudy.attempts(video_id)[0]["cost_cents"] == 0
    assert not cloudy.submit(video_id)  # not before its time
    with later(seconds=limits.ROUTE_RETRY_S + 1):
        assert cloudy.submit(video_id)
    assert clouds.kie.keys_of("submit")[3:] == [TWO]  # the first key rests
    assert cloudy.is_charged(video_id)


def test_a_provider_down_for_an_hour_loses_nothing(
    cloudy: Making, clouds: Clouds, no_ffmpeg: None
) -> None:
    clouds.use("kie", "local")
    clouds.kie.key_errors = dict.fromkeys(KIE_KEYS, DOWN)
    video_id = cloudy.ask()
    for minutes in range(0, 60, 4):
        with later(minutes=minutes):
            assert cloudy.step(video_id) == "queued"
            assert cloudy.video(video_id)["wait_reason"] in ("provider_down", "no_key")
    clouds.kie.key_errors = {}
    clouds.kie.script = (READY,)
    with later(minutes=70):
        assert cloudy.make(video_id) == "completed"
    assert cloudy.is_charged(video_id)


@pytest.mark.parametrize(
    "error",
    [
        ProviderError("rate_limited", "429"),
        ProviderError("key_bad", "401"),
        ProviderError("out_of_credit", "402"),
    ],
    ids=lambda error: str(error.code),
)
def test_a_key_at_fault_is_replaced_at_once_then_the_next_provider(
    cloudy: Making, clouds: Clouds, error: ProviderError, no_ffmpeg: None
) -> None:
    clouds.kie.key_errors = {ONE: error, TWO: error, SIX: error}
    video_id = cloudy.ask()
    for _ in range(4):
        assert cloudy.submit(video_id)
    assert clouds.kie.keys_of("submit") == [ONE, TWO, SIX]
    assert story(cloudy, video_id) == [
        *[("kie", "failed", error.code)] * 3,
        ("fal", "processing", None),
    ]
    assert cloudy.video(video_id)["provider"] == "fal"
    clouds.fal.script = (READY,)
    assert cloudy.make(video_id) == "completed"
    assert cloudy.is_charged(video_id)


def test_one_key_of_three_at_its_limit_slows_nobody(cloudy: Making, clouds: Clouds) -> None:
    clouds.kie.key_errors = {ONE: ProviderError("rate_limited", "429", retry_after_s=60)}
    ids = cloudy.ask_for(count="4")
    for video_id in ids:
        while cloudy.status(video_id) == "queued":
            assert cloudy.submit(video_id)
    assert {cloudy.video(video_id)["provider"] for video_id in ids} == {"kie"}
    assert clouds.kie.keys_of("submit").count(ONE) == 1


def test_all_keys_bad_everywhere_a_video_waits_says_so_and_may_be_cancelled(
    cloudy: Making, clouds: Clouds, call: Call
) -> None:
    for cloud in (clouds.kie, clouds.fal):
        for secret in call(lambda name=cloud.name: list(keys.configured(name).values())):
            cloud.key_errors[secret] = ProviderError("key_bad", "401")
    video_id = cloudy.ask()
    for _ in range(5):
        cloudy.step(video_id)
    video = cloudy.video(video_id)
    assert (video["status"], video["wait_reason"]) == ("queued", "no_key")
    assert [one.kind for one in call(alerts.open_alerts)] == ["key_bad"] * 4
    cloudy.cancel(video_id)
    assert cloudy.status(video_id) == "cancelled"
    assert cloudy.is_refunded(video_id)


# A no for good -----------------------------------------------------------------------------------


def test_a_content_refusal_asks_nobody_else(cloudy: Making, clouds: Clouds) -> None:
    clouds.kie.submit_errors = [ProviderError("content_rejected", "A real person is named.")]
    video_id = cloudy.ask()
    cloudy.submit(video_id)
    video = cloudy.video(video_id)
    assert (video["status"], video["error_text"]) == ("failed", "A real person is named.")
    assert clouds.fal.calls == []
    assert cloudy.attempts(video_id)[0]["cost_cents"] == 0
    assert cloudy.is_refunded(video_id)


def test_a_content_refusal_after_a_while_refunds_with_its_reason(
    cloudy: Making, clouds: Clouds
) -> None:
    no = Report("failed", code="content_rejected", message="A real person is named.")
    clouds.kie.script = (Report("running"), no)
    video_id = cloudy.ask()
    cloudy.step(video_id)
    with later(seconds=40):
        assert cloudy.step(video_id) == "failed"
    assert cloudy.video(video_id)["error_text"] == "A real person is named."
    assert clouds.fal.calls == []
    assert cloudy.is_refunded(video_id)


@pytest.mark.both_databases
def test_the_first_refuses_for_good_and_the_second_delivers(
    cloudy: Making, clouds: Clouds, make_clip: MakeClip
) -> None:
    clouds.kie.submit_errors = [ProviderError("permanent", "422: no such length")]
    clouds.fal.script, clouds.fal.clip = (READY,), make_clip("good.mp4")
    video_id = cloudy.ask()
    assert cloudy.make(video_id) == "completed"
    assert story(cloudy, video_id) == [("kie", "failed", "permanent"), ("fal", "done", None)]
    assert cloudy.is_charged(video_id)


def test_where_all_refuse_it_fails_with_its_refund(cloudy: Making, clouds: Clouds) -> None:
    for cloud in (clouds.kie, clouds.fal):
        cloud.submit_errors = [ProviderError("permanent", "422")]
    video_id = cloudy.ask()
    assert cloudy.make(video_id) == "failed"
    assert [one[:2] for one in story(cloudy, video_id)] == [("kie", "failed"), ("fal", "failed")]
    assert clouds.local.orders == {}
    assert cloudy.is_refunded(video_id)
