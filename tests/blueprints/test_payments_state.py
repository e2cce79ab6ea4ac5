"""Where a purchase stands, as a card that asks for itself, and its receipt."""

import re

import pytest

from app.services import credits
from tests.blueprints import shop
from tests.blueprints.conftest import HTMX
from tests.blueprints.shop import AddPurchase, Deliver, buy, pay, way_back
from tests.cast import Browser, Person
from tests.conftest import Call, Rows
from tests.simulators.creem import CreemHouse

app, creem, deliver, add_purchase = shop.app, shop.creem, shop.deliver, shop.add_purchase

PROCESSOR = "/payment-processor"


def test_a_waiting_card_becomes_credits_by_itself(
    alice_client: Browser, creem: CreemHouse, deliver: Deliver, rows: Rows
) -> None:
    purchase_id = buy(alice_client)
    card = alice_client.get(f"/purchases/{purchase_id}", headers=HTMX).text
    assert f'id="purchase-{purchase_id}" data-status="pending"' in card
    assert f'data-hx-get="/purchases/{purchase_id}" data-hx-trigger="every 2s"' in card
    assert "Waiting for your payment" in card and 'id="balance"' not in card

    assert deliver(pay(creem, purchase_id).event).status_code == 200
    card = alice_client.get(f"/purchases/{purchase_id}", headers=HTMX).text
    assert 'data-status="completed"' in card and "115 credits added" in card
    assert "data-hx-trigger" not in card
    assert re.search(r'id="balance"[^>]*data-hx-swap-oob="true".*215', card, re.S)
    assert rows("SELECT amount FROM credit_entries WHERE kind = 'purchase'") == [{"amount": 115}]


def test_who_just_came_back_waits_for_creem(alice_client: Browser, creem: CreemHouse) -> None:
    purchase_id = buy(alice_client)
    address = f"/purchases/{purchase_id}"
    assert "Waiting for your payment" in alice_client.get(f"{address}?returned=1").text
    creem.fault("bad_key", where="checkouts.get")
    alice_client.get(way_back(pay(creem, purchase_id)))
    for headers in ({}, HTMX):
        card = alice_client.get(address, headers=headers).text
        assert "Waiting for Creem" in card
        assert 'name="price"' not in card  # or it is paid twice


def test_an_open_order_goes_on_by_the_form_that_asks_creem_first(
    alice: Person, alice_client: Browser, creem: CreemHouse, rows: Rows
) -> None:
    old = buy(alice_client)
    creem.expire(next(iter(creem.checkouts)))
    for address in (f"/purchases/{old}", f"{PROCESSOR}?purchase={old}"):
        alice_client.get(address)
        page = alice_client.get(address).text
        assert f'<form method="post" action="{PROCESSOR}"' in page
        assert 'name="pack" value="starter"' in page and 'name="price" value="990"' in page
        assert "/checkout/" not in page and "Another pack" in page
    new = buy(alice_client)
    assert rows("SELECT id, status FROM purchases ORDER BY created_at") == [
        {"id": old, "status": "expired"}, {"id": new, "status": "pending"},
    ]  # fmt: skip


def test_an_order_of_what_is_not_sold_now_has_no_button(
    alice: Person, alice_client: Browser, add_purchase: AddPurchase
) -> None:
    page = alice_client.get(f"/purchases/{add_purchase(alice, pack='huge')}").text
    assert "Waiting for your payment" in page and "Another pack" in page
    assert f'action="{PROCESSOR}"' not in page


def test_a_receipt_is_loaded_again_once_it_is_paid(
    alice_client: Browser, creem: CreemHouse, deliver: Deliver
) -> None:
    purchase_id = buy(alice_client)
    poll = f"/purchases/{purchase_id}?on=receipt"
    assert f'data-hx-get="{poll}"' in alice_client.get(f"/purchases/{purchase_id}").text
    waiting = alice_client.get(poll, headers=HTMX)
    assert f'data-hx-get="{poll}"' in waiting.text and "HX-Refresh" not in waiting.headers
    deliver(pay(creem, purchase_id).event)
    paid = alice_client.get(poll, headers=HTMX)
    assert (paid.status_code, paid.headers["HX-Refresh"], paid.text) == (204, "true", "")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"status": "failed", "failure": "unavailable"}, "Nothing was charged."),
        ({"status": "failed", "failure": "new class"}, "Nothing was charged."),
        ({"status": "expired"}, "its payment page is closed"),
        ({"status": "parked", "failure": "amount"}, "a person has to decide"),
        ({"status": "refunded", "returned_cents": 990, "clawed_credits": 115}, "115 credits of"),
        ({"status": "partly_refunded", "returned_cents": 495, "clawed_credits": 58}, "$4.95 went"),
        (
            {"status": "disputed", "returned_cents": 990, "clawed_credits": 115},
            "You disputed this payment",
        ),
    ],
)
def test_every_end_has_its_words(
    alice: Person,
    alice_client: Browser,
    add_purchase: AddPurchase,
    values: dict[str, object],
    words: str,
) -> None:
    purchase_id = add_purchase(alice, **values)
    for address in (f"/purchases/{purchase_id}", f"{PROCESSOR}?purchase={purchase_id}"):
        page = alice_client.get(address).text
        assert words in page and "data-hx-trigger" not in page
        assert f'data-status="{values["status"]}"' in page


def test_a_balance_below_zero_is_explained(
    alice: Person, alice_client: Browser, add_purchase: AddPurchase, call: Call
) -> None:
    call(credits.adjust, alice.id, -140, key="test:debt", reason="test")
    gone = add_purchase(alice, status="refunded", returned_cents=990, clawed_credits=115)
    page = alice_client.get(f"/purchases/{gone}").text
    assert "Your balance is −40. Videos can be made again once it is above zero." in page


def test_a_replaced_purchase_leads_to_what_replaced_it(
    alice: Person, alice_client: Browser, add_purchase: AddPurchase
) -> None:
    found = add_purchase(alice, status="completed")
    old = add_purchase(alice, status="replaced", replaced_by=found)
    for address in (f"/purchases/{old}", f"{PROCESSOR}?purchase={old}"):
        assert alice_client.get(address).location == f"/purchases/{found}"


def test_a_card_that_was_open_meanwhile_becomes_what_replaced_it(
    alice: Person, alice_client: Browser, add_purchase: AddPurchase
) -> None:
    found = add_purchase(alice, status="completed")
    old = add_purchase(alice, status="replaced", replaced_by=found)
    card = alice_client.get(f"/purchases/{old}", headers=HTMX).text
    assert f'id="purchase-{found}"' in card and "115 credits added" in card


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "fragment"])
def test_anothers_purchase_is_not_there(
    alice_client: Browser, bob_client: Browser, client: Browser, headers: dict[str, str]
) -> None:
    purchase_id = buy(alice_client)
    for address in (f"/purchases/{purchase_id}", f"{PROCESSOR}?purchase={purchase_id}"):
        assert bob_client.get(address, headers=headers).status_code == 404
        assert client.get(address, headers=headers).status_code == (401 if headers else 302)
    for strange in ("x", "%00", "0" * 500):
        answer = alice_client.get(f"{PROCESSOR}?purchase={strange}", headers=headers)
        assert answer.status_code == 404


# Receipts ----------------------------------------------------------------------------------------


def test_a_receipt_shows_what_was_recorded(
    alice_client: Browser, creem: CreemHouse, deliver: Deliver
) -> None:
    creem.set(tax_percent=19)
    purchase_id = buy(alice_client)
    payment = pay(creem, purchase_id)
    deliver(payment.event)
    page = alice_client.get(f"/purchases/{purchase_id}").text
    assert "Starter · 115 credits" in page and "$1.88" in page and "$11.78 USD" in page
    assert purchase_id in page and payment.order.id in page
    assert "+115" in page and "balance 215" in page
    assert "Creem is the seller of record" in page


def test_a_receipt_shows_what_went_back(
    alice_client: Browser, creem: CreemHouse, deliver: Deliver
) -> None:
    purchase_id = buy(alice_client)
    payment = pay(creem, purchase_id)
    deliver(payment.event)
    assert payment.transaction is not None
    creem.refund(payment.transaction.id, 330)
    deliver(list(creem.events.values())[-1])
    page = alice_client.get(f"/purchases/{purchase_id}").text
    assert 'data-status="partly_refunded"' in page
    assert "Refund, done" in page and "$3.30" in page and "−38" in page and "balance 177" in page


def test_a_receipt_with_a_discount_adds_up(
    alice: Person, alice_client: Browser, add_purchase: AddPurchase
) -> None:
    cents = {"paid_cents": 891, "tax_cents": 0, "order_id": "ord_1"}
    page = alice_client.get(f"/purchases/{add_purchase(alice, status='completed', **cents)}").text
    lines = re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)</dd>", page)
    assert lines[-4:] == [
        ("Price", "$9.90"), ("Tax", "$0.00"), ("Discount at Creem", "−$0.99"),
        ("You paid", "$8.91 USD"),
    ]  # fmt: skip


def test_a_receipt_says_what_a_dispute_holds(
    alice_client: Browser, creem: CreemHouse, deliver: Deliver
) -> None:
    purchase_id = buy(alice_client)
    payment = pay(creem, purchase_id)
    deliver(payment.event)
    assert payment.transaction is not None
    creem.dispute(payment.transaction.id)
    deliver(list(creem.events.values())[-1])
    page = alice_client.get(f"/purchases/{purchase_id}").text
    assert "<dt>Held in the dispute</dt><dd>−$9.90</dd>" in page
    assert "Went back to you" not in page and "Dispute with your bank, opened" in page


def test_the_ledger_leads_to_the_receipt(
    alice_client: Browser, creem: CreemHouse, deliver: Deliver
) -> None:
    purchase_id = buy(alice_client)
    deliver(pay(creem, purchase_id).event)
    page = alice_client.get("/credits").text
    assert f'<a href="/purchases/{purchase_id}">Starter pack</a>' in page
    assert 'href="/pricing"' in page
