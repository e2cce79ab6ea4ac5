"""The progress card: the most frequent question of the site, answered by one statement.

It joins session and video, so that finding and permission are one query, selects columns instead of
entities, and reads outside a transaction: without these three it costs twice as much.
"""

from typing import Any

from sqlalchemy import bindparam, select

from app.extensions import reader
from app.models import Session, Video, now
from app.services.transactions import Statement

_COLUMNS = (
    Video.id, Video.type, Video.title, Video.aspect_ratio, Video.duration_s, Video.resolution,
    Video.provider, Video.kind, Video.image_id, Video.status, Video.progress,
    Video.queue_position, Video.eta_low_s, Video.eta_high_s, Video.is_late, Video.is_gift,
    Video.cancel_requested, Video.has_begun, Video.wait_reason, Video.sound_retried,
    Video.sound_refunded, Video.cost_credits, Video.refunded_credits, Video.error_code,
    Video.error_text, Video.is_favourite, Video.created_at, Video.started_at,
    Video.completed_at, Video.poster_key, Video.peaks,
    Video.sound_check, Video.measured_duration_s,
)  # fmt: skip

_FIND = Statement(
    select(*_COLUMNS)
    .join(Session, Session.user_id == Video.user_id)
    .where(
        Session.token_hash == bindparam("token_hash"),
        Session.revoked_at.is_(None),
        Session.expires_at > bindparam("moment"),
        Video.id == bindparam("video_id"),
        Video.deleted_at.is_(None),
    )
)


def find(video_id: str, token_hash: str | None) -> Any:
    """The card's row of a video of the person whose session this is, or None."""
    if token_hash is None:
        return None
    return _FIND.first(reader(), video_id=video_id, token_hash=token_hash, moment=now())
