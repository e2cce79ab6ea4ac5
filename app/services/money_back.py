"""Giving money back: a full refund that we start. It takes the credits first, then asks Creem.

Free credits are spent first, then packs in order of purchase: so a pack is unspent while all that
was spent is no more than the free credits and the earlier packs (money rules).
"""

import logging
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, insert, select

from app import limits
from app.errors import NotFound, UserError, _l
from app.extensions import db
from app.models import PAID, CreditAccount, CreditEntry, Purchase, Reversal, is_id, new_id, now
from app.payments import PaymentError
from app.payments.creem import Creem
from app.services import buying, clawbacks, credits, matching, reversals, vendors
from app.services.matching import PurchaseRow
from app.services.transactions import write_transaction

log = logging.getLogger(__name__)
CERTAIN_NO = ("refused", "not_found", "rate_limited")
"""Troubles after which surely nothing was refunded."""


def refund(purchase_id: str, *, is_forced: bool = False) -> Reversal:
    """Refund what is left of a purchase, through Creem, whose API knows no partial refund.

    `is_forced` skips the rule that a pack is unspent and younger than 14 days.  Raises UserError
    when it is not allowed, or when Creem surely did not do it: then the credits are back.
    """
    creem = vendors.current().payments
    if creem is None:
        raise buying.PaymentsUnavailable(_l("Creem is not set up here. Nothing was refunded."))
    reversal_id, transaction_id = _start(purchase_id, is_forced=is_forced)
    status = _ask(creem, reversal_id, transaction_id)
    with write_transaction() as connection:
        values = {} if status in ("succeeded", "failed") else {"check_at": _soon()}
        is_news = reversals.change(
            connection, reversal_id, status, only_from=("starting",), **values
        )
    if status == "failed" and is_news:  # an event may have told better meanwhile
        raise UserError(_l("Creem refused the refund. The credits are back on the account."))
    return db.session.get_one(Reversal, reversal_id, populate_existing=True)


def _start(purchase_id: str, *, is_forced: bool) -> tuple[str, str]:
    """Take the credits: from here on they cannot be spent. Returns the reversal and transaction."""
    with write_transaction() as connection:
        purchase = _get(connection, purchase_id)
        credits.lock(connection, purchase.user_id)
        purchase = _get(connection, purchase_id)  # as it is behind the lock
        _check(connection, purchase, is_forced=is_forced)
        reversal_id = new_id()
        connection.execute(
            insert(Reversal).values(
                id=reversal_id,
                kind="ours",
                status="starting",
                purchase_id=purchase.id,
                transaction_id=purchase.transaction_id,
                order_id=purchase.order_id,
                amount_cents=purchase.paid_cents - purchase.returned_cents,
                total_cents=purchase.paid_cents,
                paid_cents=purchase.paid_cents,
                reason="requested_by_customer",
                happened_at=now(),
                created_at=now(),
                moves=0,
                check_at=_soon(),
                checks=0,
            )
        )
        clawbacks.settle(connection, purchase.id, reversal_id)
    return reversal_id, purchase.transaction_id


def _ask(creem: Creem, reversal_id: str, transaction_id: str) -> str:
    """Creem's answer as a state. What is not known stays so, until its books are read."""
    try:
        return creem.refund(transaction_id)
    except PaymentError as error:
        log.warning("refund %s: %s", reversal_id, error)
        return "failed" if error.trouble in CERTAIN_NO else "unknown"


def _soon() -> datetime:
    return now() + timedelta(seconds=limits.PAYMENT_CHECK_S)


def _get(connection: Connection, purchase_id: str) -> PurchaseRow:
    purchase = matching.get(connection, purchase_id) if is_id(purchase_id) else None
    purchase = purchase or matching.of_order(connection, purchase_id)
    if purchase is None or purchase.user_id is None:
        raise NotFound(_l("That purchase is not here."))
    return purchase


def _check(connection: Connection, purchase: PurchaseRow, *, is_forced: bool) -> None:
    is_under_way = connection.scalar(
        select(Reversal.id).where(
            Reversal.purchase_id == purchase.id,
            Reversal.kind == "ours",
            Reversal.status.in_(clawbacks.OPEN),
        )
    )
    if is_under_way:
        raise UserError(_l("A refund of this purchase is under way already."))
    if purchase.status in PAID and None in (purchase.transaction_id, purchase.paid_cents):
        raise UserError(_l("Creem has not said how this was paid: compare the books first."))
    if purchase.status not in PAID or purchase.paid_cents <= purchase.returned_cents:
        raise UserError(_l("There is nothing left of this purchase to refund."))
    if is_forced:
        return
    if purchase.paid_at < now() - timedelta(days=limits.MONEY_BACK_DAYS):
        raise UserError(
            _l("This purchase is older than %(days)d days."), days=limits.MONEY_BACK_DAYS
        )
    if not is_unspent(connection, purchase):
        raise UserError(_l("Credits of this pack have been spent."))


def is_unspent(connection: Connection, purchase: PurchaseRow) -> bool:
    """Whether nothing of this pack is spent: free credits go first, then the earlier packs."""
    user_id = purchase.user_id
    account = connection.execute(
        select(CreditAccount.total_credits, CreditAccount.used_credits).where(
            CreditAccount.user_id == user_id
        )
    ).one()
    of_packs = connection.scalar(
        select(func.sum(CreditEntry.amount)).where(
            CreditEntry.user_id == user_id, CreditEntry.kind.in_(credits.PACK_KINDS)
        )
    )
    earlier = connection.scalar(
        select(func.sum(Purchase.credits - Purchase.clawed_credits)).where(
            Purchase.user_id == user_id,
            Purchase.status.in_(PAID),
            (Purchase.paid_at < purchase.paid_at)
            | ((Purchase.paid_at == purchase.paid_at) & (Purchase.id < purchase.id)),
        )
    )
    free = account.total_credits - int(of_packs or 0)
    return bool(account.used_credits <= free + int(earlier or 0))


def reinstate(reversal_id: str) -> bool:
    """Undo a dispute that was won or a refund that failed: its credits come back, once.

    Creem tells of no outcome (docs/payments.md), so a person says so.  Returns whether this call
    did it.  Raises NotFound.
    """
    with write_transaction() as connection:
        kind = connection.scalar(select(Reversal.kind).where(Reversal.id == reversal_id))
        if kind not in ("dispute", "refund"):
            raise NotFound(_l("There is no such dispute or refund."))
        return reversals.change(connection, reversal_id, "failed")
