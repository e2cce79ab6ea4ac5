"""Waiting in tests: for a condition, up to a deadline, never for a guessed time."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

LOOK_EVERY_S = 0.02


def wait_until(condition: Callable[[], Result], deadline_s: float = 10.0, what: str = "") -> Result:
    """The first true value of `condition()`. Fails the test when there was none in `deadline_s`."""
    give_up_s = time.monotonic() + deadline_s
    while not (value := condition()):
        if time.monotonic() > give_up_s:
            raise AssertionError(f"not within {deadline_s:g} s: {what or condition}")
        threading.Event().wait(LOOK_EVERY_S)
    return value
