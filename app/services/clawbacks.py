"""How many credits the money that went back takes along: worked out anew from all that is known.

Only the difference to what is taken already is written: so it does not matter which message came
first, twice, or before the payment.  A refund of theirs counts once it succeeded, one of ours from
its start, a dispute while it is open.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, false, or_, select, update

from app.models import PAID, Purchase, Reversal
from app.services import credits, matching
from app.services.matching import PurchaseRow

ReversalRow = Row[Any]
_purchases, _reversals = Purchase.__table__, Reversal.__table__
OPEN = ("starting", "unknown", "pending")
TOLD = ("refund", "ours")
REFUNDS = (*TOLD, "seen")


class Overtaken(RuntimeError):
    """Another transaction changed what this one was based on: it is to be begun again."""


def settle(connection: Connection, purchase_id: str, cause_id: str) -> int:
    """Write the difference between what is taken and what is to be; returns it (0: nothing).

    The account is locked by the caller.  What was never granted is not taken: then only what went
    back is noted.  Raises Overtaken where an unmatched purchase has just got its owner.
    """
    purchase = matching.get(connection, purchase_id)
    if purchase is None or purchase.order_id is None:
        return 0
    rows = of_purchase(connection, purchase)
    paid_cents = _paid_cents(purchase, rows)
    returned_cents = min(paid_cents, returned(rows))
    values: dict[str, Any] = {"returned_cents": returned_cents}
    if purchase.status in PAID:
        values["clawed_credits"] = to_take(purchase.credits, returned_cents, paid_cents)
        values["status"] = _status(rows, returned_cents, paid_cents)
    elif returned_cents >= paid_cents > 0:
        values |= _never_granted(purchase)
    written = connection.execute(
        update(_purchases)
        .where(Purchase.id == purchase_id, Purchase.user_id.is_not_distinct_from(purchase.user_id))
        .values(**values)
    )
    if written.rowcount != 1:
        raise Overtaken(purchase_id)
    more = int(values.get("clawed_credits", purchase.clawed_credits) - purchase.clawed_credits)
    if more:
        _write_entry(connection, purchase, cause_id, more)
    return more


def _never_granted(purchase: PurchaseRow) -> dict[str, Any]:
    """All the money of a payment without credits went back: nobody has to decide any more."""
    if purchase.status == "parked":
        return {"status": "failed", "failure": "returned"}
    return {"payer_email": None}


def to_take(number: int, returned_cents: int, paid_cents: int) -> int:
    """The credits that `returned_cents` of `paid_cents` are worth: half up, all for all."""
    if returned_cents <= 0:
        return 0
    if returned_cents >= paid_cents:
        return number
    return (2 * number * returned_cents + paid_cents) // (2 * paid_cents)


def returned(rows: Sequence[ReversalRow]) -> int:
    """Cents that went back of one transaction.

    A refund after a dispute is the dispute's own money: card networks let only be disputed what is
    left, and Creem refunds to end a dispute.  Refunds before it are money of their own.
    """
    counting = [row for row in rows if _counts(row)]
    refunds = [row for row in counting if row.kind != "dispute"]
    disputes = [row for row in counting if row.kind == "dispute"]
    refunded = _total(refunds)
    if not disputes:
        return refunded
    begun_at = min(row.happened_at for row in disputes)
    before = _total([row for row in refunds if row.happened_at < begun_at])
    disputed = sum(row.amount_cents for row in disputes)
    return int(before + max(disputed, refunded - before))


def refunded_cents(
    connection: Connection, transaction_id: str | None, *, kinds: Sequence[str] = REFUNDS
) -> int:
    """Cents of a transaction that are known to have been refunded, disputes apart."""
    query = select(_reversals).where(
        Reversal.transaction_id == transaction_id,
        Reversal.kind.in_(kinds),
        Reversal.status == "succeeded",
    )
    return _total(connection.execute(query).all())


def of_purchase(connection: Connection, purchase: PurchaseRow) -> Sequence[ReversalRow]:
    """All that went back of a purchase, by Creem's clock; also what names only its payment."""
    orphan: ColumnElement[bool] = false()
    if purchase.transaction_id:
        orphan |= Reversal.transaction_id == purchase.transaction_id
    if purchase.order_id:
        orphan |= Reversal.order_id == purchase.order_id
    if not purchase.transaction_id:  # by name only while nothing better is known
        orphan |= Reversal.named_id == purchase.id
    mine = or_(Reversal.purchase_id == purchase.id, Reversal.purchase_id.is_(None) & orphan)
    query = select(_reversals).where(mine)
    return connection.execute(query.order_by(Reversal.happened_at, Reversal.id)).all()


def _counts(row: ReversalRow) -> bool:
    return row.status == "succeeded" or (row.kind == "ours" and row.status in OPEN)


def _total(refunds: Sequence[ReversalRow]) -> int:
    """By the refunds that are known, or by what their transaction said: whichever is more."""
    known = sum(row.amount_cents for row in refunds)
    return int(max([known, *(row.total_cents for row in refunds)]))


def _paid_cents(purchase: PurchaseRow, rows: Sequence[ReversalRow]) -> int:
    told = [row.paid_cents for row in rows if row.paid_cents]
    if purchase.paid_cents is not None:
        return int(purchase.paid_cents)
    return max(told) if told else int(purchase.price_cents * purchase.units)


def _status(rows: Sequence[ReversalRow], returned_cents: int, paid_cents: int) -> str:
    if any(row.kind == "dispute" and _counts(row) for row in rows):
        return "disputed"
    if not returned_cents:
        return "completed"
    return "refunded" if returned_cents >= paid_cents else "partly_refunded"


def _write_entry(connection: Connection, purchase: PurchaseRow, cause_id: str, more: int) -> None:
    moves = connection.scalar(
        update(_reversals)
        .where(Reversal.id == cause_id)
        .values(moves=Reversal.moves + 1)
        .returning(Reversal.moves)
    )
    kind = "clawback" if more > 0 else "reinstatement"
    credits.grant(
        connection,
        purchase.user_id,
        -more,
        kind=kind,
        key=f"{kind}:{cause_id}:{moves}",
        reason=purchase.pack,
        reference=purchase.id,
    )
