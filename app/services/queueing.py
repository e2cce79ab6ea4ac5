"""The way back into the line: nobody takes a video now, or what was tried came to nothing."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_, select, update

from app import limits
from app.extensions import db
from app.models import Attempt, Video, now
from app.providers import ProviderError
from app.services import alerts, endings, orders
from app.services.leases import FREE, Lease
from app.services.transactions import write_transaction

MAX_DEATHS = 3
"""A video whose render died this often by itself is failed: it may be what kills the renderer."""
MAX_ATTEMPTS = 20
"""Renders that ended with their worker do not count as deaths, but have a bound too."""
BUSY_RETRY_S = 2
"""A rate frees a place soon; everything else that keeps a video waiting takes longer."""

INTERRUPTED = "interrupted"


def may_start(moment: datetime) -> ColumnElement[bool]:
    """WHERE term: a queued video need not wait (longer than any wait: the clock was set back)."""
    too_far = moment + timedelta(seconds=2 * limits.ROUTE_RETRY_MAX_S)
    return or_(Video.retry_at.is_(None), Video.retry_at <= moment, Video.retry_at > too_far)


def put_off(video: Video, reasons: dict[str, str]) -> None:
    """Nobody takes it now: it says why, and is tried again soon."""
    reason = next(iter(reasons.values()), "no_maker")
    if reason != video.wait_reason:  # told once a video, not at each try
        for provider in (name for name, why in reasons.items() if why == "spend_cap"):
            alerts.raise_alert("spend_cap", provider, "the daily cap is reached: videos wait")
    wait_s = BUSY_RETRY_S if reason == "busy" else limits.ROUTE_RETRY_S
    with write_transaction() as connection:
        connection.execute(
            update(Video)
            .where(Video.id == video.id, Video.status == "queued")
            .values(wait_reason=reason, retry_at=now() + timedelta(seconds=wait_s))
        )


def requeue(video_id: str, lease: Lease, error: ProviderError, *, was_taken: bool = False) -> bool:
    """No cloud has it, and that is certain: back into the queue for another try.

    What was never taken cost us nothing.  The wait doubles with each attempt; a key that is at
    fault is replaced at once.
    """
    tries = orders.attempts_so_far(video_id)
    wait_s = min(limits.ROUTE_RETRY_S * 2 ** max(tries - 1, 0), limits.ROUTE_RETRY_MAX_S)
    if error.code in ("key_bad", "out_of_credit", "rate_limited", "permanent"):
        wait_s = 0
    reason = "once_more" if was_taken else "provider_down"
    values: dict[str, object] = {
        "retry_at": now() + timedelta(seconds=wait_s),
        "wait_reason": reason,
    }
    if was_taken:  # what was never taken has been in line all the time
        values |= {"queued_at": now(), "is_late": False}
    cost: dict[str, object] = {} if was_taken else {"cost_cents": 0}
    return _back_to_queue(video_id, lease, "failed", error.code, str(error), values, **cost)


def give_back(video_id: str, lease: Lease, state: str, code: str, text: str) -> bool:
    """The local render came to nothing: queue the video again, or give up.

    After MAX_DEATHS of its own it fails and is refunded; one that was "interrupted" ended with its
    worker, which is no fault of the video.  Done only while `lease` is held.
    """
    here = select(Attempt.provider).where(Attempt.id == lease.attempt_id).scalar_subquery()
    earlier = db.session.scalars(
        select(Attempt.error_code).where(
            Attempt.video_id == video_id,
            Attempt.provider == here,
            Attempt.id != lease.attempt_id,
        )
    ).all()
    codes = [*earlier, code]
    deaths = sum(each != INTERRUPTED for each in codes)
    if deaths >= MAX_DEATHS or len(codes) >= MAX_ATTEMPTS:
        return endings.fail(video_id, code, text, lease=lease)
    anew: dict[str, object] = {"queued_at": now(), "is_late": False}
    return _back_to_queue(video_id, lease, state, code, text, anew)


def _back_to_queue(
    video_id: str,
    lease: Lease,
    state: str,
    code: str,
    text: str,
    values: dict[str, object],
    **of_attempt: object,
) -> bool:
    with write_transaction() as connection:
        closed = connection.execute(
            update(Attempt)
            .where(*lease.held, Attempt.state.in_(endings.OPEN_ATTEMPT))
            .values(
                state=state,
                error_code=endings.plain(code)[: endings.CODE_CHARS],
                error_text=endings.plain(text),
                ended_at=now(),
                **of_attempt,
                **FREE,
            )
        )
        if closed.rowcount != 1:
            return False
        connection.execute(
            update(Video)
            .where(Video.id == video_id, Video.status.in_(("submitting", "processing")))
            .values(
                status="queued",
                progress=None,
                eta_low_s=None,
                eta_high_s=None,
                **values,
            )
        )
    return True
