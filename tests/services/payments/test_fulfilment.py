"""A paid order becomes credits once, of whoever began the purchase; what is not as agreed waits."""

from collections.abc import Callable
from typing import Any

import pytest

from app.services import checkouts, purchases, reconciling
from tests.cast import Person
from tests.faults.making import later
from tests.services.payments.seller import CREDITS, Seller, paid_by

# As agreed ----------------------------------------------------------------------------------------


@pytest.mark.both_databases
@pytest.mark.parametrize("pack", CREDITS)
def test_a_paid_pack_is_on_the_balance(seller: Seller, alice: Person, pack: str) -> None:
    payment = seller.credit(alice, pack)
    row = seller.of_order(payment)
    assert (row["status"], row["user_id"], row["checkout_id"]) == (
        "completed",
        alice.id,
        payment.checkout.id,
    )
    assert (row["transaction_id"], row["customer_id"]) == (paid_by(payment), payment.customer.id)
    assert row["paid_at"] and row["payer_email"] is None
    assert seller.entries(alice) == [("purchase", CREDITS[pack])]
    [entry] = seller.call(purchases.entries_of, row["id"])
    assert (entry.key, entry.reason) == (f"purchase:{payment.order.id}", pack)
    assert seller.alerts() == []


def test_an_expired_late_payment_still_counts(seller: Seller, alice: Person) -> None:
    purchase_id = seller.buy(alice)
    payment = seller.pay(purchase_id)
    seller.call(checkouts.expire, purchase_id)
    assert seller.status(purchase_id) == "expired"
    with later(days=3):
        assert seller.deliver(payment.event) == "done"
    assert (seller.status(purchase_id), seller.gained(alice)) == ("completed", 115)


def test_bought_credits_never_expire(seller: Seller, alice: Person) -> None:
    """Section 11's "expired grant not burnt, earliest expiry first" has nothing to act on here."""
    seller.credit(alice)
    with later(days=3650):
        assert seller.gained(alice) == 115
        seller.spend(alice, 215)
    assert seller.balance(alice) == 0


# Tax and discounts --------------------------------------------------------------------------------


@pytest.mark.both_databases
@pytest.mark.parametrize(
    ("tax_mode", "percent", "paid", "tax"),
    [("exclusive", 21, 1198, 208), ("inclusive", 21, 990, 172), ("exclusive", 0, 990, 0)],
)
def test_tax_on_top_or_inside_changes_nothing_about_the_credits(
    seller: Seller, alice: Person, tax_mode: str, percent: int, paid: int, tax: int
) -> None:
    seller.house.set(tax_percent=percent)
    seller.house.products["prod_starter"].tax_mode = tax_mode
    row = seller.of_order(seller.credit(alice))
    assert (row["paid_cents"], row["tax_cents"], seller.gained(alice)) == (paid, tax, 115)


@pytest.mark.both_databases
@pytest.mark.parametrize("tax_percent", [0, 21])
@pytest.mark.parametrize("code", ["TEN", "FREE"])
def test_a_discount_grants_the_whole_pack(
    seller: Seller, alice: Person, code: str, tax_percent: int
) -> None:
    seller.house.set(tax_percent=tax_percent)
    row = seller.of_order(seller.credit(alice, discount=code))
    assert (row["status"], seller.gained(alice)) == ("completed", 115)
    least = 891 if code == "TEN" else 0
    assert row["paid_cents"] - row["tax_cents"] == least


def test_a_free_order_without_a_transaction_grants(seller: Seller, alice: Person) -> None:
    seller.house.set(free_has_transaction=False)
    row = seller.of_order(seller.credit(alice, discount="FREE"))
    assert (row["transaction_id"], row["paid_cents"]) == (None, 0)
    assert seller.gained(alice) == 115


@pytest.mark.parametrize(
    "bends",
    [
        {"order__amount": 891, "order__sub_total": 891},  # Creem tells the price after it
        {"order__amount": 891, "order__amount_paid": ...},
        {"order__tax_amount": ...},
    ],
)
def test_a_discount_is_recognised_however_the_amounts_are_told(
    seller: Seller, alice: Person, bends: dict[str, Any]
) -> None:
    payment = seller.pay(seller.buy(alice), discount="TEN")
    assert seller.tell(payment.checkout.id, **bends) == "done"
    assert seller.gained(alice) == 115


# Who bought ---------------------------------------------------------------------------------------


@pytest.mark.both_databases
@pytest.mark.parametrize("email", ["payer@else.example", "bob@example.org", "BOB@example.org"])
def test_whatever_e_mail_paid_the_owner_is_credited_and_a_stranger_unchanged(
    seller: Seller, alice: Person, bob: Person, email: str
) -> None:
    payment = seller.credit(alice, email=email)
    assert payment.customer.email == email
    assert (seller.gained(alice), seller.gained(bob)) == (115, 0)
    assert seller.entries(bob) == []
    assert seller.of_order(payment)["payer_email"] is None
    assert email.lower() not in str(seller.rows("SELECT facts FROM payment_events")).lower()


@pytest.mark.both_databases
def test_another_users_number_in_the_metadata_changes_nothing_and_alerts(
    seller: Seller, alice: Person, bob: Person
) -> None:
    purchase_id = seller.buy(alice)
    payment = seller.pay(purchase_id, email=bob.email)
    metadata = {"purchase_id": purchase_id, "user_id": str(bob.id), "schema": "1"}
    assert seller.tell(payment.checkout.id, metadata=metadata) == "done"
    assert (seller.gained(alice), seller.gained(bob)) == (115, 0)
    assert seller.alerts() == ["payment_user"]


@pytest.mark.both_databases
def test_a_forged_request_id_pays_for_its_owner_and_nobody_else(
    seller: Seller, alice: Person, bob: Person
) -> None:
    """Bob puts the id of Alice's purchase into a static link, and pays."""
    alices = seller.buy(alice, road="link")
    bobs = seller.buy(bob, road="link")
    payment = seller.house.pay(
        seller.house.open_checkout("prod_starter", request_id=alices).id, email=bob.email
    )
    assert seller.deliver(payment.event) == "done"
    assert (seller.gained(alice), seller.gained(bob)) == (115, 0)
    assert (seller.status(alices), seller.status(bobs)) == ("completed", "pending")


def test_the_id_that_creem_carries_for_us_is_before_that_in_the_metadata(
    seller: Seller, alice: Person, bob: Person
) -> None:
    alices, bobs = seller.buy(alice), seller.buy(bob)
    payment = seller.pay(alices)
    assert seller.tell(payment.checkout.id, metadata={"purchase_id": bobs}) == "done"
    assert (seller.gained(alice), seller.gained(bob)) == (115, 0)


# Fields that are missing --------------------------------------------------------------------------


SPARE: list[dict[str, Any]] = [
    {"metadata": ...},  # by request_id alone
    {"request_id": ...},  # by metadata alone
    {"request_id": "not-ours"},
    {"request_id": "00000000-0000-7000-8000-000000000000"},  # nobody's: the metadata's
    {"request_id": ..., "metadata": ...},  # by the checkout's own id
    {"request_id": ..., "metadata": {}, "customer": ...},
    {"units": ..., "product__object": ..., "custom_fields": ..., "surprise": {"a": [1]}},
    {"product": "prod_starter", "order__product": ...},
    {"order__transaction": ..., "order__customer": ...},
    {"order__transaction": None, "order__tax_amount": None, "customer": "cust_1"},
    {"order__amount_paid": ..., "order__amount_due": ...},
    {"order__amount": ...},
    {"order__type": ...},
    {"mode": "sandbox"},
    {"mode": "local"},
]


def credit_spare(seller: Seller, person: Person, bends: dict[str, Any]) -> None:
    """Buy, pay, and be told less of it than usual: it is granted all the same."""
    purchase_id = seller.buy(person)
    payment = seller.pay(purchase_id)
    assert (bends, seller.tell(payment.checkout.id, **bends)) == (bends, "done")
    assert (seller.status(purchase_id), seller.gained(person)) == ("completed", 115)
    assert seller.deliver(payment.event) == "ignored"
    assert (seller.gained(person), seller.alerts()) == (115, [])


@pytest.mark.parametrize("bends", SPARE)
def test_what_may_be_missing_is_not_missed(
    seller: Seller, alice: Person, bends: dict[str, Any]
) -> None:
    credit_spare(seller, alice, bends)


@pytest.mark.postgres
def test_what_may_be_missing_is_not_missed_on_postgresql(
    seller: Seller, make_person: Callable[..., Person]
) -> None:
    for number, bends in enumerate(SPARE):
        credit_spare(seller, make_person(f"buyer{number}@example.org", credits=100), bends)


@pytest.mark.both_databases
def test_without_its_order_a_paid_checkout_is_asked_for_soon(seller: Seller, alice: Person) -> None:
    purchase_id = seller.buy(alice)
    payment = seller.pay(purchase_id)
    assert seller.tell(payment.checkout.id, order=...) == "ignored"
    assert (seller.status(purchase_id), seller.gained(alice)) == ("pending", 0)
    assert seller.events() == [("ignored", "incomplete")]
    assert seller.call(reconciling.check_due) == 1
    assert (seller.status(purchase_id), seller.gained(alice)) == ("completed", 115)


@pytest.mark.parametrize(
    "bends",
    [{"order__status": "pending"}, {"status": "pending"}, {"status": "expired"}, {"status": ...}],
)
def test_what_is_not_paid_gives_nothing(
    seller: Seller, alice: Person, bends: dict[str, Any]
) -> None:
    purchase_id = seller.buy(alice)
    payment = seller.pay(purchase_id)
    assert seller.tell(payment.checkout.id, **bends) == "ignored"
    assert (seller.status(purchase_id), seller.gained(alice)) == ("pending", 0)
    assert seller.deliver(payment.event) == "done"
    assert seller.gained(alice) == 115
