"""What all processes share of providers: keys, stopped routes, callbacks, screened prompts."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.extensions import db
from app.models.base import UtcDateTime, now


class ProviderKey(db.Model):
    """How a key of a provider is doing. The key itself stays in the environment.

    states: healthy, parked (its account is out of credit), disabled (the provider refuses it).  A
    healthy one rests until `blocked_until` after errors in a row, or as long as the provider said.
    """

    __tablename__ = "provider_keys"
    __table_args__ = (UniqueConstraint("provider", "fingerprint"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(String(20))
    fingerprint: Mapped[str] = mapped_column(String(40))  # tells keys apart, and gives none away
    hint: Mapped[str] = mapped_column(String(20))  # first 4 … last 4
    state: Mapped[str] = mapped_column(String(10), default="healthy")
    reason: Mapped[str] = mapped_column(String(200), default="")
    blocked_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    errors_in_row: Mapped[int] = mapped_column(default=0)
    requests: Mapped[int] = mapped_column(BigInteger, default=0)
    errors: Mapped[int] = mapped_column(BigInteger, default=0)
    balance: Mapped[float | None]  # in the provider's own unit, where it tells
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_ok_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error_code: Mapped[str | None] = mapped_column(String(40))
    checked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class StoppedRoute(db.Model):
    """A model that its provider does not know any more: nothing is sent until another is set."""

    __tablename__ = "stopped_routes"

    provider: Mapped[str] = mapped_column(String(20), primary_key=True)
    model: Mapped[str] = mapped_column(String(80), primary_key=True)
    reason: Mapped[str] = mapped_column(String(300))
    stopped_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Callback(db.Model):
    """A provider's call that was believed, once each: the same again is answered and forgotten."""

    __tablename__ = "callbacks"
    __table_args__ = (
        UniqueConstraint("provider", "dedup_key"),
        Index("ix_callbacks_received_at", "received_at"),
        Index("ix_callbacks_attempt_id", "attempt_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(String(20))
    dedup_key: Mapped[str] = mapped_column(String(200))
    remote_id: Mapped[str] = mapped_column(String(200))
    attempt_id: Mapped[str | None] = mapped_column(String(36))  # as our callback address names it
    received_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Screening(db.Model):
    """A prompt that was looked at before it was charged: the verdict, and never the prompt."""

    __tablename__ = "screenings"
    __table_args__ = (Index("ix_screenings_created_at", "created_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    verdict: Mapped[str] = mapped_column(String(8))  # allow, flag, deny
    source: Mapped[str] = mapped_column(String(12))  # local, creem, or fallback: creem was silent
    reason: Mapped[str] = mapped_column(String(40), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
