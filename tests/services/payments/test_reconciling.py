"""What no event told of is asked for: after ten minutes, then ever more rarely, at last no more."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from app import limits
from app.models import now
from app.services import reconciling
from tests.cast import Person
from tests.faults.making import later
from tests.services.payments.seller import Seller
from tests.services.test_accounts import together


def check(seller: Seller, *, is_eager: bool = False) -> int:
    return int(seller.call(reconciling.check_due, is_eager=is_eager))


def asked(seller: Seller) -> int:
    """How often Creem was asked for a checkout."""
    return len(seller.house.asked("checkouts.get"))


def moment(value: object) -> datetime:
    """A time as the table gives it, on either database."""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    assert isinstance(found, datetime)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@pytest.mark.both_databases
def test_a_payment_whose_event_got_lost_is_found_after_ten_minutes(
    seller: Seller, alice: Person
) -> None:
    purchase_id = seller.buy(alice)
    payment = seller.pay(purchase_id)
    with later(minutes=9):
        assert (check(seller), seller.gained(alice)) == (0, 0)
    with later(minutes=10, seconds=5):
        assert check(seller) == 1
    assert (seller.status(purchase_id), seller.gained(alice)) == ("completed", 115)
    assert seller.deliver(payment.event) == "ignored"
    with later(hours=23):
        assert check(seller) == 0
    with later(days=3):
        check(seller)
    assert seller.entries(alice) == [("purchase", 115)]


@pytest.mark.both_databases
def test_nobody_paid_it_is_asked_for_ever_more_rarely_and_expires_after_a_day(
    seller: Seller, alice: Person
) -> None:
    begun, waits = now(), []
    with time_machine.travel(begun, tick=False) as clock:
        purchase_id = seller.buy(alice)
        while seller.status(purchase_id) == "pending":
            due = moment(seller.row(purchase_id)["check_at"])
            waits.append((due - now()).total_seconds())
            clock.move_to(due - timedelta(seconds=1))
            assert check(seller) == 0
            clock.move_to(due + timedelta(seconds=1))
            assert check(seller) == 1
        lasted = (now() - begun).total_seconds()
    doubled = [limits.PAYMENT_CHECK_S * 2**number for number in range(7)]
    assert waits[0] == limits.PAYMENT_CHECK_S
    assert waits[1:-1] == doubled[: len(waits) - 2] and waits[-1] <= 2 * waits[-2]
    assert asked(seller) == len(waits) == 9
    assert 0 < lasted - limits.PAYMENT_GIVE_UP_S < 60
    row = seller.row(purchase_id)
    assert (row["status"], row["check_at"], seller.gained(alice)) == ("expired", None, 0)
    with later(days=4):
        assert check(seller) == 0


@pytest.mark.both_databases
def test_a_late_payment_after_that_still_grants(seller: Seller, alice: Person) -> None:
    purchase_id = seller.buy(alice)
    for hours in (25, 75):
        with later(hours=hours):
            check(seller)
    assert seller.status(purchase_id) == "expired"
    payment = seller.pay(purchase_id)
    assert seller.deliver(payment.event) == "done"
    assert (seller.status(purchase_id), seller.gained(alice)) == ("completed", 115)


def test_the_last_question_finds_a_payment_of_the_last_moment(
    seller: Seller, alice: Person
) -> None:
    purchase_id = seller.buy(alice)
    seller.pay(purchase_id)
    with later(days=2):
        assert check(seller) == 1
    assert (seller.status(purchase_id), seller.gained(alice)) == ("completed", 115)


def test_a_page_that_expired_at_creem_is_not_asked_for_again(seller: Seller, alice: Person) -> None:
    purchase_id = seller.buy(alice)
    seller.house.expire(seller.page(purchase_id).id)
    with later(minutes=11):
        assert check(seller) == 1
    assert seller.status(purchase_id) == "expired"


@pytest.mark.both_databases
def test_while_creem_is_silent_nothing_expires(seller: Seller, alice: Person) -> None:
    purchase_id = seller.buy(alice)
    seller.pay(purchase_id)
    with seller.house.outage(), later(days=2):
        assert check(seller) == 1
    assert seller.status(purchase_id) == "pending"
    with later(days=7):
        assert check(seller) == 1
    assert (seller.status(purchase_id), seller.gained(alice)) == ("completed", 115)


def test_a_purchase_by_link_has_no_page_to_ask_for_and_expires(
    seller: Seller, alice: Person
) -> None:
    purchase_id = seller.buy(alice, road="link")
    with later(minutes=11):
        check(seller)
    assert seller.status(purchase_id) == "pending"
    for hours in (25, 75):
        with later(hours=hours):
            check(seller)
    assert (seller.status(purchase_id), asked(seller)) == ("expired", 0)


@pytest.mark.both_databases
def test_a_declined_card_is_noted_once_and_may_still_pay(seller: Seller, alice: Person) -> None:
    purchase_id = seller.buy(alice)
    page = seller.page(purchase_id)
    declined = seller.house.decline(page.id, "no_funds")
    order = {"id": "ord_1", "object": "order", "status": "pending", "transaction": declined.id}
    seller.house.change(page.id, order=order)
    for minutes in (11, 40, 90):
        with later(minutes=minutes):
            check(seller)
    row = seller.row(purchase_id)
    assert (row["status"], row["failure"], row["failures"]) == ("pending", "declined", 1)
    assert (row["failed_at"] is not None, seller.alerts()) == (True, [])
    seller.house.clear()
    assert seller.deliver(seller.pay(purchase_id).event) == "done"
    row = seller.row(purchase_id)
    assert (row["status"], row["failure"], seller.gained(alice)) == ("completed", None, 115)


@pytest.mark.both_databases
def test_a_buyers_second_decline_within_the_hour_is_told_to_a_person(
    seller: Seller, alice: Person, bob: Person
) -> None:
    def decline(person: Person, pack: str) -> None:
        page = seller.page(seller.buy(person, pack))
        tried = seller.house.decline(page.id)
        order = {"id": "ord_1", "object": "order", "status": "pending", "transaction": tried.id}
        seller.house.change(page.id, order=order)

    decline(alice, "starter")
    decline(bob, "starter")
    with later(minutes=11):
        assert (check(seller), seller.alerts()) == (2, [])  # strangers' cards
        decline(alice, "premium")
    with later(minutes=22):
        check(seller)
        assert seller.alerts() == ["payment_failed"]


@pytest.mark.both_databases
def test_a_paid_purchase_is_looked_back_at_for_what_no_event_told(
    seller: Seller, alice: Person
) -> None:
    payment = seller.credit(alice)
    lost = seller.refund(payment, 330)
    with later(seconds=limits.LOOK_BACK_S - 60):
        assert (check(seller), seller.gained(alice)) == (0, 115)
    with later(seconds=limits.LOOK_BACK_S + 60):
        assert [check(seller), check(seller)] == [1, 0]
    assert (seller.gained(alice), seller.alerts()) == (77, ["payment_refund_missed"])
    assert seller.deliver(lost) == "done"
    assert seller.gained(alice) == 77


def test_an_open_payment_that_is_under_way_is_no_decline(seller: Seller, alice: Person) -> None:
    purchase_id = seller.buy(alice)
    seller.house.change(
        seller.page(purchase_id).id,
        order={"id": "ord_1", "object": "order", "status": "pending", "transaction": "tran_gone"},
    )
    with later(minutes=11):
        assert check(seller) == 1
    assert (seller.status(purchase_id), seller.row(purchase_id)["failure"]) == ("pending", None)


@pytest.mark.both_databases
def test_any_number_of_workers_ask_once(seller: Seller, alice: Person, bob: Person) -> None:
    for person in (alice, bob):
        seller.pay(seller.buy(person))
    with later(minutes=11):
        counts = together(seller.app, 4, reconciling.check_due)
    assert (sum(counts), asked(seller)) == (2, 2)
    assert (seller.gained(alice), seller.gained(bob)) == (115, 115)


def test_a_worker_that_dies_only_delays_it(
    seller: Seller, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    purchase_id = seller.buy(alice)
    seller.pay(purchase_id)

    def die(_: str) -> None:
        raise KeyboardInterrupt

    creem = seller.door()
    with later(minutes=11), monkeypatch.context() as patch:
        patch.setattr(creem, "find_checkout", die)
        with pytest.raises(KeyboardInterrupt):
            check(seller)
        assert check(seller) == 0  # it is put off already
    with later(minutes=22):
        assert check(seller) == 1
    assert seller.gained(alice) == 115


def test_one_that_breaks_does_not_hold_up_the_others(
    seller: Seller, alice: Person, bob: Person
) -> None:
    for person in (alice, bob):
        seller.pay(seller.buy(person))
    seller.house.fault("garbage", where="checkouts.get")
    with later(minutes=11):
        assert check(seller) == 2
    assert sorted([seller.gained(alice), seller.gained(bob)]) == [0, 115]
    with later(minutes=33):
        assert check(seller) == 1
    assert (seller.gained(alice), seller.gained(bob)) == (115, 115)


@pytest.mark.both_databases
def test_all_that_wait_are_asked_for_when_that_is_meant(
    seller: Seller, alice: Person, bob: Person
) -> None:
    purchase_id = seller.buy(alice)
    seller.pay(purchase_id)
    assert check(seller) == 0
    assert check(seller, is_eager=True) == 1
    assert (seller.status(purchase_id), seller.gained(alice)) == ("completed", 115)


def test_where_nothing_is_sold_nobody_is_asked(seller: Seller, alice: Person) -> None:
    seller.buy(alice)
    seller.app.extensions["vendors"].payments = None
    assert check(seller, is_eager=True) == 0
    seller.app.extensions["vendors"].__dict__.pop("payments")
