"""Whatever Creem signs is read into something that can be kept."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.payments import Checkout, Event, Return
from app.payments.creem import Creem
from tests.payments.bodies import CHECKOUT, DISPUTE, ORDER, REFUND, TRANSACTION, bent, message
from tests.payments.test_events import read

WITH_A_DOOR = settings(
    max_examples=150,
    deadline=None,  # a busy machine is slow
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # a door keeps nothing
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
FIELDS = sorted({*CHECKOUT, *REFUND, *DISPUTE, *TRANSACTION, *ORDER})
BENT = st.recursive(JSON, lambda inner: st.dictionaries(st.sampled_from(FIELDS), inner, min_size=1))
KINDS = st.sampled_from(["checkout.completed", "refund.created", "dispute.created", "other"])


@given(kind=KINDS | JSON, about=BENT, event_id=st.text() | JSON, at=JSON)
@WITH_A_DOOR
def test_whatever_is_signed_can_be_kept(
    creem: Creem, kind: Any, about: Any, event_id: Any, at: Any
) -> None:
    body = json.dumps({"id": event_id, "eventType": kind, "created_at": at, "object": about})
    check_can_be_kept(read(creem, body.encode()))


@given(place=st.sampled_from(FIELDS), inside=st.sampled_from(["", "order", "transaction"]), to=JSON)
@WITH_A_DOOR
def test_any_field_may_be_anything(creem: Creem, place: str, inside: str, to: Any) -> None:
    for kind, body in (("checkout.completed", CHECKOUT), ("refund.created", REFUND)):
        if inside in body and inside:
            about = bent(body, **{inside: body[inside] | {place: to}})
        else:
            about = body | {place: to}
        check_can_be_kept(read(creem, message(kind, about)))


def check_can_be_kept(event: Event) -> None:
    """Every text is one that PostgreSQL takes, at most as long as its column."""
    assert event.about is None or not event.problem
    assert 1 <= len(event.id) <= 100 and len(event.type) <= 40 and len(event.problem) <= 40
    shown = repr(event)
    assert "\\x00" not in shown and "\\ud8" not in shown
    shown.encode()
    if isinstance(event.about, Checkout):
        check_widths(event.about, "id", "product_id", "request_id", "customer_id", "email")
        assert event.about.order is None or event.about.order.id
        if event.about.order:
            check_widths(event.about.order, "id", "product_id", "transaction_id", "currency")
    if isinstance(event.about, Return):
        check_widths(event.about, "id", "order_id", "request_id", "checkout_id", "currency")
        assert 0 <= event.about.amount_cents < 2**31 and len(event.about.reason) <= 40


def check_widths(found: object, *names: str) -> None:
    widths = {"email": 254, "currency": 3}
    assert all(len(getattr(found, name)) <= widths.get(name, 100) for name in names)
