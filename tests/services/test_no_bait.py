"""No bait and switch: who was named makes the video, or its owner says otherwise."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app.errors import UserError
from app.providers import ProviderError
from app.services import keys, requests, routes, videos
from app.services.routes import Wanted
from tests.clouds import Clouds
from tests.conftest import Call, Rows
from tests.faults.making import FORM, Making, later

pytest_plugins = ["tests.faults.fixtures"]

USUAL = Wanted("16:9", "720p", 4)
GONE = ProviderError("permanent", "404: no such model", model_gone=True)


def provider_of(making: Making, video_id: str) -> str:
    return str(making.attempts(video_id)[-1]["provider"])


# No bait and switch ------------------------------------------------------------------------------


def test_local_never_takes_a_cloud_video_in_silence(
    app: Flask, cloudy: Making, clouds: Clouds, call: Call
) -> None:
    for name in ("kie", "fal"):
        for print_ in call(keys.configured, name):
            call(keys.note_error, name, print_, ProviderError("key_bad", "401"))
    video_id = cloudy.ask()
    for minutes in (0, 1, 16, 60):
        with later(minutes=minutes):
            assert cloudy.step(video_id) == "queued"
    assert (cloudy.video(video_id)["kind"], cloudy.video(video_id)["wait_reason"]) == (
        "cloud",
        "no_key",
    )
    assert clouds.local.orders == {}
    assert cloudy.is_charged(video_id)


def test_a_local_video_is_made_locally_though_clouds_are_there(
    cloudy: Making, clouds: Clouds
) -> None:
    clouds.use("local", "kie")
    video_id = cloudy.ask()
    assert cloudy.submit(video_id)
    assert (cloudy.video(video_id)["kind"], provider_of(cloudy, video_id)) == ("local", "local")
    assert clouds.kie.calls == []


def test_another_kind_than_the_form_named_is_not_charged(
    cloudy: Making, clouds: Clouds, call: Call
) -> None:
    def send(kind: str) -> Any:
        wanted = requests.parse(FORM)
        return videos.request_video(
            cloudy.person.id, wanted, token="a token", price_credits=5, kind=kind
        )

    with pytest.raises(videos.MakerChanged):
        call(send, "local")
    assert cloudy.balance() == 100
    assert len(call(send, "cloud")) == 1  # the refusal did not use the token up


# Drawn locally, on its owner's wish --------------------------------------------------------------


@pytest.fixture
def late(cloudy: Making, clouds: Clouds, call: Call) -> Callable[[], str]:
    """A video that no cloud took for a quarter of an hour."""

    def one() -> str:
        for print_ in [*call(keys.configured, "kie"), *call(keys.configured, "fal")]:
            call(keys.note_error, "kie", print_, ProviderError("key_bad", "401"))
            call(keys.note_error, "fal", print_, ProviderError("key_bad", "401"))
        video_id = cloudy.ask()
        cloudy.set_video(video_id, is_late=True)
        cloudy.submit(video_id)
        return video_id

    return one


def test_its_owner_may_have_a_late_one_drawn_at_the_same_price(
    cloudy: Making, clouds: Clouds, call: Call, late: Callable[[], str]
) -> None:
    video_id = late()
    call(videos.draw_locally, cloudy.person.id, video_id)
    video = cloudy.video(video_id)
    assert (video["kind"], video["provider"], video["wait_reason"]) == ("local", "local", None)
    assert video["scene"] == "fruit:strawberry"
    assert cloudy.submit(video_id)
    assert len(clouds.local.orders) == 1
    assert cloudy.is_charged(video_id)
    with pytest.raises(UserError):
        call(videos.draw_locally, cloudy.person.id, video_id)


@pytest.mark.parametrize("why", ["early", "stranger", "off", "made", "second render"])
def test_in_other_cases_it_is_not_offered(
    cloudy: Making, clouds: Clouds, call: Call, bob: Any, late: Callable[[], str], why: str
) -> None:
    video_id, person_id = late(), cloudy.person.id
    if why == "early":
        cloudy.set_video(video_id, is_late=False)
    elif why == "stranger":
        person_id = bob.id
    elif why == "off":
        clouds.use("kie", "fal")
    elif why == "made":
        cloudy.set_video(video_id, status="completed")
    else:
        cloudy.set_video(video_id, sound_retried=True)
    before = dict(cloudy.video(video_id))
    with pytest.raises(UserError):
        call(videos.draw_locally, person_id, video_id)
    assert dict(cloudy.video(video_id)) == before
    cloudy.set_video(video_id, status=before["status"])


def test_spent_rows_are_those_of_today(rows: Rows, cloudy: Making, call: Call) -> None:
    cloudy.submit(cloudy.ask())
    assert [row["cost_cents"] for row in rows("SELECT cost_cents FROM attempts")] == [20]
    with later(hours=25):
        assert call(routes.spent_cents, "kie") == 0
