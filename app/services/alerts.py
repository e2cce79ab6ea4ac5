"""What a person should look at. An alert is open once a kind and subject; again only counts up."""

from collections.abc import Iterable
from datetime import timedelta

from flask import current_app
from sqlalchemy import ColumnElement, Connection, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import aliased

from app.extensions import db
from app.models import Alert, now
from app.services import mails
from app.services.transactions import write_transaction

MAIL_EVERY = timedelta(hours=1)
SUBJECT_MAX_CHARS = 120
TEXT_MAX_CHARS = 500


def raise_alert(kind: str, subject: str, text: str) -> None:
    """Open an alert, or count the open one up. A transaction of its own: never inside another."""
    with write_transaction() as connection:
        raise_in(connection, kind, subject, text)


def raise_in(connection: Connection, kind: str, subject: str, text: str) -> None:
    """The same in the caller's transaction, as its last step: other rows come before alerts."""
    moment = now()
    row = {
        "kind": kind,
        "subject": subject[:SUBJECT_MAX_CHARS],
        "text": text[:TEXT_MAX_CHARS],
        "count": 1,
        "first_seen_at": moment,
        "last_seen_at": moment,
    }
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(Alert).values(row)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[Alert.kind, Alert.subject],
            index_where=Alert.resolved_at.is_(None),
            set_={
                "count": Alert.count + 1,
                "last_seen_at": statement.excluded.last_seen_at,
                "text": statement.excluded.text,
            },
        )
    )


def raise_all(connection: Connection, news: Iterable[tuple[str, str, str]]) -> None:
    """Several (kind, subject, text), in one order everywhere: no deadlock."""
    for kind, subject, text in sorted(news):
        raise_in(connection, kind, subject, text)


def open_alerts() -> list[Alert]:
    """The open alerts, the latest first."""
    query = select(Alert).where(Alert.resolved_at.is_(None)).order_by(Alert.last_seen_at.desc())
    return list(db.session.scalars(query))


def resolve(kind: str, subject: str) -> bool:
    """Close the open alert of this kind and subject. Returns whether there was one."""
    with write_transaction() as connection:
        return resolve_in(connection, kind, subject)


def resolve_in(connection: Connection, kind: str, subject: str) -> bool:
    """The same in the caller's transaction, as its last step."""
    closed = connection.execute(
        update(Alert)
        .where(Alert.kind == kind, Alert.subject == subject, Alert.resolved_at.is_(None))
        .values(resolved_at=now())
    )
    return closed.rowcount == 1


def queue_mails() -> int:
    """Queue one mail an administrator for every kind with news, at most once an hour a kind.

    News is an open alert seen since it was last mailed. Returns how many mails were queued.
    """
    admins = current_app.config["ADMIN_EMAILS"]
    if not admins:
        return 0
    query = select(Alert.kind).where(Alert.resolved_at.is_(None), _is_news()).distinct()
    return sum(_mail_kind(kind, admins) for kind in db.session.scalars(query).all())


def _is_news() -> ColumnElement[bool]:
    return func.coalesce(Alert.last_seen_at > Alert.mailed_at, True)


def _mail_kind(kind: str, admins: tuple[str, ...]) -> int:
    """Claim the news of a kind by setting `mailed_at`; whoever claims it queues the mails."""
    moment = now()
    other = aliased(Alert)
    was_mailed = (
        select(other.id)
        .where(other.kind == kind, other.mailed_at > moment - MAIL_EVERY)
        .correlate(None)
        .exists()
    )
    with write_transaction() as connection:
        claimed = connection.execute(
            update(Alert)
            .where(Alert.kind == kind, Alert.resolved_at.is_(None), _is_news(), ~was_mailed)
            .values(mailed_at=moment)
            .returning(Alert.subject, Alert.text, Alert.count)
        ).all()
        if not claimed:
            return 0
        lines = [{"subject": row.subject, "text": row.text, "count": row.count} for row in claimed]
        for address in admins:
            mails.queue(connection, address, "alerts", "en", kind=kind, alerts=lines)
    return len(admins)
