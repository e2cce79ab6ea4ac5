"""How keys are used: below their rate, in secret, and by the task that each of them made."""

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app import limits
from app.extensions import db
from app.providers import Cloud, ProviderError
from app.providers.kie import KieProvider
from app.services import alerts, keys, routes
from app.services.transactions import write_transaction
from tests.clouds import FAL_KEY, KIE_KEYS, Clouds
from tests.conftest import Call, Rows
from tests.faults.making import Making, later

pytest_plugins = ["tests.faults.fixtures"]

ONE, TWO, SIX = KIE_KEYS
DOWN = ProviderError("transient", "connect error")
BUSY = ProviderError("rate_limited", "429")


def of(secret: str) -> str:
    return keys.fingerprint(secret)


def take(call: Call, clouds: Clouds) -> tuple[str, str]:
    """The secret that is next at kie and is used by that, or why there is none."""

    def one() -> tuple[str, str]:
        with write_transaction() as connection:
            keys.lock(connection, "kie")
            key, why = keys.take(connection, clouds.kie.capabilities)
        return (key.secret if key else ""), why

    found: tuple[str, str] = call(one)
    return found


def fail(call: Call, secret: str, error: ProviderError, times: int = 1) -> None:
    for _ in range(times):
        call(keys.note_error, "kie", of(secret), error)


def key_rows(rows: Rows) -> dict[str, Any]:
    """The rows of kie's keys by their hint."""
    return {row["hint"]: row for row in rows("SELECT * FROM provider_keys WHERE provider = 'kie'")}


# The rate ----------------------------------------------------------------------------------------


def submitted_at(rows: Rows) -> list[str]:
    sql = "SELECT provider_key FROM attempts WHERE provider = 'kie' AND state = 'processing'"
    return [row["provider_key"] for row in rows(sql)]


def test_no_key_submits_faster_than_its_rate(
    app: Flask, cloudy: Making, clouds: Clouds, rows: Rows
) -> None:
    app.config["PROVIDER_KEYS"] = {"kie": (ONE,)}
    clouds.use("kie")
    clouds.kie.submits = (2, 10.0)
    ids = cloudy.ask_for(count="4")
    assert [cloudy.submit(video_id) for video_id in ids] == [True, True, False, False]
    assert cloudy.video(ids[2])["wait_reason"] == "busy"
    with later(seconds=8):
        assert not cloudy.submit(ids[2])
    with later(seconds=14):
        assert [cloudy.submit(video_id) for video_id in ids[2:]] == [True, True]


@pytest.mark.both_databases
def test_racing_workers_stay_below_the_rate_together(
    app: Flask, cloudy: Making, clouds: Clouds, rows: Rows, many_submits: None
) -> None:
    """So many in 10 s, of all keys together; eight videos, six threads, a rate of three."""
    clouds.use("kie")
    clouds.kie.submits = (3, 10.0)
    ids = cloudy.ask_for(count="4") + cloudy.ask_for(count="4")
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(cloudy.submit, ids))
    assert sum(done) == 3
    made = submitted_at(rows)
    assert {print_: made.count(print_) for print_ in made} == {of(key): 1 for key in KIE_KEYS}
    assert sorted(clouds.kie.keys_of("submit")) == sorted(KIE_KEYS)


def test_kie_takes_twenty_in_ten_seconds() -> None:
    cloud = Cloud("https://api.kie.ai", "veo3_fast", "https://kieai.redpandaai.co")
    assert KieProvider(cloud, Path("unused")).capabilities.submits == (20, 10.0)


# Secrets -----------------------------------------------------------------------------------------


def test_a_hint_is_never_the_whole_key() -> None:
    assert keys.hint("test-abcdefghijkl-wxyz") == "test…wxyz"
    assert keys.hint("12345678") == "12…78"
    for length in range(8, 40):
        secret = "".join(chr(ord("a") + number % 26) for number in range(length))
        assert len(keys.hint(secret).replace("…", "")) <= length / 2


def test_no_secret_in_any_row_log_alert_or_repr(
    cloudy: Making,
    clouds: Clouds,
    rows: Rows,
    call: Call,
    caplog: pytest.LogCaptureFixture,
    app: Flask,
) -> None:
    caplog.set_level(logging.DEBUG)
    clouds.kie.key_errors = {key: ProviderError("key_bad", "401: no such key") for key in KIE_KEYS}
    video_id = cloudy.ask()
    for second in range(5):
        with later(seconds=second):
            cloudy.step(video_id)
    assert cloudy.attempts(video_id)[-1]["provider"] == "fal"
    said = [caplog.text, repr(call(keys.find, "kie", of(ONE))), str(call(_tables))]
    said += [repr(alert.text) + alert.subject for alert in call(alerts.open_alerts)]
    assert "401: no such key" in "".join(said)
    for secret in (*KIE_KEYS, FAL_KEY):
        assert not any(secret in text for text in said)


def _tables() -> Any:
    return {
        name: [tuple(row) for row in db.session.execute(text(f'SELECT * FROM "{name}"'))]
        for name in db.metadata.tables
    }


# Which key asks ----------------------------------------------------------------------------------


def test_a_task_is_asked_about_with_the_key_that_made_it(
    cloudy: Making, clouds: Clouds, call: Call
) -> None:
    first, second = cloudy.ask_for(count="2")
    cloudy.submit(first)
    with later(seconds=1):
        cloudy.submit(second)
    assert clouds.kie.keys_of("submit") == [ONE, TWO]
    fail(call, ONE, ProviderError("key_bad", "401"))  # out for new ones, and yet asked with
    with later(seconds=2):
        cloudy.sweep()
    assert sorted(clouds.kie.keys_of("poll")) == sorted([ONE, TWO])


def test_a_removed_key_is_told_and_its_video_waits_on(
    app: Flask, cloudy: Making, clouds: Clouds, call: Call
) -> None:
    video_id = cloudy.ask()
    cloudy.submit(video_id)
    assert clouds.kie.keys_of("submit") == [ONE]
    app.config["PROVIDER_KEYS"] = {"kie": (TWO, SIX)}
    assert cloudy.step(video_id) == "processing"
    assert clouds.kie.keys_of("poll") == []
    (alert,) = call(alerts.open_alerts)
    assert (alert.kind, alert.subject) == ("key_missing", "kie")
    app.config["PROVIDER_KEYS"] = {"kie": KIE_KEYS}
    with later(minutes=1):
        cloudy.sweep()
    assert clouds.kie.keys_of("poll") == [ONE]
    assert cloudy.is_charged(video_id)


def test_a_provider_switched_off_costs_none_of_its_keys(
    cloudy: Making, clouds: Clouds, rows: Rows, call: Call
) -> None:
    """Its videos wait, its key is still in the settings: nobody asked with it, so it is healthy."""
    video_id = cloudy.ask()
    cloudy.submit(video_id)
    clouds.use("fal")
    assert cloudy.step(video_id) == "processing"
    assert {row["state"] for row in key_rows(rows).values()} == {"healthy"}
    assert [alert.kind for alert in call(alerts.open_alerts)] == ["key_missing"]


def test_a_key_block_ends_with_the_clock_and_not_with_a_restart(
    call: Call, clouds: Clouds, rows: Rows
) -> None:
    fail(call, ONE, DOWN, times=3)
    call(keys.sync)
    assert key_rows(rows)[keys.hint(ONE)]["blocked_until"] is not None
    with later(seconds=limits.KEY_BLOCK_S + 1):
        assert take(call, clouds)[0] == ONE


def test_spend_is_counted_by_provider(call: Call, clouds: Clouds, cloudy: Making) -> None:
    cloudy.submit(cloudy.ask())
    assert (call(routes.spent_cents, "kie"), call(routes.spent_cents, "fal")) == (20, 0)
