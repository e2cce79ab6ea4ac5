"""Asking Creem about one payment page: who comes back, presses again or waits too long causes it.

No event tells of a declined card or of a page that expired (docs/payments.md).
"""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from sqlalchemy import Connection, func, select, update

from app.extensions import db
from app.models import Purchase, now
from app.payments import PaymentError
from app.payments.creem import Creem
from app.services import alerts, fulfilment
from app.services.outcomes import Outcome
from app.services.transactions import write_transaction

log = logging.getLogger(__name__)
_purchases = Purchase.__table__
NOT_PAID = ("declined", "uncollectible", "canceled", "void")
"""States of a transaction that ended without money."""
REPEATED = 2
"""So many failures of one kind within an hour are worth a person's look."""


@dataclass(frozen=True, slots=True)
class Look:
    """ended: paid (granted or parked); open; closed: nobody can pay there; silent: no answer."""

    state: Literal["ended", "open", "closed", "silent"]
    outcome: Outcome | None = None

    @property
    def is_incomplete(self) -> bool:
        """Creem calls it completed, and does not say how it was paid."""
        return self.outcome is not None and self.outcome.reason == "incomplete"


def look(creem: Creem, purchase_id: str, checkout_id: str) -> Look:
    """Ask Creem about a purchase's page and write down what it says: a grant, an end, a decline.

    No transaction is open while Creem takes its time.
    """
    db.session.rollback()
    try:
        checkout = creem.find_checkout(checkout_id)
    except PaymentError as error:
        log.warning("checkout %s was not read: %s", checkout_id, error)
        if error.trouble != "not_found":
            return Look("silent")
        expire(purchase_id)
        return Look("closed")
    outcome = fulfilment.apply(checkout)
    if checkout.status == "expired":
        expire(purchase_id)
        return Look("closed", outcome)
    if checkout.status == "completed":
        return Look("ended", outcome)
    if checkout.order is not None and checkout.order.transaction_id:
        _look_for_decline(creem, purchase_id, checkout.order.transaction_id)
    return Look("open", outcome)


def _look_for_decline(creem: Creem, purchase_id: str, transaction_id: str) -> None:
    try:
        paid = creem.find_transaction(transaction_id)
    except PaymentError as error:
        log.warning("transaction %s was not read: %s", transaction_id, error)
        return
    if paid.status in NOT_PAID:
        note_decline(purchase_id, transaction_id)


def note_decline(purchase_id: str, transaction_id: str) -> None:
    """A card was declined; the page is still open for another. Noted once a transaction."""
    with write_transaction() as connection:
        noted = connection.execute(
            update(_purchases)
            .where(
                Purchase.id == purchase_id,
                Purchase.status == "pending",
                func.coalesce(Purchase.transaction_id, "") != transaction_id,
            )
            .values(
                failure="declined",
                failed_at=now(),
                failures=Purchase.failures + 1,
                transaction_id=transaction_id,
            )
            .returning(Purchase.user_id)
        ).first()
        if noted is not None:
            tell_of_repeated(connection, "declined", noted.user_id)


def park_incomplete(purchase_id: str) -> None:
    """A day after it was completed Creem still does not say how it was paid: a person looks."""
    with write_transaction() as connection:
        parked = connection.execute(
            update(_purchases)
            .where(Purchase.id == purchase_id, Purchase.status == "pending")
            .values(status="parked", failure="incomplete", failed_at=now(), check_at=None)
        )
        if parked.rowcount:
            text = f"purchase {purchase_id}: its checkout is completed and names no paid order"
            alerts.raise_in(connection, "payment_parked", purchase_id, text)


def tell_of_repeated(connection: Connection, failure: str, user_id: int | None = None) -> None:
    """Raise an alert for a failure that came before within the hour, as the caller's last step.

    With `user_id` to the same buyer: cards of strangers are declined all day long.
    """
    query = select(func.sum(Purchase.failures)).where(
        Purchase.failure == failure, Purchase.failed_at > now() - timedelta(hours=1)
    )
    if user_id is not None:
        query = query.where(Purchase.user_id == user_id)
    count = connection.scalar(query)
    if int(count or 0) >= REPEATED:
        text = f"{count} payments failed within an hour: {failure}"
        alerts.raise_in(connection, "payment_failed", failure, text)


def expire(purchase_id: str) -> bool:
    """Nobody paid, and nobody can any more. A payment that comes all the same still counts."""
    with write_transaction() as connection:
        done = connection.execute(
            update(_purchases)
            .where(Purchase.id == purchase_id, Purchase.status == "pending")
            .values(status="expired", check_at=None)
        )
    return done.rowcount == 1
