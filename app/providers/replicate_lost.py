"""Which of Replicate's predictions a lost order may be.

That a prediction tells the `webhook` it was ordered with is UNCONFIRMED (docs/video-providers.md,
4.1): where it does, that decides; where it does not, its input and the time when it was made do.
"""

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from app.providers import ProviderError
from app.providers.cloud import attempt_of
from app.providers.http import is_id

CLOCKS_APART: Final = timedelta(minutes=1)
LOOKED_BACK: Final = timedelta(hours=1)  # for an order, should a clock be far off
LISTED_AFTER: Final = timedelta(minutes=1)  # until then an order may be taken and not listed yet
ASKED: Final = ("prompt", "seed", "duration", "aspect_ratio", "resolution")


def find(
    rows: Iterable[dict[str, Any]], attempt_id: str, given: dict[str, Any] | None, now: datetime
) -> str | None:
    """The id of the prediction that is the attempt's; None if it surely was never taken.

    `given`: the input that was ordered, where it is known.  Raises ProviderError unknown_outcome
    where several fit, one may fit, or the order may not be listed yet.
    """
    made_at, fits, is_unclear = made_at_of(attempt_id), [], False
    for row in rows:
        webhook = row.get("webhook")
        if attempt_of(webhook) == attempt_id and is_id(row.get("id")):
            return str(row["id"])
        verdict = False if webhook else _fits(row, given, made_at)
        if verdict and is_id(row.get("id")):
            fits.append(str(row["id"]))
        is_unclear = is_unclear or verdict is None
    if len(fits) == 1:
        return fits[0]
    if fits or is_unclear:
        raise _unknown("Replicate lists orders of which more than one, or none, may be ours")
    if made_at is None or now - made_at < LISTED_AFTER:
        raise _unknown("Replicate does not list it, which it may yet")
    return None


def _fits(
    row: dict[str, Any], given: dict[str, Any] | None, made_at: datetime | None
) -> bool | None:
    """Whether it was ordered with this input since the attempt; None where that cannot be said."""
    told = row.get("input")
    if given is None or not isinstance(told, dict):
        return None
    if any(name in told and told[name] != given[name] for name in ASKED):
        return False
    listed_at = time_of(row.get("created_at"))
    is_timely = made_at and listed_at and listed_at >= made_at - CLOCKS_APART
    return True if is_timely and all(name in told for name in ASKED) else None


def made_at_of(attempt_id: str) -> datetime | None:
    """When an attempt was made, where its id is a UUIDv7."""
    try:
        found = uuid.UUID(attempt_id)
    except ValueError:
        return None
    if found.version != 7:
        return None
    return datetime.fromtimestamp((found.int >> 80) / 1000, UTC)


def time_of(text: object) -> datetime | None:
    """A time as Replicate writes it, or None."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)


def _unknown(message: str) -> ProviderError:
    return ProviderError("unknown_outcome", message, permanent=False)
