"""Beginning a purchase: two roads, one open page a pack, five an hour."""

from typing import Any

import pytest
import time_machine

from app import limits
from app.errors import NotFound, TooMany, UserError
from app.models import now
from app.services import buying, purchases, reconciling
from app.services.buying import PaymentsUnavailable, PriceChanged
from tests.cast import Person
from tests.faults.making import later
from tests.services.payments.seller import SITE, Seller
from tests.services.test_accounts import together

SILENT_S = 0.3
"""So long a try waits for a Creem that hangs."""


# The first road -----------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_a_purchase_is_kept_as_agreed_and_its_page_opens(seller: Seller, alice: Person) -> None:
    purchase_id = seller.buy(alice, "standard")
    row = seller.row(purchase_id)
    assert (row["status"], row["road"], row["user_id"]) == ("pending", "api", alice.id)
    assert (row["pack"], row["product_id"], row["credits"]) == ("standard", "prod_standard", 355)
    assert (row["price_cents"], row["currency"], row["units"]) == (3000, "USD", 1)
    assert (row["mode"], row["order_id"], row["failure"]) == ("test", None, None)
    [page] = seller.house.checkouts.values()
    assert (row["checkout_id"], row["checkout_url"]) == (
        page.id,
        seller.house.checkout_url(page.id),
    )
    assert page.request_id == purchase_id
    assert page.metadata == {"purchase_id": purchase_id, "user_id": str(alice.id), "schema": "1"}
    assert (page.success_url, page.email) == (SITE, alice.email)
    assert seller.gained(alice) == 0


def test_the_purchase_is_there_before_creem_is_asked(
    seller: Seller, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    creem, seen = seller.door(), []
    create = creem.create_checkout

    def look_then_create(**options: Any) -> object:
        seen.extend(seller.rows("SELECT id, status FROM purchases"))
        return create(**options)

    monkeypatch.setattr(creem, "create_checkout", look_then_create)
    purchase_id = seller.buy(alice)
    assert [(row["id"], row["status"]) for row in seen] == [(purchase_id, "pending")]


def test_another_price_than_the_one_shown_begins_nothing(seller: Seller, alice: Person) -> None:
    for shown in (989, 991, 0):
        with pytest.raises(PriceChanged):
            seller.call(buying.buy, alice.id, "starter", success_url=SITE, price_cents=shown)
    assert seller.rows("SELECT id FROM purchases") == []
    assert seller.house.asked("checkouts.create") == []


@pytest.mark.parametrize("name", ["", "gold", "STARTER", "starter "])
def test_a_pack_that_is_not_sold_is_refused_on_its_field(
    seller: Seller, alice: Person, name: str
) -> None:
    with pytest.raises(UserError) as refused:
        seller.buy(alice, name)
    assert refused.value.field == "pack"
    assert seller.rows("SELECT 1 FROM purchases") == []


@pytest.mark.both_databases
def test_the_open_page_of_a_pack_is_come_back_to(seller: Seller, alice: Person) -> None:
    first = seller.buy(alice)
    assert [seller.buy(alice) for _ in range(7)] == [first] * 7
    assert len(seller.house.checkouts) == 1
    assert seller.buy(alice, "premium") != first
    assert len(seller.house.checkouts) == 2


def test_an_open_page_is_its_owners_alone(seller: Seller, alice: Person, bob: Person) -> None:
    assert seller.buy(alice) != seller.buy(bob)
    with pytest.raises(NotFound):
        seller.call(purchases.get_owned, bob.id, seller.buy(alice))


def test_an_open_page_is_come_back_to_while_creem_is_silent(seller: Seller, alice: Person) -> None:
    first = seller.buy(alice)
    with seller.house.outage():
        assert seller.buy(alice) == first


@pytest.mark.both_databases
def test_an_expired_page_is_replaced(seller: Seller, alice: Person) -> None:
    first = seller.buy(alice)
    seller.house.expire(seller.page(first).id)
    second = seller.buy(alice)
    assert first != second
    assert (seller.status(first), seller.status(second)) == ("expired", "pending")
    assert seller.page(second).request_id == second


def test_a_page_that_creem_knows_no_more_is_replaced(seller: Seller, alice: Person) -> None:
    first = seller.buy(alice)
    seller.house.checkouts.clear()
    second = seller.buy(alice)
    assert (seller.status(first), seller.status(second)) == ("expired", "pending")


@pytest.mark.both_databases
def test_a_paid_page_is_found_instead_of_a_second_payment(seller: Seller, alice: Person) -> None:
    first = seller.buy(alice)
    payment = seller.pay(first)
    assert seller.buy(alice) == first
    assert (seller.status(first), seller.gained(alice)) == ("completed", 115)
    assert seller.buy(alice) != first  # a purchase that is over is not reused
    assert seller.deliver(payment.event) == "ignored"
    assert seller.gained(alice) == 115


def test_a_day_old_page_is_not_come_back_to(seller: Seller, alice: Person) -> None:
    first = seller.buy(alice)
    with later(seconds=limits.PAYMENT_GIVE_UP_S + 1):
        assert seller.buy(alice) != first


@pytest.mark.parametrize("new", [limits.Pack(115, 1990), limits.Pack(200, 990)])
def test_a_new_price_begins_a_new_purchase_and_the_old_one_keeps_its_own(
    seller: Seller, alice: Person, monkeypatch: pytest.MonkeyPatch, new: limits.Pack
) -> None:
    first = seller.buy(alice)
    monkeypatch.setitem(limits.PACKS, "starter", new)
    second = seller.buy(alice)
    agreed = [(row["credits"], row["price_cents"]) for row in map(seller.row, (first, second))]
    assert agreed == [(115, 990), (new.credits, new.price_cents)]
    payment = seller.pay(first)  # the page that Creem opened at the old price
    assert seller.deliver(payment.event) == "done"
    assert (seller.gained(alice), seller.row(first)["credits"]) == (115, 115)
    assert seller.status(second) == "pending"


# The crash between the row and the page -----------------------------------------------------------


def crash_once(seller: Seller, alice: Person, monkeypatch: pytest.MonkeyPatch) -> str:
    """The process dies after the purchase was written, before Creem was asked."""
    creem = seller.door()

    def die(**_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(creem, "create_checkout", die)
        with pytest.raises(KeyboardInterrupt):
            seller.buy(alice)
    [row] = seller.rows("SELECT id FROM purchases")
    return str(row["id"])


def test_a_purchase_whose_page_is_opening_is_shown_as_it_is(
    seller: Seller, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = crash_once(seller, alice, monkeypatch)
    assert seller.buy(alice) == first  # another request may be asking Creem right now
    assert seller.house.checkouts == {}


def test_a_crash_before_the_page_is_mended_by_the_next_press(
    seller: Seller, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = crash_once(seller, alice, monkeypatch)
    with later(seconds=limits.OPENING_S + 1):
        assert seller.buy(alice) == first
    [page] = seller.house.checkouts.values()
    assert (page.request_id, seller.row(first)["checkout_id"]) == (first, page.id)


@pytest.mark.both_databases
def test_a_page_whose_answer_got_lost_is_paid_all_the_same(
    seller: Seller, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    purchase_id = crash_once(seller, alice, monkeypatch)
    page = seller.house.open_checkout("prod_starter", request_id=purchase_id)
    payment = seller.house.pay(page.id)
    assert seller.deliver(payment.event) == "done"
    assert seller.gained(alice) == 115


@pytest.mark.both_databases
def test_a_payment_that_is_quicker_than_our_own_answer(
    seller: Seller, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    creem = seller.door()
    create = creem.create_checkout

    def create_and_pay(**options: Any) -> object:
        opened = create(**options)
        assert seller.deliver(seller.house.pay(opened.id).event) == "done"
        return opened

    monkeypatch.setattr(creem, "create_checkout", create_and_pay)
    row = seller.row(seller.buy(alice))
    assert (row["status"], seller.gained(alice)) == ("completed", 115)
    with later(minutes=11):
        assert seller.call(reconciling.check_due) == 0  # it waits for nothing any more


# Five an hour -------------------------------------------------------------------------------------


def begin(seller: Seller, person: Person, number: int) -> None:
    """So many purchases, each of which is over at once."""
    for _ in range(number):
        seller.buy(person)
        seller.house.checkouts.clear()


@pytest.mark.both_databases
def test_the_sixth_purchase_of_an_hour_waits(seller: Seller, alice: Person, bob: Person) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        begin(seller, alice, 1)
        clock.shift(600)
        begin(seller, alice, 4)
        with pytest.raises(TooMany) as refused:
            seller.buy(alice)
        assert (refused.value.status, refused.value.retry_after_s) == (429, 3001)
        assert "Nothing was charged" in str(refused.value)
        seller.buy(bob)
        clock.shift(3001)
        seller.buy(alice)
        with pytest.raises(TooMany) as refused:
            begin(seller, alice, 2)
        assert refused.value.retry_after_s == 600
    assert len(seller.rows("SELECT 1 FROM purchases WHERE user_id = :id", id=alice.id)) == 6


def test_coming_back_to_an_open_page_is_no_attempt(seller: Seller, alice: Person) -> None:
    begin(seller, alice, 4)
    first = seller.buy(alice)
    assert [seller.buy(alice) for _ in range(3)] == [first] * 3


def test_failed_attempts_count(seller: Seller, alice: Person) -> None:
    seller.door(products={"starter": "prod_gone"}, links={})
    for _ in range(limits.PAYMENTS_PER_HOUR):
        with pytest.raises(PaymentsUnavailable):
            seller.buy(alice)
    with pytest.raises(TooMany):
        seller.buy(alice)


@pytest.mark.both_databases
def test_parallel_presses_do_not_pass_the_limit(seller: Seller, alice: Person) -> None:
    begin(seller, alice, 3)
    packs = ["starter", "standard", "premium"] * 3

    def press() -> object:
        return buying.buy(alice.id, packs.pop(), success_url=SITE)

    results = together(seller.app, 9, press)
    refused = [result for result in results if isinstance(result, TooMany)]
    assert len(seller.rows("SELECT 1 FROM purchases")) == limits.PAYMENTS_PER_HOUR
    assert refused and len(results) == 9


@pytest.mark.both_databases
def test_parallel_presses_for_one_pack_are_one_purchase(seller: Seller, alice: Person) -> None:
    results = together(seller.app, 8, lambda: buying.buy(alice.id, "starter", success_url=SITE).id)
    assert len(set(results)) == 1
    assert len(seller.house.checkouts) == 1
