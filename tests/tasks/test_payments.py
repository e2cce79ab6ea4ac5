"""Payments in the background: every minute what waits, every day the books, whoever does it."""

from collections.abc import Callable

import pytest
from flask import Flask

from app.extensions import huey
from app.services import alerts, purchases
from app.tasks import payments
from tests.cast import Person
from tests.faults.making import later
from tests.services.payments import fixtures
from tests.services.payments.seller import Seller, paid_by

house, app, seller = fixtures.house, fixtures.app, fixtures.seller


@pytest.fixture(autouse=True)
def queue_of_this_app(app: Flask) -> None:
    """The tasks find their app by the queue."""
    huey.flask_app = app


def asked(seller: Seller, where: str) -> int:
    return len(seller.house.asked(where))


@pytest.mark.both_databases
def test_a_lost_payment_is_found_by_the_minutes_task(seller: Seller, alice: Person) -> None:
    seller.pay(seller.buy(alice))
    payments.ask_for_payments.call_local()
    assert (seller.gained(alice), asked(seller, "checkouts.get")) == (0, 0)
    with later(minutes=11):
        payments.ask_for_payments.call_local()
    assert seller.gained(alice) == 115


def test_two_consumers_look_once_a_minute(seller: Seller, alice: Person) -> None:
    seller.buy(alice)
    with later(seconds=30):
        seller.buy(alice, "premium")
    found = []
    for seconds in (605, 640, 660):
        with later(seconds=seconds):
            payments.ask_for_payments.call_local()
        found.append(asked(seller, "checkouts.get"))
    assert found == [1, 1, 2]


@pytest.mark.both_databases
def test_the_books_are_compared_once_a_day(seller: Seller, alice: Person) -> None:
    payment = seller.credit(alice)
    seller.house.refund(paid_by(payment), 330)
    for _ in range(3):
        payments.compare_books.call_local()
    assert asked(seller, "transactions.search") == 1
    assert (seller.gained(alice), seller.alerts()) == (77, ["payment_refund_missed"])
    with later(hours=23):
        payments.compare_books.call_local()
    assert asked(seller, "transactions.search") == 1
    with later(hours=24):
        payments.compare_books.call_local()
    assert asked(seller, "transactions.search") == 2


def test_books_that_cannot_be_read_are_told_to_a_person(seller: Seller) -> None:
    with seller.house.outage():
        payments.compare_books.call_local()
    [alert] = seller.rows("SELECT kind, subject, text FROM alerts")
    assert (alert["kind"], alert["subject"]) == ("payment_books", "creem")
    assert "could not be read" in alert["text"]


def test_where_nothing_is_sold_the_tasks_do_nothing(make_app: Callable[..., Flask]) -> None:
    huey.flask_app = silent = make_app()
    payments.ask_for_payments.call_local()
    payments.compare_books.call_local()
    with silent.app_context():
        assert alerts.open_alerts() == []
        assert purchases.waiting() == []
