"""The sweep: frees dead leases, asks the providers about what is due, writes positions and times.

One worker does it at a time (the tick is claimed in the database); it ends by naming the videos
that need a doorbell, and how many are in flight, so that the caller can schedule the next sweep.
"""

import logging
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import func, select, update

from app import limits
from app.extensions import db
from app.models import Attempt, Video, new_id, now
from app.providers import ProviderError, Report
from app.services import attempts, endings, estimates, leases, overdue, vendors
from app.services.leases import FREE, Lease
from app.services.overdue import carefully
from app.services.transactions import write_transaction

log = logging.getLogger(__name__)

RING_AT_ONCE = 8
POLL_AT_ONCE = 500
MAX_POLL_S = 120


@dataclass
class Swept:
    """What a sweep found: videos to ring for, and how many are not finished."""

    to_submit: list[str] = field(default_factory=list)
    to_store: list[str] = field(default_factory=list)
    in_flight: int = 0


def refresh_due() -> Swept:
    """One sweep. Safe to repeat, to interrupt, and to run beside another."""
    for attempt in _abandoned():
        carefully(_recover, attempt)
    for due in _claim_due():
        carefully(_refresh, due)
    overdue.end()
    estimates.write()
    return _found()


def _abandoned() -> list[Attempt]:
    """Submissions whose worker died: ask the provider whether it ever got them."""
    rows = db.session.scalars(
        select(Attempt).where(Attempt.state == "submitting", leases.is_free(now()))
    ).all()
    for attempt in rows:
        db.session.expunge(attempt)  # stays readable across the writes below
    return list(rows)


def _recover(attempt: Attempt) -> None:
    attempt_id, video_id, created_at = attempt.id, attempt.video_id, attempt.created_at
    lease = leases.take(attempt_id, "submitting")
    if lease is None:
        return
    try:
        handle = vendors.provider(attempt.provider).recover(attempt_id)
    except (ProviderError, KeyError) as error:
        log.warning("attempt %s: still unknown whether it was accepted: %s", attempt_id, error)
        if attempts.deadline_passed(created_at):
            endings.fail(video_id, "deadline", str(error), lease=lease)
        return  # the lease runs out by itself, and the next reaper asks again
    if handle is not None:
        attempts.accept(lease, handle)
    else:
        attempts.give_back(video_id, lease, "lost", attempts.INTERRUPTED, "")


@dataclass(frozen=True)
class _Due:
    """A claimed attempt with what is needed of its video."""

    lease: Lease
    attempt: Attempt
    cancel_requested: bool


def _claim_due() -> list[_Due]:
    """Lease every attempt whose next question is due, in one short transaction."""
    moment = now()
    too_far = moment + timedelta(seconds=MAX_POLL_S)  # written before the clock was set back
    due = (
        select(Attempt.id)
        .join(Video, Video.id == Attempt.video_id)
        .where(
            Attempt.state == "processing",
            leases.is_free(moment),
            (Attempt.next_poll_at <= moment)
            | (Attempt.next_poll_at > too_far)
            | Video.cancel_requested,
        )
        .order_by(Attempt.next_poll_at)
        .limit(POLL_AT_ONCE)
        .with_for_update(skip_locked=True, of=Attempt.__table__)
    )
    token = new_id()
    with write_transaction() as connection:
        ids = connection.scalars(due).all()
        if not ids:
            return []
        connection.execute(
            update(Attempt).where(Attempt.id.in_(ids)).values(**leases.values(Lease("", token)))
        )
    rows = db.session.execute(
        select(Attempt, Video.cancel_requested)
        .join(Video, Video.id == Attempt.video_id)
        .where(Attempt.lease_token == token)
    ).all()
    found = [_Due(Lease(attempt.id, token), attempt, cancel) for attempt, cancel in rows]
    for due_attempt in found:
        db.session.expunge(due_attempt.attempt)  # stays readable across the writes below
    return found


def _refresh(due: _Due) -> None:
    """Ask the provider about one attempt and write what it says."""
    attempt, lease = due.attempt, due.lease
    handle = attempt.remote_id or ""
    try:
        provider = vendors.provider(attempt.provider)
        if due.cancel_requested and provider.cancel(handle):
            if endings.cancel(attempt.video_id, lease=lease):
                provider.forget(handle)
            return
        report = provider.poll(handle)
    except (ProviderError, KeyError) as error:
        log.warning("attempt %s cannot be asked about: %s", attempt.id, error)
        _running(due, Report("running"))
        return
    if report.state == "ready":
        _ready(due, can_stop=provider.capabilities.cancel == "always")
    elif report.state == "cancelled":
        endings.cancel(attempt.video_id, lease=lease)
    elif report.state == "failed":
        code, text = report.code or "failed", report.message or ""
        if endings.fail(attempt.video_id, code, text, lease=lease):
            provider.forget(handle)
    elif report.state == "lost":
        died = "renderer_died" if leases.is_alive(attempt.worker) else attempts.INTERRUPTED
        if attempts.give_back(attempt.video_id, lease, "lost", died, report.message or ""):
            provider.forget(handle)
    else:
        _running(due, report)


def _ready(due: _Due, *, can_stop: bool) -> None:
    """processing -> storing; the doorbell for storing it is rung by the caller.

    Where the provider cannot stop, the result came first: a cancellation asked for is off.
    """
    with write_transaction() as connection:
        moved = connection.execute(
            update(Attempt)
            .where(*due.lease.held, Attempt.state == "processing")
            .values(state="ready", **FREE)
        )
        if moved.rowcount == 1:
            connection.execute(
                update(Video)
                .where(Video.id == due.attempt.video_id, Video.status == "processing")
                .values(
                    status="storing",
                    cancel_requested=Video.cancel_requested if can_stop else False,
                    progress=None,
                    rendered_at=now(),
                    eta_low_s=None,
                    eta_high_s=None,
                )
            )


def _running(due: _Due, report: Report) -> None:
    """Write progress and times; late is a flag, the deadline a failure with a refund."""
    attempt, provider = due.attempt, vendors.current().providers.get(due.attempt.provider)
    elapsed_s = (now() - (attempt.accepted_at or attempt.created_at)).total_seconds()
    expected_s = attempt.expected_s
    if expected_s is None and report.eta_s is not None:
        expected_s = elapsed_s + report.eta_s
    if attempts.deadline_passed(attempt.accepted_at):
        if endings.fail(attempt.video_id, "deadline", "", lease=due.lease) and provider:
            provider.cancel(attempt.remote_id or "")
            provider.forget(attempt.remote_id or "")
        return
    poll_every_s = provider.capabilities.poll_every_s if provider else limits.POLL_PROVIDER_S
    low_s, high_s = estimates.left(attempt.video_id, elapsed_s, report)
    with write_transaction() as connection:
        mine = connection.execute(
            update(Attempt)
            .where(*due.lease.held, Attempt.state == "processing")
            .values(
                next_poll_at=now() + timedelta(seconds=poll_every_s), expected_s=expected_s, **FREE
            )
        )
        if mine.rowcount == 1:
            connection.execute(
                update(Video)
                .where(Video.id == attempt.video_id, Video.status == "processing")
                .values(
                    progress=None if report.percent is None else int(report.percent),
                    eta_low_s=low_s,
                    eta_high_s=high_s,
                    is_late=_is_late(provider, elapsed_s, expected_s),
                )
            )


def _is_late(provider: object, elapsed_s: float, expected_s: float | None) -> bool:
    kind = getattr(getattr(provider, "capabilities", None), "kind", "cloud")
    if kind == "local":
        return expected_s is not None and elapsed_s > limits.LOCAL_LATE_ETA_FACTOR * expected_s
    return elapsed_s > limits.LATE_AFTER_S


def _found() -> Swept:
    queued = [
        video_id
        for name in vendors.current().providers  # each has a line of its own
        for video_id in db.session.scalars(
            select(Video.id)
            .where(Video.status == "queued", Video.provider == name)
            .order_by(Video.id)
            .limit(RING_AT_ONCE)
        )
    ]
    moment = now()
    storing = db.session.scalars(
        select(Attempt.video_id).where(
            Attempt.state == "ready",
            leases.is_free(moment),
        )
    ).all()
    open_attempts = db.session.scalar(
        select(func.count()).select_from(Attempt).where(Attempt.state.in_(endings.OPEN_ATTEMPT))
    )
    return Swept(queued, list(storing), int(open_attempts or 0) + len(queued))
