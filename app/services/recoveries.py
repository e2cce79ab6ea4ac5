"""Finding a payment again: asking Creem once more, and claiming what provably is one's own.

A purchase with an owner never moves.  One without is claimed by its order id and the payment's
e-mail address together, where that is the account's verified one; else a person decides.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select, update

from app.errors import NotFound, UserError, _l
from app.extensions import db
from app.models import PaymentEvent, Purchase, User, now
from app.services import alerts, checkouts, credits, granting, matching, purchases, vendors
from app.services.transactions import write_transaction

ASKED_AT_ONCE = 5
"""The newest checkouts that one press of the button asks for, and as many of the others."""


@dataclass(frozen=True, slots=True)
class Recheck:
    """What asking Creem again brought: purchases asked for, found paid, and their credits."""

    asked: int
    found: int
    credits: int
    unanswered: int


def unfinished(user_id: int) -> Sequence[Purchase]:
    """The user's purchases that a payment may still complete, the newest first."""
    return purchases.unpaid(user_id)


def waiting_at(user_id: int) -> Sequence[Purchase]:
    """Payments without an owner that were made from the user's verified address.

    An address alone proves nothing, so neither order nor amount is for showing: with the order's
    number from Creem's mail they can be claimed.
    """
    email = select(User.email).where(User.id == user_id, User.email_verified_at.is_not(None))
    query = select(Purchase).where(
        Purchase.user_id.is_(None),
        Purchase.status == "unmatched",
        Purchase.payer_email == email.scalar_subquery(),
    )
    return db.session.scalars(query.order_by(Purchase.created_at.desc())).all()


def recheck(user_id: int) -> Recheck:
    """Ask Creem for the user's unfinished purchases, and grant what turns out to be paid."""
    creem = vendors.current().payments
    if creem is None:
        raise purchases.CreemSilent
    waiting = [
        (purchase.id, purchase.checkout_id, purchase.credits)
        for purchase in unfinished(user_id)
        if purchase.checkout_id
    ]
    newest, others = waiting[:ASKED_AT_ONCE], waiting[ASKED_AT_ONCE:]
    # of many, the next press of the button asks for others: none stays unasked
    others = random.sample(others, min(len(others), ASKED_AT_ONCE))
    looks = []
    for purchase_id, checkout_id, number in newest + others:
        looks.append((checkouts.look(creem, purchase_id, checkout_id), number))
        if looks[-1][0].state == "silent":  # somebody waits at the page meanwhile
            break
    found = [number for look, number in looks if look.outcome and look.outcome.outcome == "done"]
    silent = sum(look.state == "silent" for look, _ in looks)
    return Recheck(len(looks), len(found), sum(found), silent)


def claim(user_id: int, order_id: str) -> Purchase:
    """Take an unmatched payment that provably is the user's. Raises UserError where it is not.

    The refusal is the same whether the order is unknown, another's, or paid from another address:
    nobody learns of a stranger's payment.
    """
    order_id = order_id.strip().replace("\x00", "")
    email = db.session.scalar(
        select(User.email).where(User.id == user_id, User.email_verified_at.is_not(None))
    )
    waiting = db.session.execute(
        select(Purchase.id, Purchase.payer_email).where(
            Purchase.order_id == order_id, Purchase.user_id.is_(None)
        )
    ).first()
    is_mine = waiting is not None and bool(email) and waiting.payer_email == email
    if waiting is not None and is_mine and give_owner(waiting.id, user_id):
        return purchases.get_owned(user_id, waiting.id)
    if waiting is not None:
        text = f"user {user_id} claims order {order_id[:60]}, which was paid from another address"
        alerts.raise_alert("payment_claim", order_id, text)
    raise UserError(
        _l(
            "We cannot tell by this number alone that the payment is yours. If it is, write to us "
            "with your receipt from Creem: a person will look."
        ),
        field="order_id",
    )


def assign(order_id: str, user_id: int) -> Purchase:
    """A person's decision: the unmatched payment of this order is this user's. Raises NotFound."""
    query = select(Purchase.id).where(Purchase.order_id == order_id, Purchase.user_id.is_(None))
    waiting = db.session.scalar(query)
    if waiting is None or not give_owner(waiting, user_id):
        raise NotFound(_l("No payment of this order waits for an owner."))
    return purchases.get_owned(user_id, waiting)


def accept(order_id: str) -> Purchase:
    """A person's decision: a parked payment is good as it is, and its credits are given.

    They hang on the order as any others: a refund takes them back.  Raises NotFound.
    """
    with write_transaction() as connection:
        parked = matching.of_order(connection, order_id)
        if parked is None or parked.user_id is None:
            raise NotFound(_l("No payment of this order waits for a decision."))
        credits.lock(connection, parked.user_id)
        if not granting.accept(connection, parked):
            raise NotFound(_l("No payment of this order waits for a decision."))
    return purchases.get_owned(parked.user_id, parked.id)


def dismiss(event_id: int) -> bool:
    """A person's decision: a parked event needs nothing more. Returns whether it was waiting."""
    with write_transaction() as connection:
        event = connection.execute(
            update(PaymentEvent)
            .where(
                PaymentEvent.id == event_id,
                PaymentEvent.outcome == "parked",
                PaymentEvent.resolved_at.is_(None),
            )
            .values(resolved_at=now())
            .returning(PaymentEvent.order_id, PaymentEvent.event_id, PaymentEvent.facts)
        ).first()
        if event is None:
            return False
        forgotten = update(Purchase).where(
            Purchase.order_id == event.order_id, Purchase.user_id.is_(None)
        )
        connection.execute(forgotten.values(payer_email=None))
        about = str((event.facts or {}).get("id", ""))
        for subject in filter(None, (event.order_id, event.event_id, about)):
            for kind in ("payment_dispute", "payment_parked", "payment_refund"):
                alerts.resolve_in(connection, kind, subject)
    return True


def give_owner(purchase_id: str, user_id: int) -> bool:
    """Give an unmatched purchase its owner and its credits, once. Returns whether this call did."""
    with write_transaction() as connection:
        credits.lock(connection, user_id)  # the account first, as everywhere
        return granting.take_over(connection, purchase_id, user_id)
