"""Who may make what, in which order, at what cost; what nobody makes is refused beforehand."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from app.errors import InvalidForm
from app.models import now
from app.providers import Limit, Price, ProviderError
from app.services import alerts, requests, routes
from app.services.routes import Wanted
from tests.clouds import Clouds
from tests.conftest import Call
from tests.faults.making import FORM, Making, later

pytest_plugins = ["tests.faults.fixtures"]

USUAL = Wanted("16:9", "720p", 4)
GONE = ProviderError("permanent", "404: no such model", model_gone=True)


def provider_of(making: Making, video_id: str) -> str:
    return str(making.attempts(video_id)[-1]["provider"])


# Order and capability ----------------------------------------------------------------------------


def test_the_order_is_that_of_the_settings(call: Call, clouds: Clouds) -> None:
    assert call(routes.makers, USUAL) == ["kie", "fal", "local"]
    clouds.use("local", "fal", "kie")
    assert call(routes.makers, USUAL) == ["local", "fal", "kie"]


@pytest.mark.parametrize(
    ("wanted", "who"),
    [
        (Wanted("16:9", "720p", 10), ["local"]),  # ten seconds
        (Wanted("1:1", "720p", 4), ["kie", "fal", "local"]),  # cropped
        (Wanted("9:16", "1080p", 4), ["fal", "local"]),  # kie's 1080p is 16:9 alone
        (Wanted("16:9", "720p", 4, with_image=True), ["fal"]),
        (Wanted("16:9", "1080p", 8, with_image=True), ["fal"]),
        (Wanted("16:9", "720p", 7), []),
    ],
)
def test_only_those_are_asked_that_make_it(
    call: Call, clouds: Clouds, wanted: Wanted, who: list[str]
) -> None:
    clouds.kie.limits = {"1080p": Limit(aspect_ratios=("16:9",))}
    clouds.fal.takes_image = True
    assert call(routes.makers, wanted) == who


def test_a_retired_model_makes_nothing(call: Call, clouds: Clouds) -> None:
    clouds.kie.retired = "it ended in June: set VEO3_MODEL"
    assert call(routes.makers, USUAL) == ["fal", "local"]
    call(routes.tell_what_is_off)
    (alert,) = call(alerts.open_alerts)
    assert (alert.kind, alert.subject) == ("model_gone", "kie fake-1")
    assert "VEO3_MODEL" in alert.text


def test_a_square_is_offered_where_only_wide_is_made(
    call: Call, clouds: Clouds, cloudy: Making
) -> None:
    clouds.use("kie")
    offered = call(routes.offer)
    assert offered.aspect_ratios == ("16:9", "9:16", "1:1")
    assert (offered.durations_s, offered.takes_image) == ((4, 8), False)
    cloudy.submit(cloudy.ask(aspect_ratio="1:1"))
    (order,) = clouds.kie.orders.values()
    assert order.aspect_ratio == "16:9"


def refused(call: Call, **fields: str) -> dict[str, str]:
    with pytest.raises(InvalidForm) as refusal:
        call(requests.parse, {**FORM, **fields})
    return {
        name: text % values if values else text
        for name, (text, values) in refusal.value.errors.items()
    }


def test_what_nobody_makes_is_refused_naming_it(call: Call, clouds: Clouds) -> None:
    clouds.use("kie")
    clouds.kie.limits = {"1080p": Limit(durations=(8,))}
    assert refused(call, duration="5") == {
        "duration": "Choose one of these lengths in seconds: 4, 8."
    }
    assert refused(call, duration="4", resolution="1080p") == {
        "duration": "4 s, 1080p and 16:9 are not made together. Change one of them."
    }
    assert "picture" in refused(call, image_id="01890a5d-ac96-774b-bcce-b302099a8057")["image"]


# Cost --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cents", "is_open"),
    [(32.0, True), (32.6, False), (33.0, False)],  # 5 credits earn 32.67 cents at worst; rounded up
)
def test_a_route_below_cost_is_off_until_somebody_allows_it(
    app: Flask, call: Call, clouds: Clouds, cents: float, is_open: bool
) -> None:
    clouds.kie.price = Price(flat_cents=cents)
    assert ("kie" in call(routes.makers, USUAL)) == is_open
    assert call(routes.makers, Wanted("16:9", "720p", 8))[0] == "kie"  # ten credits earn more
    app.config["ALLOW_BELOW_COST"] = ("kie",)
    assert call(routes.makers, USUAL)[0] == "kie"


def test_routes_below_cost_are_told_at_the_start(app: Flask, call: Call, clouds: Clouds) -> None:
    clouds.kie.price = Price(flat_cents=40.0)
    call(routes.tell_what_is_off)
    (alert,) = call(alerts.open_alerts)
    assert (alert.kind, alert.subject) == ("below_cost", "kie fake-1")
    assert "4 s 720p" in alert.text and "8 s 720p" not in alert.text


def test_above_its_daily_cap_a_provider_gets_nothing_until_midnight_utc(
    app: Flask, cloudy: Making, clouds: Clouds, call: Call
) -> None:
    app.config["PROVIDER_DAILY_CAP_CENTS"] = 45
    clouds.use("kie")
    ids = cloudy.ask_for(count="3")
    noon = now().replace(hour=12) - now()
    with later(seconds=noon.total_seconds()):
        assert [cloudy.submit(video_id) for video_id in ids] == [True, True, False]
        video = cloudy.video(ids[2])
        assert (video["status"], video["wait_reason"]) == ("queued", "spend_cap")
        assert [(one.kind, one.subject) for one in call(alerts.open_alerts)] == [
            ("spend_cap", "kie")
        ]
        assert cloudy.is_charged(ids[2])
    with later(seconds=noon.total_seconds() + 13 * 3600):
        assert cloudy.submit(ids[2])


def test_the_cap_is_each_providers_own(app: Flask, cloudy: Making, clouds: Clouds) -> None:
    app.config["PROVIDER_DAILY_CAP_CENTS"] = 45
    ids = cloudy.ask_for(count="4")
    assert [cloudy.submit(video_id) for video_id in ids] == [True, True, True, False]
    assert [provider_of(cloudy, video_id) for video_id in ids[:3]] == ["kie", "kie", "fal"]


def test_what_was_surely_not_taken_spends_nothing(
    app: Flask, cloudy: Making, clouds: Clouds, call: Call
) -> None:
    clouds.kie.submit_errors = [ProviderError("rate_limited", "429")]
    cloudy.submit(cloudy.ask())
    assert call(routes.spent_cents, "kie") == 0
    clouds.kie.submit_errors = [ProviderError("unknown_outcome", "the answer got lost")]
    with later(seconds=20):
        cloudy.submit(cloudy.ask())
    assert call(routes.spent_cents, "kie") == 20


@pytest.mark.both_databases
def test_racing_workers_cannot_pass_the_cap(
    app: Flask, cloudy: Making, clouds: Clouds, call: Call, many_submits: None
) -> None:
    app.config["PROVIDER_DAILY_CAP_CENTS"] = 70
    clouds.use("kie")
    ids = cloudy.ask_for(count="4") + cloudy.ask_for(count="4")
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(cloudy.submit, ids))
    assert sum(done) == 3
    assert call(routes.spent_cents, "kie") == 60


# Stopped -----------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_a_model_that_is_gone_is_stopped_told_and_opened_again(
    app: Flask, cloudy: Making, clouds: Clouds, call: Call
) -> None:
    clouds.kie.submit_errors = [GONE]
    video_id = cloudy.ask()
    assert cloudy.submit(video_id)
    assert cloudy.status(video_id) == "queued"
    assert call(routes.makers, USUAL) == ["fal", "local"]
    (alert,) = call(alerts.open_alerts)
    assert (alert.kind, alert.subject) == ("model_gone", "kie fake-1")
    assert "flask providers open kie" in alert.text
    cloudy.submit(video_id)
    assert provider_of(cloudy, video_id) == "fal"
    clouds.kie.model = "fake-2"  # another one was set
    assert call(routes.makers, USUAL)[0] == "kie"
    clouds.kie.model = "fake-1"
    answer = app.test_cli_runner().invoke(args=["providers", "open", "kie"])
    assert (answer.exit_code, answer.output) == (0, "kie: 0 keys revived, 1 models opened\n")
    assert call(routes.makers, USUAL)[0] == "kie"


def test_with_nobody_else_a_gone_model_is_a_failure_with_its_refund(
    cloudy: Making, clouds: Clouds
) -> None:
    clouds.use("kie", "local")
    clouds.kie.submit_errors = [GONE]
    video_id = cloudy.ask()
    cloudy.submit(video_id)
    assert cloudy.status(video_id) == "failed"
    assert cloudy.is_refunded(video_id)
