"""The money machine, on both databases: short in every run, long as a proof."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.money.conftest import Fresh
from tests.money.machine import money_in

SETTINGS = settings(
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
EXAMPLES = {"sqlite": 30, "postgresql": 10}


@pytest.mark.usefixtures("no_ffmpeg")
@pytest.mark.both_databases
def test_money_adds_up_whatever_happens(fresh: Fresh, database: str) -> None:
    """The same examples in every run: a red one can be repeated."""
    few = settings(
        SETTINGS, max_examples=EXAMPLES[database], stateful_step_count=30, derandomize=True
    )
    run_state_machine_as_test(money_in(fresh), settings=few)


@pytest.mark.proof
@pytest.mark.usefixtures("no_ffmpeg")
@pytest.mark.both_databases
def test_money_adds_up_over_many_long_days(fresh: Fresh) -> None:
    many = settings(SETTINGS, max_examples=300, stateful_step_count=80, phases=list(Phase))
    run_state_machine_as_test(money_in(fresh), settings=many)
