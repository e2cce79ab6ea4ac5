"""A static link that carries no request_id: attached only where four things agree."""

from collections.abc import Callable
from typing import Any

import pytest

from app.errors import NotFound
from app.payments import NotSigned
from app.services import checkouts, fulfilment, landings, purchases
from tests.cast import Person
from tests.faults.making import later
from tests.services.payments.seller import Seller, query_of, signed
from tests.simulators.creem import Payment

# A static link that carries no request_id ---------------------------------------------------------


def pay_by_bare_link(seller: Seller, person: Person, **options: str) -> tuple[str, Payment]:
    """A purchase by link, and a payment there that says nothing of it."""
    seller.house.set(links_carry_request_id=False)
    purchase_id = seller.buy(person, road="link")
    page = seller.page(purchase_id)
    page.success_url = "https://site.example/payment/success"  # the product's own
    return purchase_id, seller.house.pay(page.id, **options)


@pytest.mark.both_databases
def test_when_all_four_agree_before_the_event_it_is_the_visitors(
    seller: Seller, alice: Person
) -> None:
    purchase_id, payment = pay_by_bare_link(seller, alice, email="payer@else.example")
    assert "request_id" not in query_of(payment)
    assert seller.land(alice, query_of(payment)) == purchase_id
    assert (seller.status(purchase_id), seller.gained(alice)) == ("completed", 115)
    assert seller.deliver(payment.event) == "ignored"
    assert (seller.gained(alice), seller.alerts()) == (115, [])


@pytest.mark.both_databases
def test_when_all_four_agree_after_the_event_it_is_the_visitors(
    seller: Seller, alice: Person
) -> None:
    purchase_id, payment = pay_by_bare_link(seller, alice)
    assert seller.deliver(payment.event) == "parked"
    assert (seller.gained(alice), seller.alerts()) == (0, ["payment_parked"])
    shown = seller.land(alice, query_of(payment))
    assert (seller.gained(alice), seller.status(shown)) == (115, "completed")
    assert seller.of_order(payment)["id"] == shown
    replaced = seller.row(purchase_id)
    assert (replaced["status"], replaced["replaced_by"]) == ("replaced", shown)
    assert seller.alerts() == []
    assert seller.call(purchases.parked_events) == []
    assert seller.land(alice, query_of(payment)) == shown
    assert seller.entries(alice) == [("purchase", 115)]


@pytest.mark.both_databases
@pytest.mark.parametrize("is_told", [True, False])
def test_at_once_with_its_event_it_is_granted_once(
    seller: Seller, alice: Person, is_told: bool
) -> None:
    _, payment = pay_by_bare_link(seller, alice)
    if is_told:
        seller.deliver(payment.event)
    verbs: list[Callable[[], object]] = [
        lambda: seller.receive(payment.event),
        lambda: landings.land(alice.id, query_of(payment)).is_paid,
    ]
    seller.at_once(*verbs * 3)
    assert seller.entries(alice) == [("purchase", 115)]
    assert seller.land(alice, query_of(payment)) == seller.of_order(payment)["id"]


@pytest.mark.both_databases
def test_an_event_between_the_look_and_the_grant_is_attached_too(
    seller: Seller, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, payment = pay_by_bare_link(seller, alice)
    apply = fulfilment.apply

    def tell_then_apply(*arguments: Any, **options: Any) -> Any:
        seller.deliver(payment.event)
        return apply(*arguments, **options)

    monkeypatch.setattr(fulfilment, "apply", tell_then_apply)
    assert seller.land(alice, query_of(payment)) == seller.of_order(payment)["id"]
    assert seller.entries(alice) == [("purchase", 115)]


def waits_unmatched(seller: Seller, payment: Payment, *persons: Person) -> None:
    """Nobody was credited, and the event is (or becomes) a person's business."""
    seller.deliver(payment.event)
    row = seller.of_order(payment)
    assert (row["status"], row["user_id"]) == ("unmatched", None)
    assert "payment_parked" in seller.alerts()
    for person in persons:
        assert (seller.gained(person), seller.entries(person)) == (0, [])


@pytest.mark.both_databases
@pytest.mark.parametrize("is_told", [True, False])
def test_without_an_earlier_purchase_by_that_link_it_stays_parked(
    seller: Seller, alice: Person, bob: Person, is_told: bool
) -> None:
    bobs = [seller.buy(bob), seller.buy(bob, "premium", road="link")]  # a page, another product
    _, payment = pay_by_bare_link(seller, alice)
    if is_told:
        seller.deliver(payment.event)
    assert seller.turned_away(bob, query_of(payment)) is NotFound
    assert [seller.status(one) for one in bobs] == ["pending", "pending"]
    waits_unmatched(seller, payment, alice, bob)


@pytest.mark.both_databases
@pytest.mark.parametrize("is_told", [True, False])
def test_a_purchase_that_is_younger_than_the_payment_is_not_its_own(
    seller: Seller, alice: Person, bob: Person, is_told: bool
) -> None:
    _, payment = pay_by_bare_link(seller, alice)
    if is_told:
        seller.deliver(payment.event)
    with later(seconds=5):
        seller.buy(bob, road="link")
        assert seller.turned_away(bob, query_of(payment)) is NotFound
    waits_unmatched(seller, payment, alice, bob)


@pytest.mark.parametrize("is_told", [True, False])
def test_without_the_signature_it_stays_parked(
    seller: Seller, alice: Person, is_told: bool
) -> None:
    _, payment = pay_by_bare_link(seller, alice)
    if is_told:
        seller.deliver(payment.event)
    assert seller.turned_away(alice, query_of(payment)[:-1] + "g") is NotSigned
    waits_unmatched(seller, payment, alice)


@pytest.mark.parametrize("is_told", [True, False])
@pytest.mark.parametrize("missing", ["checkout_id", "order_id"])
def test_without_order_or_checkout_in_the_address_it_stays_parked(
    seller: Seller, alice: Person, missing: str, is_told: bool
) -> None:
    _, payment = pay_by_bare_link(seller, alice)
    if is_told:
        seller.deliver(payment.event)
    values = {"checkout_id": payment.checkout.id, "order_id": payment.order.id}
    del values[missing]
    assert seller.turned_away(alice, signed(seller.house, **values)) is NotFound
    waits_unmatched(seller, payment, alice)


@pytest.mark.parametrize("is_told", [True, False])
def test_without_creems_own_word_it_stays_parked(
    seller: Seller, alice: Person, is_told: bool
) -> None:
    _, payment = pay_by_bare_link(seller, alice)
    if is_told:
        seller.deliver(payment.event)
    with seller.house.outage():
        assert seller.turned_away(alice, query_of(payment)) is NotFound
    waits_unmatched(seller, payment, alice)


def test_an_order_that_is_not_the_checkouts_stays_parked(seller: Seller, alice: Person) -> None:
    _, payment = pay_by_bare_link(seller, alice)
    other = seller.pay_unowned()
    query = signed(seller.house, checkout_id=payment.checkout.id, order_id=other.order.id)
    assert seller.turned_away(alice, query) is NotFound
    waits_unmatched(seller, payment, alice)


@pytest.mark.parametrize("place", ["request_id", "metadata"])
def test_a_checkout_that_says_whose_it_is_goes_to_nobody_else(
    seller: Seller, alice: Person, bob: Person, place: str
) -> None:
    alices = seller.buy(alice)
    _, payment = pay_by_bare_link(seller, bob)
    said = (
        {"request_id": alices} if place == "request_id" else {"metadata": {"purchase_id": alices}}
    )
    seller.house.change(payment.checkout.id, **said)
    assert seller.turned_away(bob, query_of(payment)) is NotFound
    assert seller.tell(payment.checkout.id) == "done"
    assert (seller.gained(alice), seller.gained(bob)) == (115, 0)


def test_the_first_who_comes_back_has_it_and_it_never_moves(
    seller: Seller, alice: Person, bob: Person
) -> None:
    _, payment = pay_by_bare_link(seller, alice)
    bobs = seller.buy(bob, road="link")
    seller.land(alice, query_of(payment))
    with later(seconds=1):
        assert seller.turned_away(bob, query_of(payment)) is NotFound
    assert (seller.gained(alice), seller.gained(bob)) == (115, 0)
    assert seller.status(bobs) == "pending"


def test_an_expired_purchase_by_link_still_counts(seller: Seller, alice: Person) -> None:
    purchase_id, payment = pay_by_bare_link(seller, alice)
    seller.call(checkouts.expire, purchase_id)
    assert seller.land(alice, query_of(payment)) == purchase_id
    assert seller.gained(alice) == 115


def test_a_bare_link_that_was_not_paid_as_agreed_is_parked(seller: Seller, alice: Person) -> None:
    purchase_id, payment = pay_by_bare_link(seller, alice)
    seller.house.change(payment.order.id, amount=100, amount_paid=100)
    assert seller.land(alice, query_of(payment)) == purchase_id
    assert (seller.status(purchase_id), seller.gained(alice)) == ("parked", 0)
