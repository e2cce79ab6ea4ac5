"""The price of a video: one pure function, read by the form, the button and the transaction."""

from dataclasses import dataclass
from math import ceil

from app import limits
from app.errors import _l


@dataclass(frozen=True)
class Line:
    """One line of a price: what, and credits (a discount is negative)."""

    label: str
    values: dict[str, object]
    credits: int


@dataclass(frozen=True)
class Price:
    """What a request costs: lines to show, the list price of one, and each video's, in order."""

    lines: tuple[Line, ...]
    list_credits: int
    each: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.each)


def video_credits(duration_s: int, resolution: str, provider: str) -> int:
    """List price in credits: ceil(10 x seconds / 8), x 1.5 rounded up at 1080p, x the provider."""
    base = ceil(limits.PRICE_CREDITS * duration_s / limits.PRICE_SECONDS)
    sized = ceil(base * limits.RESOLUTION_FACTORS[resolution])
    return ceil(sized * limits.PROVIDER_FACTORS.get(provider, 1))


def has_first_video_price(duration_s: int, resolution: str) -> bool:
    """Whether the first-video price is for such a video: at most 8 s at 720p."""
    rule = limits.FIRST_VIDEO
    return duration_s <= rule.max_duration_s and resolution == rule.resolution


def first_video_discount(duration_s: int, resolution: str, list_credits: int) -> int:
    """Credits off an account's first such video: it costs at most 8."""
    if not has_first_video_price(duration_s, resolution):
        return 0
    return max(0, list_credits - limits.FIRST_VIDEO.max_cost_credits)


def price(duration_s: int, resolution: str, count: int, provider: str, *, is_first: bool) -> Price:
    """Price of `count` videos; the first-video price is for one of them only."""
    one = video_credits(duration_s, resolution, provider)
    discount = first_video_discount(duration_s, resolution, one) if is_first else 0
    what = {"seconds": duration_s, "resolution": resolution, "count": count}
    label = _l("%(seconds)d s %(resolution)s")
    if count > 1:
        label = _l("%(count)d × %(seconds)d s %(resolution)s")
    lines = [Line(label, what, one * count)]
    if discount:
        lines.append(Line(_l("first video"), {}, -discount))
    return Price(tuple(lines), one, (one - discount,) + (one,) * (count - 1))
