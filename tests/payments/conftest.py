"""Creem on loopback that answers as its script says, and doors to it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from app.payments import PaymentError, Settings
from app.payments.creem import Creem
from app.payments.line import Patience
from tests.payments.bodies import KEY, SECRET
from tests.providers.scripted import Server, served

Door = Callable[..., Creem]


@pytest.fixture
def server() -> Iterator[Server]:
    yield from served(Server())


@pytest.fixture
def waits() -> list[float]:
    """What a door of this test waited between tries, in seconds; no time passes."""
    return []


@pytest.fixture
def door(server: Server, waits: list[float]) -> Iterator[Door]:
    """Makes doors: `door(try_s=0.3)`, `door(base_url=...)`."""
    doors = []

    def make(base_url: str = "", try_s: float = 5.0, **settings: Any) -> Creem:
        plain = Settings(
            base_url=base_url or server.url,
            api_key=KEY,
            webhook_secret=SECRET,
            mode="test",
            products={"starter": "prod_1"},
            links={"starter": "https://www.creem.io/payment/prod_1"},
        )
        patience = Patience(try_s=try_s, sleep=waits.append)
        doors.append(Creem(replace(plain, **settings), patience))
        return doors[-1]

    yield make
    for each in doors:
        each.close()


@pytest.fixture
def creem(door: Door) -> Creem:
    return door()


def trouble(call: Callable[[], object]) -> PaymentError:
    """The error of a call, which tells no secret and has no past: httpx's would hold the key."""
    with pytest.raises(PaymentError) as caught:
        call()
    error = caught.value
    told = str(error) + repr(error) + repr(vars(error))
    assert KEY not in told and SECRET not in told and "@" not in told and "?" not in told
    assert error.__cause__ is None and error.__context__ is None
    assert len(str(error)) <= 100
    return error
