"""What is sold: the packs of the one price table, as products at Creem."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from flask import current_app
from sqlalchemy import func, select

from app import limits
from app.extensions import db
from app.models import CreditEntry, now
from app.services import vendors
from app.services.credits import USED_KINDS


@dataclass(frozen=True, slots=True)
class Offer:
    """A pack, and its product at Creem ("" where it has none)."""

    name: str
    credits: int
    price_cents: int
    product_id: str
    mode: str
    is_on_sale: bool

    @property
    def videos(self) -> int:
        """Whole videos of the list's length at 720p that it makes."""
        return self.credits // limits.PRICE_CREDITS

    @property
    def cents_per_video(self) -> float:
        return self.price_cents * limits.PRICE_CREDITS / self.credits


def every() -> list[Offer]:
    """All packs, the smallest first, whether they are sold or not."""
    payments = vendors.current().payments
    products: Mapping[str, str] = payments.settings.products if payments else {}
    mode = payments.settings.mode if payments else ""
    is_selling = current_app.config["PAYMENTS"] != "off"
    return [
        Offer(
            name, pack.credits, pack.price_cents, products.get(name, ""), mode,
            is_on_sale=is_selling and bool(products.get(name)),
        )
        for name, pack in limits.PACKS.items()
    ]  # fmt: skip


def find(name: str) -> Offer | None:
    """A pack by its name."""
    return next((offer for offer in every() if offer.name == name), None)


def find_by_product(product_id: str) -> Offer | None:
    """A pack by its product at Creem."""
    return next((one for one in every() if product_id and one.product_id == product_id), None)


def recommended(user_id: int | None = None, videos: int | None = None) -> str | None:
    """The smallest pack for so many videos, or for as much as was spent in the last 30 days.

    None where neither says anything.  More than the largest pack holds: the largest.
    """
    needed = videos * limits.PRICE_CREDITS if videos else spent_lately(user_id)
    if needed <= 0:
        return None
    names = [name for name, pack in limits.PACKS.items() if pack.credits >= needed]
    return names[0] if names else list(limits.PACKS)[-1]


def spent_lately(user_id: int | None) -> int:
    """Credits that a user's videos of the last 30 days cost, refunds taken off."""
    if user_id is None:
        return 0
    since = now() - timedelta(days=limits.USE_DAYS)
    spent = db.session.scalar(
        select(func.sum(-CreditEntry.amount)).where(
            CreditEntry.user_id == user_id,
            CreditEntry.kind.in_(USED_KINDS),
            CreditEntry.created_at > since,
        )
    )
    return int(spent or 0)
