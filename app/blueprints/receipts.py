"""A video's receipt, in words: charged, returned, why, by whom, and how long each step took."""

from datetime import datetime
from typing import Any

from flask_babel import gettext as _

from app.models import CreditEntry, Video
from app.services import ledger
from app.time_words import duration_words
from app.video_words import maker_words


def of(video: Video) -> dict[str, Any]:
    """Context of videos/_receipt.html."""
    entries = ledger.of_video(video.id)
    charged = -sum(entry.amount for entry in entries if entry.kind == "spend")
    refunded = sum(entry.amount for entry in entries if entry.kind == "refund")
    return {
        "lines": _lines(video),
        "charged": charged,
        "refunded": refunded,
        "net": charged - refunded,
        "reason": _reason(video, refunded),
        "provider": _provider(video),
        "attempts": ledger.attempts_of(video.id),
        "entries": [_entry(entry) for entry in entries],
        "timings": [(label, duration_words(seconds)) for label, seconds in _timings(video)],
    }


def _provider(video: Video) -> str:
    """Who made it; nobody, where it ended before a result."""
    if video.rendered_at is None:
        return ""
    return maker_words(video.provider)


def _lines(video: Video) -> list[tuple[str, int]]:
    list_price = video.cost_credits + video.discount_credits
    label = _("%(seconds)d s %(resolution)s", seconds=video.duration_s, resolution=video.resolution)
    lines = [(label, list_price)]
    if video.discount_credits:
        lines.append((_("first video"), -video.discount_credits))
    return lines


def _reason(video: Video, refunded: int) -> str:
    if not refunded:
        return ""
    if video.sound_refunded:
        return _("It came out without sound, twice. The video is yours, and costs nothing.")
    if video.is_gift:
        return _("It came after the credits had gone back: a gift, never charged again.")
    if video.status == "cancelled":
        return _("You cancelled in time.")
    return _("It failed; a failure costs nothing.")


def _entry(entry: CreditEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "created_at": entry.created_at,
        "kind": entry.kind,
        "amount": entry.amount,
        "balance_after": entry.balance_after,
    }


def _timings(video: Video) -> list[tuple[str, float]]:
    steps: list[tuple[str, datetime | None, datetime | None]] = [
        (_("Waited in line"), video.created_at, video.started_at or video.completed_at),
        (_("Rendered"), video.started_at, video.rendered_at),
        (_("Saved and checked"), video.rendered_at, video.completed_at),
    ]
    return [(label, (end - start).total_seconds()) for label, start, end in steps if start and end]
