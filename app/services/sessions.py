"""Signed-in browsers. The browser holds a random token, the table its SHA-256 and when it ends."""

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, insert, or_, select, update
from sqlalchemy.orm import make_transient_to_detached

from app import limits
from app.extensions import reader
from app.models import Session, User, now
from app.services.transactions import write_transaction

DEVICE_MAX_CHARS = 200
LIFETIME = timedelta(days=limits.SESSION_DAYS)
RENEW_AFTER = timedelta(days=1)
"""A visit renews a session at most this often: a write a day, not one a request."""

_USER_COLUMNS = [column.name for column in User.__table__.columns]
_FIND = (
    select(*User.__table__.columns, Session.id.label("session_id"), Session.seen_at)
    .join(Session, Session.user_id == User.id)
    .where(
        Session.token_hash == bindparam("token_hash"),
        Session.revoked_at.is_(None),
        Session.expires_at > bindparam("moment"),
    )
)


def hash_of(token: str) -> str:
    """What the table keeps of a token. A fast hash will do: the token has 256 random bits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def start(user_id: int, device: str) -> str:
    """Open a session and return its token, which exists nowhere else from now on."""
    token = secrets.token_urlsafe(32)
    moment = now()
    with write_transaction() as connection:
        connection.execute(
            insert(Session).values(
                user_id=user_id,
                token_hash=hash_of(token),
                created_at=moment,
                seen_at=moment,
                expires_at=moment + LIFETIME,
                device=device[:DEVICE_MAX_CHARS],
            )
        )
    return token


def resume(token: str) -> tuple[User, bool] | None:
    """The user of a token, and whether the session was renewed; None when forged, over or revoked.

    One hash and one query whatever the token: how long it takes says nothing about it.  The user is
    detached: the request's own session stays untouched, with no read transaction that a later
    write would have to upgrade (SQLite refuses that at once when another wrote meanwhile).
    """
    moment = now()
    values = {"token_hash": hash_of(token), "moment": moment}
    with reader().connect() as connection:
        row = connection.execute(_FIND, values).mappings().first()
    if row is None:
        return None
    user = User(**{name: row[name] for name in _USER_COLUMNS})
    make_transient_to_detached(user)
    if moment - row["seen_at"] < RENEW_AFTER:
        return user, False
    return user, _renew(row["session_id"], row["seen_at"], moment)


def _renew(session_id: int, seen_at: datetime, moment: datetime) -> bool:
    with write_transaction() as connection:
        renewed = connection.execute(
            update(Session)
            .where(
                Session.id == session_id, Session.seen_at == seen_at, Session.revoked_at.is_(None)
            )
            .values(seen_at=moment, expires_at=moment + LIFETIME)
        )
    return renewed.rowcount == 1


def revoke(token: str) -> None:
    """End a session; a token that is none changes nothing."""
    with write_transaction() as connection:
        connection.execute(
            update(Session)
            .where(Session.token_hash == hash_of(token), Session.revoked_at.is_(None))
            .values(revoked_at=now())
        )


def revoke_all(connection: Connection, user_id: int) -> None:
    """End every session of a user, in the caller's transaction."""
    connection.execute(
        update(Session)
        .where(Session.user_id == user_id, Session.revoked_at.is_(None))
        .values(revoked_at=now())
    )


def delete_ended() -> int:
    """Remove sessions that are over or revoked; nobody can use them. Returns how many."""
    with write_transaction() as connection:
        gone = connection.execute(
            delete(Session).where(or_(Session.expires_at <= now(), Session.revoked_at.is_not(None)))
        )
    return gone.rowcount
