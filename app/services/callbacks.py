"""Providers' callbacks: believed as far as they are signed, kept once, and only ever a wake-up.

What is true is asked of the provider itself: the body of some is not signed at all.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.errors import NotFound, _l
from app.extensions import db
from app.models import Attempt, Callback, is_id, now
from app.providers import Event, is_cloud
from app.services import endings, ticks, vendors
from app.services.transactions import write_transaction

OPEN = ("submitting", "processing", "late")


def receive(provider: str, headers: Mapping[str, str], body: bytes, attempt_id: str) -> bool:
    """Take a callback; `attempt_id` is what our own address in it says.

    Returns whether it was new.  Raises NotFound for a provider that is off, CallbackRefused.
    """
    configured = vendors.current().providers.get(provider)
    if configured is None or not is_cloud(configured):
        raise NotFound(_l("This provider is off."))
    event = configured.verify_callback(headers, body, now())
    named = attempt_id if is_id(attempt_id) else None
    if event.trust == "hint" and not _is_known(provider, event, named):
        return False  # anybody may send such a thing: it is not worth a row
    with write_transaction() as connection:
        is_new = _keep(connection, provider, event, named)
        if is_new:
            _wake(connection, provider, event, named)
    if is_new:
        ticks.make_due("sweep")
    return is_new


def _is_known(provider: str, event: Event, attempt_id: str | None) -> bool:
    """Whether a task, or an attempt that still has none, is under way there."""
    mine = Attempt.callback_id == event.remote_id
    if attempt_id:
        mine |= (Attempt.id == attempt_id) & Attempt.callback_id.is_(None)
    query = select(literal(1)).where(Attempt.provider == provider, Attempt.state.in_(OPEN), mine)
    return db.session.scalar(query.limit(1)) is not None


def _keep(connection: Connection, provider: str, event: Event, attempt_id: str | None) -> bool:
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    written = connection.scalar(
        insert(Callback)
        .values(
            provider=provider,
            dedup_key=endings.plain(event.dedup_key)[:200],
            remote_id=event.remote_id[:200],
            attempt_id=attempt_id,
            received_at=now(),
        )
        .on_conflict_do_nothing()
        .returning(Callback.id)
    )
    return written is not None


def _wake(connection: Connection, provider: str, event: Event, attempt_id: str | None) -> None:
    """Make the task's question due; one without a handle yet is found by our address alone."""
    is_open = Attempt.state.in_(("processing", "late"))
    woken = connection.execute(
        update(Attempt)
        .where(Attempt.provider == provider, Attempt.callback_id == event.remote_id, is_open)
        .values(next_poll_at=now())
    )
    if not woken.rowcount and attempt_id:
        connection.execute(
            update(Attempt)
            .where(
                Attempt.id == attempt_id,
                Attempt.provider == provider,
                Attempt.callback_id.is_(None),
                is_open,
            )
            .values(next_poll_at=now())
        )
