"""How a video ends unpaid: failed or cancelled, with its refund in the same transaction."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, case, select, update

from app import limits
from app.errors import _l
from app.models import LIVE, Attempt, Identity, Video, now
from app.services import alerts, credits
from app.services.leases import FREE, Lease
from app.services.transactions import write_transaction

_DISK = _l("Our disk had no room for it. We have been told.")
REASONS = {  # what a person reads; what a vendor or a disk said stays in the attempt and the log
    "deadline": _l("It was not done after half an hour, so we stopped waiting."),
    "queue_timeout": _l("It waited a whole day and could not be started."),
    "store_timeout": _l("It was made, but could not be stored."),
    "disk_full": _DISK,
    "unwritable": _DISK,
    "undecodable": _l("The file that came out does not play."),
    "no_picture": _l("The video that came out has no picture."),
    "missing": _l("The finished video could not be found any more."),
    "result_expired": _l("The finished video could not be found any more."),
    "no_ffmpeg": _l("A program that finishes videos is missing on our server. We have been told."),
    "timed_out": _l("Checking the finished video took too long."),
    "too_large": _l("The file that came out is too large."),
    "content_rejected": _l("The provider refused this prompt."),
    "permanent": _l("No provider would make this video."),
    "lost_there": _l("The provider lost it."),
    "transient": _l("The provider could not make it."),
    "failed_there": _l("The provider could not make it."),
    "unreachable": _l("It was made, but could not be stored."),
    "renderer_died": _l("The renderer stopped three times before the video was done."),
    "interrupted": _l("It could not be handed to the renderer, three times in a row."),
    "cancelled": "",
}
_OTHER = _l("The renderer stopped before the video was done.")

OUR_FAULT = ("disk_full", "unwritable", "no_ffmpeg", "timed_out", "store_timeout", "orphaned")
"""What an operator has to mend: it raises an alert."""

CODE_CHARS, TEXT_CHARS = 40, 300
OPEN_ATTEMPT = ("submitting", "processing", "ready")


def folder(video_id: str) -> str:
    """Where a video's files lie in the storage."""
    return f"videos/{video_id}"


@dataclass(frozen=True)
class Rest:
    """What becomes of the attempt when its video ends."""

    state: str
    values: dict[str, object]


def fail(
    video_id: str,
    code: str,
    text: str,
    *,
    lease: Lease | None = None,
    only_from: tuple[str, ...] = LIVE,
    was_taken: bool = True,
    keep_watching: bool = False,
) -> bool:
    """Fail the video and give its credits back. Returns whether this call did it.

    With a lease it is done only while that lease is still held.  An attempt that was never taken
    cost us nothing.  With `keep_watching` a late result is still asked for, to become a gift.  A
    silent video that is being made once more for free is delivered after all, and refunded.
    """
    values: dict[str, object] = {} if was_taken else {"cost_cents": 0}
    rest = Rest("failed", values | {"ended_at": now()})
    if keep_watching:
        rest = Rest("late", {"next_poll_at": now() + timedelta(seconds=limits.GIFT_POLL_S)})
    where = (Video.status.in_(only_from),)
    done = _end(video_id, "failed", where, rest, code=code, text=text, lease=lease)
    if done and code in OUR_FAULT:
        alerts.raise_alert(code, "videos", text)
    return done


def cancel(
    video_id: str,
    *,
    only_from: tuple[str, ...] = LIVE,
    if_asked: bool = False,
    lease: Lease | None = None,
) -> bool:
    """Cancel a video whose stop is certain and give its credits back, once.

    With `if_asked` only where the user has asked for it.
    """
    where: tuple[ColumnElement[bool], ...] = (Video.status.in_(only_from),)
    if if_asked:
        where = (*where, Video.cancel_requested.is_(True))
    rest = Rest("cancelled", {"ended_at": now()})
    return _end(video_id, "cancelled", where, rest, code="cancelled", text="", lease=lease)


def prompt_kept() -> ColumnElement[str]:
    """The prompt as an ended video keeps it: blank where its owner deleted the video meanwhile."""
    return case((Video.deleted_at.is_not(None), ""), else_=Video.prompt)


def plain(text: str) -> str:
    """A vendor's words as a column takes them: no NUL (PostgreSQL), and not too long."""
    return text.replace("\x00", "")[:TEXT_CHARS]


class TooLate(Exception):
    """Someone else moved the row first: roll back, nothing happened."""


def _end(
    video_id: str,
    status: str,
    where: tuple[ColumnElement[bool], ...],
    rest: Rest,
    *,
    code: str,
    text: str,
    lease: Lease | None,
) -> bool:
    code, text = plain(code)[:CODE_CHARS], plain(text)
    try:
        with write_transaction() as connection:
            _close_attempt(connection, video_id, rest, code, text, lease)
            user_id, cost_credits = _close_video(connection, video_id, status, where, code, text)
            credits.refund(
                connection,
                user_id,
                cost_credits,
                key=f"refund:{video_id}",
                reason=code,
                reference=video_id,
            )
            is_kept = select(Video.id).where(Video.id == video_id, Video.sound_refunded)
            connection.execute(  # the first-video price comes back, unless the video is kept
                update(Identity)
                .where(Identity.first_video_id == video_id, ~is_kept.exists())
                .values(first_video_id=None)
            )
    except TooLate:
        return False
    return True


def _close_attempt(
    connection: Connection, video_id: str, rest: Rest, code: str, text: str, lease: Lease | None
) -> None:
    mine = lease.held if lease else (Attempt.video_id == video_id,)
    closed = connection.execute(
        update(Attempt)
        .where(*mine, Attempt.state.in_(OPEN_ATTEMPT))
        .values(state=rest.state, error_code=code, error_text=text, **rest.values, **FREE)
    )
    if lease and closed.rowcount != 1:
        raise TooLate


def _close_video(
    connection: Connection,
    video_id: str,
    status: str,
    where: tuple[ColumnElement[bool], ...],
    code: str,
    text: str,
) -> tuple[int, int]:
    kept = Video.sound_retried  # the first, silent render is there: delivered, and refunded
    row = connection.execute(
        update(Video)
        .where(Video.id == video_id, *where)
        .values(
            status=case((kept, "completed"), else_=status),
            sound_refunded=kept,
            error_code=case((kept, None), else_=code),
            error_text=case((kept, None), else_=reason(code, text)),
            progress=case((kept, 100), else_=Video.progress),
            refunded_credits=Video.cost_credits,
            prompt=prompt_kept(),
            completed_at=now(),
            queue_position=None,
            eta_low_s=None,
            eta_high_s=None,
            wait_reason=None,
            retry_at=None,
        )
        .returning(Video.user_id, Video.cost_credits)
    ).first()
    if row is None:
        raise TooLate
    return row.user_id, row.cost_credits


def reason(code: str, text: str) -> str:
    """What a person reads. A provider's own words on a refused prompt help, so they are kept."""
    if code == "content_rejected" and text:
        return text
    return REASONS.get(code, _OTHER)
