"""Which purchase a message of Creem is about: found by ids that we gave, never by an e-mail.

What a payer typed says nothing about who bought: it may be anybody's (docs/payments.md).
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from app.models import Purchase, is_id
from app.payments import Return

PurchaseRow = Row[Any]
_purchases = Purchase.__table__


def of_checkout(
    connection: Connection, request_id: str, metadata: Mapping[str, str], checkout_id: str
) -> PurchaseRow | None:
    """By our id in a checkout, else by the checkout's own."""
    for named in (request_id, metadata.get("purchase_id", "")):
        if is_id(named) and (found := get(connection, named)):
            return found
    return _first(connection, Purchase.checkout_id == checkout_id) if checkout_id else None


def of_order(connection: Connection, order_id: str) -> PurchaseRow | None:
    """The purchase that this order of Creem's paid."""
    return _first(connection, Purchase.order_id == order_id) if order_id else None


def of_return(connection: Connection, back: Return) -> PurchaseRow | None:
    """The paid purchase whose money goes back; None while its payment is not known."""
    by_transaction = Purchase.transaction_id == back.transaction.id
    found = _first(connection, by_transaction) or of_order(connection, back.order_id)
    if found is not None:
        return found
    named = of_checkout(connection, back.request_id, back.metadata, back.checkout_id)
    if named is None or named.order_id is None or named.transaction_id is not None:
        return None  # not paid yet, or by another transaction: a purchase may be paid twice
    return named if back.order_id in ("", named.order_id) else None


def get(connection: Connection, purchase_id: str) -> PurchaseRow | None:
    """The purchase as this transaction sees it."""
    return _first(connection, Purchase.id == purchase_id)


def _first(connection: Connection, condition: Any) -> PurchaseRow | None:
    query: Select[Any] = select(_purchases).where(condition).order_by(Purchase.created_at.desc())
    return connection.execute(query.limit(1)).first()
