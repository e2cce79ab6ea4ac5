"""Payments that are nobody's: claimed with proof, or given an owner by a person, once."""

import pytest

from app.errors import NotFound, UserError
from app.services import alerts, purchases, recoveries
from tests.cast import Person
from tests.conftest import Call
from tests.services.payments.seller import Seller
from tests.services.test_accounts import together


def claim(seller: Seller, person: Person, order_id: str) -> str:
    return str(seller.call(lambda: recoveries.claim(person.id, order_id).id))


def refused(seller: Seller, person: Person, order_id: str) -> str:
    """The refusal's words."""
    with pytest.raises(UserError) as caught:
        claim(seller, person, order_id)
    assert caught.value.field == "order_id"
    return str(caught.value)


# Claiming -----------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_order_and_verified_address_together_are_proof(seller: Seller, alice: Person) -> None:
    payment = seller.pay_unowned("standard", email="Alice@Example.org")
    seller.deliver(payment.event)
    purchase_id = claim(seller, alice, f"  {payment.order.id} ")
    row = seller.row(purchase_id)
    assert (row["status"], row["user_id"], row["payer_email"]) == ("completed", alice.id, None)
    assert seller.entries(alice) == [("purchase", 355)]
    assert seller.alerts() == []
    assert seller.call(purchases.parked_events) == []
    refused(seller, alice, payment.order.id)  # it is hers already
    assert seller.entries(alice) == [("purchase", 355)]


@pytest.mark.both_databases
def test_one_of_the_two_is_not(seller: Seller, alice: Person, bob: Person) -> None:
    payment = seller.pay_unowned(email=alice.email)
    seller.deliver(payment.event)
    words = {
        refused(seller, bob, payment.order.id),  # the order, from another address
        refused(seller, alice, "ord_of_nobody"),  # the address, another order
        refused(seller, alice, ""),
        refused(seller, alice, payment.checkout.id),
        refused(seller, alice, alice.email),
        refused(seller, alice, f"{payment.order.id}\x00x"),
    }
    assert len(words) == 1  # nobody learns which of the two was right
    assert (seller.gained(alice), seller.gained(bob)) == (0, 0)
    assert seller.of_order(payment)["status"] == "unmatched"


@pytest.mark.both_databases
def test_a_claim_from_another_address_is_told_to_a_person(seller: Seller, bob: Person) -> None:
    payment = seller.pay_unowned(email="payer@else.example")
    seller.deliver(payment.event)
    refused(seller, bob, payment.order.id)
    assert seller.alerts() == ["payment_claim", "payment_parked"]
    assert "payer@else.example" not in str(
        seller.call(lambda: [alert.text for alert in alerts.open_alerts()])
    )


@pytest.mark.both_databases
def test_an_address_that_is_not_verified_proves_nothing(seller: Seller, make_person: Call) -> None:
    mallory = make_person("victim@example.org", verified=False)
    payment = seller.pay_unowned(email="victim@example.org")
    seller.deliver(payment.event)
    refused(seller, mallory, payment.order.id)
    assert seller.entries(mallory) == []
    assert seller.of_order(payment)["user_id"] is None


@pytest.mark.both_databases
def test_an_owned_purchase_never_moves(seller: Seller, alice: Person, bob: Person) -> None:
    """Bob paid Alice's purchase with his card and his address: it stays hers."""
    payment = seller.credit(alice, email=bob.email)
    refused(seller, bob, payment.order.id)
    assert (seller.of_order(payment)["user_id"], seller.gained(bob)) == (alice.id, 0)
    with pytest.raises(NotFound):
        seller.call(recoveries.assign, payment.order.id, bob.id)
    parked = seller.pay(seller.buy(alice, "premium"), email=bob.email)
    seller.tell(parked.checkout.id, units=2)
    refused(seller, bob, parked.order.id)
    assert (seller.gained(alice), seller.gained(bob)) == (115, 0)


@pytest.mark.both_databases
def test_two_claims_at_once_are_one(seller: Seller, alice: Person) -> None:
    payment = seller.pay_unowned(email=alice.email)
    seller.deliver(payment.event)
    results = together(seller.app, 4, lambda: recoveries.claim(alice.id, payment.order.id).id)
    assert sum(isinstance(result, UserError) for result in results) == 3
    assert seller.entries(alice) == [("purchase", 115)]


@pytest.mark.both_databases
def test_a_claim_and_a_persons_decision_at_once_have_one_owner(
    seller: Seller, alice: Person, bob: Person
) -> None:
    payment = seller.pay_unowned(email=alice.email)
    seller.deliver(payment.event)
    seller.at_once(
        lambda: recoveries.claim(alice.id, payment.order.id).id,
        lambda: recoveries.assign(payment.order.id, bob.id).id,
        lambda: recoveries.claim(alice.id, payment.order.id).id,
    )
    assert sorted([seller.gained(alice), seller.gained(bob)]) == [0, 115]


def test_a_payment_before_its_event_cannot_be_claimed_yet(seller: Seller, alice: Person) -> None:
    payment = seller.pay_unowned(email=alice.email)
    refused(seller, alice, payment.order.id)
    seller.deliver(payment.event)
    claim(seller, alice, payment.order.id)
    assert seller.gained(alice) == 115


# A person decides ---------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_a_person_gives_a_payment_its_owner(seller: Seller, alice: Person) -> None:
    payment = seller.pay_unowned("premium", email="payer@else.example")
    seller.deliver(payment.event)
    assert seller.call(recoveries.assign, payment.order.id, alice.id).status == "completed"
    assert (seller.gained(alice), seller.alerts()) == (1450, [])
    assert seller.call(purchases.parked_events) == []
    with pytest.raises(NotFound):
        seller.call(recoveries.assign, payment.order.id, alice.id)
    assert seller.deliver(payment.event) == "again"
    assert seller.tell(payment.checkout.id) == "ignored"
    assert seller.gained(alice) == 1450


def test_a_person_cannot_give_what_does_not_wait(seller: Seller, alice: Person) -> None:
    for name in ("ord_none", "", seller.buy(alice)):
        with pytest.raises(NotFound):
            seller.call(recoveries.assign, name, alice.id)


@pytest.mark.both_databases
def test_an_event_is_dismissed_once_and_its_alert_with_it(seller: Seller, alice: Person) -> None:
    payment = seller.pay(seller.buy(alice))
    seller.tell(payment.checkout.id, units=2)
    [waiting] = seller.call(purchases.parked_events)
    assert seller.call(recoveries.dismiss, waiting.id) is True
    assert seller.call(recoveries.dismiss, waiting.id) is False
    assert seller.call(recoveries.dismiss, waiting.id + 1) is False
    assert (seller.call(purchases.parked_events), seller.alerts()) == ([], [])


def test_only_what_is_parked_can_be_dismissed(seller: Seller, alice: Person) -> None:
    seller.credit(alice)
    [kept] = seller.rows("SELECT id FROM payment_events")
    assert seller.call(recoveries.dismiss, kept["id"]) is False


@pytest.mark.both_databases
def test_a_payment_that_was_given_an_owner_is_refunded_to_nobody_else(
    seller: Seller, alice: Person, bob: Person
) -> None:
    payment = seller.pay_unowned(email=bob.email)
    seller.deliver(payment.event)
    seller.call(recoveries.assign, payment.order.id, alice.id)
    assert payment.transaction is not None
    refund = seller.house.refund(payment.transaction.id)
    assert seller.tell(refund.id) == "done"
    assert (seller.gained(alice), seller.gained(bob)) == (0, 0)
    assert seller.entries(bob) == []


# What the page hints at ---------------------------------------------------------------------------


@pytest.mark.both_databases
def test_payments_from_ones_own_verified_address_are_hinted_at(
    seller: Seller, alice: Person, bob: Person, make_person: Call
) -> None:
    mallory = make_person("victim@example.org", verified=False)
    for email in ("Alice@Example.org", "victim@example.org", "payer@else.example"):
        seller.deliver(seller.pay_unowned(email=email).event)
    seller.credit(bob, email=alice.email)  # hers by the card, his by the purchase

    def waiting_at(person: Person) -> list[str]:
        found = seller.call(lambda: list(recoveries.waiting_at(person.id)))
        return [one.order_id for one in found]

    [order_id] = waiting_at(alice)
    assert (waiting_at(bob), waiting_at(mallory)) == ([], [])
    claim(seller, alice, order_id)
    assert (waiting_at(alice), seller.gained(alice)) == ([], 115)
