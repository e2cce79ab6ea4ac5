"""How a video is made: claimed from the queue, submitted, watched, stored.

The table is the queue.  Each step claims a row by a guarded UPDATE, commits, calls the vendor
outside any transaction, and saves the answer by another guarded UPDATE that names the lease.  So a
task may vanish or run twice without harm, at any point (docs/decisions/001).
"""

import logging
import threading
from contextlib import ExitStack
from datetime import timedelta

from sqlalchemy import func, insert, select, update

from app import limits
from app.extensions import db
from app.models import Attempt, Video, new_id, now
from app.providers import Order, Provider, ProviderError
from app.services import endings, leases, results, vendors
from app.services.leases import FREE, Lease
from app.services.transactions import money_transaction

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
"""A video whose render died this often is failed: it may be what kills the renderer."""

_local_submit = threading.Lock()  # "is there room" and "start" must be one step in a process


def submit(video_id: str) -> bool:
    """Hand a queued video to its provider, if there is room. Returns whether this call tried."""
    video = db.session.get(Video, video_id)
    if video is None or video.status != "queued":
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


def _claim(video: Video) -> tuple[Lease | None, Order]:
    """queued -> submitting, with the attempt that says so: the intent is stored before the call."""
    order = Order(
        attempt_id=new_id(),
        type=video.type,
        prompt=video.prompt,
        aspect_ratio=video.aspect_ratio,
        duration_s=video.duration_s,
        resolution=video.resolution,
        seed=video.seed,
    )
    video_id, provider = video.id, video.provider
    lease = leases.new_lease(order.attempt_id)
    with money_transaction() as connection:
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
    with money_transaction() as connection:
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
    """The attempt came to nothing through no fault of the video: queue it again, or give up.

    After MAX_ATTEMPTS the video fails and is refunded.  Done only while `lease` is held.
    """
    number = db.session.scalar(select(Attempt.number).where(Attempt.id == lease.attempt_id))
    if number is None or number >= MAX_ATTEMPTS:
        return endings.fail(video_id, code, text, lease=lease)
    with money_transaction() as connection:
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
    """Remove what a process that died between an end and its clean-up left on the disks.

    Looks at a day; each step may be repeated.
    """
    day_ago = now() - timedelta(days=1)
    ended = db.session.execute(
        select(Attempt.id, Attempt.provider, Attempt.remote_id).where(Attempt.ended_at > day_ago)
    ).all()
    for attempt in ended:
        provider = vendors.current().providers.get(attempt.provider)
        if provider is not None and provider.capabilities.kind == "local":
            provider.forget(attempt.remote_id or attempt.id)
    storage = vendors.current().storage
    is_unpaid = Video.status.in_(("failed", "cancelled")) & (Video.completed_at > day_ago)
    unwanted = select(Video.id).where((Video.deleted_at > day_ago) | is_unpaid)
    for video_id in db.session.scalars(unwanted).all():
        storage.delete_all(endings.folder(video_id))


def deadline_passed(started: object) -> bool:
    """Whether 30 minutes have gone since the provider accepted, or since the unknown submission."""
    return started is not None and now() - started > timedelta(seconds=limits.DEADLINE_S)  # type: ignore[operator]


def _video_id_of(attempt_id: str):  # type: ignore[no-untyped-def]
    return select(Attempt.video_id).where(Attempt.id == attempt_id).scalar_subquery()


def _video_of(attempt_id: str) -> str:
    return db.session.execute(select(Attempt.video_id).where(Attempt.id == attempt_id)).scalar_one()
