"""Verbs of payments with the mistakes that the machine and the races are there to find.

Each mutant is the mistake alone: locks, guards and keys of everything else stay.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, select

from app.models import User, new_id
from app.payments import Checkout
from app.services import (
    clawbacks,
    credits,
    fulfilment,
    granting,
    matching,
    payment_events,
    vendors,
)
from app.services.outcomes import Outcome
from app.services.transactions import write_transaction


def grant_before_the_event(patch: pytest.MonkeyPatch) -> None:
    """An event does what it says in one transaction, and is kept in the next."""

    def receive(headers: Mapping[str, str], body: bytes) -> str:
        creem = vendors.current().payments
        assert creem
        event = creem.read_event(headers, body)
        with write_transaction() as connection:
            outcome = payment_events._act(connection, event, creem.settings.mode)
        with write_transaction() as connection:
            kept = payment_events._keep(connection, event)
            if kept is None:
                return "again"
            payment_events._note(connection, kept, outcome)
        return outcome.outcome

    patch.setattr(payment_events, "receive", receive)


def match_by_email(patch: pytest.MonkeyPatch) -> None:
    """Whoever has the payer's address gets the credits, if there is somebody."""
    fulfil, give = fulfilment.fulfil, granting._give
    payers: list[str] = []

    def fulfil_for(connection: Connection, checkout: Checkout, *arguments: Any) -> Outcome:
        payers.append(checkout.email)
        try:
            return fulfil(connection, checkout, *arguments)
        finally:
            payers.clear()

    def give_payer(connection: Connection, user_id: int, *arguments: Any) -> None:
        query = select(User.id).where(User.email.in_(payers))
        give(connection, connection.scalar(query) or user_id, *arguments)

    patch.setattr(fulfilment, "fulfil", fulfil_for)
    patch.setattr(granting, "_give", give_payer)


def refund_not_capped(patch: pytest.MonkeyPatch) -> None:
    """Refunds and a dispute of one payment take each in full, whatever was paid."""

    def returned(rows: Sequence[Any]) -> int:
        return sum(row.amount_cents for row in rows if clawbacks._counts(row))

    def to_take(number: int, returned_cents: int, paid_cents: int) -> int:
        return (2 * number * returned_cents + paid_cents) // (2 * paid_cents)

    patch.setattr(clawbacks, "returned", returned)
    patch.setattr(clawbacks, "to_take", to_take)
    patch.setattr(clawbacks, "min", lambda _paid, back: back, raising=False)


def grant_without_key(patch: pytest.MonkeyPatch) -> None:
    """A paid order is granted whenever somebody says so: nothing asks whether it was before."""
    fulfil = fulfilment.fulfil

    def fulfil_always(connection: Connection, checkout: Checkout, *arguments: Any) -> Outcome:
        outcome = fulfil(connection, checkout, *arguments)
        purchase = matching.get(connection, outcome.purchase_id or "")
        if outcome.reason == "again" and purchase is not None and purchase.user_id is not None:
            credits.grant(
                connection,
                purchase.user_id,
                purchase.credits,
                kind="purchase",
                key=f"purchase:{new_id()}",
                reason=purchase.pack,
                reference=purchase.id,
            )
        return outcome

    patch.setattr(fulfilment, "fulfil", fulfil_always)
