"""The pool of keys: who is next, who rests, who is out; and never a secret where it can be read."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from app import limits
from app.providers import ProviderError
from app.services import alerts, keys
from app.services.transactions import write_transaction
from tests.clouds import KIE_KEYS, Clouds
from tests.conftest import Call, Rows
from tests.faults.making import later

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


# Who is next -------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_the_one_that_rested_longest_is_next(call: Call, clouds: Clouds) -> None:
    turns = []
    for second in range(6):
        with later(seconds=second):
            turns.append(take(call, clouds)[0])
    assert turns == [ONE, TWO, SIX] * 2


@pytest.mark.both_databases
def test_rows_are_written_once_by_however_many_workers(
    app: Flask, call: Call, clouds: Clouds, rows: Rows
) -> None:
    call(keys.sync)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: call(keys.sync), range(4)))
    assert len(rows("SELECT id FROM provider_keys")) == 4
    assert {row["state"] for row in rows("SELECT state FROM provider_keys")} == {"healthy"}


def test_a_key_taken_out_of_the_settings_is_used_no_more(
    app: Flask, call: Call, clouds: Clouds
) -> None:
    app.config["PROVIDER_KEYS"] = {"kie": (TWO,)}
    for second in range(3):
        with later(seconds=second):
            assert take(call, clouds) == (TWO, "")
    app.config["PROVIDER_KEYS"] = {}
    assert take(call, clouds) == ("", "no_key")
    assert call(keys.find, "kie", of(ONE)) is None


# Rest --------------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_three_errors_in_a_row_block_a_key_for_five_minutes(call: Call, clouds: Clouds) -> None:
    fail(call, ONE, DOWN, times=2)
    assert take(call, clouds)[0] == ONE
    fail(call, ONE, DOWN)
    for second in range(1, 7):
        with later(seconds=second):
            assert take(call, clouds)[0] in (TWO, SIX)
    with later(seconds=limits.KEY_BLOCK_S - 2):
        assert take(call, clouds)[0] != ONE
    with later(seconds=limits.KEY_BLOCK_S + 1):
        assert take(call, clouds)[0] == ONE


def test_an_answer_between_them_ends_the_row(call: Call, clouds: Clouds, rows: Rows) -> None:
    for _ in range(3):
        fail(call, ONE, DOWN, times=2)
        call(keys.note_answer, "kie", of(ONE))
    row = key_rows(rows)[keys.hint(ONE)]
    assert (row["errors"], row["errors_in_row"], row["blocked_until"]) == (6, 0, None)


@pytest.mark.parametrize("code", ["content_rejected", "permanent", "result_expired"])
def test_what_is_no_keys_fault_counts_as_an_answer(
    call: Call, clouds: Clouds, rows: Rows, code: Any
) -> None:
    fail(call, ONE, DOWN, times=2)
    fail(call, ONE, ProviderError(code, "no"))
    row = key_rows(rows)[keys.hint(ONE)]
    assert (row["errors"], row["errors_in_row"], row["state"]) == (2, 0, "healthy")


@pytest.mark.parametrize(
    ("error", "rests_s"),
    [
        (BUSY, limits.RATE_LIMIT_WAIT_S),
        (ProviderError("rate_limited", "429", retry_after_s=90), 90),
        (ProviderError("rate_limited", "429", retry_after_s=0.5), limits.RATE_LIMIT_WAIT_S),
        (ProviderError("transient", "503", retry_after_s=40), 40),
    ],
)
def test_a_key_rests_as_long_as_the_provider_says(
    app: Flask, call: Call, clouds: Clouds, error: ProviderError, rests_s: float
) -> None:
    app.config["PROVIDER_KEYS"] = {"kie": (ONE,)}
    fail(call, ONE, error)
    with later(seconds=rests_s - 2):
        assert take(call, clouds) == ("", "no_key")
    with later(seconds=rests_s + 1):
        assert take(call, clouds) == (ONE, "")


# Out ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "state"), [("key_bad", "disabled"), ("out_of_credit", "parked")])
def test_a_refused_or_empty_key_is_out_with_an_alert(
    call: Call, clouds: Clouds, rows: Rows, code: Any, state: str
) -> None:
    fail(call, TWO, ProviderError(code, "they said no"))
    row = key_rows(rows)[keys.hint(TWO)]
    assert (row["state"], row["reason"]) == (state, "they said no")
    (alert,) = call(alerts.open_alerts)
    assert (alert.kind, alert.subject) == (code, f"kie {keys.hint(TWO)}")
    with later(hours=1):
        assert take(call, clouds)[0] == ONE
    with later(hours=2):
        assert take(call, clouds)[0] == SIX
    with later(hours=3):
        assert take(call, clouds)[0] == ONE


def test_an_operator_revives_every_key(call: Call, clouds: Clouds) -> None:
    fail(call, ONE, ProviderError("key_bad", "401"))
    fail(call, TWO, ProviderError("out_of_credit", "402"))
    fail(call, SIX, DOWN, times=3)
    assert take(call, clouds) == ("", "no_key")
    assert call(keys.revive, "kie") == 3
    assert take(call, clouds)[0] in KIE_KEYS
    assert call(alerts.open_alerts) == []
    assert call(keys.revive, "kie") == 0
