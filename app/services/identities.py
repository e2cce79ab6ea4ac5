"""A person beyond accounts: an HMAC of the verified address, and what a person gets only once.

The money rules (docs/decisions) want welcome credits once an identity, under a daily cap.  The key
of the HMAC is made once, kept in `secrets` and never rotated: a new one would make everybody new.
"""

import hashlib
import hmac
import secrets
import unicodedata
from datetime import datetime, timedelta
from typing import Any, Literal

from flask import current_app
from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app import limits
from app.extensions import db
from app.models import CreditEntry, Identity, Secret, now
from app.services import credits
from app.services.transactions import write_transaction

GMAIL = ("gmail.com", "googlemail.com")
NAME = "identity"

Welcome = Literal["granted", "later", "before"]
"""What became of welcome credits: given now, due next day (cap), or this person had them before."""


def normalise(email: str) -> str:
    """The address that all spellings of one mailbox share (NFKC, lower case, tags and dots)."""
    local, _, domain = unicodedata.normalize("NFKC", email).lower().strip().rpartition("@")
    local = local.partition("+")[0] or local
    if domain in GMAIL:
        local, domain = local.replace(".", ""), GMAIL[0]
    return f"{local}@{domain}"


def key_of(email: str) -> str:
    """The identity key of a verified address: 64 hex digits. Makes the secret on first use."""
    return hmac.new(_secret(), normalise(email).encode(), hashlib.sha256).hexdigest()


def remember(connection: Connection, key: str) -> None:
    """Make the identity's row unless it is there."""
    _insert_once(connection, Identity, key=key, created_at=now())


def mark_welcomed(connection: Connection, key: str, user_id: int) -> bool:
    """Take the identity's one welcome for this account; False when it was taken before."""
    taken = connection.execute(
        update(Identity)
        .where(Identity.key == key, Identity.welcome_user_id.is_(None))
        .values(welcome_user_id=user_id)
    )
    return taken.rowcount == 1


def welcome(connection: Connection, key: str, user_id: int) -> Welcome:
    """Give an account its welcome credits, in the caller's transaction, once an identity."""
    credits.lock(connection, user_id)  # account before identity, everywhere: no deadlock
    remember(connection, key)
    if not mark_welcomed(connection, key, user_id):
        return "before"
    waiting = connection.scalar(
        select(func.count()).select_from(Identity).where(Identity.welcome_due_at <= now())
    )
    is_granted = _grant_within_cap(connection, key, user_id, reserved=int(waiting or 0))
    return "granted" if is_granted else "later"


def grant_due_welcomes() -> int:
    """Give the welcome credits that the cap put off, oldest first. Returns how many were given.

    Repeated or in parallel it gives nobody twice: the entry's key names the identity.
    """
    due = db.session.scalars(
        select(Identity.key)
        .where(Identity.welcome_due_at <= now())
        .order_by(Identity.welcome_due_at, Identity.created_at)
        .limit(current_app.config["WELCOME_DAILY_CAP"])
    ).all()
    return sum(_grant_due(key) for key in due)


def _grant_due(key: str) -> bool:
    user_id = db.session.scalar(select(Identity.welcome_user_id).where(Identity.key == key))
    if user_id is None:
        return False
    with write_transaction() as connection:
        credits.lock(connection, user_id)  # account before identity
        due = connection.execute(
            update(Identity)
            .where(Identity.key == key, Identity.welcome_due_at <= now())
            .values(welcome_due_at=None)
        )
        return due.rowcount == 1 and _grant_within_cap(connection, key, user_id)


def _grant_within_cap(connection: Connection, key: str, user_id: int, *, reserved: int = 0) -> bool:
    """Grant, or, at the cap, make the grant due on the next day.

    `reserved` grants of today are for those who were put off before.
    """
    moment = now()
    today = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if _welcomes_since(connection, today) + reserved >= current_app.config["WELCOME_DAILY_CAP"]:
        tomorrow = today + timedelta(days=1)
        connection.execute(
            update(Identity).where(Identity.key == key).values(welcome_due_at=tomorrow)
        )
        return False
    return credits.grant(
        connection,
        user_id,
        limits.WELCOME_CREDITS,
        kind="welcome",
        key=f"welcome:{key}",
        reason="welcome",
    )


def _welcomes_since(connection: Connection, moment: datetime) -> int:
    """Welcome entries since `moment`, counted behind a lock, so that the cap holds in parallel."""
    connection.execute(select(Secret.name).where(Secret.name == NAME).with_for_update())
    query = select(func.count()).where(
        CreditEntry.kind == "welcome", CreditEntry.created_at >= moment
    )
    return int(connection.scalar(query) or 0)


def _secret() -> bytes:
    """The installation's identity secret; of two processes that make it at once, one wins."""
    query = select(Secret.value).where(Secret.name == NAME)
    value = db.session.scalar(query)
    if value is None:
        with write_transaction() as connection:
            _insert_once(connection, Secret, name=NAME, value=secrets.token_hex(32))
            value = connection.scalar(query)
    return bytes.fromhex(str(value))


def _insert_once(connection: Connection, model: Any, **values: object) -> None:
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    connection.execute(insert(model).values(**values).on_conflict_do_nothing())
