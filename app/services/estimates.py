"""Honest times: a place in the queue, and a range of seconds left from real recent durations."""

from collections.abc import Sequence

from sqlalchemy import bindparam, select, update

from app import limits
from app.extensions import db
from app.models import Video
from app.providers import Report
from app.services import vendors
from app.services.transactions import write_transaction

RECENT = 50
MIN_RECENT = 3
NAMES = ("video", "position", "low_s", "high_s")
SHOWN_PLACES = 100
"""Places behind these are not written: all of them change with each sweep."""
OWN_SPREAD = (0.85, 1.25)
"""How far a renderer's own estimate is trusted, whatever the history says."""
NO_HISTORY_SPREAD = (0.7, 1.8)
"""Around the provider's expected time, until MIN_RECENT videos were made."""


class Paces:
    """Seconds left of what a provider has, from real durations, each provider looked up once."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, float]] = {}

    def left(
        self, provider: str, duration_s: int, elapsed_s: float, report: Report
    ) -> tuple[int | None, int | None]:
        """Seconds until done, low and high; None when nobody can say."""
        if report.eta_s is not None:  # the provider measures its own speed: nothing knows better
            return _rounded(report.eta_s * OWN_SPREAD[0], report.eta_s * OWN_SPREAD[1])
        if provider not in self._known:
            self._known[provider] = usual_pace(provider)
        low, high = (pace * duration_s for pace in self._known[provider])
        if elapsed_s >= high:
            return None, None
        return _rounded(max(low - elapsed_s, 0), high - elapsed_s)


def usual_pace(provider: str) -> tuple[float, float]:
    """p50 and p90 of recent videos, from start to stored, in seconds per second of video."""
    rows = db.session.execute(
        select(Video.started_at, Video.completed_at, Video.duration_s)
        .where(Video.provider == provider, Video.status == "completed")
        .where(Video.started_at.is_not(None), Video.completed_at.is_not(None))
        .order_by(Video.completed_at.desc())
        .limit(RECENT)
    ).all()
    paces = sorted(
        (row.completed_at - row.started_at).total_seconds() / row.duration_s for row in rows
    )
    if len(paces) >= MIN_RECENT:
        return quantile(paces, 0.5), quantile(paces, 0.9)
    configured = vendors.current().providers.get(provider)
    expected_s = configured.capabilities.expected_s if configured else limits.FIRST_ANSWER_S
    pace = expected_s / limits.DEFAULT_DURATION_S
    return pace * NO_HISTORY_SPREAD[0], pace * NO_HISTORY_SPREAD[1]


def quantile(ordered: Sequence[float], share: float) -> float:
    """Linear interpolation between the closest ranks of an ascending, non-empty sequence."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def write() -> None:
    """Write place and range of each queued video. The queue is one line per provider."""
    rows = db.session.execute(
        select(
            Video.id, Video.provider, Video.duration_s, Video.queue_position, Video.eta_low_s,
            Video.eta_high_s,
        )
        .where(Video.status == "queued")
        .order_by(Video.id)
        .limit(SHOWN_PLACES)
    ).all()  # fmt: skip
    changed = []
    for provider in sorted({row.provider for row in rows}):
        pace = usual_pace(provider)
        places = _places(provider)
        ahead_low, ahead_high = (seconds / places for seconds in _busy(provider, pace))
        line = [row for row in rows if row.provider == provider]
        for position, row in enumerate(line, start=1):
            low, high = pace[0] * row.duration_s, pace[1] * row.duration_s
            place = (position, *_rounded(ahead_low + low, ahead_high + high))
            ahead_low, ahead_high = ahead_low + low / places, ahead_high + high / places
            if place != (row.queue_position, row.eta_low_s, row.eta_high_s):
                changed.append((row.id, *place))
    if changed:
        _write(changed)


def _write(places: list[tuple[str, int, int, int]]) -> None:
    with write_transaction() as connection:
        connection.execute(
            update(Video.__table__)
            .where(Video.__table__.c.id == bindparam("video"), Video.__table__.c.status == "queued")
            .values(
                queue_position=bindparam("position"),
                eta_low_s=bindparam("low_s"),
                eta_high_s=bindparam("high_s"),
            ),
            [dict(zip(NAMES, place, strict=True)) for place in places],
        )


def _places(provider: str) -> int:
    """How many videos this provider makes at once, as far as one worker knows."""
    configured = vendors.current().providers.get(provider)
    return configured.capabilities.places if configured else 1


def _busy(provider: str, pace: tuple[float, float]) -> tuple[float, float]:
    """Seconds that the videos being made now still need, low and high."""
    rows = db.session.execute(
        select(Video.eta_low_s, Video.eta_high_s, Video.duration_s).where(
            Video.provider == provider, Video.status.in_(("submitting", "processing"))
        )
    ).all()
    low = sum(pace[0] * row.duration_s if row.eta_low_s is None else row.eta_low_s for row in rows)
    high = sum(
        pace[1] * row.duration_s if row.eta_high_s is None else row.eta_high_s for row in rows
    )
    return low, high


def _rounded(low_s: float, high_s: float) -> tuple[int, int]:
    """Whole seconds; above a minute in steps of five, since more would be a pretence."""

    def step(value: float) -> int:
        return round(value) if value < 60 else 5 * round(value / 5)

    return max(step(low_s), 0), max(step(high_s), 1)
