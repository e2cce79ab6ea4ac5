"""Paid, but not as agreed, or twice, or by nobody known: a person is told."""

from collections.abc import Callable
from typing import Any

import pytest

from app.errors import NotFound
from app.services import purchases, recoveries
from tests.cast import Person
from tests.services.payments.seller import Seller

# Not as agreed ------------------------------------------------------------------------------------

WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "a live event in test mode": ("mode", {"mode": "prod"}),
    "no mode": ("mode", {"mode": ...}),
    "an unknown mode": ("mode", {"mode": "staging"}),
    "another product": ("product", {"product__id": "prod_premium"}),
    "a product that differs from the order's": ("product", {"order__product": "prod_premium"}),
    "two packs for one": ("units", {"units": 2}),
    "no pack": ("units", {"units": 0}),
    "half a pack": ("units", {"units": 0.5}),
    "another currency": ("currency", {"order__currency": "EUR"}),
    "no currency": ("currency", {"order__currency": ...}),
    "a lower price": ("amount", {"order__amount": 100, "order__amount_paid": 100}),
    "a cent less": ("amount", {"order__amount": 989, "order__amount_paid": 989}),
    "a higher price": ("amount", {"order__amount": 1980, "order__amount_paid": 1980}),
    "less paid than the price": ("amount", {"order__amount_paid": 500}),
    "nothing paid": ("amount", {"order__amount_paid": 0}),
    "a discount larger than the price": ("amount", {"order__discount_amount": 991}),
    "no amounts": (
        "amount",
        {"order__amount": ..., "order__amount_paid": ..., "order__amount_due": ...},
    ),
    "a subscription": ("type", {"order__type": "recurring"}),
}


def park(seller: Seller, person: Person, name: str) -> None:
    """Buy, pay, and be told something else of it: nothing is granted, and a person decides."""
    problem, bends = WRONG[name]
    purchase_id = seller.buy(person)
    payment = seller.pay(purchase_id)
    assert (name, seller.tell(payment.checkout.id, **bends)) == (name, "parked")
    row = seller.row(purchase_id)
    assert (row["status"], row["failure"]) == ("parked", problem)
    assert row["order_id"] == payment.order.id
    assert (seller.gained(person), seller.entries(person)) == (0, [])
    shown = seller.call(purchases.get_owned, person.id, purchase_id)
    assert (shown.status, shown.is_paid) == ("parked", False)
    waiting = seller.call(purchases.parked_events)[-1]
    assert (waiting.order_id, waiting.purchase_id) == (payment.order.id, purchase_id)
    assert (waiting.outcome, waiting.reason) == ("parked", problem)


@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_as_agreed_is_parked_for_a_person(
    seller: Seller, alice: Person, name: str
) -> None:
    park(seller, alice, name)
    assert seller.alerts() == ["payment_parked"]


@pytest.mark.postgres
def test_all_that_is_parked_on_postgresql_too(
    seller: Seller, make_person: Callable[..., Person]
) -> None:
    for number, name in enumerate(WRONG):
        park(seller, make_person(f"buyer{number}@example.org", credits=100), name)
    assert seller.alerts() == ["payment_parked"] * len(WRONG)


@pytest.mark.both_databases
def test_a_parked_payment_is_granted_when_a_person_accepts_it(
    seller: Seller, alice: Person
) -> None:
    purchase_id = seller.buy(alice)
    payment = seller.pay(purchase_id)
    assert seller.tell(payment.checkout.id, units=2) == "parked"
    assert seller.deliver(payment.event) == "ignored"  # the order is a person's business by now
    assert seller.call(recoveries.accept, payment.order.id).status == "completed"
    row = seller.row(purchase_id)
    assert (row["status"], row["failure"], seller.gained(alice)) == ("completed", None, 115)
    assert (seller.alerts(), seller.call(purchases.parked_events)) == ([], [])
    with pytest.raises(NotFound):
        seller.call(recoveries.accept, payment.order.id)
    seller.deliver(seller.refund(payment))
    assert seller.entries(alice) == [("purchase", 115), ("clawback", -115)]


@pytest.mark.both_databases
def test_a_parked_payment_that_went_back_takes_nothing(seller: Seller, alice: Person) -> None:
    purchase_id = seller.buy(alice)
    payment = seller.pay(purchase_id)
    seller.tell(payment.checkout.id, units=2)
    assert seller.deliver(seller.refund(payment)) == "done"
    assert (seller.status(purchase_id), seller.entries(alice)) == ("failed", [])
    with pytest.raises(NotFound):
        seller.call(recoveries.accept, payment.order.id)


@pytest.mark.both_databases
def test_another_payment_as_agreed_is_granted_beside_a_parked_one(
    seller: Seller, alice: Person
) -> None:
    purchase_id = seller.buy(alice)
    seller.tell(seller.pay(purchase_id).checkout.id, units=2)
    page = seller.house.open_checkout("prod_starter", request_id=purchase_id)
    assert seller.deliver(seller.house.pay(page.id).event) == "done"
    assert (seller.gained(alice), seller.status(purchase_id)) == (115, "parked")


def test_only_what_is_parked_is_accepted(seller: Seller, alice: Person) -> None:
    unowned = seller.pay_unowned()
    seller.deliver(unowned.event)
    for order_id in (seller.credit(alice).order.id, unowned.order.id, "ord_none", ""):
        with pytest.raises(NotFound):
            seller.call(recoveries.accept, order_id)
    assert seller.gained(alice) == 115


def test_a_wrong_event_takes_nothing_from_a_completed_purchase(
    seller: Seller, alice: Person
) -> None:
    payment = seller.credit(alice)
    assert seller.tell(payment.checkout.id, order__id="ord_other", order__amount=1) == "parked"
    assert (seller.of_order(payment)["status"], seller.gained(alice)) == ("completed", 115)
    assert seller.alerts() == ["payment_parked"]


@pytest.mark.both_databases
def test_an_event_of_a_test_key_never_credits_a_live_site(seller: Seller, alice: Person) -> None:
    seller.door(mode="prod")
    purchase_id = seller.buy(alice)
    assert seller.row(purchase_id)["mode"] == "prod"
    payment = seller.pay(purchase_id)  # this Creem is a test account: all it says is of mode test
    assert seller.deliver(payment.event) == "parked"
    assert seller.events() == [("parked", "mode")]
    assert seller.deliver(seller.pay_unowned().event) == "parked"
    assert seller.gained(alice) == 0
    assert seller.rows("SELECT 1 FROM purchases WHERE status NOT IN ('parked', 'pending')") == []


# Paid twice ---------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_a_second_paid_order_is_a_purchase_of_its_own_granted_and_told(
    seller: Seller, alice: Person
) -> None:
    purchase_id = seller.buy(alice)
    first = seller.pay(purchase_id)
    again = seller.house.open_checkout("prod_starter", request_id=purchase_id)
    second = seller.house.pay(again.id, email="payer@else.example")
    assert [seller.deliver(one.event) for one in (first, second, second, first)] == [
        "done",
        "done",
        "again",
        "again",
    ]
    assert seller.tell(again.id) == "ignored"
    assert seller.gained(alice) == 230
    copy = seller.of_order(second)
    assert (copy["user_id"], copy["status"], copy["road"]) == (alice.id, "completed", "again")
    assert (copy["id"] != purchase_id, copy["credits"]) == (True, 115)
    assert seller.row(purchase_id)["order_id"] == first.order.id
    assert seller.alerts() == ["paid_twice"]


@pytest.mark.both_databases
def test_each_order_of_a_purchase_that_was_paid_twice_goes_back_by_itself(
    seller: Seller, alice: Person
) -> None:
    purchase_id = seller.buy(alice)
    first = seller.pay(purchase_id)
    second = seller.house.pay(seller.house.open_checkout("prod_starter", request_id=purchase_id).id)
    seller.deliver(first.event)
    seller.deliver(second.event)
    assert seller.deliver(seller.refund(second)) == "done"
    assert seller.gained(alice) == 115
    assert (seller.of_order(first)["status"], seller.of_order(second)["status"]) == (
        "completed",
        "refunded",
    )


@pytest.mark.both_databases
def test_a_second_order_comes_with_the_price_of_its_purchase(seller: Seller, alice: Person) -> None:
    purchase_id = seller.buy(alice)
    seller.deliver(seller.pay(purchase_id).event)
    again = seller.house.open_checkout("prod_premium", request_id=purchase_id)
    assert seller.deliver(seller.house.pay(again.id).event) == "parked"
    assert (seller.gained(alice), seller.status(purchase_id)) == (115, "completed")


# Nobody's -----------------------------------------------------------------------------------------


@pytest.mark.both_databases
@pytest.mark.parametrize("email", ["alice@example.org", "payer@else.example"])
def test_a_payment_that_is_nobodys_waits_without_an_owner(
    seller: Seller, alice: Person, email: str
) -> None:
    payment = seller.pay_unowned("standard", email=email)
    assert seller.deliver(payment.event) == "parked"
    row = seller.of_order(payment)
    assert (row["status"], row["user_id"], row["road"]) == ("unmatched", None, "found")
    assert (row["pack"], row["credits"], row["payer_email"]) == ("standard", 355, email)
    assert (seller.gained(alice), seller.alerts()) == (0, ["payment_parked"])
    assert seller.events() == [("parked", "unmatched")]
    assert seller.deliver(payment.event) == "again"
    assert seller.tell(payment.checkout.id) == "ignored"
    assert len(seller.rows("SELECT 1 FROM purchases")) == 1


@pytest.mark.parametrize(
    ("bends", "reason"),
    [
        ({"product__id": "prod_other", "order__product": "prod_other"}, "unknown"),
        ({"order__amount": 1, "order__amount_paid": 1}, "amount"),
        ({"units": 3}, "units"),
        ({"mode": "prod"}, "mode"),
    ],
)
def test_a_payment_that_is_nobodys_and_no_pack_of_ours_is_no_purchase(
    seller: Seller, bends: dict[str, Any], reason: str
) -> None:
    payment = seller.pay_unowned()
    assert seller.tell(payment.checkout.id, **bends) == "parked"
    assert seller.rows("SELECT 1 FROM purchases") == []
    assert (seller.events(), seller.alerts()) == ([("parked", reason)], ["payment_parked"])


def test_the_dashboards_test_event_is_parked_and_breaks_nothing(seller: Seller) -> None:
    """Its ids are made up: nothing of ours is in it."""
    about = {
        "id": "ch_test", "object": "checkout", "mode": "test", "status": "completed",
        "request_id": "test-request", "product": {"id": "prod_test", "object": "product"},
        "order": {"id": "ord_test", "object": "order", "status": "paid", "amount": 100},
        "metadata": {"custom_data": "my custom data", "internal_customer_id": "42"},
    }  # fmt: skip
    assert seller.deliver(seller.house.announce("checkout.completed", about)) == "parked"
    assert seller.rows("SELECT 1 FROM purchases") == []


@pytest.mark.both_databases
def test_a_payment_that_was_nobodys_is_its_buyers_once_creem_says_so(
    seller: Seller, alice: Person
) -> None:
    """The first event lacked every id of ours, and the checkout's is not known by its link."""
    purchase_id = seller.buy(alice, road="link")
    payment = seller.pay(purchase_id)
    assert seller.tell(payment.checkout.id, request_id=...) == "parked"
    assert (seller.of_order(payment)["status"], seller.gained(alice)) == ("unmatched", 0)
    assert seller.deliver(payment.event) == "done"
    assert seller.tell(payment.checkout.id) == "ignored"
    assert (seller.entries(alice), seller.alerts()) == ([("purchase", 115)], [])
    assert seller.of_order(payment)["user_id"] == alice.id
    assert seller.status(purchase_id) == "replaced"
