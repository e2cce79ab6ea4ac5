"""Packs of credits that were bought, money that went back, and what Creem told us of both."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.extensions import db
from app.models.base import UtcDateTime, new_id, now

PAID = ("completed", "partly_refunded", "refunded", "disputed")
"""Purchases whose credits were granted, whatever became of them since."""
UNPAID = ("pending", "failed", "expired", "parked")
"""Purchases that a payment may still complete: a late one counts."""


class Purchase(db.Model):
    """One pack, wanted by somebody or paid by nobody known.

    states: pending (waits for a payment), completed (credits granted), failed (no road led to a
    payment page, or a parked payment went back), expired (nobody paid within a day), parked (paid,
    but not as agreed: a person decides), unmatched (paid, and nobody knows by whom: no owner),
    replaced (its payment was found in an unmatched one), and after completed: partly_refunded,
    refunded, disputed.

    `request_id` of Creem is our `id`.  What was agreed is kept here, so that a new price list
    changes nothing about an open purchase.  A row with an owner never gets another.
    """

    __tablename__ = "purchases"
    __table_args__ = (
        Index("ix_purchases_user_id_created_at", "user_id", "created_at"),
        Index("ix_purchases_status_check_at", "status", "check_at"),
        Index("ix_purchases_transaction_id", "transaction_id"),
        Index("ix_purchases_failed_at", "failed_at"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    status: Mapped[str] = mapped_column(String(16), default="pending")
    road: Mapped[str] = mapped_column(String(8))  # api, link, again (paid twice), found (unmatched)
    # what was agreed
    pack: Mapped[str] = mapped_column(String(20))
    product_id: Mapped[str] = mapped_column(String(100))
    credits: Mapped[int]
    price_cents: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    units: Mapped[int] = mapped_column(default=1)
    mode: Mapped[str] = mapped_column(String(4))  # test, prod
    # what Creem said
    checkout_id: Mapped[str | None] = mapped_column(String(100), index=True)
    checkout_url: Mapped[str | None] = mapped_column(String(2000))
    order_id: Mapped[str | None] = mapped_column(String(100), unique=True)
    transaction_id: Mapped[str | None] = mapped_column(String(100))
    customer_id: Mapped[str | None] = mapped_column(String(100))  # where it is surely the owner
    payer_email: Mapped[str | None] = mapped_column(String(254))  # of unmatched ones only
    paid_cents: Mapped[int | None]  # tax included; refunds are parts of it
    tax_cents: Mapped[int | None]
    # what went back
    returned_cents: Mapped[int] = mapped_column(default=0)
    clawed_credits: Mapped[int] = mapped_column(default=0)  # taken back less reinstated
    # what went wrong
    failure: Mapped[str | None] = mapped_column(String(20))
    failures: Mapped[int] = mapped_column(default=0)
    failed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    replaced_by: Mapped[str | None] = mapped_column(ForeignKey("purchases.id"))
    # when
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    paid_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    check_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # when Creem is asked next
    checks: Mapped[int] = mapped_column(default=0)

    @property
    def is_paid(self) -> bool:
        return self.status in PAID


class Reversal(db.Model):
    """Money that goes back: a refund of theirs, one that we started, or a dispute.

    states: starting and unknown (ours: credits are taken, Creem has not agreed yet), pending
    (theirs: moves nothing; ours: credits stay taken), succeeded, failed.  Kept also when its
    payment is not known yet: the grant looks for it.
    """

    __tablename__ = "reversals"
    __table_args__ = (
        Index("ix_reversals_purchase_id", "purchase_id"),
        Index("ix_reversals_transaction_id", "transaction_id"),
        Index("ix_reversals_order_id", "order_id"),
        Index("ix_reversals_status_check_at", "status", "check_at"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    remote_id: Mapped[str | None] = mapped_column(String(100), unique=True)  # ref_, disp_
    kind: Mapped[str] = mapped_column(String(8))  # refund, dispute, ours, seen (in a transaction)
    status: Mapped[str] = mapped_column(String(10))
    purchase_id: Mapped[str | None] = mapped_column(ForeignKey("purchases.id"))
    named_id: Mapped[str | None] = mapped_column(String(36))  # the purchase that its checkout names
    transaction_id: Mapped[str | None] = mapped_column(String(100))
    order_id: Mapped[str | None] = mapped_column(String(100))
    amount_cents: Mapped[int]
    total_cents: Mapped[int] = mapped_column(default=0)  # refunded of the transaction, this one too
    paid_cents: Mapped[int | None]  # of the transaction, where the purchase does not know it
    reason: Mapped[str] = mapped_column(String(40), default="")
    happened_at: Mapped[datetime] = mapped_column(UtcDateTime)  # by Creem's clock
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    moves: Mapped[int] = mapped_column(default=0)  # entries written for it: part of their keys
    check_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    checks: Mapped[int] = mapped_column(default=0)


class PaymentEvent(db.Model):
    """A signed event of Creem, once each, in the transaction of what it did.

    outcomes: done, ignored (nothing to do here), parked (a person decides; `resolved_at` when).
    `facts` is what we read out of it: enough to decide later, and no card, no name.
    """

    __tablename__ = "payment_events"
    __table_args__ = (
        Index("ix_payment_events_outcome", "outcome", "resolved_at"),
        Index("ix_payment_events_received_at", "received_at"),
        Index("ix_payment_events_order_id", "order_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(String(100), unique=True)
    type: Mapped[str] = mapped_column(String(40))
    outcome: Mapped[str] = mapped_column(String(8))
    reason: Mapped[str] = mapped_column(String(40), default="")
    purchase_id: Mapped[str | None] = mapped_column(String(36))
    order_id: Mapped[str | None] = mapped_column(String(100))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    resolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
