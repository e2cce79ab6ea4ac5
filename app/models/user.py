"""People, their sessions and what is remembered of a person beyond an account."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.extensions import db
from app.models.base import UtcDateTime, now


class User(db.Model):
    """An account. `email` is as typed in lower case; one account an address."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(255))
    pending_password_hash: Mapped[str | None] = mapped_column(String(255))  # until verified
    is_admin: Mapped[bool] = mapped_column(default=False)
    locale: Mapped[str] = mapped_column(String(8), default="en")
    identity_key: Mapped[str | None] = mapped_column(String(64), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    email_verified_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    # what Flask-Login asks of a user who is signed in
    is_authenticated = True
    is_active = True
    is_anonymous = False

    def get_id(self) -> str:
        """The id as Flask-Login wants it."""
        return str(self.id)

    @property
    def is_verified(self) -> bool:
        return self.email_verified_at is not None


class Session(db.Model):
    """One signed-in browser: the cookie holds a random token, the row its SHA-256."""

    __tablename__ = "sessions"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    device: Mapped[str] = mapped_column(String(200), default="")


class Identity(db.Model):
    """A person beyond accounts: an HMAC of the verified address, kept when the account is gone.

    Welcome credits and the first-video price are once a row here (money rules, decisions.md).
    """

    __tablename__ = "identities"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    welcome_due_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    welcome_user_id: Mapped[int | None]
    first_video_id: Mapped[str | None] = mapped_column(String(36), index=True)


class Secret(db.Model):
    """A key made once by this installation and never rotated."""

    __tablename__ = "secrets"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(String(128))


class Mail(db.Model):
    """A message to send: a row first, so that a dead worker loses none."""

    __tablename__ = "mails"
    __table_args__ = (Index("ix_mails_waiting", "sent_at", "next_try_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    to: Mapped[str] = mapped_column(String(254))
    template: Mapped[str] = mapped_column(String(40))
    locale: Mapped[str] = mapped_column(String(8))
    values_json: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    next_try_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    tries: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
