"""What Creem's JSON says, as our types.  Lenient: whatever may be missing or spelt otherwise may.

Creem's own samples break its schema (docs/payments.md), so nothing here raises, whatever it is.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, Literal

from app.payments import Checkout, Event, Order, Return, Status, Transaction
from app.payments.values import (
    NOTHING,
    Fields,
    currency,
    email,
    fields,
    first,
    id_of,
    integer,
    metadata,
    mode,
    moment,
    plain,
    text,
)

_WORD: Final = 40  # characters of a type, a status or a reason
STATUSES: Final[dict[str, Status]] = {
    "pending": "pending",
    "requiresaction": "pending",
    "succeeded": "succeeded",
    "failed": "failed",
    "canceled": "failed",
    "cancelled": "failed",
}
_OF_TRANSACTIONS: Final = {
    "chargeback": "chargedBack",
    "chargedback": "chargedBack",
    "partialrefund": "partialRefund",
    "partiallyrefunded": "partialRefund",
}


def event(body: bytes) -> Event:
    """A signed message.  One without an id of its own gets one from its bytes."""
    said, problem = _object(body)
    told = said.get("id")
    if problem or not isinstance(told, str) or not told.strip("\0 "):
        return Event(_fingerprint(body), "", None, None, problem or "no id")
    own_id = id_of(told) or _fingerprint(told.encode("utf-8", "replace"))
    kind, created_at = text(said.get("eventType"), _WORD), moment(said.get("created_at"))
    read = _READERS.get(kind)
    if read is None:
        return Event(own_id, kind, created_at, None, "" if kind else "no type")
    about = read(fields(said.get("object")), created_at)
    if isinstance(about, str):
        return Event(own_id, kind, created_at, None, about)
    return Event(own_id, kind, created_at, about)


def checkout(said: Fields, url: str = "") -> Checkout | None:
    """A payment page; None where it has no id.  `url` is for the caller to judge."""
    found, order = id_of(said), said.get("order")
    if not found:
        return None
    product_id = id_of(said.get("product")) or id_of(said.get("product_id"))
    customer = said.get("customer")
    return Checkout(
        id=found,
        status=text(said.get("status"), _WORD).lower(),
        mode=mode(said.get("mode")),
        url=url,
        product_id=product_id,
        units=_units(said.get("units")),
        request_id=id_of(said.get("request_id")),
        metadata=metadata(said.get("metadata")),
        order=_order(order, said.get("product"), product_id),
        customer_id=id_of(customer) or id_of(fields(order).get("customer")),
        email=email(fields(customer).get("email")),
    )


def transaction(value: Any) -> Transaction | None:
    """A payment in Creem's books, or no more than its id.

    None where even that is missing, and where it is not to be read what of it went back.
    """
    found, said = id_of(value), fields(value)
    status = text(said.get("status"), _WORD)
    status = _OF_TRANSACTIONS.get(plain(status), status)
    paid_cents = integer(said.get("amount_paid"))
    refunded_cents = _refunded(said.get("refunded_amount"), status, paid_cents)
    if not found or refunded_cents is None:
        return None
    return Transaction(
        id=found,
        status=status,
        order_id=id_of(said.get("order")),
        currency=currency(said.get("currency")),
        paid_cents=paid_cents,
        refunded_cents=refunded_cents,
        created_at=moment(said.get("created_at")),
    )


def _refunded(value: Any, status: str, paid_cents: int | None) -> int | None:
    """What Creem leaves out is nothing, unless all of it went back by the status."""
    if value is not None:
        return integer(value)
    return (paid_cents if status == "refunded" else 0) or 0


def _object(body: bytes) -> tuple[Fields, str]:
    """The body as an object, or what is wrong with it."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return NOTHING, "no JSON"
    return (said, "") if isinstance(said, dict) else (NOTHING, "no JSON object")


def _fingerprint(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _paid(said: Fields, _created_at: datetime | None) -> Checkout | str:
    return checkout(said) or "a checkout without an id"


def _returned(
    kind: Literal["refund", "dispute"], said: Fields, created_at: datetime | None
) -> Return | str:
    page, back = fields(said.get("checkout")), transaction(said.get("transaction"))
    amount = "refund_amount" if kind == "refund" else "amount"
    own_id, cents, status = id_of(said), integer(said.get(amount)), _status(kind, said)
    if not own_id or back is None or cents is None or status is None:
        parts = {"id": own_id, "transaction": back, "status": status}
        missing = [each for each, found in parts.items() if not found]
        return f"a {kind} without its {(missing or ['amount'])[0]}"
    return Return(
        id=own_id,
        kind=kind,
        status=status,
        mode=mode(said.get("mode"), fields(said.get("transaction")).get("mode"), page.get("mode")),
        amount_cents=cents,
        currency=currency(said.get("refund_currency"), said.get("currency"), back.currency),
        reason=text(said.get("reason"), _WORD),
        transaction=back,
        order_id=id_of(said.get("order")) or back.order_id or id_of(page.get("order")),
        request_id=id_of(page.get("request_id")) or id_of(said.get("request_id")),
        metadata=metadata(page.get("metadata"), said.get("metadata")),
        checkout_id=id_of(said.get("checkout")),
        happened_at=moment(said.get("created_at")) or created_at or datetime.now(UTC),
    )


def _status(kind: str, said: Fields) -> Status | None:
    """Of a refund; a dispute has none: its money is gone while it lasts."""
    return "succeeded" if kind == "dispute" else STATUSES.get(plain(said.get("status")))


_READERS: Final[dict[str, Callable[[Fields, datetime | None], Checkout | Return | str]]] = {
    "checkout.completed": _paid,
    "refund.created": lambda said, created_at: _returned("refund", said, created_at),
    "dispute.created": lambda said, created_at: _returned("dispute", said, created_at),
}


def _order(value: Any, product: Any, product_id: str) -> Order | None:
    """A paid order; its transaction may be an object, or an id and nothing more."""
    found, said = id_of(value), fields(value)
    if not found:
        return None
    payment = fields(said.get("transaction"))
    return Order(
        id=found,
        status=text(said.get("status"), _WORD).lower(),
        type=plain(said.get("type")) or plain(fields(product).get("billing_type")),
        product_id=id_of(said.get("product")) or product_id,
        currency=currency(said.get("currency"), payment.get("currency")),
        amount_cents=integer(said.get("amount")),
        discount_cents=first(said.get("discount_amount"), payment.get("discount_amount")) or 0,
        tax_cents=first(said.get("tax_amount"), payment.get("tax_amount")),
        paid_cents=first(
            said.get("amount_paid"), payment.get("amount_paid"), said.get("amount_due")
        ),
        transaction_id=id_of(said.get("transaction")),
        created_at=moment(said.get("created_at")),
    )


def _units(value: Any) -> int | None:
    """None where Creem says nothing; what is no whole number is no number of packs: 0."""
    return None if value is None else integer(value) or 0
