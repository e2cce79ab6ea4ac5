"""A submission that may have arrived or not: never sent again, never paid back early."""

from typing import Any

import pytest

from app import limits
from app.providers import ProviderError
from tests.clouds import KIE_KEYS, Clouds
from tests.faults.making import Making, later
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


# Nobody knows ------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_an_unknown_outcome_is_never_sent_again_and_never_paid_back_early(
    cloudy: Making, clouds: Clouds
) -> None:
    clouds.kie.submit_errors = [UNKNOWN]
    clouds.kie.recover_error = UNKNOWN
    video_id = cloudy.ask()
    assert cloudy.submit(video_id)
    for minutes in (0, 0.5, 2, 10, 29.5):
        with later(minutes=minutes):
            assert cloudy.step(video_id) == "submitting"
    assert clouds.kie.keys_of("submit") == [ONE]
    assert cloudy.is_charged(video_id)
    with later(minutes=30.5):
        assert cloudy.step(video_id) == "failed"
    assert story(cloudy, video_id) == [("kie", "late", "deadline")]
    assert cloudy.is_refunded(video_id)
    with later(minutes=40):
        assert cloudy.step(video_id) == "failed"
    assert len(clouds.kie.keys_of("submit")) == 1
    assert clouds.fal.calls == []


def test_recovered_within_its_time_it_goes_on(
    cloudy: Making, clouds: Clouds, no_ffmpeg: None
) -> None:
    clouds.kie.submit_errors = [UNKNOWN]
    clouds.kie.takes_order_anyway = True
    video_id = cloudy.ask()
    cloudy.submit(video_id)
    with later(seconds=limits.LEASE_S + 1):
        assert cloudy.step(video_id) == "processing"
    assert clouds.kie.keys_of("recover") == [ONE]
    for minutes in (1, 2):
        with later(minutes=minutes):
            state = cloudy.step(video_id)
    assert state == "completed"
    assert story(cloudy, video_id) == [("kie", "done", None)]
    assert cloudy.is_charged(video_id)


def test_what_surely_never_arrived_is_sent_anew(cloudy: Making, clouds: Clouds) -> None:
    clouds.kie.submit_errors = [UNKNOWN]
    video_id = cloudy.ask()
    cloudy.submit(video_id)
    with later(seconds=limits.LEASE_S + 1):
        assert cloudy.step(video_id) == "submitting"  # it may not be in the list yet
    with later(seconds=limits.SURELY_NOT_S + 1):
        assert cloudy.step(video_id) == "queued"
    with later(minutes=5):
        assert cloudy.step(video_id) == "processing"
    assert story(cloudy, video_id)[0] == ("kie", "failed", "transient")
    assert len(clouds.kie.keys_of("submit")) == 2


def test_an_adapter_that_breaks_does_not_keep_it_from_its_deadline(
    cloudy: Making, clouds: Clouds
) -> None:
    clouds.kie.submit_errors = [UNKNOWN]
    video_id = cloudy.ask()
    cloudy.submit(video_id)

    def explode(_verb: str, _key: str) -> None:
        raise KeyError("our bug")

    clouds.kie.on_call = explode
    with later(minutes=29):
        assert cloudy.step(video_id) == "submitting"
    with later(minutes=30.5):
        assert cloudy.step(video_id) == "failed"
    assert cloudy.is_refunded(video_id)
