"""Creem's books against ours: what can be mended is, and a person is told of every difference."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from app import limits
from app.extensions import db
from app.models import PAID, PaymentEvent, Purchase, now
from app.payments import Transaction
from app.payments.creem import Creem
from app.services import alerts, books, credits, matching, reconciling, vendors
from app.services.books import Difference
from app.services.matching import PurchaseRow
from app.services.transactions import write_transaction

MOST_PAGES = 400
WITH_MONEY = ("paid", "refunded", "partialRefund", "chargedBack")
SETTLES_IN = timedelta(hours=1)
"""A payment of this very moment may be in one book and not yet in the other."""
EARLIER = timedelta(days=2)
"""Creem's books are read from before the days compared: an event may have come a day late."""


def compare(days: int = limits.COMPARE_DAYS, *, is_settled: bool = True) -> list[Difference]:
    """Compare Creem's transactions of the last days with the ledger; alert on every difference.

    First asks for all that waits, so that a late event is no difference.  `is_settled` leaves out
    payments of the last hour that nobody knows yet.  Raises PaymentError when the books cannot be
    read.
    """
    creem = vendors.current().payments
    if creem is None:
        return []
    reconciling.check_due(is_eager=True)
    since = now() - timedelta(days=days)
    booked, is_cut = _read_books(creem, since - EARLIER)
    compared = [each for each in booked if each.created_at is None or each.created_at >= since]
    found = [one for each in compared for one in _look_at(each, is_settled=is_settled)]
    if is_cut:
        text = (
            f"Creem's books have more than {MOST_PAGES} pages of these days: not all was compared"
        )
        found.append(Difference("books", "pages", text))
    else:
        found += _not_booked({each.id for each in booked}, since, creem.settings.mode)
    with write_transaction() as connection:
        alerts.raise_all(connection, [one.alert for one in found])
    return found


def _read_books(creem: Creem, since: datetime) -> tuple[list[Transaction], bool]:
    """Transactions since then, and whether there were too many pages to read them all.

    In which order Creem lists them is not documented.
    """
    found: list[Transaction] = []
    page: int | None = 1
    while page is not None and page <= MOST_PAGES:
        listed, page = creem.transactions(page)
        fresh = [one for one in listed if one.created_at is None or one.created_at >= since]
        found += fresh
        if listed and not fresh and _is_newest_first(listed):
            page = None
    return [one for one in found if one.status in WITH_MONEY], page is not None


def _is_newest_first(listed: Sequence[Transaction]) -> bool:
    first, last = listed[0].created_at, listed[-1].created_at
    return first is not None and last is not None and first >= last and len(listed) > 1


def _look_at(paid: Transaction, *, is_settled: bool) -> list[Difference]:
    """One transaction, in a transaction of its own."""
    with write_transaction() as connection:
        purchase = _purchase_of(connection, paid)
        if purchase is None:
            return _unknown(connection, paid, is_settled=is_settled)
        if purchase.user_id is None or purchase.status == "parked":
            return _waiting(connection, purchase)
        if purchase.status not in PAID:
            return []  # parked, and all of it went back
        credits.lock(connection, purchase.user_id)
        purchase = matching.get(connection, purchase.id) or purchase
        return books.look_at(connection, purchase, paid)


def _unknown(connection: Connection, paid: Transaction, *, is_settled: bool) -> list[Difference]:
    is_fresh = paid.created_at is not None and paid.created_at > now() - SETTLES_IN
    if (is_settled and is_fresh) or _is_decided(connection, paid.order_id):
        return []
    text = f"transaction {paid.id} (order {paid.order_id}) is paid and no purchase has it"
    return [Difference("not_granted", paid.id, text)]


def _waiting(connection: Connection, purchase: PurchaseRow) -> list[Difference]:
    """Paid, and a person has not decided yet."""
    if _is_decided(connection, purchase.order_id) or purchase.returned_cents:
        return []
    text = f"order {purchase.order_id} was paid, and waits for a person: {purchase.status}"
    return [Difference("unmatched", str(purchase.order_id), text)]


def _purchase_of(connection: Connection, paid: Transaction) -> PurchaseRow | None:
    query = select(Purchase.__table__).where(Purchase.transaction_id == paid.id)
    return connection.execute(query).first() or matching.of_order(connection, paid.order_id)


def _is_decided(connection: Connection, order_id: str | None) -> bool:
    """Whether a person has seen what came of this order, and said that it needs nothing more."""
    query = select(PaymentEvent.id).where(
        PaymentEvent.order_id == order_id, PaymentEvent.resolved_at.is_not(None)
    )
    return connection.scalar(query.limit(1)) is not None


def _not_booked(known: set[str], since: datetime, mode: str) -> list[Difference]:
    """Purchases that we took for paid, and Creem's books do not have."""
    query = select(Purchase.id, Purchase.transaction_id).where(
        Purchase.status.in_(PAID),
        Purchase.mode == mode,
        Purchase.created_at > since,
        Purchase.paid_at < now() - SETTLES_IN,
        Purchase.transaction_id.is_not(None),
    )
    rows = db.session.execute(query).all()
    text = "transaction {} is not in Creem's books"
    return [
        Difference("not_booked", row.id, text.format(row.transaction_id))
        for row in rows
        if row.transaction_id not in known
    ]
