"""How a video is made: claimed from the queue, handed over, stored.

The table is the queue.  Each step claims a row by a guarded UPDATE, commits, calls the vendor
outside any transaction, and saves the answer by another guarded UPDATE that names the lease.  So a
task may vanish or run twice without harm, at any point (docs/decisions/001).
"""

import logging
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, ScalarSelect, func, insert, select, update
from sqlalchemy.exc import OperationalError

from app import limits
from app.extensions import db
from app.models import Attempt, Video, new_id, now
from app.providers import Provider, ProviderError, is_cloud, remote_id_of
from app.services import (
    endings,
    leases,
    orders,
    queueing,
    results,
    routes,
    submitting,
    vendors,
)
from app.services.leases import FREE, Lease
from app.services.routes import Route, Wanted
from app.services.transactions import write_transaction

log = logging.getLogger(__name__)

SAVE_TRIES, SAVE_AGAIN_S = 20, 3.0
_cloud_submits = threading.BoundedSemaphore(limits.SUBMITS_AT_ONCE)
_local_submit = threading.Lock()  # "is there room" and "start" must be one step in a process


class _NotNow(Exception):
    """Nobody takes the video at this moment: roll back. `reasons` by provider."""

    def __init__(self, reasons: dict[str, str]) -> None:
        super().__init__(reasons)
        self.reasons = reasons


@dataclass(frozen=True)
class _Claimed:
    """A video claimed for submission: who gets it, with what key."""

    lease: Lease
    video: Video
    provider: Provider
    route: Route | None


def submit(video_id: str) -> bool:
    """Hand a queued video over: `video_id` itself to a cloud, the next in line to the renderer.

    Returns whether this call tried.
    """
    asked = db.session.get(Video, video_id)
    if asked is None or asked.status != "queued":
        return False
    return _submit_to_cloud(asked) if asked.kind == "cloud" else _submit_next_in_line(asked)


def _submit_next_in_line(asked: Video) -> bool:
    """The bell names a video, but the renderer serves the line in order, while it has room."""
    video = db.session.scalars(
        select(Video)
        .where(Video.status == "queued", Video.provider == asked.provider, ~Video.cancel_requested)
        .order_by(Video.id)
        .limit(1)
    ).first()
    provider = vendors.current().providers.get(asked.provider)
    if video is None or provider is None:  # switched off since: it waits, says so, fails in a day
        return False
    with ExitStack() as stack:
        if provider.capabilities.kind == "local":
            stack.enter_context(_local_submit)
        if not provider.has_room():
            return False
        claimed = _claim(video, provider)
        if claimed is None:
            return False
        _hand_over(claimed)
    return True


def _submit_to_cloud(video: Video) -> bool:
    """Each cloud video has its own turn: one that must wait holds nobody up."""
    if not _cloud_submits.acquire(blocking=False):
        return False  # the next sweep rings again
    try:
        return _submit_while_others_may(video)
    finally:
        _cloud_submits.release()


def _submit_while_others_may(video: Video) -> bool:
    video_id = video.id
    try:
        claimed = _claim(video, None)
    except _NotNow as no:
        if not no.reasons and orders.refusals(video_id):  # the others make it no more
            endings.fail(video_id, "permanent", "nobody is left", only_from=("queued",))
        else:
            queueing.put_off(video, no.reasons)
        return False
    if claimed is None:
        return False
    _hand_over(claimed)
    return True


def _hand_over(claimed: _Claimed) -> None:
    """Call the vendor with the lease kept alive, and save what came of it."""
    lease, video_id = claimed.lease, claimed.video.id
    key = claimed.route.key if claimed.route else None
    with leases.kept_alive(lease):
        try:
            order = orders.of(claimed.video, lease.attempt_id, claimed.provider)
            db.session.rollback()  # what was read so far: no transaction is open across the call
            handle = submitting.call(claimed.provider, order, key, lambda: leases.renew(lease))
        except submitting.NotOurs:
            log.warning("attempt %s: overslept, and somebody else has it", lease.attempt_id)
        except ProviderError as error:
            _not_taken(video_id, claimed, error)
        else:
            _save(lease, handle, claimed.provider)


def _save(lease: Lease, handle: str, provider: Provider) -> None:
    """A handle must not be lost to a database that is away for a moment: it was paid for."""
    for _ in range(SAVE_TRIES):
        try:
            is_saved = accept(lease, handle, provider)
        except OperationalError:
            log.exception("attempt %s: the handle %s is not saved yet", lease.attempt_id, handle)
            time.sleep(SAVE_AGAIN_S)
            continue
        if not is_saved and is_cloud(provider):
            log.error("attempt %s: nobody waits for %s any more", lease.attempt_id, handle)
        return


def _claim(video: Video, provider: Provider | None) -> _Claimed | None:
    """queued -> submitting, with the attempt that says so: the intent is stored before the call.

    Without a provider the next route is chosen in the same transaction.  Raises _NotNow.
    """
    db.session.expunge(video)  # stays readable across the transaction
    lease = leases.new_lease(new_id())
    wanted = orders.wanted(video)
    clouds = [] if provider else _clouds_for(video, wanted)
    with write_transaction() as connection:
        if not _take_from_queue(connection, video.id):
            return None
        route = None
        if provider is None:
            route, reasons = routes.next_route(connection, clouds, wanted)
            if route is None:
                raise _NotNow(reasons)
            provider = route.provider
        number = connection.scalar(
            select(func.count()).select_from(Attempt).where(Attempt.video_id == video.id)
        )
        connection.execute(
            insert(Attempt).values(
                id=lease.attempt_id,
                video_id=video.id,
                number=int(number or 0) + 1,
                provider=provider.capabilities.name,
                provider_key=route.key.fingerprint if route else "",
                model=provider.capabilities.model,
                cost_cents=route.cost_cents if route else 0,
                worker=leases.owner(),
                store_tries=0,
                state="submitting",
                created_at=now(),
                **leases.values(lease),
            )
        )
        if route:
            connection.execute(
                update(Video)
                .where(Video.id == video.id)
                .values(provider=provider.capabilities.name)
            )
    return _Claimed(lease, video, provider, route)


def _clouds_for(video: Video, wanted: Wanted) -> list[Provider]:
    return routes.candidates(wanted, "cloud", refused=orders.refusals(video.id))


def _take_from_queue(connection: Connection, video_id: str) -> bool:
    claimed = connection.execute(
        update(Video)
        .where(
            Video.id == video_id,
            Video.status == "queued",
            ~Video.cancel_requested,
            queueing.may_start(now()),
        )
        .values(
            status="submitting",
            started_at=func.coalesce(Video.started_at, now()),
            queue_position=None,
            eta_low_s=None,
            eta_high_s=None,
            retry_at=None,
            wait_reason=None,
        )
    )
    return claimed.rowcount == 1


def _not_taken(video_id: str, claimed: _Claimed, error: ProviderError) -> None:
    """Refused for good, refused for now, or nobody knows: three ways on."""
    lease, provider = claimed.lease, claimed.provider
    if error.code == "unknown_outcome":
        log.warning("attempt %s: outcome of the submission is unknown", lease.attempt_id)
        return  # the lease runs out by itself, and the sweep asks
    if claimed.route is None:
        if error.permanent:
            endings.fail(video_id, error.code, str(error), lease=lease)
        else:
            queueing.give_back(video_id, lease, "failed", error.code, str(error))
        return
    if error.model_gone:
        routes.stop(provider.capabilities, str(error))
    others = routes.cloud_makers(orders.wanted(claimed.video)) - orders.refusals(video_id)
    others.discard(provider.capabilities.name)
    if error.code == "content_rejected" or (error.permanent and not others):
        endings.fail(video_id, error.code, str(error), lease=lease, was_taken=False)
    else:
        queueing.requeue(video_id, lease, error)


def accept(lease: Lease, handle: str, provider: Provider) -> bool:
    """submitting -> processing: the provider has it under `handle`. Returns whether it was saved.

    A cloud's handle is a fact that was paid for: it is kept whoever holds the lease by now, also
    for a video that was refunded meanwhile, which then waits for its gift.
    """
    is_far = is_cloud(provider)
    mine = (Attempt.id == lease.attempt_id,) if is_far else lease.held
    known = {"remote_id": handle, "callback_id": remote_id_of(handle)[:200], "accepted_at": now()}
    with write_transaction() as connection:
        saved = connection.execute(
            update(Attempt)
            .where(*mine, Attempt.state == "submitting")
            .values(state="processing", next_poll_at=now(), **known, **FREE)
        )
        if saved.rowcount != 1:
            return is_far and _keep_late(connection, lease.attempt_id, known)
        connection.execute(
            update(Video)
            .where(Video.id == _video_id_of(lease.attempt_id), Video.status == "submitting")
            .values(status="processing", has_begun=provider.capabilities.cancel != "until_started")
        )
    return True


def _keep_late(connection: Connection, attempt_id: str, known: dict[str, object]) -> bool:
    kept = connection.execute(
        update(Attempt)
        .where(Attempt.id == attempt_id, Attempt.state == "late", Attempt.remote_id.is_(None))
        .values(next_poll_at=now(), **known)
    )
    return kept.rowcount == 1


def store(video_id: str) -> bool:
    """Make the finished result our own file, measured, and complete the video.

    Returns whether this call did it.  A result that cannot be kept is a failure with a refund.
    """
    claimed = _claim_for_storing(video_id)
    if claimed is None:
        return False
    lease, provider_name, handle, print_ = claimed
    provider = vendors.provider(provider_name)
    with leases.kept_alive(lease):
        done = results.keep(video_id, provider, handle, print_, lease)
    if done:
        provider.forget(handle)
    return done


def _claim_for_storing(video_id: str) -> tuple[Lease, str, str, str] | None:
    row = db.session.execute(
        select(Attempt.id, Attempt.remote_id, Attempt.provider, Attempt.provider_key).where(
            Attempt.video_id == video_id, Attempt.state == "ready"
        )
    ).first()
    if row is None:
        return None
    lease = leases.take(row.id, "ready")
    return None if lease is None else (lease, row.provider, row.remote_id, row.provider_key)


def deadline_passed(started: datetime | None) -> bool:
    """Whether 30 minutes have gone since the provider accepted, or since the unknown submission."""
    return started is not None and now() - started > timedelta(seconds=limits.DEADLINE_S)


def _video_id_of(attempt_id: str) -> ScalarSelect[str]:
    return select(Attempt.video_id).where(Attempt.id == attempt_id).scalar_subquery()
