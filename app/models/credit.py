"""Credits: one narrow row a user for the balance, and a ledger that only grows."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from app.extensions import db
from app.models.base import UtcDateTime, now


class CreditAccount(db.Model):
    """Balance = total_credits - used_credits = the sum of the user's entries.

    Only services/credits.py writes it.  No CHECK forbids a negative balance: claw-backs and
    adjustments may leave a debt, a spend never does.
    """

    __tablename__ = "credit_accounts"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id"), primary_key=True, autoincrement=False
    )
    total_credits: Mapped[int] = mapped_column(default=0)
    used_credits: Mapped[int] = mapped_column(default=0)

    @hybrid_property
    def balance(self) -> int:
        return self.total_credits - self.used_credits


class CreditEntry(db.Model):
    """One line of the ledger, signed. Added, never changed: triggers refuse anything else.

    `key` names the event (`spend:<video id>`), so that it is written once.  `reference` is what
    the entry is about (a video id).  No foreign keys, no personal data, no prompt.
    """

    __tablename__ = "credit_entries"
    __table_args__ = (Index("ix_credit_entries_user_id_id", "user_id", "id"),)

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    user_id: Mapped[int]
    kind: Mapped[str] = mapped_column(String(20))
    amount: Mapped[int]
    balance_after: Mapped[int]
    reason: Mapped[str] = mapped_column(String(40))
    reference: Mapped[str | None] = mapped_column(String(64), index=True)
    key: Mapped[str] = mapped_column(String(120), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, index=True)
