"""The second road: a static link with the purchase recorded, and no road at all."""

from typing import Any

import pytest
from sqlalchemy import event

from app.extensions import db
from app.services.buying import PaymentsUnavailable
from tests.cast import Person
from tests.faults.making import later
from tests.payments_settings import CREEM
from tests.services.payments.seller import Seller

SILENT_S = 0.3
"""So long a try waits for a Creem that hangs."""

# The second road ----------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_the_second_road_asks_nobody_and_says_whose_payment_it_is(
    seller: Seller, alice: Person
) -> None:
    purchase_id = seller.buy(alice, road="link")
    row = seller.row(purchase_id)
    assert (row["status"], row["road"], row["failure"]) == ("pending", "link", None)
    assert row["checkout_url"] == seller.house.payment_link("prod_starter", purchase_id)
    assert row["checkout_id"] is None and seller.house.requests == []
    assert seller.buy(alice, road="link") == purchase_id
    payment = seller.pay(purchase_id, email="somebody@else.example")
    assert seller.deliver(payment.event) == "done"
    assert (seller.status(purchase_id), seller.gained(alice)) == ("completed", 115)


TROUBLES = {
    "down": ("unavailable", 0),
    "error": ("unavailable", 3),
    "bare": ("unavailable", 3),
    "reset": ("unavailable", 3),
    "hang": ("unavailable", 3),
    "limited": ("rate_limited", 3),
    "bad_key": ("refused", 1),
    "garbage": ("garbled", 1),
}


@pytest.mark.parametrize("kind", TROUBLES)
def test_when_the_api_fails_the_link_is_taken(seller: Seller, alice: Person, kind: str) -> None:
    failure, asked = TROUBLES[kind]
    seller.door(try_s=SILENT_S if kind == "hang" else 5.0)
    if kind == "down":
        seller.house.down()
    else:
        seller.house.fault(kind, where="checkouts.create", times=None)
    purchase_id = seller.buy(alice)
    row = seller.row(purchase_id)
    assert (row["status"], row["road"], row["failure"]) == ("pending", "link", failure)
    assert row["checkout_url"] == seller.house.payment_link("prod_starter", purchase_id)
    assert len(seller.house.asked("checkouts.create")) == asked
    assert seller.alerts() == []
    if kind == "down":
        seller.house.up()
    seller.deliver(seller.pay(purchase_id).event)
    assert seller.gained(alice) == 115
    assert seller.row(purchase_id)["failure"] is None


@pytest.mark.both_databases
def test_in_an_outage_a_second_press_begins_nothing_new_and_tries_the_api_again(
    seller: Seller, alice: Person
) -> None:
    with seller.house.outage():
        first = seller.buy(alice)
        with later(seconds=30):
            assert seller.buy(alice) == first
    assert (seller.row(first)["road"], seller.row(first)["checkout_id"]) == ("link", None)
    with later(seconds=60):
        assert seller.buy(alice) == first
    row = seller.row(first)
    assert (row["road"], row["status"], row["failure"]) == ("api", "pending", None)
    assert row["checkout_id"] in seller.house.checkouts


@pytest.mark.parametrize("kind", ["error", "limited", "reset", "accept_then_reset"])
def test_two_bad_answers_are_one_page(seller: Seller, alice: Person, kind: str) -> None:
    seller.house.fault(kind, where="checkouts.create", times=2)
    row = seller.row(seller.buy(alice))
    assert (row["road"], row["failure"]) == ("api", None)
    assert row["checkout_id"] in seller.house.checkouts


@pytest.mark.both_databases
def test_a_second_failure_within_the_hour_is_told_to_a_person(
    seller: Seller, alice: Person, bob: Person
) -> None:
    seller.house.fault("error", where="checkouts.create", times=None)
    seller.buy(alice)
    assert seller.alerts() == []
    seller.buy(bob)
    assert seller.alerts() == ["payment_failed"]


def test_failures_that_are_far_apart_are_not(seller: Seller, alice: Person, bob: Person) -> None:
    seller.house.fault("error", where="checkouts.create", times=None)
    seller.buy(alice)
    with later(hours=1, seconds=1):
        seller.buy(bob)
    assert seller.alerts() == []


# No road ------------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_when_both_roads_fail_nothing_is_charged_and_the_second_time_alerts(
    seller: Seller, alice: Person, caplog: pytest.LogCaptureFixture
) -> None:
    seller.door(links={})
    seller.house.fault("error", where="checkouts.create", times=None)
    for alerts in ([], ["payment_failed"]):
        with pytest.raises(PaymentsUnavailable, match="Nothing was charged"):
            seller.buy(alice)
        assert seller.alerts() == alerts
    found = seller.rows("SELECT * FROM purchases")
    assert [(row["status"], row["failure"], row["failures"]) for row in found] == [
        ("failed", "unavailable", 1)
    ] * 2
    assert all(row["failed_at"] and row["check_at"] is None for row in found)
    assert "both roads failed" in caplog.text
    assert CREEM["CREEM_API_KEY"] not in caplog.text and alice.email not in caplog.text


def test_a_link_that_is_wanted_and_not_set_has_failed(seller: Seller, alice: Person) -> None:
    seller.door(links={})
    with pytest.raises(PaymentsUnavailable):
        seller.buy(alice, road="link")
    [row] = seller.rows("SELECT * FROM purchases")
    assert (row["status"], row["failure"]) == ("failed", "no_link")


@pytest.mark.both_databases
def test_a_payment_of_a_failed_purchase_still_counts(seller: Seller, alice: Person) -> None:
    seller.door(links={})
    seller.house.fault("accept_then_error", where="checkouts.create", times=None)
    with pytest.raises(PaymentsUnavailable):
        seller.buy(alice)
    page = next(iter(seller.house.checkouts.values()))  # made, and nobody saw it
    assert seller.deliver(seller.house.pay(page.id).event) == "done"
    assert seller.gained(alice) == 115
    assert [row["status"] for row in seller.rows("SELECT status FROM purchases")] == ["completed"]


def test_where_nothing_is_sold_nothing_can_be_bought(seller: Seller, alice: Person) -> None:
    seller.door(products={})
    with pytest.raises(PaymentsUnavailable):
        seller.buy(alice)
    seller.app.extensions["vendors"].payments = None
    with pytest.raises(PaymentsUnavailable):
        seller.buy(alice)
    seller.app.extensions["vendors"].__dict__.pop("payments")
    assert seller.rows("SELECT 1 FROM purchases") == []


# Not while Creem takes its time -------------------------------------------------------------------


@pytest.mark.both_databases
def test_no_transaction_is_open_while_creem_is_asked(
    seller: Seller, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_now: set[int] = set()
    seen: list[int] = []

    def begun(connection: object) -> None:
        open_now.add(id(connection))

    def ended(connection: object) -> None:
        open_now.discard(id(connection))

    with seller.app.app_context():
        engine = db.engine
    for name, listener in (("begin", begun), ("commit", ended), ("rollback", ended)):
        event.listen(engine, name, listener)
    creem = seller.door()
    ask = creem._line.ask

    def look_then_ask(*arguments: Any, **options: Any) -> object:
        seen.append(len(open_now))
        return ask(*arguments, **options)

    monkeypatch.setattr(creem._line, "ask", look_then_ask)
    purchase_id = seller.buy(alice)
    seller.pay(purchase_id)
    seller.buy(alice)
    assert seen == [0, 0]
