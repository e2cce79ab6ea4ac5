"""A site that sells through a Creem on this machine, for tests of the pages of payments.

A test module takes what it needs: `app = shop.app`, `creem = shop.creem`, ...
"""

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlalchemy import insert

from app.extensions import db
from app.models import Purchase, new_id
from tests.cast import Browser, Person
from tests.conftest import Call
from tests.payments_settings import CREEM
from tests.simulators.creem import CreemHouse, Payment, start_creem

WEBHOOK = "/api/webhooks/creem"

Deliver = Callable[..., Any]
AddPurchase = Callable[..., str]


@pytest.fixture
def creem() -> Iterator[CreemHouse]:
    """Events are written and leave when a test delivers them."""
    with start_creem() as house:
        yield house


@pytest.fixture
def app(make_app: Callable[..., Flask], creem: CreemHouse) -> Iterator[Flask]:
    """Both roads are there: the API and a static link for each pack."""
    links = {
        f"CREEM_PAYMENT_LINK_{pack.upper()}": creem.payment_link(f"prod_{pack}")
        for pack in ("starter", "standard", "premium")
    }
    site = make_app(**CREEM, CREEM_API_BASE_URL=creem.base_url, **links)
    yield site
    hang_up(site)


def hang_up(site: Flask) -> None:
    """Give back the connections to Creem, of those doors that were opened."""
    for name in ("payments", "screener"):
        if door := vars(site.extensions["vendors"]).get(name):
            door.close()


@pytest.fixture
def deliver(client: Browser, creem: CreemHouse) -> Deliver:
    """`deliver(payment.event)`: bring an event as Creem does; returns the site's answer."""

    def post(event: Any) -> Any:
        headers, body = creem.letter(event.id)
        return client.post(WEBHOOK, data=body, headers=headers, csrf=False)

    return post


@pytest.fixture
def add_purchase(call: Call) -> AddPurchase:
    """`add_purchase(alice, status="parked")`: a row as it is given."""

    def add(person: Person, **values: Any) -> str:
        row = {
            "id": new_id(), "user_id": person.id, "status": "pending", "road": "api",
            "pack": "starter", "product_id": "prod_starter", "credits": 115, "price_cents": 990,
            "currency": "USD", "mode": "test", **values,
        }  # fmt: skip

        def write() -> str:
            db.session.execute(insert(Purchase).values(row))
            db.session.commit()
            return str(row["id"])

        return str(call(write))

    return add


def buy(browser: Browser, pack: str = "starter") -> str:
    """Press Buy; the id of the purchase."""
    answer = browser.post("/payment-processor", data={"pack": pack})
    assert answer.status_code == 303, answer.text
    found = re.fullmatch(r"/payment-processor\?purchase=([0-9a-f-]{36})", answer.location)
    assert found is not None
    return found[1]


def pay(creem: CreemHouse, purchase_id: str, **options: Any) -> Payment:
    """Pay at Creem for a purchase of ours."""
    named = [one.id for one in creem.checkouts.values() if one.request_id == purchase_id]
    return creem.pay(named[0], **options)


def way_back(payment: Payment) -> str:
    """Path and query at which Creem sends the buyer back."""
    parts = urlsplit(payment.return_url or "")
    return f"{parts.path}?{parts.query}"
