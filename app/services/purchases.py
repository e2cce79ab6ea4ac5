"""Purchases as their owners and operators look at them; nothing here changes one."""

import logging
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select

from app.errors import NotFound, UserError, _l
from app.extensions import db
from app.models import UNPAID, CreditEntry, PaymentEvent, Purchase, Reversal, is_id, now
from app.payments import PaymentError
from app.services import vendors

log = logging.getLogger(__name__)

UNPAID_DAYS = 30
"""A purchase that nobody paid for so long is no longer shown as unfinished."""


class CreemSilent(UserError):
    """Creem cannot be asked just now; what is asked for stays as it is."""

    status = 503

    def __init__(self) -> None:
        super().__init__(
            _l("Creem cannot be asked just now. Nothing is lost; try again in a few minutes.")
        )


def get_owned(user_id: int, purchase_id: str) -> Purchase:
    """The user's purchase, fresh. Raises NotFound when it is not there, or another's."""
    found: Purchase | None = None
    if is_id(purchase_id):
        query = select(Purchase).where(Purchase.id == purchase_id, Purchase.user_id == user_id)
        found = db.session.scalar(query.execution_options(populate_existing=True))
    if found is None:
        raise NotFound(_l("That purchase is not here."))
    return found


def of_user(user_id: int) -> Sequence[Purchase]:
    """All purchases of a user, the newest first."""
    query = select(Purchase).where(Purchase.user_id == user_id)
    return db.session.scalars(query.order_by(Purchase.created_at.desc())).all()


def find_newest(user_id: int) -> Purchase | None:
    """The latest purchase of a user."""
    query = select(Purchase).where(Purchase.user_id == user_id)
    return db.session.scalar(query.order_by(Purchase.created_at.desc()).limit(1))


def unpaid(user_id: int) -> Sequence[Purchase]:
    """A user's purchases of late that a payment may still complete, the newest first."""
    since = now() - timedelta(days=UNPAID_DAYS)
    query = select(Purchase).where(
        Purchase.user_id == user_id, Purchase.status.in_(UNPAID), Purchase.created_at > since
    )
    return db.session.scalars(query.order_by(Purchase.created_at.desc())).all()


def reversals_of(purchase_id: str) -> Sequence[Reversal]:
    """What went back of a purchase, oldest first."""
    query = select(Reversal).where(Reversal.purchase_id == purchase_id)
    return db.session.scalars(query.order_by(Reversal.happened_at, Reversal.id)).all()


def entries_of(purchase_id: str) -> Sequence[CreditEntry]:
    """The ledger's entries of a purchase, oldest first."""
    query = select(CreditEntry).where(CreditEntry.reference == purchase_id)
    return db.session.scalars(query.order_by(CreditEntry.id)).all()


def waiting() -> Sequence[Purchase]:
    """Paid purchases that wait for a person, the oldest first."""
    query = select(Purchase).where(Purchase.status.in_(("parked", "unmatched")))
    return db.session.scalars(query.order_by(Purchase.created_at)).all()


def parked_events() -> Sequence[PaymentEvent]:
    """Events that wait for a person, the oldest first."""
    query = select(PaymentEvent).where(
        PaymentEvent.outcome == "parked", PaymentEvent.resolved_at.is_(None)
    )
    return db.session.scalars(query.order_by(PaymentEvent.id)).all()


def portal_url(user_id: int) -> str:
    """A link to Creem's portal for this buyer. Raises UserError, or CreemSilent."""
    creem = vendors.current().payments
    customer_id = db.session.scalar(
        select(Purchase.customer_id)
        .where(Purchase.user_id == user_id, Purchase.customer_id.is_not(None))
        .order_by(Purchase.paid_at.desc())
        .limit(1)
    )
    if customer_id is None:
        raise UserError(
            _l(
                "Creem's portal opens from here after a payment with this account's address. For "
                "other payments, Creem's own mail has the link."
            )
        )
    db.session.rollback()
    if creem is None:
        raise CreemSilent
    try:
        return creem.portal_url(customer_id)
    except PaymentError as error:
        log.warning("no portal: %s", error)
    raise CreemSilent
