"""Buying a pack, by two roads: a checkout made through Creem's API, else the product's static link.

The purchase is written before anybody is asked, so that a payment always finds it.  Nothing here
gives credits: that is fulfilment.py.
"""

import logging
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, insert, select, update

from app import limits
from app.errors import UserError, _l
from app.extensions import db
from app.models import Purchase, User, new_id, now
from app.payments import Checkout, PaymentError
from app.payments.creem import Creem
from app.services import allowances, checkouts, credits, packs, vendors
from app.services.packs import Offer
from app.services.purchases import get_owned
from app.services.transactions import write_transaction

log = logging.getLogger(__name__)

Road = Literal["api", "link"]
_purchases = Purchase.__table__
MOST_OPEN = 10
"""Open purchases of one pack that are looked at before one is taken as it is."""
SCHEMA = "1"
"""Of the metadata that we give to a checkout."""


class PaymentsUnavailable(UserError):
    """No road leads to Creem now: `message` says what was not done."""

    status = 503

    def __init__(
        self,
        message: str = _l(
            "The payment page cannot be opened just now. Nothing was charged; "
            "please try again in a few minutes."
        ),
    ) -> None:
        super().__init__(message)


class PriceChanged(UserError):
    """The price in the form is not the pack's at this moment. Nothing was charged."""

    def __init__(self) -> None:
        super().__init__(
            _l("The price of this pack has changed. Nothing was charged; this is the new price.")
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
