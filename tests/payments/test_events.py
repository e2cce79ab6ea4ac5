"""What a signed message says: the known shapes, and the bent ones."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.payments import Checkout, Event, Order, Return, Transaction
from app.payments.creem import Creem
from tests.payments.bodies import (
    CHECKOUT,
    CREATED_MS,
    DISPUTE,
    ORDER,
    REFUND,
    TRANSACTION,
    bent,
    message,
    signed,
)

CREATED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def read(creem: Creem, body: bytes) -> Event:
    return creem.read_event(signed(body), body)


def paid(creem: Creem, **changes: Any) -> Checkout:
    """What a bent checkout.completed is about."""
    about = read(creem, message("checkout.completed", bent(CHECKOUT, **changes))).about
    assert isinstance(about, Checkout)
    return about


def order_of(creem: Creem, **changes: Any) -> Order:
    order = paid(creem, order=bent(ORDER, **changes)).order
    assert order is not None
    return order


def back(creem: Creem, kind: str, body: dict[str, Any], **changes: Any) -> Return:
    """What a bent refund.created or dispute.created is about."""
    about = read(creem, message(kind, bent(body, **changes))).about
    assert isinstance(about, Return)
    return about


def test_a_paid_checkout(creem: Creem) -> None:
    event = read(creem, message("checkout.completed", CHECKOUT))
    assert (event.id, event.type, event.problem) == ("evt_1", "checkout.completed", "")
    assert event.created_at == CREATED_AT
    assert isinstance(event.about, Checkout) and event.about.order
    assert event.about.request_id == "0197-purchase"
    assert event.about.order.paid_cents == 1198


def test_a_refund(creem: Creem) -> None:
    assert back(creem, "refund.created", REFUND) == Return(
        id="ref_1",
        kind="refund",
        status="succeeded",
        mode="test",
        amount_cents=599,
        currency="USD",
        reason="requested_by_customer",
        transaction=Transaction("tran_1", "partialRefund", "ord_1", "USD", 1198, 599, CREATED_AT),
        order_id="ord_1",
        request_id="0197-purchase",
        metadata={"purchase_id": "0197-purchase", "user_id": "7", "schema": "1"},
        checkout_id="ch_1",
        happened_at=datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC),
    )


def test_a_dispute_counts_as_succeeded(creem: Creem) -> None:
    found = back(creem, "dispute.created", DISPUTE)
    assert (found.id, found.kind, found.status) == ("disp_1", "dispute", "succeeded")
    assert (found.amount_cents, found.currency) == (1198, "USD")
    assert found.transaction.status == "chargedBack"


@pytest.mark.parametrize(
    "kind", ["subscription.paid", "customer_credits.exhausted", "refund.updated", "of.next.year"]
)
def test_an_unknown_type_is_no_problem(creem: Creem, kind: str) -> None:
    event = read(creem, message(kind, {"id": "x"}))
    assert event == Event("evt_1", kind, CREATED_AT, None)


def test_what_may_be_missing(creem: Creem) -> None:
    found = paid(
        creem, request_id=None, metadata=None, order=None, customer=None, units=None,
        checkout_url=None, product=None, mode=None,
    )  # fmt: skip
    assert (found.request_id, found.metadata, found.order) == ("", {}, None)
    assert (found.customer_id, found.email, found.units) == ("", "", None)
    assert (found.product_id, found.mode, found.url) == ("", "", "")
    refund = back(creem, "refund.created", REFUND, checkout=None, order=None, customer=None)
    assert (refund.request_id, refund.metadata, refund.checkout_id) == ("", {}, "")
    assert refund.order_id == "ord_1"  # its transaction's


def test_an_id_in_place_of_an_object(creem: Creem) -> None:
    found = paid(creem, product="prod_1", customer="cust_1", order="ord_1")
    assert (found.product_id, found.customer_id, found.email) == ("prod_1", "cust_1", "")
    assert found.order is not None and found.order.status == ""
    refund = back(
        creem, "refund.created", REFUND, transaction="tran_1", order="ord_1", checkout="ch_1"
    )
    assert refund.transaction == Transaction("tran_1", "", "", "", None, 0, None)
    assert (refund.order_id, refund.checkout_id, refund.request_id) == ("ord_1", "ch_1", "")


def test_an_object_in_place_of_an_id(creem: Creem) -> None:
    order = order_of(creem, transaction=TRANSACTION, product={"id": "prod_2"})
    assert (order.transaction_id, order.product_id) == ("tran_1", "prod_2")
    assert paid(creem, product=None, product_id="prod_3").product_id == "prod_3"


@pytest.mark.parametrize(
    ("changes", "cents"),
    [
        ({}, 1198),
        ({"amount_paid": 1198.0}, 1198),
        ({"amount_paid": None, "transaction": TRANSACTION | {"amount_paid": 1197}}, 1197),
        ({"amount_paid": None}, 1198),  # due
        ({"amount_paid": None, "amount_due": None}, None),
        ({"amount_paid": 1198.5, "amount_due": None}, None),
        ({"amount_paid": -1, "amount_due": None}, None),
        ({"amount_paid": "1198", "amount_due": None}, None),
        ({"amount_paid": True, "amount_due": None}, None),
        ({"amount_paid": 2**31, "amount_due": None}, None),
        ({"amount_paid": 10**4000, "amount_due": None}, None),
        ({"amount_paid": float("nan"), "amount_due": None}, None),
        ({"amount_paid": float("inf"), "amount_due": None}, None),
        ({"amount_paid": 0}, 0),
    ],
)
def test_what_was_paid(creem: Creem, changes: dict[str, Any], cents: int | None) -> None:
    assert order_of(creem, **changes).paid_cents == cents


@pytest.mark.parametrize(
    ("said", "meant"),
    [("test", "test"), ("sandbox", "test"), ("local", "test"), ("prod", "prod"), ("live", ""),
     ("", ""), (7, ""), (["prod"], "")],
)  # fmt: skip
def test_which_world_it_is(creem: Creem, said: object, meant: str) -> None:
    assert paid(creem, mode=said).mode == meant


@pytest.mark.parametrize(("said", "meant"), [(1, 1), (1.0, 1), (3, 3), (1.5, 0), ("1", 0), (-1, 0)])
def test_how_many_packs(creem: Creem, said: object, meant: int) -> None:
    assert paid(creem, units=said).units == meant


@pytest.mark.parametrize(
    ("said", "meant"),
    [("usd", "USD"), ("EUR", "EUR"), ("USDX", ""), ("US", ""), ("", ""), (840, "")],
)
def test_a_currency_is_three_letters(creem: Creem, said: object, meant: str) -> None:
    assert order_of(creem, currency=said).currency == meant


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (CREATED_MS, CREATED_AT),
        (float(CREATED_MS), CREATED_AT),
        ("2026-01-02T03:04:05Z", CREATED_AT),
        ("2026-01-02T05:04:05+02:00", CREATED_AT),
        ("2026-01-02T03:04:05", CREATED_AT),
        ("yesterday", None),
        ("0001-01-01T00:00:00+14:00", None),
        (10**30, None),
        (float("nan"), None),
        (-1, None),
        (True, None),
        ([], None),
    ],
)
def test_a_time(creem: Creem, said: object, meant: datetime | None) -> None:
    assert order_of(creem, created_at=said).created_at == meant


@pytest.mark.parametrize(
    ("said", "meant"),
    [("succeeded", "succeeded"), ("pending", "pending"), ("requiresAction", "pending"),
     ("failed", "failed"), ("canceled", "failed"), ("cancelled", "failed")],
)  # fmt: skip
def test_a_refund_by_its_status(creem: Creem, said: str, meant: str) -> None:
    assert back(creem, "refund.created", REFUND, status=said).status == meant


@pytest.mark.parametrize(
    ("kind", "body", "changes", "problem"),
    [
        ("checkout.completed", CHECKOUT, {"id": None}, "a checkout without an id"),
        ("checkout.completed", CHECKOUT, {"id": "c" * 101}, "a checkout without an id"),
        ("refund.created", REFUND, {"id": None}, "a refund without its id"),
        ("refund.created", REFUND, {"transaction": None}, "a refund without its transaction"),
        ("refund.created", REFUND, {"status": None}, "a refund without its status"),
        ("refund.created", REFUND, {"status": "perhaps"}, "a refund without its status"),
        ("refund.created", REFUND, {"refund_amount": None}, "a refund without its amount"),
        ("refund.created", REFUND, {"refund_amount": -599}, "a refund without its amount"),
        ("dispute.created", DISPUTE, {"amount": "1198"}, "a dispute without its amount"),
    ],
)
def test_what_may_not_be_missing(
    creem: Creem, kind: str, body: dict[str, Any], changes: dict[str, Any], problem: str
) -> None:
    event = read(creem, message(kind, bent(body, **changes)))
    assert event == Event("evt_1", kind, CREATED_AT, None, problem)
    assert len(problem) <= 40  # of payment_events.reason


@pytest.mark.parametrize("about", [None, [], "ch_1", 7, [[]]])
@pytest.mark.parametrize("kind", ["checkout.completed", "refund.created", "dispute.created"])
def test_an_event_about_nothing(creem: Creem, kind: str, about: object) -> None:
    event = read(creem, message(kind, about))
    # a checkout that is an id, and nothing more, is one of which the rest is missing
    assert event.about is None and event.problem


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"null", b"[]", b"{}", b"[" * 100_000, b'{"a":' * 100_000, b"7" * 5000,
     b'{"id": 7}', b'{"id": ""}', b'{"id": "\\u0000"}', b'{"id": null, "eventType": "x"}',
     b"\xef\xbb\xbf{}"],
)  # fmt: skip
def test_a_signed_body_that_is_no_event(creem: Creem, body: bytes) -> None:
    event = read(creem, body)
    assert event.id.startswith("sha256:") and len(event.id) == 71
    assert (event.type, event.created_at, event.about) == ("", None, None)
    assert event.problem
    assert read(creem, body).id == event.id
    assert read(creem, body + b" ").id != event.id


def test_an_id_that_no_column_takes_stays_one_of_its_own(creem: Creem) -> None:
    long = [read(creem, message("x", {}, "e" * 100 + end)).id for end in ("a", "b", "a")]
    assert long[0] == long[2] != long[1]
    nul = read(creem, message("checkout.completed", CHECKOUT, "evt_\0001"))
    assert nul.id.startswith("sha256:") and nul.about is not None


def test_what_no_column_takes_is_cut_or_left_out(creem: Creem) -> None:
    found = paid(
        creem,
        request_id="0197\0",
        order=None,
        customer={"id": "cust_\ud800", "email": "a" * 300 + "@example.org"},
        metadata={"a\0": "b\ud800\0", "n": 7, "deep": {"x": 1}, "long": "x" * 101, "f": 7.0},
    )
    assert (found.request_id, found.customer_id, found.email) == ("", "", "")
    assert found.metadata == {"a": "b", "n": "7", "f": "7"}
    refund = back(creem, "refund.created", REFUND, reason="r\0" * 90)
    assert refund.reason == "r" * 40
