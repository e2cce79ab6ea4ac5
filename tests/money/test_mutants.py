"""Negative controls: the machine and the races find the two mistakes they exist for, by name."""

import pytest
from flask import Flask
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.money import mutants
from tests.money.conftest import Fresh
from tests.money.invariants import BALANCE, REFUND, RUNNING
from tests.money.machine import money_in
from tests.money.test_machine import SETTINGS

SEARCH = settings(
    SETTINGS,
    max_examples=60,
    stateful_step_count=30,
    derandomize=True,
    phases=[Phase.generate],  # the first counterexample will do, the shortest one is not needed
    report_multiple_bugs=False,
)

pytestmark = [pytest.mark.both_databases, pytest.mark.usefixtures("no_ffmpeg")]


def counterexample(fresh: Fresh) -> str:
    """What the machine says when it fails."""
    with pytest.raises(AssertionError) as failure:
        run_state_machine_as_test(money_in(fresh), settings=SEARCH)
    return str(failure.value)


def test_the_machine_finds_a_spend_that_reads_and_then_writes(
    fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutants.read_then_write(monkeypatch)
    found = counterexample(fresh)
    assert "broken:" in found
    assert BALANCE in found or RUNNING in found


def test_the_machine_finds_a_refund_without_a_unique_key(
    fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutants.refund_without_unique_key(monkeypatch)

    def scratch() -> Flask:
        app = fresh()
        mutants.drop_unique_key(app)
        return app

    found = counterexample(scratch)
    assert "broken:" in found
    assert REFUND in found
