"""Writing a paid purchase and its credits: every way a purchase comes to have an order.

These functions join the caller's write transaction; the owner's account is locked by the caller.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, case, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app import limits
from app.models import UNPAID, PaymentEvent, Purchase, User, new_id, now
from app.payments import Checkout, Order
from app.services import alerts, credits, reversals
from app.services.matching import PurchaseRow

_purchases = Purchase.__table__
LOOK_BACK_AFTER = timedelta(seconds=limits.LOOK_BACK_S)
AGREED = ("user_id", "pack", "product_id", "credits", "price_cents", "currency", "units", "mode")


def complete(
    connection: Connection, purchase: PurchaseRow, checkout: Checkout, order: Order
) -> None:
    """The purchase is paid by this order: mark it, and give its credits."""
    connection.execute(
        update(_purchases)
        .where(Purchase.id == purchase.id, Purchase.order_id.is_(None))
        .values(failure=None, checks=0, replaced_by=None, **_granted(), **_paid(checkout, order))
        .values(customer_id=_own_customer(purchase.user_id, checkout))
    )
    _give(connection, purchase.user_id, purchase.id, order.id, purchase.pack, purchase.credits)


def complete_again(
    connection: Connection, first: PurchaseRow, checkout: Checkout, order: Order
) -> str | None:
    """A purchase of its own for a second order on one; None where this order has one already."""
    values = {**_granted(), **_paid(checkout, order)}
    values |= {"customer_id": _own_customer(first.user_id, checkout)}
    copy_id = insert_once(connection, {**_copy(first), **values})
    if copy_id is not None:
        _give(connection, first.user_id, copy_id, order.id, first.pack, first.credits)
    return copy_id


def keep_unmatched(
    connection: Connection, agreed: Mapping[str, object], checkout: Checkout, order: Order
) -> str | None:
    """A purchase without an owner; None where its order has one already."""
    values = {"user_id": None, "status": "unmatched", "road": "found", "paid_at": now()}
    values |= {"payer_email": checkout.email.lower() or None}
    values |= {"customer_id": checkout.customer_id or None}
    return insert_once(connection, {**agreed, **values, **_paid(checkout, order)})


def park(
    connection: Connection, purchase: PurchaseRow, checkout: Checkout, order: Order, problem: str
) -> str:
    """Keep a payment that is not as agreed with its order, without credits. Returns its purchase.

    A purchase that has an order already gets another beside it.
    """
    values = {"status": "parked", "failure": problem, "failed_at": now(), "check_at": None}
    values |= _paid(checkout, order)
    parked = connection.execute(
        update(_purchases)
        .where(Purchase.id == purchase.id, Purchase.status.in_(UNPAID), Purchase.order_id.is_(None))
        .values(**values)
    )
    purchase_id: str = purchase.id
    if parked.rowcount != 1:
        purchase_id = insert_once(connection, {**_copy(purchase), **values}) or purchase.id
    reversals.adopt(connection, purchase_id)
    return purchase_id


def take_over(
    connection: Connection, purchase_id: str, user_id: int, *, replaces: str | None = None
) -> bool:
    """Give an unmatched purchase its owner and its credits, once. Returns whether this call did.

    `replaces` is the owner's own purchase that was waiting for this payment.  One that has an owner
    never gets another.
    """
    is_own = Purchase.payer_email == _address(user_id)
    taken = connection.execute(
        update(_purchases)
        .where(
            Purchase.id == purchase_id, Purchase.user_id.is_(None), Purchase.status == "unmatched"
        )
        .values(user_id=user_id, payer_email=None, **_granted())
        .values(customer_id=case((is_own, Purchase.customer_id), else_=None))
        .returning(Purchase.order_id, Purchase.pack, Purchase.credits)
    ).first()
    if taken is None:
        return False
    _give(connection, user_id, purchase_id, taken.order_id, taken.pack, taken.credits)
    if replaces is not None:
        connection.execute(
            update(_purchases)
            .where(
                Purchase.id == replaces, Purchase.user_id == user_id, Purchase.order_id.is_(None)
            )
            .values(status="replaced", replaced_by=purchase_id, check_at=None)
        )
    resolve(connection, taken.order_id)
    return True


def accept(connection: Connection, purchase: PurchaseRow) -> bool:
    """A person's decision: a parked payment is good as it is. Returns whether this call granted."""
    taken = connection.execute(
        update(_purchases)
        .where(
            Purchase.id == purchase.id, Purchase.status == "parked", Purchase.order_id.is_not(None)
        )
        .values(failure=None, **_granted())
    )
    if taken.rowcount != 1:
        return False
    order_id = purchase.order_id
    _give(connection, purchase.user_id, purchase.id, order_id, purchase.pack, purchase.credits)
    resolve(connection, order_id)
    return True


def ask_soon(connection: Connection, purchase_id: str, checkout_id: str) -> None:
    """An event said that it is paid, and not how: the next look asks Creem."""
    connection.execute(
        update(_purchases)
        .where(
            Purchase.id == purchase_id,
            Purchase.status.in_(("pending", "failed", "expired")),
            Purchase.order_id.is_(None),
        )
        .values(status="pending", checkout_id=checkout_id, check_at=now())
    )


def resolve(connection: Connection, order_id: str) -> None:
    """The events of this order wait for nobody any more."""
    connection.execute(
        update(PaymentEvent)
        .where(
            PaymentEvent.order_id == order_id,
            PaymentEvent.outcome == "parked",
            PaymentEvent.resolved_at.is_(None),
        )
        .values(resolved_at=now())
    )
    alerts.resolve_in(connection, "payment_parked", order_id)


def insert_once(connection: Connection, values: Mapping[str, object]) -> str | None:
    """A purchase that begins with its order; None where its order has one already."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    row = {
        "id": new_id(), "created_at": now(), "returned_cents": 0, "clawed_credits": 0,
        "failures": 0, "checks": 0, **values,
    }  # fmt: skip
    written: str | None = connection.scalar(
        insert(Purchase).values(row).on_conflict_do_nothing().returning(Purchase.id)
    )
    return written


def _give(
    connection: Connection, user_id: int, purchase_id: str, order_id: str, pack: str, number: int
) -> None:
    """Write the entry, once an order, and what went back of it since."""
    credits.grant(
        connection,
        user_id,
        number,
        kind="purchase",
        key=f"purchase:{order_id}",
        reason=pack,
        reference=purchase_id,
    )
    reversals.adopt(connection, purchase_id)


def _granted() -> dict[str, Any]:
    """With when Creem's books are looked at again: for refunds whose events got lost."""
    moment = now()
    return {"status": "completed", "paid_at": moment, "check_at": moment + LOOK_BACK_AFTER}


def _paid(checkout: Checkout, order: Order) -> dict[str, object]:
    return {
        "checkout_id": checkout.id,
        "order_id": order.id,
        "transaction_id": order.transaction_id or None,
        "paid_cents": order.paid_cents,
        "tax_cents": order.tax_cents,
    }


def _own_customer(user_id: int, checkout: Checkout) -> Any:
    """Creem's customer is whoever's address was typed: only the owner's own may open a portal."""
    is_own = _address(user_id) == (checkout.email.lower() or None)
    return case((is_own, checkout.customer_id or None), else_=None)


def _address(user_id: int) -> Any:
    """The verified address of a user, as a question inside another."""
    query = select(User.email).where(User.id == user_id, User.email_verified_at.is_not(None))
    return query.scalar_subquery()


def _copy(first: PurchaseRow) -> dict[str, object]:
    """What was agreed, for another order on the same purchase."""
    return {**{name: getattr(first, name) for name in AGREED}, "road": "again"}
