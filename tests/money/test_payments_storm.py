"""Everything that Creem tells, from many threads in many orders, while our own workers ask."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from flask import Flask

from app.services import comparing, payment_events, reconciling, recoveries
from tests.conftest import Call, Person, Rows
from tests.money.payments_books import PACKS, Message, Order
from tests.money.payments_desk import Desk
from tests.money.payments_oracle import credits_of
from tests.money.racing import race

pytestmark = pytest.mark.both_databases

CREDITS, PRICE = PACKS["starter"]
FREE = 100


def story(desk: Desk, order: Order, parts: tuple[int, ...], *, is_disputed: bool) -> list[Message]:
    """Paid, refunded in parts, disputed; a message each, in the order in which it happened."""
    messages = [desk.creem.tell_paid(order)]
    messages += [
        desk.creem.tell_refund(desk.creem.give_back(order, cents, "succeeded")) for cents in parts
    ]
    if is_disputed:
        desk.creem.dispute(order)
        messages.append(desk.creem.tell_dispute(order))
    return messages


def post_all(messages: list[Message], first: int) -> set[str]:
    """Every event, beginning with the `first`; backwards in every other thread."""
    rotated = messages[first:] + messages[:first]
    ordered = rotated if first % 2 else rotated[::-1]
    return {payment_events.receive(one.headers, one.body) for one in ordered}


@pytest.mark.parametrize("before", ["INSERT INTO payment_events", "UPDATE credit_accounts"])
def test_in_any_order_from_many_threads_the_credits_are_right(
    app: Flask, call: Call, rows: Rows, alice: Person, bob: Person, before: str
) -> None:
    desk, expected = Desk(app, call, rows), {alice.id: FREE, bob.id: FREE}
    messages: list[Message] = []
    wanted = {person.id: desk.wants(person.id) for person in (alice, bob)}
    for person, parts, is_disputed in plots(alice, bob):
        order = desk.pays(wanted[person.id])
        messages += story(desk, order, parts, is_disputed=is_disputed)
        back_cents = PRICE if is_disputed else sum(parts)
        expected[person.id] += CREDITS - credits_of(CREDITS, back_cents, PRICE)
    verbs: list[Callable[[], Any]] = [
        *(partial(post_all, messages, first) for first in range(0, len(messages), 2)),
        partial(reconciling.check_due, is_eager=True),
        comparing.compare,
        comparing.compare,
        partial(recoveries.recheck, alice.id),
    ]
    assert race(app, verbs, before=before).refusals() == []
    call(comparing.compare)
    assert {id_: desk.balance(id_) for id_ in expected} == expected
    assert desk.grants() == 6
    assert len(desk.rows("SELECT id FROM payment_events")) == len(messages)


def plots(alice: Person, bob: Person) -> Iterator[tuple[Person, tuple[int, ...], bool]]:
    """Three orders a person, all of them paid on one purchase."""
    for person in (alice, bob):
        yield person, (), False
        yield person, (330, 101), False
        yield person, (200, 7), True
