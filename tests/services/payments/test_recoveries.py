"""Finding a payment again: one's own is asked for, nobody's is claimed with proof."""

import pytest

from app.errors import UserError
from app.services import checkouts, landings, purchases, recoveries
from app.services.purchases import CreemSilent
from app.services.recoveries import Recheck
from tests.cast import Person
from tests.services.payments.seller import Seller, query_of
from tests.services.test_accounts import together


def states(seller: Seller, person: Person) -> list[tuple[str, str]]:
    """What the page lists, the newest first."""
    found = seller.call(lambda: list(recoveries.unfinished(person.id)))
    return [(one.pack, one.status) for one in found]


# Asking again -------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_one_press_asks_for_all_that_is_open_and_grants_what_is_paid(
    seller: Seller, alice: Person, bob: Person
) -> None:
    paid, expired = seller.buy(alice), seller.buy(alice, "premium")
    unpaid, link = seller.buy(alice, "standard"), seller.buy(alice, road="link")
    seller.pay(paid)
    seller.pay(expired)
    seller.call(checkouts.expire, expired)
    strangers = seller.buy(bob)
    seller.pay(strangers)
    assert sorted(states(seller, alice)) == [
        ("premium", "expired"), ("standard", "pending"),
        ("starter", "pending"), ("starter", "pending"),
    ]  # fmt: skip
    seen = seller.call(recoveries.recheck, alice.id)
    assert seen == Recheck(asked=3, found=2, credits=1565, unanswered=0)
    assert (seller.gained(alice), seller.gained(bob)) == (1565, 0)
    assert [seller.status(one) for one in (paid, expired, unpaid, link, strangers)] == [
        "completed", "completed", "pending", "pending", "pending",
    ]  # fmt: skip
    assert seller.call(recoveries.recheck, alice.id) == Recheck(1, 0, 0, 0)
    assert seller.gained(alice) == 1565


def test_while_creem_is_silent_that_is_what_is_said(seller: Seller, alice: Person) -> None:
    seller.pay(seller.buy(alice))
    with seller.house.outage():
        assert seller.call(recoveries.recheck, alice.id) == Recheck(1, 0, 0, 1)
    assert seller.call(recoveries.recheck, alice.id) == Recheck(1, 1, 115, 0)


def test_where_nothing_is_open_creem_is_not_asked(seller: Seller, alice: Person) -> None:
    seller.credit(alice)
    before = len(seller.house.requests)
    assert seller.call(recoveries.recheck, alice.id) == Recheck(0, 0, 0, 0)
    assert len(seller.house.requests) == before
    assert states(seller, alice) == []


@pytest.mark.both_databases
def test_pressed_at_once_it_grants_once(seller: Seller, alice: Person) -> None:
    seller.pay(seller.buy(alice))
    seen = together(seller.app, 5, lambda: recoveries.recheck(alice.id).credits)
    assert sorted(seen) == [0, 0, 0, 0, 115]
    assert seller.entries(alice) == [("purchase", 115)]


def test_a_declined_card_is_noted_with_what_to_do(seller: Seller, alice: Person) -> None:
    purchase_id = seller.buy(alice)
    page = seller.page(purchase_id)
    declined = seller.house.decline(page.id)
    order = {"id": "ord_1", "object": "order", "status": "pending", "transaction": declined.id}
    seller.house.change(page.id, order=order)
    seller.call(recoveries.recheck, alice.id)
    row = seller.row(purchase_id)
    assert (row["status"], row["failure"], row["failures"]) == ("pending", "declined", 1)
    seller.call(recoveries.recheck, alice.id)
    assert seller.row(purchase_id)["failures"] == 1  # the same decline, seen twice


def test_where_nothing_is_sold_nothing_is_asked(seller: Seller, alice: Person) -> None:
    seller.app.extensions["vendors"].payments = None
    with pytest.raises(CreemSilent):
        seller.call(recoveries.recheck, alice.id)
    seller.app.extensions["vendors"].__dict__.pop("payments")


# The portal ---------------------------------------------------------------------------------------


def test_the_portal_opens_with_the_first_purchase(seller: Seller, alice: Person) -> None:
    with pytest.raises(UserError, match="with this account"):
        seller.call(purchases.portal_url, alice.id)
    payment = seller.credit(alice)
    url = seller.call(purchases.portal_url, alice.id)
    assert url == f"{seller.house.base_url}/portal/{payment.customer.id}"
    seller.house.fault("error", where="customers.billing")
    with pytest.raises(CreemSilent):
        seller.call(purchases.portal_url, alice.id)


def test_another_payers_portal_is_nobody_elses(seller: Seller, alice: Person, bob: Person) -> None:
    """Alice's purchase was paid under Bob's address: neither gets a link to Bob's portal by it."""
    seller.credit(alice, email=bob.email)
    for person in (alice, bob):
        with pytest.raises(UserError, match="with this account"):
            seller.call(purchases.portal_url, person.id)


def test_a_purchase_that_was_replaced_is_paid_again_as_itself(
    seller: Seller, alice: Person
) -> None:
    """Its first payment was found elsewhere; a second one says whose it is."""
    seller.house.set(links_carry_request_id=False)
    purchase_id = seller.buy(alice, road="link")
    page = seller.page(purchase_id)
    page.success_url = "https://site.example/payment/success"
    first = seller.house.pay(page.id)
    seller.deliver(first.event)
    seller.call(landings.land, alice.id, query_of(first))
    assert seller.status(purchase_id) == "replaced"
    second = seller.house.open_checkout("prod_starter", request_id=purchase_id)
    assert seller.deliver(seller.house.pay(second.id).event) == "done"
    row = seller.row(purchase_id)
    assert (row["status"], row["replaced_by"], seller.gained(alice)) == ("completed", None, 230)
