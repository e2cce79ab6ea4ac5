"""What Creem's events and answers say when something is wrong with them."""

import json
import time
from typing import Any

import httpx
import pytest

from tests.simulators.creem import CreemHouse, Event, Payment
from tests.simulators.creem.faults import KINDS
from tests.simulators.creem.signing import HEADER, signature_of
from tests.waiting import wait_until

SECRET = "whsec_not_a_secret"
ORDER = {"product_id": "prod_starter", "request_id": "r-1"}


def pay(creem: CreemHouse) -> Payment:
    checkout = creem.open_checkout("prod_starter", request_id="r-1", metadata={"user_id": "7"})
    return creem.pay(checkout.id)


def transaction_of(payment: Payment) -> str:
    assert payment.transaction
    return payment.transaction.id


# Events ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "is_signed", "is_same"),
    [
        ("wrong_signature", False, True),
        ("altered", False, False),
        ("reserialised", False, False),
        ("upper_case", False, True),
    ],
)
def test_a_signature_that_does_not_fit(
    creem: CreemHouse, fault: str, is_signed: bool, is_same: bool
) -> None:
    creem.fault(fault)
    event = pay(creem).event
    headers, body = creem.letter(event.id)
    assert (headers[HEADER] == signature_of(body, SECRET)) == is_signed
    assert (body == event.body) == is_same and json.loads(body)["id"] == event.id
    if fault == "upper_case":
        assert headers[HEADER].lower() == signature_of(body, SECRET)
    if fault == "reserialised":
        assert json.loads(body) == json.loads(event.body)


def test_no_signature_at_all(creem: CreemHouse) -> None:
    creem.fault("unsigned")
    headers, _ = creem.letter(pay(creem).event.id)
    assert headers.keys() == {"Content-Type"}


def value_at(event: Event, path: str) -> Any:
    place = event.object
    for step in path.split("."):
        place = place.get(step, "missing")
    return place


@pytest.mark.parametrize(
    ("fault", "value", "kind", "path", "found"),
    [
        ("without", "request_id", "completed", "request_id", "missing"),
        ("without", "order", "completed", "order", "missing"),
        ("without", "metadata", "refund", "checkout.metadata", "missing"),
        ("without", "order", "dispute", "order", "missing"),
        ("mode", "prod", "completed", "order.mode", "prod"),
        ("mode", "prod", "refund", "transaction.mode", "prod"),
        ("amount", 100, "completed", "order.amount", 100),
        ("amount", 100, "refund", "refund_amount", 100),
        ("amount", 100, "dispute", "amount", 100),
        ("currency", "EUR", "completed", "order.currency", "EUR"),
        ("currency", "EUR", "refund", "refund_currency", "EUR"),
        ("units", 2, "completed", "units", 2),
        ("product", "prod_premium", "completed", "product.id", "prod_premium"),
        ("product", "prod_premium", "completed", "order.product", "prod_premium"),
        ("product", "prod_premium", "refund", "checkout.product", "prod_premium"),
        ("request_id", "r-9", "completed", "request_id", "r-9"),
        ("request_id", "r-9", "dispute", "checkout.request_id", "r-9"),
        ("metadata", {"user_id": "8"}, "completed", "metadata.user_id", "8"),
        ("order_status", "pending", "completed", "order.status", "pending"),
        ("order_type", "recurring", "completed", "order.type", "recurring"),
        ("chargeback", None, "dispute", "transaction.status", "chargeback"),
        ("fields", '{"order.discount_amount": 7}', "completed", "order.discount_amount", 7),
        ("fields", {"order.transaction": None}, "completed", "order.transaction", None),
    ],
)
def test_what_an_event_says_otherwise(
    creem: CreemHouse, fault: str, value: Any, kind: str, path: str, found: Any
) -> None:
    type_ = "checkout.completed" if kind == "completed" else f"{kind}.created"
    creem.fault(fault, value, where=type_)
    payment = pay(creem)
    creem.refund(transaction_of(payment), 10)
    creem.dispute(transaction_of(payment))
    [event] = [one for one in creem.events.values() if one.type == type_]
    assert value_at(event, path) == found
    headers, body = creem.letter(event.id)
    assert headers[HEADER] == signature_of(body, SECRET)
    assert creem.printer.checkout(payment.checkout)["order"]["amount"] == 990  # the books are right


def test_its_envelope_may_be_odd(creem: CreemHouse) -> None:
    for fault, value in (("event_type", None), ("event_id", "evt_same"), ("aged", 90000)):
        creem.fault(fault, value)
    event = pay(creem).event
    assert (event.type, event.id) == ("payment.succeeded", "evt_same")
    assert json.loads(event.body)["created_at"] < (creem.clock.now() - 89000) * 1000


def test_the_books_themselves_may_be_odd(creem: CreemHouse) -> None:
    payment = pay(creem)
    creem.change(payment.order.id, amount=1, tax_amount=...)
    creem.change(payment.checkout.id, status="processing")
    told_now = creem.tell(payment.checkout.id).object
    assert (told_now["status"], told_now["order"]["amount"]) == ("processing", 1)
    assert "tax_amount" not in told_now["order"]
    creem.clear()
    assert creem.printer.checkout(payment.checkout)["status"] == "completed"


def test_every_fault_of_events_is_one_that_is_known(creem: CreemHouse) -> None:
    with pytest.raises(ValueError, match="no fault 'nothing'"):
        creem.fault("nothing")
    with pytest.raises(ValueError, match=r"checkouts\.create"):
        creem.fault("twice", where="checkouts.create")
    for kind in KINDS.values():
        assert creem.fault(kind.name).value == kind.default
    assert len(creem.faults) == len(KINDS)


# Answers -----------------------------------------------------------------------------------------


def create(shop: httpx.Client) -> httpx.Response:
    return shop.post("/v1/checkouts", json=ORDER)


@pytest.mark.parametrize(
    ("fault", "value", "status", "is_json"),
    [
        ("error", None, 500, True),
        ("error", 503, 503, True),
        ("bare", None, 502, False),
        ("bad_key", None, 403, True),
        ("limited", 7, 429, True),
        ("limited_before", 7, 429, True),
        ("garbage", None, 200, False),
        ("empty", None, 200, False),
    ],
)
def test_an_answer_instead_of_the_deed(
    creem: CreemHouse, shop: httpx.Client, fault: str, value: Any, status: int, is_json: bool
) -> None:
    creem.fault(fault, value, where="checkouts.create")
    answer = create(shop)
    assert answer.status_code == status and not creem.checkouts
    assert answer.headers.get("retry-after") == ("7" if status == 429 else None)
    if is_json:
        wanted = {"error"} if fault == "limited_before" else {"trace_id", "status", "error"}
        assert answer.json().keys() >= wanted
    else:
        with pytest.raises(ValueError):
            answer.json()
    assert create(shop).status_code == 200 and len(creem.checkouts) == 1
    assert [request.status for request in creem.asked("checkouts.create")] == [status, 200]


@pytest.mark.parametrize("fault", ["hang", "reset"])
def test_no_answer_and_no_deed(creem: CreemHouse, shop: httpx.Client, fault: str) -> None:
    creem.fault(fault)
    shop.timeout = 0.5
    with pytest.raises(httpx.TransportError):
        create(shop)
    assert not creem.checkouts


@pytest.mark.parametrize("fault", ["accept_then_hang", "accept_then_reset", "accept_then_error"])
@pytest.mark.parametrize("place", ["checkouts.create", "refunds.create"])
def test_the_deed_without_its_answer(
    creem: CreemHouse, shop: httpx.Client, fault: str, place: str
) -> None:
    creem.fault(fault, where=place)
    wish = {"transaction_id": transaction_of(pay(creem))}
    shop.timeout = 0.5
    try:
        answer = (
            create(shop) if place == "checkouts.create" else shop.post("/v1/refunds", json=wish)
        )
        assert answer.status_code == 500
    except httpx.TransportError:
        assert fault != "accept_then_error"
    made = creem.refunds if place == "refunds.create" else creem.checkouts
    wait_until(lambda: len(made) == (1 if place == "refunds.create" else 2))


def test_an_answer_that_lacks_a_field(creem: CreemHouse, shop: httpx.Client) -> None:
    creem.fault("answer_without", "checkout_url", where="checkouts.create", times=None, after=1)
    creem.fault("answer_without", "order.amount_paid", where="checkouts.get")
    assert ["checkout_url" in create(shop).json() for _ in range(3)] == [True, False, False]
    paid = pay(creem)
    read = shop.get("/v1/checkouts", params={"checkout_id": paid.checkout.id}).json()
    assert "amount_paid" not in read["order"] and "amount" in read["order"]


@pytest.mark.parametrize("status", ["pending", "failed", "requiresAction", "canceled"])
def test_a_refund_that_is_not_done_yet(creem: CreemHouse, shop: httpx.Client, status: str) -> None:
    transaction_id = transaction_of(pay(creem))
    creem.fault("refund_status", status)
    creem.fault("delay", 0.1, where="refunds.create")
    began_s = time.perf_counter()
    answer = shop.post("/v1/refunds", json={"transaction_id": transaction_id})
    assert answer.json() == {"status": status} and time.perf_counter() - began_s >= 0.1
    event = list(creem.events.values())[-1]
    assert event.object["status"] == status
    assert event.object["transaction"]["status"] == "paid"


def test_down_and_up_again(creem: CreemHouse, shop: httpx.Client) -> None:
    with creem.outage(), pytest.raises(httpx.TransportError):
        create(shop)
    assert create(shop).is_success
