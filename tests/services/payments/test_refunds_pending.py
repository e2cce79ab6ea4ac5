"""Refunds that are pending, that failed after all, and those of credits that are spent."""

import pytest
from sqlalchemy import insert

from app.errors import NotEnoughCredits
from app.models import Reversal, new_id, now
from app.services import reconciling
from app.services.transactions import write_transaction
from tests.cast import Browser, Person
from tests.faults.making import later
from tests.services.payments.seller import Seller, share
from tests.simulators.creem import Event, Payment

# Not yet, and not after all -----------------------------------------------------------------------


@pytest.mark.both_databases
def test_a_pending_refund_moves_nothing_until_it_succeeded(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    event = seller.refund(payment, 330, "pending")
    assert seller.deliver(event) == "done"
    assert (seller.gained(alice), seller.of_order(payment)["status"]) == (115, "completed")
    with later(minutes=11):
        assert seller.call(reconciling.check_due) == 1
        assert seller.gained(alice) == 115  # Creem says that nothing went back yet
    seller.house.settle_refund(event.object["id"])
    with later(minutes=33):
        assert seller.call(reconciling.check_due) == 1
    assert seller.gained(alice) == 77
    assert seller.of_order(payment)["status"] == "partly_refunded"
    with later(hours=23):
        assert seller.call(reconciling.check_due) == 0


@pytest.mark.both_databases
@pytest.mark.parametrize("ended", ["failed", "canceled"])
def test_a_pending_refund_that_failed_moves_nothing(
    seller: Seller, alice: Person, payment: Payment, ended: str
) -> None:
    event = seller.refund(payment, None, "requiresAction")
    assert seller.deliver(event) == "done"
    seller.house.settle_refund(event.object["id"], ended)
    assert seller.tell(event.object["id"]) == "done"
    assert seller.entries(alice) == [("purchase", 115)]
    assert seller.of_order(payment)["status"] == "completed"
    assert seller.deliver(event) == "again"


def test_of_two_pending_refunds_the_one_that_succeeded_counts(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    """Creem's books say how much went back, not which of the two did."""
    large, small = (seller.refund(payment, cents, "pending") for cents in (600, 200))
    seller.deliver(large)
    seller.deliver(small)
    seller.house.settle_refund(small.object["id"])
    with later(minutes=11):
        assert seller.call(reconciling.check_due) == 2
    assert seller.gained(alice) == 115 - share(115, 200, 990)


@pytest.mark.both_databases
def test_a_refund_that_failed_after_all_gives_its_credits_back(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    event = seller.refund(payment, 330)
    seller.deliver(event)
    late = fail(seller, event)
    assert [seller.deliver(late), seller.deliver(late)] == ["done", "again"]
    assert seller.entries(alice) == [("purchase", 115), ("clawback", -38), ("reinstatement", 38)]
    assert seller.of_order(payment)["status"] == "completed"
    assert seller.tell(event.object["id"]) == "ignored"
    seller.deliver(seller.refund(payment))
    assert seller.gained(alice) == 0


def test_a_failure_that_is_told_before_the_success_stays(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    success = seller.refund(payment, 330)
    failure = fail(seller, success)
    assert [seller.deliver(failure), seller.deliver(success)] == ["done", "ignored"]
    assert seller.entries(alice) == [("purchase", 115)]


# After the credits were spent ---------------------------------------------------------------------


@pytest.mark.both_databases
def test_a_refund_of_spent_credits_is_owed_and_nothing_can_be_spent(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    seller.spend(alice, 200)
    seller.deliver(seller.refund(payment))
    assert seller.balance(alice) == -100
    with pytest.raises(NotEnoughCredits) as refused:
        seller.spend(alice, 1, "2")
    assert refused.value.status == 402
    again = seller.credit(alice)
    assert seller.balance(alice) == 15
    seller.spend(alice, 15, "3")
    assert seller.of_order(again)["status"] == "completed"


@pytest.mark.both_databases
def test_what_is_owed_is_shown_as_owed(
    seller: Seller, alice: Person, alice_client: Browser, payment: Payment
) -> None:
    seller.spend(alice, 200)
    seller.deliver(seller.refund(payment))
    page = alice_client.get("/credits").get_data(as_text=True)
    assert "owe" in page and "100" in page


@pytest.mark.both_databases
def test_spending_and_a_refund_at_once_add_up(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    event = seller.refund(payment)
    seller.at_once(lambda: seller.receive(event), lambda: seller.spend(alice, 150))
    assert seller.balance(alice) in (-50, 100)  # the spend came first, or was refused


def fail(seller: Seller, told: Event) -> Event:
    """A refund that had succeeded came back from the buyer's bank; the event that says so."""
    refund = seller.house.refunds[told.object["id"]]
    refund.status = "failed"
    transaction = seller.house.transactions[refund.transaction_id]
    transaction.refunded -= refund.cents
    transaction.status = "partialRefund" if transaction.refunded else "paid"
    return seller.write(refund.id)


# At the same moment as the payment ----------------------------------------------------------------


@pytest.mark.both_databases
def test_a_refund_at_the_same_moment_as_its_payment_takes_its_credits(
    seller: Seller, alice: Person
) -> None:
    paid = seller.pay(seller.buy(alice))
    back = seller.refund(paid)
    outcomes = seller.at_once(lambda: seller.receive(paid.event), lambda: seller.receive(back))
    assert outcomes == ["done", "done"]
    seller.call(reconciling.check_due)
    assert seller.entries(alice) == [("purchase", 115), ("clawback", -115)]
    assert seller.of_order(paid)["status"] == "refunded"


@pytest.mark.both_databases
def test_a_refund_that_neither_saw_is_settled_by_the_minutes_look(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    """Each was written before the other could be seen."""

    def write_unseen() -> None:
        row = {
            "id": new_id(), "remote_id": "ref_unseen", "kind": "refund", "status": "succeeded",
            "transaction_id": payment.order.transaction_id, "amount_cents": 330,
            "total_cents": 330, "reason": "", "happened_at": now(), "created_at": now(),
            "moves": 0, "checks": 0,
        }  # fmt: skip
        with write_transaction() as connection:
            connection.execute(insert(Reversal.__table__).values(row))

    seller.call(write_unseen)
    assert seller.gained(alice) == 115
    assert [seller.call(reconciling.check_due) for _ in range(2)] == [1, 0]
    assert (seller.gained(alice), seller.of_order(payment)["status"]) == (77, "partly_refunded")
