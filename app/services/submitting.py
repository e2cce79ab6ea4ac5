"""The one step that is not repeatable: the call that places an order.

Repeated only where it is certain that nothing was placed, at most SUBMIT_TRIES times.
"""

import random
import time
from collections.abc import Callable

from app import limits
from app.providers import Order, Provider, ProviderError
from app.services import keys
from app.services.keys import Key


class NotOurs(Exception):
    """The lease was lost before anything was sent: somebody else looks after the attempt."""


def call(provider: Provider, order: Order, key: Key | None, is_ours: Callable[[], bool]) -> str:
    """Place the order, and note how the key fared. Returns the handle.

    `is_ours` renews the lease, right before each try.  Raises NotOurs, ProviderError.
    """
    if not is_ours():
        raise NotOurs
    if key is None:
        return provider.submit(order)
    for number in range(1, limits.SUBMIT_TRIES):
        try:
            return _once(provider, order, key)
        except ProviderError as error:
            if error.code != "transient" or error.retry_after_s:  # it wants to be left alone
                raise
        time.sleep(backoff_s(number))
        if not is_ours():
            raise NotOurs
    return _once(provider, order, key)


def _once(provider: Provider, order: Order, key: Key) -> str:
    try:
        handle = provider.submit(order, key.secret)
    except ProviderError as error:
        keys.note_error(key.provider, key.fingerprint, error)
        raise
    keys.note_answer(key.provider, key.fingerprint)
    return handle


def backoff_s(number: int) -> float:
    """Seconds before the next try after `number` failed: doubling, with jitter."""
    whole: float = limits.SUBMIT_BACKOFF_S * 2 ** (number - 1)
    return whole * random.uniform(0.5, 1.0)  # noqa: S311  spreads load, hides nothing
