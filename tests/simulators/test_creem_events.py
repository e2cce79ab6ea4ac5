"""Creem's events on their way: signed, repeated, late, forged, lost, tried again."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.simulators.creem import CreemHouse, Event, Payment, start_creem
from tests.simulators.creem.signing import HEADER, signature_of
from tests.simulators.inbox import Inbox
from tests.waiting import wait_until

SECRET = "whsec_not_a_secret"


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as box:
        yield box


@pytest.fixture
def creem(inbox: Inbox) -> Iterator[CreemHouse]:
    with start_creem(webhook_url=inbox.url) as house:
        yield house


def pay(creem: CreemHouse, **options: Any) -> Payment:
    checkout = creem.open_checkout("prod_starter", request_id="r-1", metadata={"user_id": "7"})
    return creem.pay(checkout.id, **options)


def transaction_of(payment: Payment) -> str:
    assert payment.transaction
    return payment.transaction.id


def told(creem: CreemHouse, count: int) -> list[str]:
    """The types of the events that were delivered, once there are so many."""
    wait_until(lambda: len(creem.deliveries) >= count, what=f"{count} deliveries")
    return [delivery.type for delivery in creem.deliveries]


def test_an_event_is_signed_over_its_bytes(creem: CreemHouse, inbox: Inbox) -> None:
    payment = pay(creem)
    told(creem, 1)
    [letter] = inbox.letters
    assert letter.headers[HEADER] == signature_of(letter.body, SECRET)
    envelope = json.loads(letter.body)
    assert envelope.keys() == {"id", "eventType", "created_at", "object"}
    assert envelope["id"] == payment.event.id and isinstance(envelope["created_at"], int)
    about = envelope["object"]
    assert about["request_id"] == "r-1" and about["metadata"] == {"user_id": "7"}
    assert about["order"]["transaction"] == transaction_of(payment)
    assert about["product"]["id"] == "prod_starter" and about["customer"]["email"]


def test_refunds_and_disputes_say_what_they_are_about(creem: CreemHouse, inbox: Inbox) -> None:
    payment = pay(creem)
    transaction_id = transaction_of(payment)
    creem.refund(transaction_id, 330)
    creem.refund(transaction_id, 60, reason="fraudulent")
    creem.dispute(transaction_id)
    told(creem, 4)
    first, second, dispute = [event.object for event in list(creem.events.values())[1:]]
    assert [one["refund_amount"] for one in (first, second)] == [330, 60]
    assert [one["transaction"]["refunded_amount"] for one in (first, second)] == [330, 390]
    assert [one["transaction"]["status"] for one in (first, second, dispute)] == [
        "partialRefund", "partialRefund", "chargedBack",
    ]  # fmt: skip
    assert second["reason"] == "fraudulent" and dispute["amount"] == 990
    for one in (first, second, dispute):
        assert one["order"]["id"] == payment.order.id
        assert one["checkout"]["product"] == "prod_starter"
        assert one["checkout"]["request_id"] == "r-1"


# Who gets it, how often, in which order -----------------------------------------------------------


def test_nobody_is_told_where_there_is_no_address() -> None:
    with start_creem() as creem:
        payment = pay(creem)
        headers, body = creem.letter(payment.event.id)
    assert headers[HEADER] == signature_of(body, SECRET) and not creem.deliveries


def test_only_this_machine_is_ever_told() -> None:
    with start_creem(webhook_url="https://shop.example/hook") as creem:
        pay(creem)
        wait_until(lambda: creem.deliveries)
        assert creem.deliveries[0].status is None


def test_twice_and_never(creem: CreemHouse, inbox: Inbox) -> None:
    creem.fault("twice")
    first = pay(creem).event
    assert told(creem, 2) == ["checkout.completed"] * 2
    creem.fault("never", where="checkout.completed")
    second = pay(creem).event
    creem.refund(transaction_of(pay(creem)))
    told(creem, 4)
    assert [one.event_id for one in creem.deliveries[:2]] == [first.id] * 2
    assert second.id not in {one.event_id for one in creem.deliveries}
    [sent] = creem.send(second.id)
    assert sent.status == 200 and sent.body == second.body


@pytest.mark.parametrize("by_hand", [True, False])
def test_copies_at_the_same_moment(by_hand: bool) -> None:
    inside, most = set[int](), [0]

    def slowly(request: Any) -> None:
        inside.add(id(request))
        wait_until(lambda: len(inside) >= 8 or most[0] >= 8, what="all are in at once")
        most[0] = max(most[0], len(inside))

    with Inbox(hook=slowly) as box, start_creem(webhook_url=box.url) as creem:
        if by_hand:
            creem.fault("never")
            sent = creem.send(pay(creem).event.id, 8, at_once=True)
            assert [one.status for one in sent] == [200] * 8
        else:
            creem.fault("at_once", 8)
            pay(creem)
            told(creem, 8)
    assert most[0] == 8 and len({letter.body for letter in box.letters}) == 1


def test_late_by_creems_clock(creem: CreemHouse, inbox: Inbox) -> None:
    creem.fault("late", 3600, where="checkout.completed")
    creem.refund(transaction_of(pay(creem)))
    assert told(creem, 1) == ["refund.created"]
    creem.advance(3599)
    assert len(creem.deliveries) == 1
    creem.advance(1)
    assert told(creem, 2) == ["refund.created", "checkout.completed"]


def test_out_of_order(creem: CreemHouse) -> None:
    creem.fault("out_of_order")
    first = pay(creem)
    pay(creem)  # another payment does not let it go
    assert told(creem, 1) == ["checkout.completed"]
    creem.refund(transaction_of(first), 100)
    told(creem, 3)
    assert [one.event_id for one in creem.deliveries][2] == first.event.id


def test_before_and_after_the_buyer_is_sent_back(creem: CreemHouse, inbox: Inbox) -> None:
    form = {"do": "pay", "email": "a@b.example"}
    for fault, count in (("before_return", 1), ("after_return", 0)):
        creem.fault(fault)
        checkout = creem.open_checkout("prod_starter", success_url="https://shop.example/ok")
        before = len(inbox.letters)
        answer = httpx.post(creem.checkout_url(checkout.id), data=form)
        assert answer.status_code == 303
        assert len(inbox.letters) - before >= count
    told(creem, 2)


def test_told_again_is_another_event_about_the_same(creem: CreemHouse) -> None:
    payment = pay(creem)
    again = creem.tell(payment.checkout.id)
    assert again.id != payment.event.id and again.object == payment.event.object
    refund = creem.refund(transaction_of(payment), 1)
    assert creem.tell(refund.id).object["id"] == refund.id
    odd = creem.announce("subscription.paid", {"id": "sub_1"})
    told(creem, 5)
    assert (odd.type, odd.object) == ("subscription.paid", {"id": "sub_1"})


# The retry clock ---------------------------------------------------------------------------------


def wait_for_plan(event: Event, attempts: int) -> None:
    """Until an event was tried so often and the next attempt is planned."""
    wait_until(lambda: event.attempts == attempts and event.next_at, what="the next attempt")


def test_five_attempts_by_the_clock(creem: CreemHouse, inbox: Inbox) -> None:
    inbox.statuses[:] = [500]
    event = pay(creem).event
    told(creem, 1)
    for count, wait_s in enumerate((30, 300, 1800, 21600), start=2):
        wait_for_plan(event, count - 1)
        creem.advance(wait_s - 1)
        assert len(creem.deliveries) == count - 1
        creem.advance(1)
        told(creem, count)
    creem.advance(86400)
    assert event.next_at is None and len(creem.deliveries) == 5
    assert len({(one.body, one.headers[HEADER]) for one in creem.deliveries}) == 1


@pytest.mark.parametrize("reason", ["500", "302", "unreachable"])
def test_tried_again_until_it_is_taken(creem: CreemHouse, inbox: Inbox, reason: str) -> None:
    if reason == "unreachable":
        creem.fault("unreachable", 2)
    else:
        inbox.statuses[:] = [int(reason), int(reason), 204]
    event = pay(creem).event
    for count, wait_s in ((1, 30), (2, 300)):
        told(creem, count)
        wait_for_plan(event, count)
        creem.advance(wait_s)
    told(creem, 3)
    lost = None if reason == "unreachable" else int(reason)
    last = 200 if reason == "unreachable" else 204
    assert [one.status for one in creem.deliveries] == [lost, lost, last]
    creem.advance(86400)
    assert len(creem.deliveries) == 3
