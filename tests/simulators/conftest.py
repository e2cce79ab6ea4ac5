"""Simulators that a test starts and pytest stops."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from tests.simulators import Simulator, start
from tests.simulators.creem import CreemHouse, start_creem
from tests.simulators.inbox import Inbox

Start = Callable[..., Simulator]


@pytest.fixture
def begin() -> Iterator[Start]:
    """`begin("kie", port=0)`: a simulator for this test; its tasks wait to be told."""
    with ExitStack() as stack:

        def one(vendor: str, **options: Any) -> Simulator:
            return stack.enter_context(start(vendor, **{"takes_s": None, **options}))

        yield one


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """A receiver of callbacks that always says 200."""
    with Inbox() as box:
        yield box


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """A plain client, which follows nothing and knows no proxy."""
    # nothing is encrypted here, and reading the authorities' certificates takes longer than a test
    with httpx.Client(trust_env=False, verify=False, timeout=5.0) as client:
        yield client


@pytest.fixture
def creem() -> Iterator[CreemHouse]:
    """Creem, to which nobody gave an address for its events."""
    with start_creem() as house:
        yield house


@pytest.fixture
def shop(creem: CreemHouse) -> Iterator[httpx.Client]:
    """A client that has Creem's key."""
    with httpx.Client(
        base_url=creem.base_url,
        headers={"x-api-key": creem.api_key},
        trust_env=False,
        verify=False,
    ) as client:
        yield client
