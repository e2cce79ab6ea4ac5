"""Creem's signed events: kept once each, in the same transaction as what they do.

Whoever is answered 2xx may forget the event: so it is stored and done, or stored and parked for a
person.  What goes wrong on our side raises, rolls both back and is answered 5xx: Creem tries again.
"""

import contextlib
import dataclasses
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, update
from sqlalchemy.dialects import postgresql, sqlite

from app.errors import NotFound, _l
from app.models import PaymentEvent, now
from app.payments import Checkout, Event, Return
from app.services import alerts, fulfilment, granting, reversals, vendors
from app.services.outcomes import Alert, Outcome
from app.services.transactions import write_transaction

log = logging.getLogger(__name__)
TRIES = 3
OURS = ("purchase_id", "user_id", "schema")
"""What we gave a checkout as metadata; what others gave theirs is not ours to keep."""


def receive(headers: Mapping[str, str], body: bytes) -> str:
    """Take an event: done, ignored, parked, or again for one that was here before.

    `headers` have lower-case names.  Raises NotFound where nothing is sold, NotSigned.
    """
    creem = vendors.current().payments
    if creem is None:
        raise NotFound(_l("Nothing is sold here."))
    event = creem.read_event(headers, body)
    for _ in range(TRIES - 1):
        with contextlib.suppress(*fulfilment.OVERTAKEN):
            return _receive(event, creem.settings.mode)
    return _receive(event, creem.settings.mode)


def _receive(event: Event, mode: str) -> str:
    with write_transaction() as connection:
        kept = _keep(connection, event)
        if kept is None:
            return "again"
        outcome = _act(connection, event, mode)
        _note(connection, kept, outcome)
        alerts.raise_all(connection, outcome.alerts)
    log.info("event %s (%s): %s, %s", event.id, event.type, outcome.outcome, outcome.reason)
    return outcome.outcome


def _keep(connection: Connection, event: Event) -> int | None:
    """The id of the event's new row; None where it has one. Waits for a copy that is under way."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    kept: int | None = connection.scalar(
        insert(PaymentEvent)
        .values(
            event_id=event.id,
            type=event.type[:40],
            outcome="ignored",
            reason="",
            order_id=_order_id(event),
            facts=_facts(event),
            received_at=now(),
        )
        .on_conflict_do_nothing(index_elements=[PaymentEvent.event_id])
        .returning(PaymentEvent.id)
    )
    return kept


def _act(connection: Connection, event: Event, mode: str) -> Outcome:
    if isinstance(event.about, Checkout):
        outcome = fulfilment.fulfil(connection, event.about)
        if outcome.reason == "incomplete" and outcome.purchase_id is not None:
            granting.ask_soon(connection, outcome.purchase_id, event.about.id)
        return outcome
    if isinstance(event.about, Return):
        return reversals.record(connection, event.about, mode)
    if not event.problem:
        return Outcome("ignored", "unknown")
    text = f"event {event.id} ({event.type or 'no type'}) cannot be read: {event.problem}"
    return Outcome("parked", event.problem[:40], alerts=(Alert("payment_parked", event.id, text),))


def _note(connection: Connection, kept: int, outcome: Outcome) -> None:
    connection.execute(
        update(PaymentEvent)
        .where(PaymentEvent.id == kept)
        .values(
            outcome=outcome.outcome, reason=outcome.reason[:40], purchase_id=outcome.purchase_id
        )
    )


def _order_id(event: Event) -> str | None:
    about = event.about
    if isinstance(about, Checkout):
        return about.order.id if about.order else None
    return (about.order_id or None) if about else None


def _facts(event: Event) -> dict[str, Any]:
    """What we read, without the payer's address: a person finds the rest at Creem by the ids."""
    if event.about is None:
        return {"problem": event.problem} if event.problem else {}
    facts = dataclasses.asdict(event.about, dict_factory=_plain)
    facts.pop("email", None)
    facts.pop("url", None)
    facts["metadata"] = {
        name: facts["metadata"][name] for name in OURS if name in facts["metadata"]
    }
    return facts


def _plain(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in pairs
    }
