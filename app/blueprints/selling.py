"""What the pricing page and the order page show: the packs, one of them recommended, and prices."""

from typing import Any, NamedTuple

from flask import request
from flask_babel import gettext as _
from flask_login import current_user

from app import limits
from app.errors import NotFound, _l
from app.services import packs, pricing, routes, vendors
from app.services.packs import Offer

USES = ("10", "35", "100")
"""Answers to "about how many videos?": each pack is right for one of them."""
EXAMPLES = ((4, "720p"), (8, "720p"), (10, "720p"), (30, "720p"), (8, "1080p"))


class Cost(NamedTuple):
    """A line of the table: what is made, at which size, for how many credits."""

    label: str
    resolution: str
    credits: int


def context() -> dict[str, Any]:
    """Context of payments/pricing.html."""
    offers = packs.every()
    asked = request.args.get("videos", "")
    videos = int(asked) if asked in USES else None
    user_id = current_user.id if current_user.is_authenticated else None
    recommended = packs.recommended(user_id, videos)
    return {
        "offers": offers,
        "is_selling": any(offer.is_on_sale for offer in offers),
        "recommended": recommended,
        "videos": videos,
        "uses": [int(use) for use in USES],
        "by_use": recommended is not None and videos is None,
        "costs": _costs(),
    }


def get_offer(name: str) -> Offer:
    """The pack of that name. Raises NotFound."""
    offer = packs.find(name)
    if offer is None:
        raise NotFound(_l("There is no pack of that name. Nothing was charged."))
    return offer


def _costs() -> list[Cost]:
    """The prices that the studio's button reads, of what can be made here."""
    offered = routes.offer()
    maker = next(iter(vendors.current().providers))
    first = limits.FIRST_VIDEO
    label = _("Your first, up to %(seconds)d seconds", seconds=first.max_duration_s)
    lines = [Cost(label, first.resolution, first.max_cost_credits)]
    for seconds, size in EXAMPLES:
        if seconds in offered.durations_s and size in offered.resolutions:
            credits = pricing.video_credits(seconds, size, maker)
            lines.append(Cost(_("%(seconds)d seconds", seconds=seconds), size, credits))
    return lines
