"""Asking Creem where no event came: purchases that wait to be paid, refunds that wait for an end,
and, at growing intervals, paid purchases of which something may have gone back since.

Events are tried five times within a day and then lost (docs/payments.md).  Every row that is due is
claimed by a guarded UPDATE first, so that any number of workers ask for it once; asked for in vain,
it is asked for again after twice the time.  A round ends early when Creem is silent.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update

from app import limits
from app.extensions import db
from app.models import PAID, Purchase, Reversal, now
from app.payments import PaymentError, Transaction
from app.payments.creem import Creem
from app.services import alerts, books, checkouts, clawbacks, credits, matching, reversals, vendors
from app.services.fulfilment import OVERTAKEN
from app.services.transactions import write_transaction

log = logging.getLogger(__name__)
BATCH = 50
ROUND_S = 40.0
"""A round begins nothing new after so long: the next one comes within the minute."""
MOST_SILENT = 2
MOST_DOUBLINGS = 7
"""10 minutes doubled so often is 21 hours."""
Check = Callable[[Creem, Any], bool]
"""Looks at a row; returns whether Creem said anything."""


def check_due(*, is_eager: bool = False) -> int:
    """Ask Creem for what is due, or (eager) for all that waits. Returns how many rows it was.

    A row is put off before it is asked for: a worker that dies meanwhile only delays it.
    """
    creem = vendors.current().payments
    if creem is None:
        return 0
    kinds: list[tuple[Any, tuple[str, ...], Check]] = [
        (Purchase, ("pending",), _check_purchase),
        (Reversal, clawbacks.OPEN, _check_reversal),
    ]
    if not is_eager:
        kinds.append((Purchase, PAID, _look_back))
    count = silent = 0
    ends_at = time.monotonic() + ROUND_S
    for model, states, check in kinds:
        for row_id in _due(model, states, is_eager=is_eager):
            if silent >= MOST_SILENT or (not is_eager and time.monotonic() > ends_at):
                break
            if (row := _claim(model, row_id, is_eager=is_eager)) is not None:
                count += 1
                silent += not _try(check, creem, row)
    return count + _adopt_orphans()


def _due(model: Any, states: tuple[str, ...], *, is_eager: bool) -> list[str]:
    query = select(model.id).where(model.status.in_(states), model.check_at.is_not(None))
    query = query.order_by(model.check_at)
    if not is_eager:
        query = query.where(model.check_at <= now()).limit(BATCH)
    found = list(db.session.scalars(query))
    db.session.rollback()
    return found


def _claim(model: Any, row_id: str, *, is_eager: bool) -> Row[Any] | None:
    """Put a row off to its next look; None where another worker did, or nothing waits any more.

    Who asks eagerly puts nothing off.
    """
    moment, columns = now(), model.__table__.c
    with write_transaction() as connection:
        row = connection.execute(select(*columns).where(model.id == row_id)).one()
        if is_eager or row.check_at is None:
            return row if is_eager else None
        return connection.execute(
            update(model.__table__)
            .where(model.id == row_id, model.checks == row.checks, model.check_at <= moment)
            .values(check_at=_next(moment, row), checks=row.checks + 1)
            .returning(*columns)
        ).first()


def _next(moment: datetime, row: Row[Any]) -> datetime | None:
    """After twice the time; not past the moment when a purchase is given up, and not for ever."""
    if row.status in PAID:
        is_last = row.checks + 1 >= limits.LOOKS_BACK
        wait = timedelta(seconds=limits.LOOK_BACK_S * 2 ** (row.checks + 1))
        return None if is_last else moment + wait
    wait = timedelta(seconds=limits.PAYMENT_CHECK_S * 2 ** min(row.checks, MOST_DOUBLINGS))
    given_up_at = row.created_at + timedelta(seconds=limits.PAYMENT_GIVE_UP_S)
    return min(moment + wait, given_up_at) if moment < given_up_at else moment + wait


def _try(check: Check, creem: Creem, row: Row[Any]) -> bool:
    """Whether Creem answered. What another transaction overtook is looked at the next time."""
    try:
        return check(creem, row)
    except OVERTAKEN:
        log.warning("%s was overtaken", row.id)
        return True


def _check_purchase(creem: Creem, row: Row[Any]) -> bool:
    """A purchase by link has no page to ask for: it only grows old."""
    is_old = _is_older(row.created_at, limits.PAYMENT_GIVE_UP_S)
    if not row.checkout_id:
        if is_old:
            checkouts.expire(row.id)
        return True
    looked = checkouts.look(creem, row.id, row.checkout_id)
    if is_old and looked.state == "open":
        checkouts.expire(row.id)
    if is_old and looked.is_incomplete:
        checkouts.park_incomplete(row.id)
    return looked.state != "silent"


def _is_older(moment: datetime, seconds: int) -> bool:
    return bool(moment <= now() - timedelta(seconds=seconds))


def _find(creem: Creem, transaction_id: str | None) -> Transaction | None:
    try:
        return creem.find_transaction(transaction_id or "")
    except PaymentError as error:
        log.warning("transaction %s was not read: %s", transaction_id, error)
        return None


def _look_back(creem: Creem, row: Row[Any]) -> bool:
    """Whether something of a paid purchase has gone back, and its event got lost."""
    if row.transaction_id is None:
        return True
    paid = _find(creem, row.transaction_id)
    if paid is None:
        return False
    with write_transaction() as connection:
        credits.lock(connection, row.user_id)
        purchase = matching.get(connection, row.id)
        found = books.look_at(connection, purchase, paid) if purchase is not None else []
        alerts.raise_all(connection, [one.alert for one in found])
    return True


def _check_reversal(creem: Creem, row: Row[Any]) -> bool:
    """How a refund ended: by what its transaction says has gone back."""
    paid = _find(creem, row.transaction_id)
    if paid is None:
        return False
    with write_transaction() as connection:
        _settle(connection, row, paid)
    return True


def _settle(connection: Connection, row: Row[Any], paid: Transaction) -> None:
    """The books may have told of it first: what they told is not counted here."""
    told_cents = clawbacks.refunded_cents(connection, row.transaction_id, kinds=clawbacks.TOLD)
    has_gone = paid.refunded_cents >= told_cents + row.amount_cents > told_cents
    if has_gone:
        total_cents = paid.refunded_cents
        reversals.change(connection, row.id, "succeeded", total_cents=total_cents, check_at=None)
    elif row.status in ("starting", "unknown") and _is_older(
        row.created_at, limits.RETURN_GIVE_UP_S
    ):
        reversals.change(connection, row.id, "failed", check_at=None)
        text = f"refund {row.id} was started and Creem's books show none of it: it is given up"
        alerts.raise_in(connection, "payment_refund_lost", row.id, text)
    elif _is_older(row.created_at, limits.RETURN_ALERT_S):
        text = f"refund {row.id} has been pending for more than a week"
        alerts.raise_in(connection, "payment_refund_pending", row.id, text)


def _adopt_orphans() -> int:
    """Settle what came at the same moment as its payment, so that neither saw the other."""
    same = (
        (Purchase.transaction_id == Reversal.transaction_id)
        | (Purchase.order_id == Reversal.order_id)
        | (Purchase.transaction_id.is_(None) & (Purchase.id == Reversal.named_id))
    )
    query = select(Purchase.id, Purchase.user_id).join(Reversal, same)
    query = query.where(
        Reversal.purchase_id.is_(None),
        Purchase.user_id.is_not(None),
        Purchase.order_id.is_not(None),
    )
    found = db.session.execute(query.distinct()).all()
    db.session.rollback()
    for purchase_id, user_id in found:
        with write_transaction() as connection:
            credits.lock(connection, int(user_id or 0))
            reversals.adopt(connection, purchase_id)
    return len(found)
