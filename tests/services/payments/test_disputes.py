"""Disputes: the money is gone while one lasts, together with refunds never more than was paid."""

import pytest

from app.errors import NotFound
from app.services import money_back, purchases
from tests.cast import Person
from tests.services.payments.seller import Seller
from tests.services.test_accounts import together
from tests.simulators.creem import Payment


@pytest.mark.both_databases
def test_a_dispute_takes_the_credits_and_tells_a_person(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    event = seller.dispute(payment)
    assert [seller.deliver(event), seller.deliver(event)] == ["done", "again"]
    assert seller.tell(event.object["id"]) == "ignored"
    assert (seller.gained(alice), seller.of_order(payment)["status"]) == (0, "disputed")
    assert seller.entries(alice) == [("purchase", 115), ("clawback", -115)]
    assert seller.alerts() == ["payment_dispute"]


@pytest.mark.both_databases
@pytest.mark.parametrize("spelling", ["chargeback", "chargedBack", "charged_back", "CHARGEBACK"])
def test_both_spellings_of_a_chargeback_are_one(
    seller: Seller, alice: Person, payment: Payment, spelling: str
) -> None:
    seller.house.fault("chargeback", spelling)
    assert seller.deliver(seller.dispute(payment)) == "done"
    assert (seller.gained(alice), seller.of_order(payment)["status"]) == (0, "disputed")


@pytest.mark.both_databases
def test_a_dispute_without_its_checkout_and_order_is_found(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    """As one of the official samples has it."""
    told = seller.dispute(payment)
    bends = {"order": ..., "customer": ..., "checkout__request_id": ..., "checkout__metadata": ...}
    assert seller.tell(told.object["id"], **bends) == "done"
    assert seller.gained(alice) == 0


@pytest.mark.both_databases
@pytest.mark.parametrize("is_dispute_first", [True, False])
def test_a_dispute_and_the_refund_that_ends_it_take_once(
    seller: Seller, alice: Person, payment: Payment, is_dispute_first: bool
) -> None:
    events = [seller.dispute(payment), seller.refund(payment)]
    for event in events if is_dispute_first else reversed(events):
        assert seller.deliver(event) == "done"
    assert (seller.gained(alice), seller.of_order(payment)["status"]) == (0, "disputed")
    assert sum(amount for _, amount in seller.entries(alice)) == 0
    assert seller.of_order(payment)["returned_cents"] == 990


@pytest.mark.both_databases
def test_a_dispute_and_a_refund_at_once_take_once(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    events = [seller.dispute(payment), seller.refund(payment)]
    assert together(seller.app, 2, lambda: seller.receive(events.pop())) == ["done", "done"]
    assert seller.entries(alice) == [("purchase", 115), ("clawback", -115)]


@pytest.mark.both_databases
@pytest.mark.parametrize("is_dispute_first", [True, False])
def test_a_partial_refund_before_a_dispute_adds_to_it(
    seller: Seller, alice: Person, payment: Payment, is_dispute_first: bool
) -> None:
    """Only what is left can be disputed: 300 went back before, 400 are disputed now."""
    early = seller.refund(payment, 300)
    seller.house.advance(3600)
    events = [early, seller.dispute(payment, 400)]
    for event in reversed(events) if is_dispute_first else events:
        seller.deliver(event)
    assert seller.of_order(payment)["returned_cents"] == 700
    assert seller.gained(alice) == 115 - 81  # 115 * 700 / 990 = 81.3


@pytest.mark.both_databases
def test_a_partial_refund_after_a_dispute_is_the_disputes_own_money(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    seller.deliver(seller.dispute(payment, 500))
    seller.house.advance(3600)
    seller.deliver(seller.refund(payment, 300))
    assert seller.of_order(payment)["returned_cents"] == 500
    assert seller.gained(alice) == 115 - 58


@pytest.mark.both_databases
def test_a_dispute_before_its_payment_nets_to_nothing(seller: Seller, alice: Person) -> None:
    purchase_id = seller.buy(alice)
    payment = seller.pay(purchase_id)
    assert seller.deliver(seller.dispute(payment)) == "done"
    assert seller.alerts() == ["payment_dispute"]
    assert seller.deliver(payment.event) == "done"
    assert (seller.gained(alice), seller.status(purchase_id)) == (0, "disputed")


@pytest.mark.both_databases
def test_a_dispute_of_spent_credits_is_owed(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    seller.spend(alice, 215)
    seller.deliver(seller.dispute(payment))
    assert seller.balance(alice) == -115


@pytest.mark.both_databases
def test_a_won_dispute_gives_its_credits_back_once(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    event = seller.dispute(payment)
    seller.deliver(event)
    purchase_id = seller.of_order(payment)["id"]
    [back] = seller.call(purchases.reversals_of, purchase_id)
    assert [seller.call(money_back.reinstate, back.id) for _ in range(2)] == [True, False]
    assert seller.entries(alice)[-1] == ("reinstatement", 115)
    assert (seller.gained(alice), seller.status(purchase_id)) == (115, "completed")
    later_ms = event.object["created_at"] + 86_400_000
    for bends in ({}, {"created_at": later_ms}):
        assert seller.tell(event.object["id"], **bends) == "ignored"
    assert seller.gained(alice) == 115


@pytest.mark.both_databases
def test_a_won_dispute_at_once_gives_its_credits_back_once(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    seller.deliver(seller.dispute(payment))
    [back] = seller.call(purchases.reversals_of, seller.of_order(payment)["id"])
    done = together(seller.app, 4, lambda: money_back.reinstate(back.id))
    assert sorted(done) == [False, False, False, True]
    assert seller.gained(alice) == 115


def test_a_won_dispute_leaves_what_was_refunded(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    seller.deliver(seller.refund(payment, 330))
    seller.house.advance(60)
    seller.deliver(seller.dispute(payment))
    assert seller.gained(alice) == 0
    purchase_id = seller.of_order(payment)["id"]
    [lost] = [
        one for one in seller.call(purchases.reversals_of, purchase_id) if not one.total_cents
    ]
    assert seller.call(money_back.reinstate, lost.id)
    assert (seller.gained(alice), seller.status(purchase_id)) == (77, "partly_refunded")


def test_a_refund_that_failed_unseen_is_undone_by_a_person(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    seller.deliver(seller.refund(payment, 330))
    back = seller.reversal(payment)
    assert [seller.call(money_back.reinstate, back.id) for _ in range(2)] == [True, False]
    assert (seller.gained(alice), seller.of_order(payment)["status"]) == (115, "completed")


def test_nothing_else_is_undone(seller: Seller, alice: Person, payment: Payment) -> None:
    ours = seller.give_back(payment)
    for name in (ours.id, "nothing", "00000000-0000-7000-8000-000000000000"):
        with pytest.raises(NotFound):
            seller.call(money_back.reinstate, name)
    assert seller.gained(alice) == 0
