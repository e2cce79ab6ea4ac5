"""What an answer changes: an attempt moves on, or ends with its video, each in one transaction."""

from datetime import timedelta

from sqlalchemy import update

from app import limits
from app.models import Attempt, Video, now
from app.providers import ProviderError, Report, is_cloud, remote_id_of
from app.services import attempts, endings, estimates, leases, orders, queueing, write_back
from app.services.dues import Answer, Due
from app.services.leases import FREE
from app.services.transactions import write_transaction


def is_over(due: Due) -> bool:
    """Whether the waiting ends: half an hour for a video, a day for a gift."""
    if due.attempt.state == "late":
        return due.elapsed_s > limits.GIFT_WATCH_S
    return attempts.deadline_passed(due.attempt.accepted_at)


def move(answer: Answer) -> None:
    """One attempt whose state changes."""
    if answer.handle is not None:
        _adopt(answer)
    if answer.due.attempt.state == "late":
        _move_late(answer)
    elif answer.stopped or _is_stopped(answer):
        _forget_if(endings.cancel(answer.due.attempt.video_id, lease=answer.due.lease), answer.due)
    elif answer.report is None or answer.report.state in ("queued", "running"):
        _deadline(answer.due)
    elif answer.report.state == "ready":
        can = answer.due.provider.capabilities if answer.due.provider else None
        _ready(answer.due, can_stop=can is not None and can.cancel == "always")
    elif answer.report.state in ("failed", "cancelled"):
        _failed(answer.due, answer.report)
    else:
        _lost(answer.due, answer.report)


def _is_stopped(answer: Answer) -> bool:
    """Cancelled at the provider, as was asked for; a stop that nobody asked for is a failure."""
    due, report = answer.due, answer.report
    is_far = due.provider is None or is_cloud(due.provider)
    return (
        report is not None and report.state == "cancelled" and (due.cancel_requested or not is_far)
    )


def _adopt(answer: Answer) -> None:
    """Keep the handle that a callback led to; the lease goes on."""
    handle = answer.handle or ""
    with write_transaction() as connection:
        connection.execute(
            update(Attempt)
            .where(*answer.due.lease.held)
            .values(remote_id=handle, callback_id=remote_id_of(handle)[:200], accepted_at=now())
        )


def _deadline(due: Due) -> None:
    """Half an hour is over: refunded. A cloud may still deliver: then it becomes a gift."""
    provider = due.provider
    may_come = provider is None or is_cloud(provider)
    done = endings.fail(
        due.attempt.video_id, "deadline", "", lease=due.lease, keep_watching=may_come
    )
    if done and provider is not None and not may_come:
        provider.cancel(due.attempt.remote_id or "")
        provider.forget(due.attempt.remote_id or "")


def _failed(due: Due, report: Report) -> None:
    """Refunded; but what a cloud took and could not make is ordered once more, maybe elsewhere."""
    code, text, video_id = report.code or "failed_there", report.message or "", due.attempt.video_id
    is_far = due.provider is None or is_cloud(due.provider)
    if is_far and orders.may_try_again(video_id, due.attempt.provider, code):
        again = ProviderError("permanent" if code == "permanent" else "transient", text)
        done = queueing.requeue(video_id, due.lease, again, was_taken=True)
    else:
        done = endings.fail(video_id, code, text, lease=due.lease)
    _forget_if(done, due)


def _lost(due: Due, report: Report) -> None:
    """A cloud that does not know its task: for a while that is usual, then it is a failure.

    The local renderer begins anew: nobody else can have its picture.
    """
    attempt = due.attempt
    if due.provider is not None and is_cloud(due.provider):
        if due.elapsed_s < limits.UNKNOWN_GRACE_S:
            write_back.write([write_back.row(due, report, estimates.Paces())], due.lease.token)
        else:
            text = report.message or ""
            endings.fail(attempt.video_id, "lost_there", text, lease=due.lease, keep_watching=True)
        return
    died = "renderer_died" if leases.is_alive(attempt.worker) else queueing.INTERRUPTED
    text = report.message or ""
    _forget_if(queueing.give_back(attempt.video_id, due.lease, "lost", died, text), due)


def _forget_if(is_done: bool, due: Due) -> None:
    if is_done and due.provider is not None and due.attempt.remote_id:
        due.provider.forget(due.attempt.remote_id)


def _ready(due: Due, *, can_stop: bool) -> None:
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


def _move_late(answer: Answer) -> None:
    """The video failed and was refunded; the provider delivers after all, or never will."""
    due, report = answer.due, answer.report
    is_open = report is not None and due.status == "failed" and not is_over(due)
    if is_open and report is not None and report.state == "ready":
        values: dict[str, object] = {"state": "ready"}
    elif is_open and report is not None and report.state in ("queued", "running"):
        values = {"next_poll_at": now() + timedelta(seconds=limits.GIFT_POLL_S)}
    else:
        values = {"state": "failed", "ended_at": now()}
    with write_transaction() as connection:
        connection.execute(
            update(Attempt).where(*due.lease.held, Attempt.state == "late").values(**values, **FREE)
        )
