"""`flask providers`: how keys and models are doing, and how they are opened again."""

from collections.abc import Callable

import pytest
from click.testing import Result
from flask import Flask

from app.providers import ProviderError
from app.services import alerts, keys, routes
from tests.clouds import FAL_KEY, KIE_KEYS, Clouds
from tests.conftest import Call
from tests.faults.making import Making

pytest_plugins = ["tests.faults.fixtures"]

Flask_ = Callable[..., Result]


@pytest.fixture
def flask(app: Flask) -> Flask_:
    """`flask("providers", "status")`: a command's result."""
    return lambda *arguments: app.test_cli_runner().invoke(args=list(arguments))


def test_the_status_shows_every_key_and_no_secret(
    cloudy: Making, clouds: Clouds, flask: Flask_, call: Call
) -> None:
    cloudy.submit(cloudy.ask())
    call(keys.note_error, "kie", keys.fingerprint(KIE_KEYS[1]), ProviderError("key_bad", "401"))
    clouds.app.config["PROVIDERS_OFF"] = {"replicate": "REPLICATE_API_TOKEN"}
    result = flask("providers", "status")
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "kie  fake-1",
        "  spent today: 0.20 of 50.00 USD",
        "  test…0001  healthy  health 100  1 requests (100.0 %), 0 errors, 0 in a row",
        "  test…0002  disabled (401)  health 0  0 requests (0.0 %), 1 errors, 0 in a row",
        "  test…0006  healthy  health 100  0 requests (0.0 %), 0 errors, 0 in a row",
        "fal  fake-1",
        "  spent today: 0.00 of 50.00 USD",
        "  test…0003  healthy  health 100  0 requests (0.0 %), 0 errors, 0 in a row",
        "local  local",
        "replicate  off: REPLICATE_API_TOKEN is not set",
    ]
    assert not any(secret in result.output for secret in (*KIE_KEYS, FAL_KEY))


def test_a_stopped_model_and_an_empty_account_are_shown(
    clouds: Clouds, flask: Flask_, call: Call
) -> None:
    call(routes.stop, clouds.kie.capabilities, "404: no such model")
    call(
        keys.note_error, "kie", keys.fingerprint(KIE_KEYS[0]), ProviderError("out_of_credit", "402")
    )
    output = flask("providers", "status").output
    assert "  stopped: 404: no such model" in output
    assert "test…0001  parked (402)" in output


def test_opening_revives_keys_and_models_and_ends_their_alerts(
    clouds: Clouds, flask: Flask_, call: Call
) -> None:
    for secret in KIE_KEYS[:2]:
        call(keys.note_error, "kie", keys.fingerprint(secret), ProviderError("key_bad", "401"))
    call(routes.stop, clouds.kie.capabilities, "404: no such model")
    result = flask("providers", "open", "kie")
    assert (result.exit_code, result.output) == (0, "kie: 2 keys revived, 1 models opened\n")
    assert call(alerts.open_alerts) == []
    assert flask("providers", "open", "kie").output == "kie: 0 keys revived, 0 models opened\n"


@pytest.mark.parametrize("name", ["replicate", "nobody"])
def test_who_is_not_configured_cannot_be_opened(clouds: Clouds, flask: Flask_, name: str) -> None:
    result = flask("providers", "open", name)
    assert result.exit_code == 1
    assert f"{name} is not in VIDEO_PROVIDERS" in result.output
