"""Buying a pack, by two roads: a checkout made through Creem's API, else the product's static link.

The purchase is written before anybody is asked, so that a payment always finds it.  Nothing here
gives credits: that is fulfilment.py.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, insert, select, update

from app import limits
from app.errors import NotFound, UserError, _l
from app.extensions import db
from app.models import (
    UNPAID,
    CreditEntry,
    PaymentEvent,
    Purchase,
    Reversal,
    User,
    is_id,
    new_id,
    now,
)
from app.payments import Checkout, PaymentError
from app.payments.creem import Creem
from app.services import allowances, checkouts, credits, packs, vendors
from app.services.packs import Offer
from app.services.transactions import write_transaction

log = logging.getLogger(__name__)

Road = Literal["api", "link"]
_purchases = Purchase.__table__
UNPAID_DAYS = 30
"""A purchase that nobody paid for so long is no longer shown as unfinished."""
MOST_OPEN = 10
"""Open purchases of one pack that are looked at before one is taken as it is."""
SCHEMA = "1"
"""Of the metadata that we give to a checkout."""


class PaymentsUnavailable(UserError):
    """No road leads to a payment page now. Nothing was charged."""

    status = 503

    def __init__(self) -> None:
        super().__init__(
            _l(
                "The payment page cannot be opened just now. Nothing was charged; "
                "please try again in a few minutes."
            )
        )


class PriceChanged(UserError):
    """The price in the form is not the pack's at this moment. Nothing was charged."""

    def __init__(self) -> None:
        super().__init__(
            _l("The price of this pack has changed. Nothing was charged; this is the new price.")
        )


class CreemSilent(UserError):
    """Creem cannot be asked just now; what is asked for stays as it is."""

    status = 503

    def __init__(self) -> None:
        super().__init__(
            _l("Creem cannot be asked just now. Nothing is lost; try again in a few minutes.")
        )


def buy(
    user_id: int,
    pack: str,
    *,
    success_url: str,
    price_cents: int | None = None,
    road: Road = "api",
) -> Purchase:
    """Begin a purchase, or come back to an open one of the same pack, and open its payment page.

    `success_url` is where Creem sends the buyer afterwards, without a query; `price_cents` is the
    price that the buyer was shown.  Raises UserError on field `pack`, PriceChanged, TooMany, and
    PaymentsUnavailable once both roads failed.
    """
    creem, offer = vendors.current().payments, packs.find(pack)
    if offer is None:
        text = _l("There is no such pack; there are: %(names)s.")
        raise UserError(text, field="pack", names=", ".join(limits.PACKS))
    if creem is None or not offer.is_on_sale:
        raise PaymentsUnavailable
    if price_cents not in (None, offer.price_cents):
        raise PriceChanged
    is_new = False
    for _ in range(MOST_OPEN):
        purchase_id, is_new = _begin(user_id, offer, road)
        purchase = get_owned(user_id, purchase_id)
        if is_new or _is_still_open(creem, purchase):
            break
    purchase = get_owned(user_id, purchase_id)
    is_second_best = purchase.road == "link" and road == "api"  # so the API is tried once more
    has_page = bool(purchase.checkout_url) and not is_second_best
    if has_page or purchase.status != "pending" or (not is_new and _is_opening(purchase)):
        return purchase
    _open(creem, purchase, success_url, road)
    return get_owned(user_id, purchase_id)


def _begin(user_id: int, offer: Offer, road: Road) -> tuple[str, bool]:
    """The id of the open purchase, or of a new one, counted behind the account's lock."""
    with write_transaction() as connection:
        credits.lock(connection, user_id)
        if found := _find_open(connection, user_id, offer, road):
            return found, False
        allowances.check_payments(connection, user_id)
        purchase_id = new_id()
        connection.execute(
            insert(_purchases).values(
                id=purchase_id, user_id=user_id, status="pending", road=road, pack=offer.name,
                product_id=offer.product_id, credits=offer.credits, price_cents=offer.price_cents,
                currency=limits.CURRENCY, units=1, mode=offer.mode, returned_cents=0,
                clawed_credits=0, failures=0, checks=0, created_at=now(), check_at=_first_check(),
            )
        )  # fmt: skip
    return purchase_id, True


def _find_open(connection: Connection, user_id: int, offer: Offer, road: Road) -> str | None:
    """A pending purchase of the same pack at the same price, its newest.

    One by link serves the API's road too: in an outage a second press must not use up the hour.
    """
    roads = ("api", "link") if road == "api" else ("link",)
    found: str | None = connection.scalar(
        select(Purchase.id)
        .where(
            Purchase.user_id == user_id,
            Purchase.status == "pending",
            Purchase.road.in_(roads),
            Purchase.product_id == offer.product_id,
            Purchase.price_cents == offer.price_cents,
            Purchase.credits == offer.credits,
            Purchase.mode == offer.mode,
            Purchase.created_at > now() - timedelta(seconds=limits.PAYMENT_GIVE_UP_S),
        )
        .order_by(Purchase.created_at.desc())
        .limit(1)
    )
    return found


def _is_still_open(creem: Creem, purchase: Purchase) -> bool:
    """Whether somebody may still pay there, or has paid. When Creem is silent: yes."""
    if not purchase.checkout_id:
        return True
    return checkouts.look(creem, purchase.id, purchase.checkout_id).state != "closed"


def _is_opening(purchase: Purchase) -> bool:
    """Another request is asking Creem for its page at this moment."""
    return purchase.created_at > now() - timedelta(seconds=limits.OPENING_S)


def _open(creem: Creem, purchase: Purchase, success_url: str, road: Road) -> None:
    """Ask for a payment page; no transaction is open meanwhile."""
    purchase_id, pack = purchase.id, purchase.pack
    trouble = ""
    if road == "api":
        try:
            checkout = _create_checkout(creem, purchase, success_url)
        except PaymentError as error:
            trouble = error.trouble
            log.warning("purchase %s: no checkout: %s", purchase_id, error)
        else:
            _save_page(purchase_id, checkout)
            return
    link = creem.payment_link(pack, purchase_id)
    _take_the_link(purchase_id, link, trouble)
    if link is None:
        log.error("purchase %s: both roads failed (%s)", purchase_id, trouble or "no link is set")
        raise PaymentsUnavailable


def _create_checkout(creem: Creem, purchase: Purchase, success_url: str) -> Checkout:
    email = db.session.get_one(User, purchase.user_id).email
    purchase_id, user_id, product_id = purchase.id, str(purchase.user_id), purchase.product_id
    db.session.rollback()  # nothing is held while a vendor takes his time
    return creem.create_checkout(
        product_id=product_id,
        request_id=purchase_id,
        metadata={"purchase_id": purchase_id, "user_id": user_id, "schema": SCHEMA},
        success_url=success_url,
        email=email,
    )


def _save_page(purchase_id: str, checkout: Checkout) -> None:
    with write_transaction() as connection:
        connection.execute(
            update(_purchases)
            .where(Purchase.id == purchase_id, Purchase.order_id.is_(None))
            .values(
                road="api",
                checkout_id=checkout.id,
                checkout_url=checkout.url,
                check_at=_first_check(),
                failure=None,
            )
        )


def _take_the_link(purchase_id: str, link: str | None, trouble: str) -> None:
    """The second road, with the failure of the first; without a link the purchase has failed."""
    failure = trouble or ("" if link else "no_link")
    values: dict[str, object] = {"road": "link", "checkout_url": link}
    if link is None:
        values = {"status": "failed", "check_at": None}
    if failure:
        values |= {"failure": failure, "failed_at": now(), "failures": Purchase.failures + 1}
    with write_transaction() as connection:
        connection.execute(
            update(_purchases)
            .where(Purchase.id == purchase_id, Purchase.status == "pending")
            .values(**values)
        )
        if failure:
            checkouts.tell_of_repeated(connection, failure)


def _first_check() -> datetime:
    return now() + timedelta(seconds=limits.PAYMENT_CHECK_S)


def get_owned(user_id: int, purchase_id: str) -> Purchase:
    """The user's purchase, fresh. Raises NotFound when it is not there, or another's."""
    found: Purchase | None = None
    if is_id(purchase_id):
        query = select(Purchase).where(Purchase.id == purchase_id, Purchase.user_id == user_id)
        found = db.session.scalar(query.execution_options(populate_existing=True))
    if found is None:
        raise NotFound(_l("That purchase is not here."))
    return found


def of_user(user_id: int) -> Sequence[Purchase]:
    """All purchases of a user, the newest first."""
    query = select(Purchase).where(Purchase.user_id == user_id)
    return db.session.scalars(query.order_by(Purchase.created_at.desc())).all()


def find_newest(user_id: int) -> Purchase | None:
    """The latest purchase of a user."""
    query = select(Purchase).where(Purchase.user_id == user_id)
    return db.session.scalar(query.order_by(Purchase.created_at.desc()).limit(1))


def unpaid(user_id: int) -> Sequence[Purchase]:
    """A user's purchases of late that a payment may still complete, the newest first."""
    since = now() - timedelta(days=UNPAID_DAYS)
    query = select(Purchase).where(
        Purchase.user_id == user_id, Purchase.status.in_(UNPAID), Purchase.created_at > since
    )
    return db.session.scalars(query.order_by(Purchase.created_at.desc())).all()


def reversals_of(purchase_id: str) -> Sequence[Reversal]:
    """What went back of a purchase, oldest first."""
    query = select(Reversal).where(Reversal.purchase_id == purchase_id)
    return db.session.scalars(query.order_by(Reversal.happened_at, Reversal.id)).all()


def entries_of(purchase_id: str) -> Sequence[CreditEntry]:
    """The ledger's entries of a purchase, oldest first."""
    query = select(CreditEntry).where(CreditEntry.reference == purchase_id)
    return db.session.scalars(query.order_by(CreditEntry.id)).all()


def waiting() -> Sequence[Purchase]:
    """Paid purchases that wait for a person, the oldest first."""
    query = select(Purchase).where(Purchase.status.in_(("parked", "unmatched")))
    return db.session.scalars(query.order_by(Purchase.created_at)).all()


def parked_events() -> Sequence[PaymentEvent]:
    """Events that wait for a person, the oldest first."""
    query = select(PaymentEvent).where(
        PaymentEvent.outcome == "parked", PaymentEvent.resolved_at.is_(None)
    )
    return db.session.scalars(query.order_by(PaymentEvent.id)).all()


def portal_url(user_id: int) -> str:
    """A link to Creem's portal for this buyer. Raises UserError, or CreemSilent."""
    creem = vendors.current().payments
    customer_id = db.session.scalar(
        select(Purchase.customer_id)
        .where(Purchase.user_id == user_id, Purchase.customer_id.is_not(None))
        .order_by(Purchase.paid_at.desc())
        .limit(1)
    )
    if customer_id is None:
        raise UserError(
            _l(
                "Creem's portal opens from here after a payment with this account's address. For "
                "other payments, Creem's own mail has the link."
            )
        )
    db.session.rollback()
    if creem is None:
        raise CreemSilent
    try:
        return creem.portal_url(customer_id)
    except PaymentError as error:
        log.warning("no portal: %s", error)
    raise CreemSilent
