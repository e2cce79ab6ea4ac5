"""What has waited too long, or can never end by itself, is ended, with a refund."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import exists, func, select, update
from sqlalchemy.exc import OperationalError

from app import limits
from app.extensions import db
from app.models import Attempt, Video, now
from app.services import endings, leases
from app.services.transactions import write_transaction

log = logging.getLogger(__name__)


def carefully(step: Callable[..., Any], *what: Any) -> None:
    """One video that breaks the code must not stop the others: a later sweep tries it again."""
    try:
        step(*what)
    except OperationalError:  # the database is away: nothing else would work either
        raise
    except Exception:
        log.exception("the sweep could not deal with %s", what)


def end() -> None:
    """End every video that is overdue."""
    _mark_late()
    for video_id in _stopped_in_line():
        carefully(lambda one: endings.cancel(one, only_from=("queued",)), video_id)
    for video_id in _in_line_for_a_day():
        carefully(_give_line_up, video_id)
    for row in _not_stored():
        carefully(_give_storing_up, *row)
    for attempt_id in _gifts_that_cannot_be_had():
        carefully(_give_gift_up, attempt_id)
    for video_id in _made_by_nobody():
        log.error("video %s has no open attempt", video_id)
        carefully(endings.fail, video_id, "orphaned", "no open attempt")


def _mark_late() -> None:
    """In line for 15 minutes: the card says why, and offers cancelling."""
    since = now() - timedelta(seconds=limits.QUEUE_EXPLAIN_S)
    with write_transaction() as connection:
        connection.execute(
            update(Video)
            .where(
                Video.status == "queued",
                ~Video.is_late,
                ~Video.sound_retried,
                func.coalesce(Video.queued_at, Video.created_at) < since,
            )
            .values(is_late=True)
        )


def _stopped_in_line() -> list[str]:
    """Asked to stop, or deleted, while a submission was under way that came to nothing."""
    unwanted = Video.cancel_requested | Video.deleted_at.is_not(None)
    query = select(Video.id).where(Video.status == "queued", unwanted)
    return list(db.session.scalars(query))


def _give_line_up(video_id: str) -> None:
    text = "queued for a day"
    endings.fail(video_id, "queue_timeout", text, only_from=("queued",))


def _in_line_for_a_day() -> list[str]:
    oldest = now() - timedelta(seconds=limits.QUEUE_GIVE_UP_S)
    query = select(Video.id).where(Video.status == "queued", Video.created_at < oldest)
    return list(db.session.scalars(query))


def _not_stored() -> list[tuple[str, str, str]]:
    """Video, attempt and kind of what was made 15 minutes ago, and could not be stored since.

    Tried several times, too: a machine that was off has not tried yet.
    """
    moment = now()
    query = (
        select(Video.id, Attempt.id, Video.kind)
        .join(Attempt, Attempt.video_id == Video.id)
        .where(
            Video.status == "storing",
            Video.rendered_at < moment - timedelta(seconds=limits.STORE_GIVE_UP_S),
            Attempt.state == "ready",
            Attempt.store_tries >= limits.STORE_TRIES,
            leases.is_free(moment),
        )
    )
    return [(row[0], row[1], row[2]) for row in db.session.execute(query)]


def _give_storing_up(video_id: str, attempt_id: str, kind: str) -> None:
    """Refunded. A cloud keeps its result for longer: it may still become a gift."""
    lease = leases.take(attempt_id, "ready")
    if lease is not None:
        text = "the result could not be stored"
        may_come = kind == "cloud"
        endings.fail(video_id, "store_timeout", text, lease=lease, keep_watching=may_come)


def _gifts_that_cannot_be_had() -> list[str]:
    """Late results that could not be stored in a whole day: nobody waits for them."""
    moment = now()
    accepted_at = func.coalesce(Attempt.accepted_at, Attempt.created_at)
    query = (
        select(Attempt.id)
        .join(Video, Attempt.video_id == Video.id)
        .where(
            Attempt.state == "ready",
            Video.status == "failed",
            accepted_at < moment - timedelta(seconds=limits.GIFT_WATCH_S),
            Attempt.store_tries >= limits.STORE_TRIES,
            leases.is_free(moment),
        )
    )
    return list(db.session.scalars(query))


def _give_gift_up(attempt_id: str) -> None:
    moment = now()
    with write_transaction() as connection:
        connection.execute(
            update(Attempt)
            .where(Attempt.id == attempt_id, Attempt.state == "ready", leases.is_free(moment))
            .values(state="failed", ended_at=moment)
        )


def _made_by_nobody() -> list[str]:
    """A video that is being made by no attempt can only come from a bug."""
    has_attempt = exists().where(
        Attempt.video_id == Video.id, Attempt.state.in_(endings.OPEN_ATTEMPT)
    )
    states = ("submitting", "processing", "storing")
    return list(db.session.scalars(select(Video.id).where(Video.status.in_(states), ~has_attempt)))
