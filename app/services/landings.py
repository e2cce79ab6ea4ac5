"""Coming back from Creem: the signed return address shows a state, and never gives a credit.

It has no time in it, so it can be copied and sent on: it only says which checkout to ask Creem for.
"""

import logging
from datetime import timedelta

from sqlalchemy import select

from app import limits
from app.errors import NotFound, _l
from app.extensions import db
from app.models import Purchase, is_id
from app.payments import Checkout, Landing, PaymentError
from app.payments.creem import Creem
from app.services import checkouts, fulfilment, purchases, vendors

log = logging.getLogger(__name__)


def land(user_id: int, raw_query: str) -> Purchase:
    """The visitor's purchase that a return address is about, after a look at Creem.

    `raw_query` is as it arrived.  Raises NotSigned, and NotFound for what is not the visitor's.
    """
    creem = vendors.current().payments
    if creem is None:
        raise NotFound(_l("Nothing is sold here."))
    landing = creem.read_landing(raw_query)
    purchase_id = _find_owned(user_id, landing)
    if purchase_id is None:
        return _attach(creem, user_id, landing)
    if landing.checkout_id and not purchases.get_owned(user_id, purchase_id).is_paid:
        checkouts.look(creem, purchase_id, landing.checkout_id)
    return purchases.get_owned(user_id, purchase_id)


def _not_here() -> NotFound:
    return NotFound(_l("That purchase is not here."))


def _find_owned(user_id: int, landing: Landing) -> str | None:
    """By our id in the address, else by order or checkout. Raises NotFound for another's."""
    if is_id(landing.request_id):
        return purchases.get_owned(user_id, landing.request_id).id
    known = [
        column == value
        for column, value in (
            (Purchase.order_id, landing.order_id),
            (Purchase.checkout_id, landing.checkout_id),
        )
        if value
    ]
    for condition in known:
        found = db.session.execute(select(Purchase.id, Purchase.user_id).where(condition)).first()
        if found is not None and found.user_id is not None:
            return purchases.get_owned(user_id, found.id).id
    return None


def _ask(creem: Creem, checkout_id: str) -> Checkout | None:
    """The checkout as Creem has it; an accelerator only, so trouble is no trouble."""
    if not checkout_id:
        return None
    db.session.rollback()  # nothing is held while a vendor takes his time
    try:
        return creem.find_checkout(checkout_id)
    except PaymentError as error:
        log.warning("checkout %s was not read: %s", checkout_id, error)
        return None


def _attach(creem: Creem, user_id: int, landing: Landing) -> Purchase:
    """Give a payment by a static link, which may carry no id of ours, to who came back from it.

    Four must agree: the signed address, the checkout as Creem has it, that it belongs to nobody,
    and an earlier purchase of the visitor's by the same link. Else it stays parked (NotFound).
    """
    checkout = _ask(creem, landing.checkout_id)
    order = checkout.order if checkout else None
    if checkout is None or order is None or order.id != landing.order_id:
        raise _not_here()
    if checkout.request_id or checkout.metadata.get("purchase_id"):
        raise _not_here()  # it says whose it is, and it is not the visitor's
    mine = _earlier_by_link(user_id, checkout)
    if mine is None:
        raise _not_here()
    outcome = fulfilment.apply(checkout, purchase_id=mine)
    return purchases.get_owned(user_id, outcome.purchase_id or mine)


def _earlier_by_link(user_id: int, checkout: Checkout) -> str | None:
    """The visitor's newest purchase by link of that product, begun within a day before it was paid.

    Any older one would let whoever has seen the address take a stranger's payment.
    """
    order = checkout.order
    query = select(Purchase.id).where(
        Purchase.user_id == user_id,
        Purchase.road == "link",
        Purchase.status.in_(("pending", "expired")),
        Purchase.product_id == checkout.product_id,
    )
    if order is None or order.created_at is None:
        return None
    a_day_before = order.created_at - timedelta(seconds=limits.PAYMENT_GIVE_UP_S)
    query = query.where(Purchase.created_at.between(a_day_before, order.created_at))
    return db.session.scalar(query.order_by(Purchase.created_at.desc()).limit(1))
