"""Refunds that Creem tells of: a share of the credits for a share of the money, once, at last."""

import itertools

import pytest

from app.services import purchases, recoveries
from tests.cast import Person
from tests.services.payments.seller import CREDITS, Seller, share
from tests.services.test_accounts import together
from tests.simulators.creem import Event, Payment

# Full and in parts --------------------------------------------------------------------------------


@pytest.mark.both_databases
@pytest.mark.parametrize("pack", CREDITS)
def test_a_full_refund_takes_all_of_the_order(seller: Seller, alice: Person, pack: str) -> None:
    payment = seller.credit(alice, pack)
    assert seller.deliver(seller.refund(payment)) == "done"
    row = seller.of_order(payment)
    assert (row["status"], row["clawed_credits"]) == ("refunded", CREDITS[pack])
    assert row["returned_cents"] == row["paid_cents"]
    assert seller.entries(alice) == [("purchase", CREDITS[pack]), ("clawback", -CREDITS[pack])]
    [back] = seller.call(purchases.reversals_of, row["id"])
    assert (back.kind, back.status, back.amount_cents) == ("refund", "succeeded", row["paid_cents"])
    entry = seller.call(purchases.entries_of, row["id"])[-1]
    assert (entry.key, entry.reference) == (f"clawback:{back.id}:1", row["id"])
    assert seller.alerts() == []


@pytest.mark.both_databases
def test_parts_add_up_and_are_rounded_on_their_sum(seller: Seller, alice: Person) -> None:
    payment = seller.credit(alice)
    parts, returned = (100, 233, 300, 4, 353), 0
    for part in parts:
        seller.deliver(seller.refund(payment, part))
        returned += part
        assert seller.gained(alice) == 115 - share(115, returned, 990)
        status = "refunded" if returned == 990 else "partly_refunded"
        assert seller.of_order(payment)["status"] == status
    assert sum(parts) == 990 and seller.gained(alice) == 0


@pytest.mark.both_databases
@pytest.mark.parametrize("percent", [0, 7, 21])
def test_the_share_is_of_what_was_paid_with_tax(
    seller: Seller, alice: Person, percent: int
) -> None:
    seller.house.set(tax_percent=percent)
    payment = seller.credit(alice, "standard")
    paid = seller.of_order(payment)["paid_cents"]
    seller.deliver(seller.refund(payment, 1000))
    assert seller.gained(alice) == 355 - share(355, 1000, paid)
    seller.deliver(seller.refund(payment))
    assert seller.gained(alice) == 0


@pytest.mark.parametrize(
    ("cents", "taken"), [(1, 0), (4, 0), (5, 1), (495, 58), (985, 114), (986, 115), (989, 115)]
)
def test_half_a_credit_counts_as_one(
    seller: Seller, alice: Person, payment: Payment, cents: int, taken: int
) -> None:
    seller.deliver(seller.refund(payment, cents))
    assert seller.gained(alice) == 115 - taken == 115 - share(115, cents, 990)


@pytest.mark.both_databases
def test_two_parts_in_any_order_and_at_once_come_to_the_same(seller: Seller, alice: Person) -> None:
    payment = seller.credit(alice)
    parts = [seller.refund(payment, 301), seller.refund(payment, 302)]
    together(seller.app, 2, lambda: seller.receive(parts.pop()))
    assert seller.gained(alice) == 115 - share(115, 603, 990)
    assert sum(amount for _, amount in seller.entries(alice)) == seller.gained(alice)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_events_of_parts_in_every_order(
    seller: Seller, alice: Person, payment: Payment, order: tuple[int, ...]
) -> None:
    parts = [seller.refund(payment, cents) for cents in (200, 150, 340)]
    for index in order:
        seller.deliver(parts[index])
    assert seller.gained(alice) == 115 - share(115, 690, 990)


def test_a_discounted_pack_goes_back_by_what_was_paid(seller: Seller, alice: Person) -> None:
    payment = seller.credit(alice, discount="TEN")
    seller.deliver(seller.refund(payment, 445))
    assert seller.gained(alice) == 115 - share(115, 445, 891)
    seller.deliver(seller.refund(payment))
    assert seller.gained(alice) == 0


@pytest.mark.both_databases
def test_more_than_was_paid_takes_no_more_than_was_granted(seller: Seller, alice: Person) -> None:
    payment = seller.credit(alice)
    told = seller.refund(payment)
    fields = {"refund_amount": 5000, "transaction__refunded_amount": 5000}
    assert seller.deliver(bent(seller, told, **fields)) == "done"
    assert seller.gained(alice) == 0
    assert seller.of_order(payment)["returned_cents"] == 990


# Once ---------------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_a_refund_told_twice_is_taken_once(seller: Seller, alice: Person, payment: Payment) -> None:
    event = seller.refund(payment, 330)
    assert [seller.deliver(event), seller.deliver(event)] == ["done", "again"]
    assert seller.tell(event.object["id"]) == "ignored"  # the same refund in a new event
    assert seller.gained(alice) == 115 - 38


@pytest.mark.both_databases
def test_the_same_refund_in_new_events_at_once_is_taken_once(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    first = seller.refund(payment, 330)
    waiting = [first, *(seller.write(first.object["id"]) for _ in range(5))]
    outcomes = together(seller.app, 6, lambda: seller.receive(waiting.pop()))
    assert sorted(outcomes) == ["done"] + ["ignored"] * 5
    assert seller.entries(alice) == [("purchase", 115), ("clawback", -38)]


def test_a_part_whose_event_got_lost_is_known_from_the_next_one(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    lost = seller.refund(payment, 300)
    seller.deliver(seller.refund(payment, 300))  # its transaction says 600 in all
    assert seller.gained(alice) == 115 - share(115, 600, 990)
    seller.deliver(lost)
    assert seller.gained(alice) == 115 - share(115, 600, 990)


# Before the payment -------------------------------------------------------------------------------


@pytest.mark.both_databases
@pytest.mark.parametrize(("cents", "left"), [(None, 0), (330, 77)])
def test_a_refund_before_its_payment_nets_out_when_that_comes(
    seller: Seller, alice: Person, cents: int | None, left: int
) -> None:
    purchase_id = seller.buy(alice)
    payment = seller.pay(purchase_id)
    assert seller.deliver(seller.refund(payment, cents)) == "done"
    assert (seller.gained(alice), seller.entries(alice)) == (0, [])
    assert seller.status(purchase_id) == "pending"
    assert seller.deliver(payment.event) == "done"
    assert seller.gained(alice) == left
    assert seller.entries(alice) == [("purchase", 115), ("clawback", left - 115)]
    assert seller.status(purchase_id) == ("partly_refunded" if left else "refunded")


@pytest.mark.both_databases
def test_a_refund_before_a_payment_of_nobody_counts_when_its_owner_is_found(
    seller: Seller, alice: Person
) -> None:
    payment = seller.pay_unowned()
    early = seller.refund(payment, 330)
    assert [seller.deliver(early), seller.deliver(payment.event)] == ["done", "parked"]
    assert seller.deliver(seller.refund(payment, 330)) == "done"
    assert seller.of_order(payment)["status"] == "unmatched"
    seller.call(recoveries.assign, payment.order.id, alice.id)
    assert seller.gained(alice) == 115 - share(115, 660, 990)
    assert seller.of_order(payment)["status"] == "partly_refunded"


# Found by what it says ----------------------------------------------------------------------------


@pytest.mark.both_databases
@pytest.mark.parametrize(
    "bends",
    [
        {"order": ..., "checkout": ..., "customer": ...},  # by the transaction
        {"transaction__id": "tran_unknown", "checkout": ...},  # by the order
        {"checkout__request_id": ..., "checkout__metadata": ...},
        {"transaction__order": ..., "order": ...},
        {"mode": "sandbox"},
        {"reason": ..., "surprise": [1]},
        {"created_at": ...},
    ],
)
def test_a_refund_finds_its_payment_by_what_is_there(
    seller: Seller, alice: Person, payment: Payment, bends: dict[str, object]
) -> None:
    assert seller.deliver(bent(seller, seller.refund(payment, 330), **bends)) == "done"
    assert seller.gained(alice) == 77


@pytest.mark.both_databases
@pytest.mark.parametrize(
    "bends", [{}, {"order": ..., "transaction__order": ...}], ids=["by order", "by request_id"]
)
def test_a_refund_of_a_payment_whose_transaction_was_never_told(
    seller: Seller, alice: Person, bends: dict[str, object]
) -> None:
    payment = seller.pay(seller.buy(alice))
    assert seller.tell(payment.checkout.id, order__transaction=...) == "done"
    assert seller.deliver(bent(seller, seller.refund(payment, 330), **bends)) == "done"
    assert seller.gained(alice) == 77


@pytest.mark.both_databases
def test_a_refund_of_another_world_is_parked(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    event = bent(seller, seller.refund(payment), mode="prod")
    assert seller.deliver(event) == "parked"
    assert (seller.gained(alice), seller.alerts()) == (115, ["payment_refund"])


def test_a_refund_of_one_order_leaves_the_others(
    seller: Seller, alice: Person, bob: Person
) -> None:
    payments = [seller.credit(person) for person in (alice, alice, bob)]
    seller.deliver(seller.refund(payments[0]))
    assert (seller.gained(alice), seller.gained(bob)) == (115, 115)


def bent(seller: Seller, told: Event, **bends: object) -> Event:
    """The same refund in a new event, with other fields."""
    return seller.write(told.object["id"], **bends)
