"""How a video is made: claimed from the queue, submitted, watched, stored.

The table is the queue.  Each step claims a row by a guarded UPDATE, commits, calls the vendor
outside any transaction, and saves the answer by another guarded UPDATE that names the lease.  So a
task may vanish or run twice without harm, at any point (docs/decisions/001).
"""

import contextlib
import logging
import threading
from contextlib import ExitStack
from datetime import timedelta

from sqlalchemy import delete, func, insert, select, update

from app import limits, media
from app.extensions import db
from app.models import Attempt, FormToken, Mail, Video, new_id, now
from app.providers import Order, Provider, ProviderError
from app.services import endings, leases, results, vendors
from app.services.leases import FREE, Lease
from app.services.transactions import write_transaction

log = logging.getLogger(__name__)

MAX_DEATHS = 3
"""A video whose render died this often by itself is failed: it may be what kills the renderer."""
MAX_ATTEMPTS = 20
"""Renders that ended with their worker do not count as deaths, but have a bound too."""

INTERRUPTED = "interrupted"

_local_submit = threading.Lock()  # "is there room" and "start" must be one step in a process


def submit(video_id: str) -> bool:
    """Hand the next queued video of `video_id`'s provider to it, if there is room.

    The bell names a video, but the line is served in order.  Returns whether this call tried.
    """
    asked = db.session.get(Video, video_id)
    if asked is None or asked.status != "queued":
        return False
    video = db.session.scalars(
        select(Video)
        .where(Video.status == "queued", Video.provider == asked.provider, ~Video.cancel_requested)
        .order_by(Video.id)
        .limit(1)
    ).first()
    if video is None:
        return False
    provider = vendors.current().providers.get(video.provider)
    if provider is None:  # switched off since: it waits, says so, and fails after a day
        return False
    with ExitStack() as stack:
        if provider.capabilities.kind == "local":
            stack.enter_context(_local_submit)
        if not provider.has_room():
            return False
        lease, order = _claim(video)
        if lease is None:
            return False
        with leases.kept_alive(lease):
            _call_submit(provider, lease, order)
    return True


def _order_of(video: Video) -> Order:
    return Order(
        attempt_id=new_id(),
        type=video.type,
        prompt=video.prompt,
        aspect_ratio=video.aspect_ratio,
        duration_s=video.duration_s,
        resolution=video.resolution,
        seed=video.seed,
    )


def _claim(video: Video) -> tuple[Lease | None, Order]:
    """queued -> submitting, with the attempt that says so: the intent is stored before the call."""
    order = _order_of(video)
    video_id, provider = video.id, video.provider
    lease = leases.new_lease(order.attempt_id)
    with write_transaction() as connection:
        claimed = connection.execute(
            update(Video)
            .where(Video.id == video_id, Video.status == "queued", ~Video.cancel_requested)
            .values(
                status="submitting",
                started_at=func.coalesce(Video.started_at, now()),
                queue_position=None,
                eta_low_s=None,
                eta_high_s=None,
            )
        )
        if claimed.rowcount != 1:
            return None, order
        number = connection.scalar(
            select(func.count()).select_from(Attempt).where(Attempt.video_id == video_id)
        )
        connection.execute(
            insert(Attempt).values(
                id=order.attempt_id,
                video_id=video_id,
                number=int(number or 0) + 1,
                provider=provider,
                provider_key="",
                worker=leases.owner(),
                store_tries=0,
                state="submitting",
                cost_cents=0,
                created_at=now(),
                **leases.values(lease),
            )
        )
    return lease, order


def _call_submit(provider: Provider, lease: Lease, order: Order) -> None:
    """Call the vendor and save its answer. Accepted, refused and unknown are three outcomes."""
    try:
        handle = provider.submit(order)
    except ProviderError as error:
        video_id = _video_of(lease.attempt_id)
        if error.code == "unknown_outcome":
            log.warning("attempt %s: outcome of the submission is unknown", order.attempt_id)
        elif error.permanent:
            endings.fail(video_id, error.code, str(error), lease=lease)
        else:
            give_back(video_id, lease, "failed", error.code, str(error))
        return
    accept(lease, handle)


def accept(lease: Lease, handle: str) -> bool:
    """submitting -> processing: the provider has it under `handle`."""
    with write_transaction() as connection:
        saved = connection.execute(
            update(Attempt)
            .where(*lease.held, Attempt.state == "submitting")
            .values(
                remote_id=handle, state="processing", accepted_at=now(), next_poll_at=now(), **FREE
            )
        )
        if saved.rowcount != 1:
            return False  # the lease was lost: whoever has it now asks the provider
        connection.execute(
            update(Video)
            .where(Video.id == _video_id_of(lease.attempt_id), Video.status == "submitting")
            .values(status="processing")
        )
    return True


def give_back(video_id: str, lease: Lease, state: str, code: str, text: str) -> bool:
    """The attempt came to nothing: queue the video again, or give up.

    After MAX_DEATHS of its own it fails and is refunded; one that was "interrupted" ended with its
    worker, which is no fault of the video.  Done only while `lease` is held.
    """
    earlier = db.session.scalars(
        select(Attempt.error_code).where(
            Attempt.video_id == video_id, Attempt.id != lease.attempt_id
        )
    ).all()
    codes = [*earlier, code]
    deaths = sum(each != INTERRUPTED for each in codes)
    if deaths >= MAX_DEATHS or len(codes) >= MAX_ATTEMPTS:
        return endings.fail(video_id, code, text, lease=lease)
    with write_transaction() as connection:
        closed = connection.execute(
            update(Attempt)
            .where(*lease.held, Attempt.state.in_(endings.OPEN_ATTEMPT))
            .values(
                state=state,
                error_code=endings.plain(code)[: endings.CODE_CHARS],
                error_text=endings.plain(text),
                ended_at=now(),
                **FREE,
            )
        )
        if closed.rowcount != 1:
            return False
        connection.execute(
            update(Video)
            .where(Video.id == video_id, Video.status.in_(("submitting", "processing")))
            .values(status="queued", progress=None, eta_low_s=None, eta_high_s=None)
        )
    return True


def store(video_id: str) -> bool:
    """Make the finished result our own file, measured, and complete the video.

    Returns whether this call did it.  A result that cannot be kept is a failure with a refund.
    """
    claimed = _claim_for_storing(video_id)
    if claimed is None:
        return False
    lease, provider_name, handle = claimed
    provider = vendors.provider(provider_name)
    with leases.kept_alive(lease):
        done = results.keep(video_id, provider, handle, lease)
    if done:
        provider.forget(handle)
    return done


def _claim_for_storing(video_id: str) -> tuple[Lease, str, str] | None:
    row = db.session.execute(
        select(Attempt.id, Attempt.remote_id, Attempt.provider).where(
            Attempt.video_id == video_id, Attempt.state == "ready"
        )
    ).first()
    if row is None:
        return None
    lease = leases.take(row.id, "ready")
    return None if lease is None else (lease, row.provider, row.remote_id)


def tidy() -> None:
    """Remove what nobody needs: leftovers of processes that died, old form tokens and sent mails.

    Looks at the disks for a day; each step may be repeated.
    """
    day_ago = now() - timedelta(days=1)
    ended = db.session.execute(
        select(Attempt.id, Attempt.provider, Attempt.remote_id).where(Attempt.ended_at > day_ago)
    ).all()
    for attempt in ended:
        provider = vendors.current().providers.get(attempt.provider)
        if provider is not None and provider.capabilities.kind == "local":
            provider.forget(attempt.remote_id or attempt.id)
    unpaid = (
        select(Video.id)
        .join(Attempt, Attempt.video_id == Video.id)
        .where(Attempt.ended_at > day_ago, Video.status.in_(("failed", "cancelled")))
    )
    deleted = select(Video.id).where(Video.deleted_at > day_ago)
    for video_id in {*db.session.scalars(unpaid), *db.session.scalars(deleted)}:
        with contextlib.suppress(media.MediaError):  # one folder must not keep the others
            vendors.current().storage.delete_all(endings.folder(video_id))
    month_ago = now() - timedelta(days=30)
    with write_transaction() as connection:
        connection.execute(delete(FormToken).where(FormToken.created_at < month_ago))
        connection.execute(delete(Mail).where(Mail.sent_at < month_ago))


def deadline_passed(started: object) -> bool:
    """Whether 30 minutes have gone since the provider accepted, or since the unknown submission."""
    return started is not None and now() - started > timedelta(seconds=limits.DEADLINE_S)  # type: ignore[operator]


def _video_id_of(attempt_id: str):  # type: ignore[no-untyped-def]
    return select(Attempt.video_id).where(Attempt.id == attempt_id).scalar_subquery()


def _video_of(attempt_id: str) -> str:
    return db.session.execute(select(Attempt.video_id).where(Attempt.id == attempt_id)).scalar_one()
