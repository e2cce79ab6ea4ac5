"""Creem's books against ours, each day: mended where that is certain, and told where it is not."""

import pytest
from sqlalchemy import update

from app import limits
from app.models import Purchase
from app.payments import PaymentError
from app.services import comparing, money_back, purchases, recoveries
from app.services.books import Difference
from app.services.transactions import write_transaction
from tests.cast import Person
from tests.faults.making import later
from tests.services.payments.seller import Seller, paid_by
from tests.services.test_accounts import together
from tests.simulators.creem import Payment


def compare(seller: Seller, days: int = limits.COMPARE_DAYS) -> list[tuple[str, str]]:
    """What differs, and of what."""
    found: list[Difference] = seller.call(comparing.compare, days)
    return [(one.what, one.subject) for one in found]


def newest(seller: Seller) -> str:
    """The event that Creem wrote last, delivered: what became of it."""
    return seller.deliver(list(seller.house.events.values())[-1])


@pytest.mark.both_databases
def test_books_that_agree_are_left_alone(
    seller: Seller, alice: Person, bob: Person, payment: Payment
) -> None:
    seller.credit(bob, "premium", discount="TEN")
    seller.credit(alice, discount="FREE")
    seller.house.refund(paid_by(payment), 330)
    newest(seller)
    seller.house.decline(seller.page(seller.buy(bob)).id)
    for hours in (0, 2, 30, 60):
        with later(hours=hours):
            assert compare(seller) == []
    assert seller.alerts() == []


@pytest.mark.both_databases
def test_a_payment_whose_event_got_lost_is_found_and_is_no_difference(
    seller: Seller, alice: Person
) -> None:
    seller.pay(seller.buy(alice))
    assert compare(seller) == []
    assert seller.gained(alice) == 115


@pytest.mark.both_databases
def test_a_payment_that_no_purchase_has_is_told(seller: Seller, alice: Person) -> None:
    payment = seller.pay_unowned()
    assert compare(seller) == []  # the event of this very moment may be on its way
    with later(hours=2):
        assert compare(seller) == [("not_granted", paid_by(payment))]
    assert seller.alerts() == ["payment_not_granted"]
    assert seller.gained(alice) == 0


@pytest.mark.both_databases
def test_a_payment_that_waits_for_its_owner_is_told_again(seller: Seller) -> None:
    payment = seller.pay_unowned()
    seller.deliver(payment.event)
    assert compare(seller) == [("unmatched", payment.order.id)]
    assert seller.alerts() == ["payment_parked", "payment_unmatched"]


def test_a_payment_that_was_parked_is_told_again_until_a_person_decided(
    seller: Seller, alice: Person
) -> None:
    payment = seller.pay(seller.buy(alice))
    seller.house.change(payment.order.id, amount=100, amount_paid=100)
    seller.tell(payment.checkout.id)
    with later(hours=2):
        assert compare(seller) == [("unmatched", payment.order.id)]
        [waiting] = seller.call(purchases.parked_events)
        seller.call(recoveries.dismiss, waiting.id)
        assert compare(seller) == []


@pytest.mark.both_databases
@pytest.mark.parametrize(("cents", "left"), [(330, 77), (None, 0)])
def test_a_refund_whose_event_got_lost_takes_its_credits_and_is_told(
    seller: Seller, alice: Person, payment: Payment, cents: int | None, left: int
) -> None:
    lost = seller.house.refund(paid_by(payment), cents)
    assert compare(seller) == [("refund_missed", paid_by(payment))]
    assert (seller.gained(alice), seller.alerts()) == (left, ["payment_refund_missed"])
    status = "partly_refunded" if left else "refunded"
    assert seller.of_order(payment)["status"] == status
    assert compare(seller) == []
    assert seller.tell(lost.id) == "done"  # its event comes after all
    assert seller.gained(alice) == left
    assert compare(seller) == []
    assert seller.gained(alice) == left


@pytest.mark.both_databases
def test_one_part_of_two_whose_event_got_lost_is_taken_besides(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    seller.house.refund(paid_by(payment), 200)
    newest(seller)
    seller.house.refund(paid_by(payment), 300)
    assert compare(seller) == [("refund_missed", paid_by(payment))]
    assert seller.gained(alice) == 115 - 58  # 115 * 500 / 990 = 58.08
    seller.house.refund(paid_by(payment))
    newest(seller)
    assert (seller.gained(alice), compare(seller)) == (0, [])


@pytest.mark.both_databases
def test_more_taken_than_went_back_is_told_and_left_to_a_person(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    seller.house.refund(paid_by(payment), 330)
    newest(seller)
    transaction = seller.house.transactions[paid_by(payment)]
    transaction.refunded, transaction.status = 0, "paid"
    assert compare(seller) == [("refund_differs", paid_by(payment))]
    assert (seller.gained(alice), seller.alerts()) == (77, ["payment_refund_differs"])


@pytest.mark.both_databases
def test_a_dispute_whose_event_got_lost_takes_its_credits_and_is_told(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    lost = seller.house.dispute(paid_by(payment))
    assert compare(seller) == [("dispute_missed", paid_by(payment))]
    assert (seller.gained(alice), seller.of_order(payment)["status"]) == (0, "disputed")
    assert seller.alerts() == ["payment_dispute_missed"]
    assert compare(seller) == []
    assert seller.tell(lost.id) == "done"  # its event comes after all
    assert (seller.gained(alice), compare(seller)) == (0, [])
    assert seller.entries(alice) == [("purchase", 115), ("clawback", -115)]


def test_a_dispute_that_was_won_stays_won(seller: Seller, alice: Person, payment: Payment) -> None:
    seller.house.dispute(paid_by(payment))
    newest(seller)
    [back] = seller.call(purchases.reversals_of, seller.of_order(payment)["id"])
    seller.call(money_back.reinstate, back.id)
    assert (compare(seller), seller.gained(alice)) == ([], 115)  # Creem's books say nothing new


@pytest.mark.both_databases
def test_a_grant_that_is_in_no_book_of_creems_is_told(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    del seller.house.transactions[paid_by(payment)]
    assert compare(seller) == []  # a payment of this very moment may not be booked yet
    with later(hours=2):
        assert compare(seller) == [("not_booked", seller.of_order(payment)["id"])]
    assert (seller.gained(alice), seller.alerts()) == (115, ["payment_not_booked"])


def test_a_payment_whose_event_came_late_is_booked_before_the_days_that_are_read(
    seller: Seller, alice: Person
) -> None:
    """Creem's books are read from a moment on: between the payment and its event."""
    payment = seller.pay(seller.buy(alice))
    with later(hours=6):
        assert seller.deliver(payment.event) == "done"
    with later(days=limits.COMPARE_DAYS, hours=3):
        assert compare(seller) == []
    assert seller.alerts() == []


def test_an_entry_that_is_missing_is_told(seller: Seller, alice: Person) -> None:
    """A purchase that was marked as paid by hand."""
    purchase_id = seller.buy(alice)
    payment = seller.pay(purchase_id)
    forged = {"status": "completed", "order_id": payment.order.id}

    def mark(**values: object) -> None:
        with write_transaction() as connection:
            table = Purchase.__table__
            connection.execute(update(table).where(table.c.id == purchase_id).values(**values))

    seller.call(mark, **forged)
    assert compare(seller) == [("no_entry", purchase_id)]
    assert (seller.gained(alice), seller.alerts()) == (0, ["payment_no_entry"])
    seller.call(mark, status="pending", order_id=None)


@pytest.mark.both_databases
def test_a_failed_refund_beside_one_whose_event_got_lost(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    """What a transaction said is forgotten when a refund of it fails: the books are asked anew."""
    seller.house.refund(paid_by(payment), 330)
    assert compare(seller) == [("refund_missed", paid_by(payment))]
    seller.house.refund(paid_by(payment), 200)
    newest(seller)
    refund = list(seller.house.refunds.values())[-1]
    refund.status = "failed"
    seller.house.transactions[paid_by(payment)].refunded = 330
    assert seller.tell(refund.id) == "done"
    compare(seller)
    assert seller.gained(alice) == 77
    assert compare(seller) == []


@pytest.mark.both_databases
def test_every_page_of_the_books_is_read(
    seller: Seller, alice: Person, payment: Payment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.payments.creem.PAGE_SIZE", 2)
    lost = [seller.pay_unowned() for _ in range(5)]
    with later(hours=2):
        assert sorted(compare(seller)) == sorted(("not_granted", paid_by(one)) for one in lost)
    assert len(seller.house.asked("transactions.search")) == 3


def test_what_is_older_than_the_days_is_not_read(seller: Seller, alice: Person) -> None:
    old = seller.pay_unowned()
    with later(days=4):
        assert compare(seller, 2) == []
        assert compare(seller, 5) == [("not_granted", paid_by(old))]


@pytest.mark.both_databases
def test_two_at_once_mend_once(seller: Seller, alice: Person, payment: Payment) -> None:
    seller.house.refund(paid_by(payment), 330)
    together(seller.app, 3, comparing.compare)
    assert seller.entries(alice) == [("purchase", 115), ("clawback", -38)]


@pytest.mark.parametrize("fault", ["error", "garbage", "bad_key"])
def test_books_that_cannot_be_read_are_said_so_and_nothing_is_mended(
    seller: Seller, alice: Person, payment: Payment, fault: str
) -> None:
    seller.house.refund(paid_by(payment), 330)
    seller.house.fault(fault, where="transactions.search")
    with pytest.raises(PaymentError):
        compare(seller)
    assert (seller.gained(alice), seller.alerts()) == (115, [])


def test_the_same_difference_again_only_counts_up(seller: Seller) -> None:
    seller.pay_unowned()
    with later(hours=2):
        for _ in range(3):
            compare(seller)
    [alert] = seller.rows("SELECT kind, count FROM alerts")
    assert (alert["kind"], alert["count"]) == ("payment_not_granted", 3)


def test_where_nothing_is_sold_nothing_is_compared(seller: Seller, payment: Payment) -> None:
    seller.app.extensions["vendors"].payments = None
    assert compare(seller) == []
    seller.app.extensions["vendors"].__dict__.pop("payments")
