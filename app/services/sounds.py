"""The sound guarantee: a cloud video that comes out silent is made once more for free.

Silent again, or failed, the first is delivered and refunded: the video stays (money rules).
"""

import re
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, update

from app import limits
from app.extensions import db
from app.models import Attempt, Video, now
from app.services import credits, endings
from app.services.leases import FREE, Lease
from app.services.transactions import write_transaction

ASKS_FOR_SILENCE = re.compile(  # a demand for a video without sound; quiet rooms are no such thing
    r"\bno (sounds?|audio)\b(?!,? (but|except|other|besides|apart|than))"
    r"|\bwithout (any )?(sounds?|audio)\b(?!,? (but|except|other|besides|apart|than))"
    r"|\b(silent|muted|mute) (video|clip|film|movie|audio)\b|\bsoundless\b"
    r"|(不要|不需要)有?(任何)?声音|(无声|静音)的?(视频|影片|短片)",
    re.IGNORECASE,
)
WAS_SILENT = "silent"


def is_guaranteed(video: Video) -> bool:
    """Whether the guarantee holds: once a video, three a day a user, where sound was meant."""
    if video.sound_retried or ASKS_FOR_SILENCE.search(video.prompt):
        return False
    day_ago = now() - timedelta(days=1)
    used = db.session.scalar(
        select(func.count(Attempt.video_id.distinct()))  # silent twice, it is still one video
        .join(Video, Video.id == Attempt.video_id)
        .where(
            Video.user_id == video.user_id,
            Attempt.error_code == WAS_SILENT,
            Attempt.ended_at > day_ago,
        )
    )
    return int(used or 0) < limits.SOUND_RETRIES_PER_DAY


def make_again(video: Video, lease: Lease, values: dict[str, Any]) -> bool:
    """storing -> queued, for free: the silent file is kept until a better one comes."""
    return _end_attempt(
        video.id,
        lease,
        error_code=WAS_SILENT,
        of_video={
            "status": "queued",
            "queued_at": now(),
            "is_late": False,
            "sound_retried": True,
            "retry_at": None,
            "progress": None,
            **values,
        },
    )


def deliver_refunded(video_id: str, lease: Lease, values: dict[str, Any]) -> bool:
    """storing -> completed, with every credit back: it is silent again."""
    return _end_attempt(
        video_id,
        lease,
        error_code=WAS_SILENT,
        of_video={
            "status": "completed",
            "sound_refunded": True,
            "refunded_credits": Video.cost_credits,
            "progress": 100,
            "completed_at": now(),
            "prompt": endings.prompt_kept(),
            **values,
        },
        is_refunded=True,
    )


def _end_attempt(
    video_id: str,
    lease: Lease,
    *,
    error_code: str,
    of_video: dict[str, Any],
    is_refunded: bool = False,
) -> bool:
    try:
        with write_transaction() as connection:
            closed = connection.execute(
                update(Attempt)
                .where(*lease.held, Attempt.state == "ready")
                .values(state="done", error_code=error_code, ended_at=now(), **FREE)
            )
            row = connection.execute(
                update(Video)
                .where(
                    Video.id == video_id,
                    Video.status == "storing",
                    ~Video.cancel_requested,
                    Video.deleted_at.is_(None),
                )
                .values(eta_low_s=None, eta_high_s=None, **of_video)
                .returning(Video.user_id, Video.cost_credits)
            ).first()
            if closed.rowcount != 1 or row is None:
                raise endings.TooLate
            if is_refunded:
                credits.refund(
                    connection,
                    row.user_id,
                    row.cost_credits,
                    key=f"refund:{video_id}",
                    reason="silent",
                    reference=video_id,
                )
    except endings.TooLate:
        return False
    return True
