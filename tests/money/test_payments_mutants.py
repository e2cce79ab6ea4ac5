"""Negative controls: the machine of payments finds the mistakes it exists for, by name."""

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.money import payments_mutants
from tests.money.conftest import Fresh
from tests.money.payments_machine import payments_in
from tests.money.test_machine import SETTINGS

SEARCH = settings(
    SETTINGS,
    max_examples=100,
    stateful_step_count=30,
    derandomize=True,
    phases=[Phase.generate],  # the first counterexample will do, the shortest one is not needed
    report_multiple_bugs=False,
)

pytestmark = pytest.mark.both_databases


def counterexample(fresh: Fresh) -> str:
    """What the machine says when it fails."""
    with pytest.raises(AssertionError) as failure:
        run_state_machine_as_test(payments_in(fresh), settings=SEARCH)
    return str(failure.value).splitlines()[0]


def test_the_machine_finds_a_grant_that_is_made_before_its_event_is_kept(
    fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    """We die in between: the credits are there, and Creem tells it once more."""
    payments_mutants.grant_before_the_event(monkeypatch)
    found = counterexample(fresh)
    assert "not the granted" in found or "net of" in found


def test_the_machine_finds_a_match_by_email(fresh: Fresh, monkeypatch: pytest.MonkeyPatch) -> None:
    payments_mutants.match_by_email(monkeypatch)
    found = counterexample(fresh)
    assert "owner of" in found or "nobody" in found


def test_the_machine_finds_a_refund_that_is_not_capped(
    fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    payments_mutants.refund_not_capped(monkeypatch)
    assert "net of" in counterexample(fresh)


def test_the_machine_finds_a_grant_without_its_key(
    fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    payments_mutants.grant_without_key(monkeypatch)
    assert "broken:" in counterexample(fresh)
