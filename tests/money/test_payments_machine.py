"""The machine of payments, on both databases: short in every run, long as a proof."""

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.money.conftest import Fresh
from tests.money.payments_machine import payments_in
from tests.money.test_machine import SETTINGS

EXAMPLES = {"sqlite": 30, "postgresql": 8}


@pytest.mark.both_databases
def test_credits_follow_the_money_whatever_creem_tells(fresh: Fresh, database: str) -> None:
    """The same examples in every run: a red one can be repeated."""
    few = settings(
        SETTINGS, max_examples=EXAMPLES[database], stateful_step_count=40, derandomize=True
    )
    run_state_machine_as_test(payments_in(fresh), settings=few)


@pytest.mark.proof
@pytest.mark.timeout(3600)
@pytest.mark.both_databases
def test_credits_follow_the_money_over_many_long_weeks(fresh: Fresh) -> None:
    many = settings(SETTINGS, max_examples=300, stateful_step_count=80, phases=list(Phase))
    run_state_machine_as_test(payments_in(fresh), settings=many)
