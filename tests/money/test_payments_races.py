"""Creem, the buyer and our workers at the same moment: one grant, one share back, no deadlock."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from flask import Flask

from app.errors import NotEnoughCredits, NotFound, TooMany, UserError
from app.services import (
    buying,
    checkouts,
    comparing,
    credits,
    landings,
    money_back,
    reconciling,
    recoveries,
)
from app.services.transactions import write_transaction
from tests.conftest import Call, Person, Rows
from tests.money import payments_mutants
from tests.money.payments_books import Order, Page
from tests.money.payments_desk import URL, Desk
from tests.money.payments_machine import address_of
from tests.money.racing import race

pytestmark = pytest.mark.both_databases

STARTER, PRICE = 115, 990
FREE = 100  # credits of alice and bob
KEEP = "INSERT INTO payment_events"
Verb = Callable[[], Any]


@pytest.fixture
def desk(app: Flask, call: Call, rows: Rows) -> Desk:
    return Desk(app, call, rows)


def buy(user_id: int, pack: str) -> partial[Any]:
    return partial(buying.buy, user_id, pack, success_url=URL)


# One payment -------------------------------------------------------------------------------------


def test_thirty_two_copies_of_one_event_are_one_grant(desk: Desk, alice: Person) -> None:
    order = desk.pays(desk.wants(alice.id))
    verb = desk.posting(desk.creem.tell_paid(order))
    answers = race(desk.app, [verb] * 32, before=KEEP).results
    assert Counter(answers) == {"done": 1, "again": 31}
    assert desk.grants() == 1
    assert desk.balance(alice.id) == FREE + STARTER
    (event,) = desk.rows("SELECT outcome, reason, order_id FROM payment_events")
    assert tuple(event.values()) == ("done", "granted", order.id)


@pytest.mark.parametrize("before", [KEEP, "UPDATE credit_accounts"])
def test_sixteen_events_of_one_order_are_one_grant(desk: Desk, alice: Person, before: str) -> None:
    order = desk.pays(desk.wants(alice.id))
    verbs = [desk.posting(desk.creem.tell_paid(order)) for _ in range(16)]
    answers = race(desk.app, verbs, before=before).results
    assert Counter(answers) == {"done": 1, "ignored": 15}
    assert desk.grants() == 1
    assert desk.balance(alice.id) == FREE + STARTER
    assert len(desk.rows("SELECT id FROM payment_events")) == 16


def test_this_race_finds_a_grant_without_its_key(
    desk: Desk, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    payments_mutants.grant_without_key(monkeypatch)
    order = desk.pays(desk.wants(alice.id))
    verbs = [desk.posting(desk.creem.tell_paid(order)) for _ in range(4)]
    race(desk.app, verbs, before=KEEP)
    assert desk.balance(alice.id) == FREE + 4 * STARTER


@pytest.mark.parametrize("before", ["UPDATE credit_accounts", "SELECT purchases"])
def test_event_return_page_and_workers_at_once_are_one_grant(
    desk: Desk, alice: Person, before: str
) -> None:
    order = desk.pays(desk.wants(alice.id))
    verbs: list[Verb] = [
        desk.posting(desk.creem.tell_paid(order)),
        partial(landings.land, alice.id, address_of(order)),
        partial(recoveries.recheck, alice.id),
        partial(reconciling.check_due, is_eager=True),
        comparing.compare,
        buy(alice.id, "starter"),
    ]
    outcome = race(desk.app, verbs, before=before)
    assert outcome.refusals() == []
    assert desk.grants() == 1
    assert desk.balance(alice.id) == FREE + STARTER


def test_eight_orders_paid_on_one_purchase_at_once_are_eight_grants(
    desk: Desk, alice: Person
) -> None:
    purchase_id = desk.wants(alice.id)
    verbs = [desk.posting(desk.creem.tell_paid(desk.pays(purchase_id))) for _ in range(8)]
    answers = race(desk.app, verbs, before="UPDATE credit_accounts").results
    assert answers == ["done"] * 8
    assert desk.grants() == 8
    assert desk.balance(alice.id) == FREE + 8 * STARTER
    (alert,) = desk.rows("SELECT count FROM alerts WHERE kind = 'paid_twice'")
    assert alert["count"] == 7


def test_two_buyers_at_once_do_not_wait_for_each_other(
    desk: Desk, alice: Person, bob: Person, database: str
) -> None:
    """The barrier holds on PostgreSQL; SQLite's one writer never lets two in."""
    verbs = [
        desk.posting(desk.creem.tell_paid(desk.pays(desk.wants(one.id)))) for one in (alice, bob)
    ]
    is_postgres = database == "postgresql"
    outcome = race(
        desk.app, verbs, before="UPDATE purchases", patience_s=10 if is_postgres else 0.05
    )
    assert outcome.has_met == is_postgres
    assert outcome.results == ["done", "done"]
    assert [desk.balance(one.id) for one in (alice, bob)] == [FREE + STARTER] * 2


# Money that goes back ----------------------------------------------------------------------------


@pytest.mark.parametrize("before", [KEEP, "UPDATE credit_accounts"])
def test_two_partial_refunds_at_once_add_up(desk: Desk, alice: Person, before: str) -> None:
    order = desk.buys(alice.id)
    messages = [
        desk.creem.tell_refund(desk.creem.give_back(order, PRICE // 3, "succeeded"))
        for _ in range(2)
    ]
    copies = [desk.posting(message) for message in messages * 3]
    answers = race(desk.app, copies, before=before).results
    assert Counter(answers) == {"done": 2, "again": 4}
    assert desk.grants() == 1
    assert desk.balance(alice.id) == FREE + STARTER - 77  # two thirds are 76.67


@pytest.mark.parametrize("refunded_cents", [PRICE, 330], ids=["of it all", "of a part before"])
def test_a_refund_and_a_dispute_at_once_take_everything_once(
    desk: Desk, alice: Person, refunded_cents: int
) -> None:
    order = desk.buys(alice.id)
    if refunded_cents == PRICE:  # Creem ends a dispute by a refund
        desk.creem.dispute(order)
        desk.creem.give_back(order, PRICE, "succeeded")
    else:
        desk.creem.give_back(order, refunded_cents, "succeeded")
        desk.creem.dispute(order)
    (refund,) = order.refunds
    messages = [desk.creem.tell_refund(refund), desk.creem.tell_dispute(order)]
    verbs = [desk.posting(message) for message in messages * 2]
    answers = race(desk.app, verbs, before="UPDATE credit_accounts").results
    assert Counter(answers) == {"done": 2, "again": 2}
    assert desk.grants() == 1
    assert desk.balance(alice.id) == FREE


def test_a_payment_and_its_refund_at_once_net_to_zero(desk: Desk, alice: Person) -> None:
    order = desk.pays(desk.wants(alice.id))
    refund = desk.creem.give_back(order, PRICE, "succeeded")
    verbs = [
        desk.posting(message)
        for message in (desk.creem.tell_paid(order), desk.creem.tell_refund(refund))
    ]
    assert race(desk.app, verbs, before=KEEP).results == ["done", "done"]
    assert desk.grants() == 1
    assert desk.balance(alice.id) == FREE


def test_our_refund_pressed_thrice_while_the_books_are_read_takes_once(
    desk: Desk, alice: Person
) -> None:
    order = desk.buys(alice.id)
    verbs: list[Verb] = [
        *[partial(money_back.refund, order.id)] * 3,
        partial(reconciling.check_due, is_eager=True),
        comparing.compare,
    ]
    outcome = race(desk.app, verbs)
    assert outcome.refusals() == [UserError] * 2
    assert [refund.cents for refund in order.refunds] == [PRICE]
    assert desk.post(desk.creem.tell_refund(order.refunds[0])) == "done"
    assert desk.balance(alice.id) == FREE
    assert desk.grants() == 1


def test_our_refund_and_a_spend_of_its_credits_are_one_of_the_two(
    desk: Desk, alice: Person
) -> None:
    """The credits are taken before Creem is asked: nobody has both."""
    order, cost = desk.buys(alice.id), FREE + 50

    def spend() -> None:
        with write_transaction() as connection:
            credits.spend(connection, alice.id, cost, key="spend:one", reference="one")

    outcome = race(desk.app, [partial(money_back.refund, order.id), spend])
    has_spent = desk.balance(alice.id) == FREE + STARTER - cost
    assert has_spent or desk.balance(alice.id) == FREE
    assert outcome.refusals() == [UserError if has_spent else NotEnoughCredits]
    assert len(order.refunds) == (0 if has_spent else 1)


# Payments without an owner -----------------------------------------------------------------------


def unmatched(desk: Desk, payer: Person) -> Order:
    """Paid by a link that says nothing of us."""
    order = desk.creem.pay(Page("ch_link", "starter"), payer.email, 0)
    desk.creem.pages["ch_link"] = order.page
    assert desk.post(desk.creem.tell_paid(order)) == "parked"
    return order


def test_claims_of_one_payment_at_once_are_one_grant(
    desk: Desk, alice: Person, bob: Person
) -> None:
    order = unmatched(desk, alice)
    claims: list[Verb] = [partial(recoveries.claim, alice.id, order.id)] * 4
    outcome = race(desk.app, [*claims, partial(recoveries.claim, bob.id, order.id)])
    assert len(outcome.successes()) == 1
    assert len(outcome.refusals()) == 4
    assert desk.grants() == 1
    assert [desk.balance(one.id) for one in (alice, bob)] == [FREE + STARTER, FREE]


def test_a_claim_and_a_return_at_once_have_one_owner(
    desk: Desk, alice: Person, bob: Person
) -> None:
    """Alice's address paid; bob comes back from the link that he wanted the same pack by."""
    desk.call(partial(buying.buy, bob.id, "starter", success_url=URL, road="link"))
    order = unmatched(desk, alice)
    verbs: list[Verb] = [
        partial(recoveries.claim, alice.id, order.id),
        partial(landings.land, bob.id, address_of(order)),
    ]
    outcome = race(desk.app, verbs)
    assert desk.grants() == 1
    assert sum(desk.balance(one.id) for one in (alice, bob)) == 2 * FREE + STARTER
    assert len(outcome.successes()) >= 1
    assert set(outcome.refusals()) <= {UserError, NotFound}


# Buying ------------------------------------------------------------------------------------------


def test_eight_presses_of_one_button_are_one_purchase(desk: Desk, alice: Person) -> None:
    outcome = race(desk.app, [buy(alice.id, "starter")] * 8)
    assert len(outcome.successes()) == 8
    assert len(desk.rows("SELECT id FROM purchases")) == 1
    assert len(desk.creem.pages) == 1


@pytest.mark.parametrize("begun", [3, 4])
def test_purchases_begun_at_once_do_not_pass_the_limit(
    desk: Desk, alice: Person, begun: int
) -> None:
    for _ in range(begun):
        desk.call(checkouts.expire, desk.wants(alice.id))
    packs = ("starter", "standard", "premium")
    outcome = race(desk.app, [buy(alice.id, pack) for pack in packs * 2])
    assert len(desk.rows("SELECT id FROM purchases")) == 5
    assert set(outcome.refusals()) == {TooMany}
    assert len(outcome.refusals()) == 2 * (begun - 2)
