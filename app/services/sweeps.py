"""The sweep: frees dead leases, asks the providers about what is due, writes positions and times.

One worker does it at a time (the tick is claimed in the database); it ends by naming the videos
that need a doorbell, and how many are in flight, so that the caller can schedule the next sweep.
"""

import logging
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import func, select

from app import limits
from app.extensions import db
from app.models import Attempt, Video, now
from app.providers import Provider, ProviderError, is_cloud
from app.services import (
    attempts,
    dues,
    endings,
    estimates,
    keys,
    leases,
    orders,
    overdue,
    queueing,
    vendors,
    watching,
)
from app.services.overdue import carefully

log = logging.getLogger(__name__)

RING_AT_ONCE = 8
RECOVER_AT_ONCE = 20
"""Unknown submissions looked at in one sweep, the longest waiting first; each may be a call."""


@dataclass
class Swept:
    """What a sweep found: videos to ring for, and how many are not finished."""

    to_submit: list[str] = field(default_factory=list)
    to_store: list[str] = field(default_factory=list)
    in_flight: int = 0


def refresh_due() -> Swept:
    """One sweep. Safe to repeat, to interrupt, and to run beside another."""
    watching.ask_due()
    for attempt in _abandoned():
        carefully(_recover, attempt)
    overdue.end()
    estimates.write()
    return _found()


def _abandoned() -> list[Attempt]:
    """Submissions whose worker died: ask the provider whether it ever got them."""
    rows = db.session.scalars(
        select(Attempt)
        .where(Attempt.state == "submitting", leases.is_free(now()))
        .order_by(Attempt.lease_until)
        .limit(RECOVER_AT_ONCE)
    ).all()
    for attempt in rows:
        db.session.expunge(attempt)  # stays readable across the writes below
    return list(rows)


def _recover(attempt: Attempt) -> None:
    """Whoever submitted it is gone, or heard no answer: ask whether the provider has it."""
    lease = leases.take(attempt.id, "submitting")
    if lease is None:
        return
    provider = vendors.current().providers.get(attempt.provider)
    try:
        with leases.kept_alive(lease):
            handle = _find_carefully(attempt, provider)
    except ProviderError as error:
        log.warning("attempt %s: still unknown whether it was accepted: %s", attempt.id, error)
        if attempts.deadline_passed(attempt.created_at):
            endings.fail(
                attempt.video_id,
                "deadline",
                str(error),
                lease=lease,
                keep_watching=is_far(provider),
            )
        return  # the lease runs out by itself, and the next reaper asks again
    if handle is not None and provider is not None:
        attempts.accept(lease, handle, provider)
    elif is_far(provider) and now() - attempt.created_at < timedelta(seconds=limits.SURELY_NOT_S):
        log.info("attempt %s: not in its provider's list yet", attempt.id)
    elif is_far(provider):
        never = ProviderError("transient", "the provider never got it")
        queueing.requeue(attempt.video_id, lease, never)
    else:
        queueing.give_back(attempt.video_id, lease, "lost", queueing.INTERRUPTED, "")


def _find_carefully(attempt: Attempt, provider: Provider | None) -> str | None:
    """`_find`, where a bug of the adapter is no answer: else its deadline would never come."""
    try:
        return _find(attempt, provider)
    except ProviderError:
        raise
    except Exception as error:
        log.exception("attempt %s: the adapter failed", attempt.id)
        raise ProviderError("unknown_outcome", type(error).__name__) from error


def _find(attempt: Attempt, provider: Provider | None) -> str | None:
    """The handle of a submission without one: a callback named it, or the provider can tell."""
    if provider is None:
        raise ProviderError("unknown_outcome", "its provider is off")
    if not is_cloud(provider):
        return provider.recover(attempt.id)
    key = keys.find(attempt.provider, attempt.provider_key)
    if key is None:
        raise ProviderError("unknown_outcome", "the key it was sent with is not set any more")
    told_id = dues.told_id(attempt.id)
    video = db.session.get_one(Video, attempt.video_id)
    order = orders.of(video, attempt.id, provider, with_image=False)
    db.session.rollback()  # no transaction is open across the call
    if told_id and (handle := provider.adopt(attempt.id, told_id, key.secret)):
        return handle
    return provider.recover(attempt.id, key.secret, order)


def is_far(provider: Provider | None) -> bool:
    """Whether it is, or was, a cloud."""
    return provider is None or is_cloud(provider)


def _found() -> Swept:
    moment = now()
    may_start = queueing.may_start(moment)
    queued = [
        video_id
        for kind in ("local", "cloud")  # each is a line of its own
        for video_id in db.session.scalars(
            select(Video.id)
            .where(Video.status == "queued", Video.kind == kind, may_start)
            .order_by(func.coalesce(Video.retry_at, Video.created_at), Video.id)
            .limit(RING_AT_ONCE)
        )
    ]
    # No more than are soon done: what is rung for stands before the next sweep in Huey's line.
    storing = db.session.scalars(
        select(Attempt.video_id)
        .where(Attempt.state == "ready", leases.is_free(moment))
        .order_by(Attempt.store_tries, Attempt.id)
        .limit(RING_AT_ONCE)
    ).all()
    open_attempts = select(func.count()).select_from(Attempt)
    waiting = select(func.count()).select_from(Video).where(Video.status == "queued")
    in_flight = [
        int(db.session.scalar(query) or 0)
        for query in (open_attempts.where(Attempt.state.in_(endings.OPEN_ATTEMPT)), waiting)
    ]
    return Swept(queued, list(storing), sum(in_flight))
