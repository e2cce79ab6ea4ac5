"""Refunds that we start: only of what is unspent and young, and the credits go before the money."""

import pytest
from sqlalchemy import event as sqlalchemy_event

from app.errors import NotEnoughCredits, NotFound, UserError
from app.extensions import db
from app.services import money_back
from app.services.buying import PaymentsUnavailable
from tests.cast import Person
from tests.faults.making import later
from tests.services.payments.seller import Seller, paid_by
from tests.services.test_accounts import together
from tests.simulators.creem import Payment


def asked(seller: Seller) -> int:
    """How often Creem was asked for a refund."""
    return len(seller.house.asked("refunds.create"))


# It works -----------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_an_unspent_pack_is_refunded_in_full_and_its_event_takes_nothing_more(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    back = seller.give_back(payment)
    assert (back.kind, back.status, back.amount_cents) == ("ours", "succeeded", 990)
    assert seller.house.transactions[paid_by(payment)].status == "refunded"
    assert (seller.gained(alice), seller.of_order(payment)["status"]) == (0, "refunded")
    event = seller.newest()
    assert [seller.deliver(event), seller.deliver(event)] == ["done", "again"]
    assert seller.entries(alice) == [("purchase", 115), ("clawback", -115)]
    assert seller.reversal(payment).remote_id == event.object["id"]
    assert seller.alerts() == []


def test_creems_order_will_do_as_well(seller: Seller, alice: Person, payment: Payment) -> None:
    assert seller.call(money_back.refund, payment.order.id).status == "succeeded"
    assert seller.gained(alice) == 0


@pytest.mark.both_databases
def test_what_was_refunded_in_part_is_refunded_for_the_rest(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    seller.house.refund(paid_by(payment), 330)
    seller.deliver(seller.newest())
    assert seller.gained(alice) == 77
    back = seller.give_back(payment)
    assert (back.amount_cents, seller.gained(alice)) == (660, 0)
    assert seller.deliver(seller.newest()) == "done"
    assert (seller.gained(alice), seller.of_order(payment)["returned_cents"]) == (0, 990)


@pytest.mark.both_databases
def test_the_credits_are_gone_before_creem_is_asked(
    seller: Seller, alice: Person, payment: Payment, monkeypatch: pytest.MonkeyPatch
) -> None:
    creem, seen = seller.door(), []
    ask = creem.refund

    def look_then_ask(transaction_id: str) -> object:
        seen.append((seller.gained(alice), seller.reversal(payment).status))
        seen.append((len(begun), "open transactions"))
        return ask(transaction_id)

    begun: set[int] = set()
    with seller.app.app_context():
        engine = db.engine
    sqlalchemy_event.listen(engine, "begin", lambda connection: begun.add(id(connection)))
    for name in ("commit", "rollback"):
        sqlalchemy_event.listen(engine, name, lambda connection: begun.discard(id(connection)))
    monkeypatch.setattr(creem, "refund", look_then_ask)
    seller.give_back(payment)
    assert seen == [(0, "starting"), (0, "open transactions")]


# What is unspent ----------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_free_credits_are_spent_first(seller: Seller, alice: Person, payment: Payment) -> None:
    seller.spend(alice, 100)  # all that is free
    assert seller.give_back(payment).status == "succeeded"
    assert seller.balance(alice) == 0


@pytest.mark.both_databases
def test_one_credit_of_the_pack_and_it_is_spent(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    seller.spend(alice, 101)
    with pytest.raises(UserError, match="have been spent"):
        seller.give_back(payment)
    assert (seller.gained(alice), asked(seller)) == (14, 0)
    assert seller.of_order(payment)["status"] == "completed"


@pytest.mark.both_databases
def test_packs_are_spent_in_the_order_of_their_purchase(seller: Seller, alice: Person) -> None:
    first = seller.credit(alice)
    with later(minutes=5):
        second = seller.credit(alice, "standard")
        seller.spend(alice, 100 + 115)
        with pytest.raises(UserError, match="have been spent"):
            seller.give_back(first)
        assert seller.give_back(second).status == "succeeded"
        assert seller.balance(alice) == 0
        with pytest.raises(UserError):
            seller.give_back(first)


def test_of_two_packs_the_later_is_spent_last(seller: Seller, alice: Person) -> None:
    first = seller.credit(alice)
    with later(minutes=5):
        second = seller.credit(alice)
        seller.spend(alice, 100 + 115 + 1)
        for payment in (first, second):
            with pytest.raises(UserError, match="have been spent"):
                seller.give_back(payment)
        assert asked(seller) == 0


def test_an_earlier_pack_that_went_back_covers_nothing(seller: Seller, alice: Person) -> None:
    first = seller.credit(alice)
    with later(minutes=5):
        second = seller.credit(alice)
        seller.give_back(first)
        seller.spend(alice, 101)
        with pytest.raises(UserError, match="have been spent"):
            seller.give_back(second)


def test_a_purchase_of_another_person_covers_nothing(
    seller: Seller, alice: Person, bob: Person, payment: Payment
) -> None:
    seller.credit(bob, "premium")
    seller.spend(alice, 101)
    with pytest.raises(UserError):
        seller.give_back(payment)


# How old, and whose -------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_fourteen_days_and_no_longer(seller: Seller, alice: Person, payment: Payment) -> None:
    with later(days=14, seconds=1), pytest.raises(UserError, match="14 days"):
        seller.give_back(payment)
    assert (seller.gained(alice), asked(seller)) == (115, 0)
    with later(days=13, hours=23):
        assert seller.give_back(payment).status == "succeeded"


@pytest.mark.both_databases
def test_a_person_may_force_what_is_spent_or_old(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    seller.spend(alice, 200)
    with later(days=40):
        assert seller.give_back(payment, is_forced=True).status == "succeeded"
    assert seller.balance(alice) == -100
    with pytest.raises(NotEnoughCredits):
        seller.spend(alice, 1, "2")


def test_what_is_not_paid_cannot_be_refunded(seller: Seller, alice: Person) -> None:
    purchase_id = seller.buy(alice)
    for name in (purchase_id, "ord_none", "00000000-0000-7000-8000-000000000000", ""):
        with pytest.raises(UserError):
            seller.call(money_back.refund, name, is_forced=True)
    unowned = seller.pay_unowned()
    seller.deliver(unowned.event)
    with pytest.raises(NotFound):
        seller.call(money_back.refund, unowned.order.id, is_forced=True)
    assert asked(seller) == 0


def test_what_cost_nothing_has_nothing_to_give_back(seller: Seller, alice: Person) -> None:
    payment = seller.credit(alice, discount="FREE")
    with pytest.raises(UserError, match="nothing left"):
        seller.give_back(payment, is_forced=True)
    assert (seller.gained(alice), asked(seller)) == (115, 0)


def test_what_is_disputed_is_gone_already(seller: Seller, alice: Person, payment: Payment) -> None:
    seller.deliver(seller.dispute(payment))
    with pytest.raises(UserError, match="nothing left"):
        seller.give_back(payment, is_forced=True)
    assert (asked(seller), seller.of_order(payment)["status"]) == (0, "disputed")


@pytest.mark.both_databases
def test_once_is_enough(seller: Seller, alice: Person, payment: Payment) -> None:
    seller.give_back(payment)
    with pytest.raises(UserError, match="nothing left"):
        seller.give_back(payment, is_forced=True)
    assert (asked(seller), seller.gained(alice)) == (1, 0)


@pytest.mark.both_databases
def test_two_at_once_are_one(seller: Seller, alice: Person, payment: Payment) -> None:
    purchase_id = seller.of_order(payment)["id"]
    results = together(seller.app, 4, lambda: money_back.refund(purchase_id).status)
    assert results.count("succeeded") == 1
    assert sum(isinstance(result, UserError) for result in results) == 3
    assert (asked(seller), seller.gained(alice)) == (1, 0)


@pytest.mark.both_databases
def test_spending_at_the_same_moment_leaves_nothing_below_zero(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    purchase_id = seller.of_order(payment)["id"]
    seller.at_once(lambda: money_back.refund(purchase_id).status, lambda: seller.spend(alice, 150))
    assert seller.balance(alice) in (100, 65)  # refunded, or spent: never both


def test_where_nothing_is_sold_nothing_is_refunded(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    seller.app.extensions["vendors"].payments = None
    with pytest.raises(PaymentsUnavailable, match="Nothing was refunded"):
        seller.give_back(payment)
    seller.app.extensions["vendors"].__dict__.pop("payments")
    assert seller.gained(alice) == 115
