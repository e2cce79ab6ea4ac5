"""How keys are doing: health, the check of each minute, recovery each five, and the alerts."""

from typing import Any

import pytest
from flask import Flask

from app import limits
from app.providers import ProviderError
from app.services import alerts, key_status, keys, routes
from tests.clouds import FAL_KEY, KIE_KEYS, Clouds
from tests.conftest import Call, Rows
from tests.faults.making import Making, later

pytest_plugins = ["tests.faults.fixtures"]

ONE, TWO, SIX = KIE_KEYS
BAD = ProviderError("key_bad", "401")
EMPTY = ProviderError("out_of_credit", "402")
DOWN = ProviderError("transient", "connect error")


def states(call: Call, provider: str = "kie") -> dict[str, str]:
    """State of each key by its hint, as an operator sees it."""
    (found,) = [one for one in call(key_status.overview)["providers"] if one["name"] == provider]
    return {key["key"]: key["state"] for key in found["keys"]}


def of(call: Call, secret: str) -> dict[str, Any]:
    """What an operator sees of one key."""
    every = [key for one in call(key_status.overview)["providers"] for key in one.get("keys", ())]
    (found,) = [key for key in every if key["key"] == keys.hint(secret)]
    return found


def note(call: Call, secret: str, error: ProviderError, times: int = 1) -> None:
    name = "fal" if secret == FAL_KEY else "kie"
    for _ in range(times):
        call(keys.note_error, name, keys.fingerprint(secret), error, asked=1)


def check(call: Call, after_s: float = 0.0) -> None:
    with later(seconds=after_s):
        call(key_status.check)


def open_alerts(call: Call) -> list[tuple[str, str]]:
    return sorted((one.kind, one.subject) for one in call(alerts.open_alerts))


# Health ------------------------------------------------------------------------------------------


def test_a_key_nobody_used_is_in_full_health(clouds: Clouds, call: Call) -> None:
    assert of(call, ONE) == {
        "key": "test…0001", "state": "healthy", "reason": "", "health": 100, "requests": 0,
        "share_percent": 0.0, "errors": 0, "errors_in_row": 0, "blocked_until": None,
        "balance": None, "last_used_at": None, "last_error": None,
    }  # fmt: skip


def test_health_is_the_share_of_good_answers_less_a_quarter_for_each_error_in_a_row(
    clouds: Clouds, call: Call
) -> None:
    call(keys.note_answers, "kie", {keys.fingerprint(ONE): 9})
    note(call, ONE, DOWN)
    assert of(call, ONE)["health"] == 90 - 25
    note(call, ONE, DOWN)
    assert of(call, ONE)["health"] == 82 - 50
    call(keys.note_answers, "kie", {keys.fingerprint(ONE): 1})
    call(keys.note_answer, "kie", keys.fingerprint(ONE))
    assert of(call, ONE)["health"] == 83
    assert of(call, ONE)["last_error"] == "transient"


@pytest.mark.parametrize("how", [BAD, EMPTY, DOWN], ids=lambda one: str(one.code))
def test_a_key_that_cannot_be_used_has_none(clouds: Clouds, call: Call, how: ProviderError) -> None:
    note(call, ONE, how, times=3)
    assert of(call, ONE)["health"] == 0
    assert of(call, ONE)["state"] == {"transient": "blocked"}.get(
        how.code, keys.STATES_OF.get(how.code)
    )


def test_shares_tell_how_the_work_is_spread(cloudy: Making, clouds: Clouds, call: Call) -> None:
    for second, video_id in enumerate(cloudy.ask_for(count="4")):
        with later(seconds=second):
            cloudy.submit(video_id)
    assert [of(call, key)["requests"] for key in KIE_KEYS] == [2, 1, 1]
    assert [of(call, key)["share_percent"] for key in KIE_KEYS] == [50.0, 25.0, 25.0]


def test_spend_and_stopped_models_stand_beside_the_keys(
    app: Flask, cloudy: Making, clouds: Clouds, call: Call
) -> None:
    cloudy.submit(cloudy.ask())
    call(routes.stop, clouds.fal.capabilities, "404: no such model")
    kie, fal, local = call(key_status.overview)["providers"]
    assert (kie["is_open"], kie["spent_today_cents"], kie["daily_cap_cents"]) == (True, 20, 5000)
    assert (fal["is_open"], fal["stopped"]) == (False, "404: no such model")
    assert local == {"name": "local", "kind": "local", "model": ""}


# The check ---------------------------------------------------------------------------------------


def test_healthy_keys_are_asked_once_a_minute(clouds: Clouds, call: Call) -> None:
    clouds.kie.balances = {ONE: 1234.5}
    check(call)
    assert sorted(clouds.kie.keys_of("check")) == sorted(KIE_KEYS)
    assert clouds.fal.keys_of("check") == [FAL_KEY]
    assert of(call, ONE)["balance"] == 1234.5
    check(call, 30)
    assert len(clouds.kie.keys_of("check")) == 3
    check(call, limits.KEY_CHECK_S)
    assert len(clouds.kie.keys_of("check")) == 6


@pytest.mark.both_databases
def test_a_key_that_goes_bad_or_empty_is_found_by_the_check(clouds: Clouds, call: Call) -> None:
    clouds.kie.key_errors = {ONE: BAD, TWO: EMPTY}
    clouds.kie.balances = {SIX: 0.0}
    check(call)
    assert list(states(call).values()) == ["disabled", "parked", "parked"]
    assert open_alerts(call) == [
        ("key_bad", "kie test…0001"),
        ("no_healthy_key", "kie"),
        ("out_of_credit", "kie test…0002"),
        ("out_of_credit", "kie test…0006"),
    ]


@pytest.mark.both_databases
def test_after_five_minutes_keys_recover_and_the_alerts_are_over(
    clouds: Clouds, call: Call
) -> None:
    clouds.kie.key_errors = {ONE: BAD, TWO: EMPTY, SIX: EMPTY}
    check(call)
    clouds.kie.key_errors = {}
    clouds.kie.balances = dict.fromkeys(KIE_KEYS, 50.0)
    check(call, limits.KEY_CHECK_S)
    assert set(states(call).values()) == {"disabled", "parked"}  # not before their time
    check(call, limits.KEY_RECOVERY_S)
    assert set(states(call).values()) == {"healthy"}
    assert open_alerts(call) == []


def test_where_nothing_cheap_can_be_asked_only_an_empty_account_is_tried_again(
    clouds: Clouds, call: Call
) -> None:
    """Refused for good waits for a person; an account may be filled at any time."""
    clouds.kie.can_check = False
    note(call, ONE, BAD)
    note(call, TWO, EMPTY)
    check(call, limits.KEY_RECOVERY_S)
    assert list(states(call).values()) == ["disabled", "healthy", "healthy"]
    assert open_alerts(call) == [("key_bad", "kie test…0001")]


def test_a_block_is_not_lifted_by_a_good_check(clouds: Clouds, call: Call) -> None:
    note(call, ONE, DOWN, times=3)
    check(call, limits.KEY_CHECK_S)
    with later(seconds=limits.KEY_CHECK_S):
        assert of(call, ONE)["state"] == "blocked"
    with later(seconds=limits.KEY_BLOCK_S + 1):
        assert of(call, ONE)["state"] == "healthy"


def test_a_check_that_fails_three_times_in_a_row_blocks(clouds: Clouds, call: Call) -> None:
    clouds.kie.key_errors = {ONE: DOWN}
    for minute in range(3):
        check(call, 60 * minute)
    with later(minutes=2):
        assert of(call, ONE)["state"] == "blocked"
        assert of(call, TWO)["state"] == "healthy"


def test_no_healthy_key_is_told_while_it_lasts_and_resolved(clouds: Clouds, call: Call) -> None:
    note(call, FAL_KEY, DOWN, times=3)
    check(call)
    assert open_alerts(call) == [("no_healthy_key", "fal")]
    check(call, limits.KEY_CHECK_S)
    assert open_alerts(call) == [("no_healthy_key", "fal")]
    check(call, limits.KEY_BLOCK_S + 60)
    assert open_alerts(call) == []


def test_a_new_key_of_the_settings_is_found(app: Flask, clouds: Clouds, call: Call) -> None:
    app.config["PROVIDER_KEYS"] = {"kie": (*KIE_KEYS, "test-kie-key-new-0009")}
    check(call)
    assert states(call)["test…0009"] == "healthy"


def test_no_transaction_is_open_while_a_key_is_checked(
    clouds: Clouds, call: Call, rows: Rows
) -> None:
    from app.extensions import db

    seen: list[bool] = []
    clouds.kie.on_call = lambda *_: seen.append(db.session().in_transaction())
    check(call)
    assert seen == [False] * 3
