"""A site that sells, with Creem on loopback; the books are checked after each test.

A test file elsewhere takes what it needs: `house, app, seller = fixtures.house, fixtures.app, ...`.
"""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from tests.cast import Person
from tests.conftest import Call, Rows
from tests.services.payments.seller import Seller, open_house, open_seller, settings_for
from tests.simulators.creem import CreemHouse, Payment


@pytest.fixture
def house() -> Iterator[CreemHouse]:
    """Creem. Its events are written and wait for a test to deliver them."""
    with open_house() as house:
        yield house


@pytest.fixture
def app(make_app: Callable[..., Flask], house: CreemHouse) -> Flask:
    """Sells through that Creem, on both roads."""
    return make_app(**settings_for(house))


@pytest.fixture
def seller(app: Flask, house: CreemHouse, call: Call, rows: Rows) -> Iterator[Seller]:
    """The site and Creem in one hand."""
    with open_seller(app, house, call, rows) as seller:
        yield seller


@pytest.fixture
def payment(seller: Seller, alice: Person) -> Payment:
    """Alice's starter pack, paid and granted; 100 free credits are on her account besides."""
    return seller.credit(alice)
