"""Lengths of time in words, no finer than they are known."""

import math

from app.i18n import gettext

MINUTE_S, HOUR_S = 60, 3600


def duration_words(seconds: float | None) -> str:
    """A length of time in words: "40 s", "1 min 28 s", "2 h 5 min"."""
    whole = max(0, round(seconds or 0))
    if whole < MINUTE_S:
        return gettext("%(seconds)d s", seconds=whole)
    if whole < HOUR_S:
        minutes, rest = divmod(whole, MINUTE_S)
        if not rest:
            return gettext("%(minutes)d min", minutes=minutes)
        return gettext("%(minutes)d min %(seconds)d s", minutes=minutes, seconds=rest)
    hours, minutes = divmod(round(whole / MINUTE_S), 60)
    if not minutes:
        return gettext("%(hours)d h", hours=hours)
    return gettext("%(hours)d h %(minutes)d min", hours=hours, minutes=minutes)


def range_words(low: float | None, high: float | None) -> str:
    """An honest estimate in words, no finer than it is known: "20 to 45 s", "about 2 min"."""
    if low is None and high is None:
        return ""
    first, last = sorted((_coarse(low if low is not None else high), _coarse(high or low)))
    if last <= 5:
        return gettext("a few seconds")
    if first == last:
        return gettext("about %(time)s", time=duration_words(last))
    if last <= MINUTE_S or not (first % MINUTE_S or last % MINUTE_S):
        unit = 1 if last < MINUTE_S else MINUTE_S
        if unit == 1:
            return gettext("%(low)d to %(high)d s", low=first, high=last)
        if first >= MINUTE_S:
            return gettext("%(low)d to %(high)d min", low=first // unit, high=last // unit)
    return gettext("%(low)s to %(high)s", low=duration_words(first), high=duration_words(last))


def _coarse(seconds: float | None) -> int:
    """Rounded up to 5 s below a minute, to half minutes below five, then to whole ones."""
    exact = max(0.0, float(seconds or 0))
    step = 5 if exact <= MINUTE_S else 30 if exact <= 5 * MINUTE_S else MINUTE_S
    return math.ceil(exact / step) * step
