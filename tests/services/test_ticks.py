"""Periodic work is done once a time, however many workers there are."""

from datetime import timedelta
from functools import partial

import pytest
import time_machine
from flask import Flask

from app.models import now
from app.services import ticks
from tests.conftest import Call
from tests.money.racing import race

pytestmark = pytest.mark.both_databases

EVERY_S = 10.0


@pytest.mark.parametrize("is_new", [True, False], ids=["first time ever", "again"])
def test_of_eight_threads_one_claims_it(app: Flask, call: Call, is_new: bool) -> None:
    if not is_new:
        call(ticks.claim, "sweep", EVERY_S)
        call(ticks.make_due, "sweep")
    outcome = race(app, [partial(ticks.claim, "sweep", EVERY_S)] * 8, before="UPDATE ticks")
    assert sorted(outcome.results) == [False] * 7 + [True]


def test_it_is_due_again_after_its_time_and_not_before(call: Call) -> None:
    start = now()
    answers = []
    for after_s in (0, 9.9, 10.1, 20.0, 20.3):
        with time_machine.travel(start + timedelta(seconds=after_s), tick=False):
            answers.append(call(ticks.claim, "sweep", EVERY_S))
    assert answers == [True, False, True, False, True]


def test_names_do_not_know_each_other(call: Call) -> None:
    assert [call(ticks.claim, name, EVERY_S) for name in ("a", "b", "a")] == [True, True, False]


def test_news_make_it_due_at_once(call: Call) -> None:
    call(ticks.make_due, "never seen")
    assert call(ticks.claim, "sweep", EVERY_S)
    call(ticks.make_due, "sweep")
    assert [call(ticks.claim, "sweep", EVERY_S) for _ in range(2)] == [True, False]


def test_a_clock_set_back_stops_nothing_and_a_slow_one_claims_nothing_twice(call: Call) -> None:
    assert call(ticks.claim, "sweep", EVERY_S)
    with time_machine.travel(now() - timedelta(seconds=1), tick=False):
        assert not call(ticks.claim, "sweep", EVERY_S)
    with time_machine.travel(now() - timedelta(hours=1), tick=False):
        assert call(ticks.claim, "sweep", EVERY_S)
