"""Refunds and disputes, a row each: what Creem told of them, and how they ended.

What they take of a purchase's credits is clawbacks.py, called after every change here.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app import limits
from app.models import Purchase, Reversal, new_id, now
from app.payments import Return, Transaction
from app.services import clawbacks, credits, matching
from app.services.clawbacks import ReversalRow
from app.services.matching import PurchaseRow
from app.services.outcomes import Alert, Outcome

_purchases, _reversals = Purchase.__table__, Reversal.__table__
SEEN_MAX_CHARS = 100
"""As wide as the column of remote ids."""
LATER = {"pending": 0, "succeeded": 1, "failed": 2}
"""Which of two messages of the same moment is the newer one."""


def record(connection: Connection, back: Return, mode: str) -> Outcome:
    """Take in a refund or dispute that Creem tells of, in the caller's transaction.

    One whose payment is not known yet is kept: `adopt` finds it when the payment comes.  Raises
    Overtaken where another message of the same payment is under way.
    """
    if back.mode != mode:
        return Outcome("parked", "mode", alerts=(_alert(back, "of Creem's other world"),))
    named = _find_and_lock(connection, back)
    purchase = matching.of_return(connection, back)
    if purchase is not None and back.currency not in ("", purchase.currency):
        return Outcome("parked", "currency", purchase.id, (_alert(back, "of another currency"),))
    reversal_id = _keep(connection, back, purchase, named.id if named else None)
    if reversal_id is None:
        return Outcome("ignored", "again", purchase.id if purchase else None)
    if purchase is None:
        news = (_alert(back, "its payment is not known yet"),) if back.kind == "dispute" else ()
        return Outcome("done", "before_payment", alerts=news)
    _learn(connection, purchase.id, back.transaction)
    clawbacks.settle(connection, purchase.id, reversal_id)
    news = (_alert(back, "its credits are taken back"),) if back.kind == "dispute" else ()
    return Outcome("done", back.status, purchase.id, news)


def _find_and_lock(connection: Connection, back: Return) -> PurchaseRow | None:
    """The purchase that is meant, paid or not, its account locked first, as everywhere.

    One that is not paid yet is locked too: its payment may be under way at this moment.
    """
    named = matching.of_return(connection, back) or matching.of_checkout(
        connection, back.request_id, back.metadata, back.checkout_id
    )
    if named is not None and named.user_id is not None:
        credits.lock(connection, named.user_id)
    return named


def _learn(connection: Connection, purchase_id: str, paid: Transaction) -> None:
    """What a payment did not say of its transaction, and a later message does."""
    connection.execute(
        update(_purchases)
        .where(Purchase.id == purchase_id)
        .values(
            transaction_id=func.coalesce(Purchase.transaction_id, paid.id),
            paid_cents=func.coalesce(Purchase.paid_cents, paid.paid_cents),
        )
    )


def learn(connection: Connection, purchase: PurchaseRow, paid: Transaction) -> int:
    """Take over what Creem's books say of a purchase's payment, and settle what it is about.

    The account is locked by the caller.  Returns the credits that were taken for it.
    """
    if purchase.transaction_id is None or purchase.paid_cents is None:
        _learn(connection, purchase.id, paid)
    return adopt(connection, purchase.id)


def adopt(connection: Connection, purchase_id: str) -> int:
    """Settle what went back before its payment was known. The account is locked by the caller.

    Returns the credits that were taken.
    """
    purchase = matching.get(connection, purchase_id)
    rows = clawbacks.of_purchase(connection, purchase) if purchase is not None else ()
    for row in rows:
        connection.execute(
            update(_reversals)
            .where(Reversal.id == row.id, Reversal.purchase_id.is_(None))
            .values(purchase_id=purchase_id)
        )
    return clawbacks.settle(connection, purchase_id, rows[-1].id) if rows else 0


def change(
    connection: Connection,
    reversal_id: str,
    status: str,
    *,
    only_from: Sequence[str] = (*clawbacks.OPEN, "succeeded"),
    **values: object,
) -> bool:
    """Move a reversal on and settle it. Returns whether this call did it. Raises Overtaken."""
    row = connection.execute(select(_reversals).where(Reversal.id == reversal_id)).one()
    purchase = matching.get(connection, row.purchase_id) if row.purchase_id else None
    if purchase is not None and purchase.user_id is not None:
        credits.lock(connection, purchase.user_id)
        row = connection.execute(select(_reversals).where(Reversal.id == reversal_id)).one()
    moved = connection.execute(
        update(_reversals)
        .where(
            Reversal.id == reversal_id, Reversal.status != status, Reversal.status.in_(only_from)
        )
        .values(status=status, **values)
        .returning(Reversal.purchase_id)
    ).first()
    if moved is None:
        return False
    if moved.purchase_id != row.purchase_id:
        raise clawbacks.Overtaken(reversal_id)  # its payment came at this very moment
    if status == "failed":
        _lower_totals(connection, row)
    if row.purchase_id is not None:
        clawbacks.settle(connection, row.purchase_id, reversal_id)
    return True


def see(
    connection: Connection, purchase: PurchaseRow, paid: Transaction, kind: str, moment: datetime
) -> None:
    """Write what Creem's books say has gone back, and no event told. The account is locked.

    A refund counts as one from before any dispute: no more than was paid is taken in any case.
    """
    is_refund = kind == "refund"
    amount_cents = purchase.paid_cents or paid.paid_cents or purchase.price_cents
    values = {
        "status": "succeeded",
        "amount_cents": 0 if is_refund else amount_cents,
        "total_cents": paid.refunded_cents if is_refund else 0,
        "happened_at": (paid.created_at or purchase.paid_at or moment) if is_refund else moment,
        "created_at": moment,
    }
    row = {
        "id": new_id(), "kind": "seen" if is_refund else "dispute", "purchase_id": purchase.id,
        "remote_id": _seen_id(kind, paid.id), "transaction_id": paid.id, "moves": 0, "checks": 0,
        "order_id": purchase.order_id, "paid_cents": paid.paid_cents, "reason": "in Creem's books",
        **values,
    }  # fmt: skip
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    seen_id = connection.scalar(
        insert(Reversal)
        .values(row)
        .on_conflict_do_update(index_elements=[Reversal.remote_id], set_=values)
        .returning(Reversal.id)
    )
    clawbacks.settle(connection, purchase.id, str(seen_id))


def _seen_id(kind: str, transaction_id: str) -> str:
    return f"{kind} in {transaction_id}"[:SEEN_MAX_CHARS]


def _keep(
    connection: Connection, back: Return, purchase: PurchaseRow | None, named_id: str | None
) -> str | None:
    """Write a reversal or bring its row up to date; None when nothing is new."""
    if mine := _known_otherwise(connection, back):
        return mine
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    written: str | None = connection.scalar(
        insert(Reversal)
        .values(
            id=new_id(),
            remote_id=back.id,
            kind=back.kind,
            status=back.status,
            purchase_id=purchase.id if purchase else None,
            named_id=named_id,
            transaction_id=back.transaction.id or None,
            order_id=back.order_id or back.transaction.order_id or None,
            amount_cents=back.amount_cents,
            total_cents=back.transaction.refunded_cents if back.kind == "refund" else 0,
            paid_cents=back.transaction.paid_cents,
            reason=back.reason[:40],
            happened_at=back.happened_at,
            created_at=now(),
            moves=0,
            check_at=_check_at(back),
            checks=0,
        )
        .on_conflict_do_nothing(index_elements=[Reversal.remote_id])
        .returning(Reversal.id)
    )
    return written or _renew(connection, back)


def _check_at(back: Return) -> datetime | None:
    """No event says how a pending refund ended: Creem is asked."""
    wait = timedelta(seconds=limits.PAYMENT_CHECK_S)
    return now() + wait if back.status == "pending" else None


def _renew(connection: Connection, back: Return) -> str | None:
    """A reversal that is known already: the newer message counts, by Creem's clock."""
    row = connection.execute(select(_reversals).where(Reversal.remote_id == back.id)).one()
    is_newer = (back.happened_at, LATER[back.status]) > (row.happened_at, LATER.get(row.status, 0))
    if row.status == back.status or not is_newer or row.status == "failed":
        return None
    connection.execute(
        update(_reversals)
        .where(Reversal.id == row.id)
        .values(
            status=back.status,
            amount_cents=back.amount_cents,
            total_cents=max(back.transaction.refunded_cents, row.total_cents),
            happened_at=back.happened_at,
            check_at=_check_at(back),
        )
    )
    if back.status == "failed":
        _lower_totals(connection, row)
    return str(row.id)


def _known_otherwise(connection: Connection, back: Return) -> str | None:
    """The refund that we started, or the chargeback that the books told of: this is its event."""
    if connection.scalar(select(Reversal.id).where(Reversal.remote_id == back.id)):
        return None  # known by its own id: `_renew` sees to it
    query = select(_reversals).where(Reversal.transaction_id == back.transaction.id)
    if back.kind == "dispute":
        query = query.where(Reversal.remote_id == _seen_id("dispute", back.transaction.id))
    else:
        query = query.where(
            Reversal.kind == "ours",
            Reversal.remote_id.is_(None),
            Reversal.status != "failed",
            Reversal.amount_cents == back.amount_cents,
        )
    row = connection.execute(query.limit(1)).first()
    if row is None:
        return None
    is_older = row.status == "failed" or (row.status, back.status) == ("succeeded", "pending")
    status = row.status if is_older else back.status  # a dispute that was won stays so
    values: dict[str, Any] = {"remote_id": back.id, "status": status}
    if back.kind == "dispute":
        values |= {"amount_cents": back.amount_cents, "happened_at": back.happened_at}
    elif back.transaction.refunded_cents:
        values["total_cents"] = back.transaction.refunded_cents
    connection.execute(update(_reversals).where(Reversal.id == row.id).values(**values))
    if status == "failed" and row.status != "failed":
        _lower_totals(connection, row)
    return str(row.id)


def _lower_totals(connection: Connection, failed: ReversalRow) -> None:
    """What a transaction said after a refund succeeded included it: no more, since it failed."""
    if failed.status != "succeeded" or failed.kind == "dispute" or not failed.transaction_id:
        return
    told_after = ((Reversal.kind == "seen") & (Reversal.created_at >= failed.happened_at)) | (
        (Reversal.kind != "seen") & (Reversal.happened_at >= failed.happened_at)
    )
    connection.execute(
        update(_reversals)
        .where(
            Reversal.transaction_id == failed.transaction_id,
            Reversal.id != failed.id,
            Reversal.total_cents >= failed.amount_cents,
            told_after,
        )
        .values(total_cents=Reversal.total_cents - failed.amount_cents)
    )


def _alert(back: Return, what: str) -> Alert:
    text = f"{back.kind} {back.id} of transaction {back.transaction.id}: {what}"
    return Alert(f"payment_{back.kind}", back.id, text)
