"""A form is accepted once: sent again it shows what it made, and charges nothing."""

import secrets

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from app.errors import UserError, _l
from app.extensions import db
from app.models import FormToken, Video, now


class FormReused(UserError):
    """A form token came again with other fields. Nothing was charged."""

    def __init__(self) -> None:
        super().__init__(
            _l("This form was already sent with other settings. Nothing was charged; press again.")
        )


def new_token() -> str:
    """A token for a form about to be shown; it is stored only when the form is accepted."""
    return secrets.token_urlsafe(24)


def find_ids(user_id: int, token: str, digest: str) -> list[str]:
    """The videos that this form made before, if it did. Raises FormReused."""
    query = select(FormToken.digest).where(FormToken.user_id == user_id, FormToken.token == token)
    if db.session.scalar(query) is None:
        return []
    return ids_of(db.session.connection(), user_id, token, digest)


def accept(connection: Connection, user_id: int, token: str, digest: str) -> bool:
    """Whether this call is the first with this token."""
    insert_into = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    written = connection.scalar(
        insert_into(FormToken)
        .values(user_id=user_id, token=token, digest=digest, created_at=now())
        .on_conflict_do_nothing()
        .returning(FormToken.token)
    )
    return written is not None


def ids_of(connection: Connection, user_id: int, token: str, digest: str) -> list[str]:
    """The videos that this form made. Raises FormReused when it came with other fields."""
    stored = connection.scalar(
        select(FormToken.digest).where(FormToken.user_id == user_id, FormToken.token == token)
    )
    if stored != digest:
        raise FormReused
    rows = connection.scalars(
        select(Video.id)
        .where(Video.user_id == user_id, Video.request_token == token)
        .order_by(Video.id)
    )
    return list(rows)
