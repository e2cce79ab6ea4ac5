"""Messages to people: a row in the caller's transaction, sent afterwards by whoever claims it.

A row holds which template and which values, never a link: links are made when the mail is written,
so that no secret rests in the table.
"""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, insert, select, update

from app.extensions import db
from app.models import Mail, now
from app.services.transactions import write_transaction

FIRST_RETRY_S = 60
MAX_TRIES = 10
"""The wait doubles from FIRST_RETRY_S: ten tries span about eight hours and a half."""


@dataclass(frozen=True)
class Claimed:
    """A message that is ours to send until `next_try_at`."""

    id: int
    to: str
    template: str
    locale: str
    values: dict[str, Any]
    tries: int


def queue(connection: Connection, to: str, template: str, locale: str, **values: object) -> None:
    """Write a message down, in the caller's transaction; the edge rings tasks.mail afterwards."""
    moment = now()
    connection.execute(
        insert(Mail).values(
            to=to,
            template=template,
            locale=locale,
            values_json=json.dumps(values),
            created_at=moment,
            next_try_at=moment,
            tries=0,
        )
    )


def claim_next() -> Claimed | None:
    """Claim the message that waits longest, or None. The claim counts as a try.

    A sender that dies leaves the row as it is: it is due again after the wait, so that a message is
    sent at least once, and twice only when the sender died between sending and saying so.
    """
    while True:
        row = db.session.execute(
            select(Mail.id, Mail.to, Mail.template, Mail.locale, Mail.values_json, Mail.tries)
            .where(Mail.sent_at.is_(None), Mail.next_try_at <= now(), Mail.tries < MAX_TRIES)
            .order_by(Mail.next_try_at, Mail.id)
            .limit(1)
        ).first()
        if row is None:
            return None
        wait = timedelta(seconds=FIRST_RETRY_S * 2**row.tries)
        with write_transaction() as connection:
            claimed = connection.execute(
                update(Mail)
                .where(Mail.id == row.id, Mail.sent_at.is_(None), Mail.tries == row.tries)
                .values(tries=row.tries + 1, next_try_at=now() + wait)
            )
        if claimed.rowcount:
            values = json.loads(row.values_json)
            return Claimed(row.id, row.to, row.template, row.locale, values, row.tries + 1)


def mark_sent(mail_id: int) -> None:
    """Say that a message has left; its values are not needed any more."""
    with write_transaction() as connection:
        connection.execute(
            update(Mail)
            .where(Mail.id == mail_id, Mail.sent_at.is_(None))
            .values(sent_at=now(), values_json="{}")
        )


def give_up(mail_id: int) -> None:
    """Send this message never again: the other side refused it for good."""
    with write_transaction() as connection:
        connection.execute(update(Mail).where(Mail.id == mail_id).values(tries=MAX_TRIES))
