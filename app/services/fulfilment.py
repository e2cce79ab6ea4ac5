"""A paid order becomes credits, once: whoever brings the news of it, in whatever order it comes.

Webhook, return page, reconciliation and people all end in `fulfil`.  The grant's key is Creem's
order id.  An order belongs to the purchase whose id its checkout got from us, never to an e-mail.
"""

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from app import limits
from app.payments import Checkout, Order
from app.services import agreements, alerts, credits, granting, matching, packs, vendors
from app.services.clawbacks import Overtaken
from app.services.matching import PurchaseRow
from app.services.outcomes import Alert, Outcome
from app.services.transactions import write_transaction

OVERTAKEN = (IntegrityError, Overtaken)
"""Another message of the same payment came at the same moment, and was first: begin again."""


def apply(checkout: Checkout, *, purchase_id: str | None = None) -> Outcome:
    """Fulfil what Creem says of a checkout, in a transaction of its own.

    `purchase_id`: it is known to be for this purchase, although it does not say so.
    """
    try:
        return _apply(checkout, purchase_id)
    except OVERTAKEN:
        return _apply(checkout, purchase_id)


def _apply(checkout: Checkout, purchase_id: str | None) -> Outcome:
    with write_transaction() as connection:
        outcome = fulfil(connection, checkout, purchase_id)
        alerts.raise_all(connection, outcome.alerts)
    return outcome


def fulfil(connection: Connection, checkout: Checkout, purchase_id: str | None = None) -> Outcome:
    """Grant a paid checkout's credits, in the caller's transaction, once an order.

    done: granted now; ignored: not paid, or granted before; parked: a person decides.
    """
    order = checkout.order
    purchase = matching.of_checkout(
        connection, purchase_id or checkout.request_id, checkout.metadata, checkout.id
    )
    if order is None or checkout.status != "completed" or order.status != "paid":
        return _not_paid(checkout, purchase)
    if purchase is None or purchase.user_id is None:
        known = matching.of_order(connection, order.id)
        return _again(known) if known else _unmatched(connection, checkout, order)
    credits.lock(connection, purchase.user_id)  # the account first, as everywhere
    if known := matching.of_order(connection, order.id):
        return _known(connection, known, purchase)
    purchase = matching.get(connection, purchase.id) or purchase  # as it is behind the lock
    if problem := _find_problem(purchase, checkout, order):
        parked_id = granting.park(connection, purchase, checkout, order, problem)
        return Outcome("parked", problem, parked_id, (_for_a_person(order, problem),))
    if purchase.order_id is not None:
        return _paid_again(connection, purchase, checkout, order)
    granting.complete(connection, purchase, checkout, order)
    return Outcome("done", "granted", purchase.id, _warnings(purchase, checkout))


def _find_problem(purchase: PurchaseRow, checkout: Checkout, order: Order) -> str:
    """Also what was agreed in Creem's other world is not for this one."""
    creem = vendors.current().payments
    if creem is None or purchase.mode != creem.settings.mode:
        return "mode"
    return agreements.find_problem(agreements.of(purchase), checkout, order)


def _not_paid(checkout: Checkout, purchase: PurchaseRow | None) -> Outcome:
    """Nothing to grant, or nothing yet: a completed checkout without a paid order is incomplete."""
    if purchase is None:
        text = f"checkout {checkout.id} names no purchase of ours"
        return Outcome("parked", "unknown", alerts=(Alert("payment_parked", checkout.id, text),))
    is_incomplete = checkout.status == "completed"
    return Outcome("ignored", "incomplete" if is_incomplete else "unpaid", purchase.id)


def _paid_again(
    connection: Connection, first: PurchaseRow, checkout: Checkout, order: Order
) -> Outcome:
    """A second paid order on one purchase: a purchase of its own, granted, and a person is told."""
    copy_id = granting.complete_again(connection, first, checkout, order)
    if copy_id is None:  # at the same moment another message of this order was first
        known = matching.of_order(connection, order.id)
        return _known(connection, known, first) if known else _again(first)
    text = f"order {order.id} paid purchase {first.id} a second time; its credits were granted too"
    twice = Alert("paid_twice", first.id, text)
    return Outcome("done", "paid_twice", copy_id, (*_warnings(first, checkout), twice))


def _known(connection: Connection, known: PurchaseRow, mine: PurchaseRow) -> Outcome:
    """The order is here already. One without an owner gets who is now known to have bought it."""
    if known.user_id is None and granting.take_over(
        connection, known.id, mine.user_id, replaces=mine.id
    ):
        return Outcome("done", "found", known.id)
    return _again(known)


def _again(purchase: PurchaseRow) -> Outcome:
    return Outcome("ignored", "again", purchase.id)


def _unmatched(connection: Connection, checkout: Checkout, order: Order) -> Outcome:
    """Paid, and we do not know by whom: kept without an owner, if it is one of our packs."""
    offer = packs.find_by_product(checkout.product_id or order.product_id)
    if offer is None:
        return Outcome("parked", "unknown", alerts=(_for_a_person(order, "unknown"),))
    agreed = agreements.Agreed(offer.product_id, 1, limits.CURRENCY, offer.price_cents, offer.mode)
    if problem := agreements.find_problem(agreed, checkout, order):
        return Outcome("parked", problem, alerts=(_for_a_person(order, problem),))
    values = {
        "pack": offer.name, "product_id": offer.product_id, "credits": offer.credits,
        "currency": limits.CURRENCY, "price_cents": offer.price_cents, "units": 1,
        "mode": offer.mode,
    }  # fmt: skip
    kept = granting.keep_unmatched(connection, values, checkout, order)
    if kept is None:  # at the same moment another message of this order was first
        return Outcome("ignored", "again")
    return Outcome("parked", "unmatched", kept, (_for_a_person(order, "unmatched"),))


def _for_a_person(order: Order, problem: str) -> Alert:
    return Alert("payment_parked", order.id, f"order {order.id} was paid, and waits: {problem}")


def _warnings(purchase: PurchaseRow, checkout: Checkout) -> tuple[Alert, ...]:
    """What is odd and changes nothing: the purchase's row says who bought."""
    said = checkout.metadata.get("user_id", "")
    if not said or said == str(purchase.user_id):
        return ()
    text = f"purchase {purchase.id} of user {purchase.user_id} came with the number of another user"
    return (Alert("payment_user", str(purchase.id), text),)
