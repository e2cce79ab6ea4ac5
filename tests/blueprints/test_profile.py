"""The account with everything it bought, and the way to Creem's portal."""

import re

import pytest

from tests.blueprints import shop
from tests.blueprints.conftest import HTMX
from tests.blueprints.shop import AddPurchase, Deliver, buy, pay
from tests.cast import Browser, Person
from tests.simulators.creem import CreemHouse

app, creem, deliver, add_purchase = shop.app, shop.creem, shop.deliver, shop.add_purchase

PORTAL = "/profile/portal"


def test_a_new_account_has_bought_nothing(alice: Person, alice_client: Browser) -> None:
    page = alice_client.get("/profile").text
    assert alice.email in page and "100 credits" in page and "Nothing bought yet" in page
    assert PORTAL not in page and 'href="/pricing"' in page


def test_every_purchase_is_there_with_its_receipt(
    alice: Person, bob: Person, alice_client: Browser, add_purchase: AddPurchase
) -> None:
    states = {
        add_purchase(alice, status=status): words
        for status, words in (
            ("pending", "Not paid yet"), ("completed", "Paid"), ("failed", "Failed"),
            ("expired", "Never paid"), ("parked", "Being checked"), ("refunded", "Refunded"),
            ("partly_refunded", "Partly refunded"), ("disputed", "Disputed"),
            ("replaced", "Found elsewhere"),
        )
    }  # fmt: skip
    strange = add_purchase(bob, status="completed")
    page = alice_client.get("/profile").text
    assert re.findall(r'href="/purchases/([^"]+)"', page) == list(states)[::-1]
    assert strange not in page
    for words in states.values():
        assert words in page


def test_the_portal_opens_for_who_has_paid(
    alice_client: Browser, creem: CreemHouse, deliver: Deliver
) -> None:
    payment = pay(creem, buy(alice_client))
    deliver(payment.event)
    assert f'action="{PORTAL}"' in alice_client.get("/profile").text
    page = alice_client.post(PORTAL)
    address = f"{creem.base_url}/portal/{payment.customer.id}"
    assert page.status_code == 200 and page.headers["Refresh"] == f"1; url={address}"
    assert f'href="{address}"' in page.text
    part = alice_client.post(PORTAL, headers=HTMX)
    assert (part.status_code, part.headers["HX-Redirect"]) == (204, address)


def test_the_portal_says_why_it_stays_closed(
    alice: Person, alice_client: Browser, creem: CreemHouse, add_purchase: AddPurchase
) -> None:
    answer = alice_client.post(PORTAL)
    assert answer.status_code == 422 and "after a payment with this account" in answer.text
    add_purchase(alice, status="completed", customer_id="cust_1")
    creem.fault("bad_key", where="customers.billing")
    assert alice_client.post(PORTAL).status_code == 503


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "fragment"])
def test_a_profile_wants_a_sign_in(client: Browser, headers: dict[str, str]) -> None:
    status = 401 if headers else 302
    assert client.get("/profile", headers=headers).status_code == status
    assert client.post(PORTAL, headers=headers).status_code == status


def test_other_methods_and_no_token(alice_client: Browser) -> None:
    assert alice_client.post("/profile").status_code == 405
    assert alice_client.get(PORTAL).status_code == 405
    assert alice_client.post(PORTAL, csrf=False).status_code == 400
