"""Doorbells for videos. A task carries an id, and may vanish or run twice without harm."""

import logging

from huey import crontab

from app import limits
from app.extensions import huey, in_app_context
from app.services import (
    attempts,
    images,
    key_status,
    keys,
    leases,
    routes,
    sweeps,
    ticks,
    tidying,
    vendors,
)

log = logging.getLogger(__name__)

SWEEP_EVERY_S = 2
HOUR_S = 3600
RETRY_S = 10
SLACK_S = 0.5
"""Huey's clock ticks once a second: a tick is due a little before the sweep that wants it."""


@huey.task()
@in_app_context
def submit_video(video_id: str) -> None:
    """Try to hand one queued video to its provider, then look after it."""
    if attempts.submit(video_id):
        sweep_videos(is_news=True)


@huey.task()
@in_app_context
def store_video(video_id: str) -> None:
    """Store one finished result; the freed place may let the next video start."""
    if attempts.store(video_id):
        sweep_videos(is_news=True)


@huey.task()
@in_app_context
def sweep_videos(is_news: bool = False) -> None:
    """One sweep, claimed; it schedules the next one while anything is in flight.

    With news, a sweep that comes too early is put off instead of dropped: the last one may have
    seen an empty table and ended the chain.
    """
    if not sweep() and is_news:
        sweep_videos.schedule(delay=SWEEP_EVERY_S)


@huey.periodic_task(crontab(minute="*"))
@in_app_context
def start_sweeping() -> None:
    """Each minute, and whenever a worker starts: the chain of sweeps begins anew if it broke."""
    sweep()


def sweep() -> bool:
    """Sweep if it is due, and ring the bells it asks for. Returns whether it was due."""
    if not ticks.claim("sweep", SWEEP_EVERY_S - SLACK_S):
        return False
    try:
        swept = sweeps.refresh_due()
    except Exception:
        sweep_videos.schedule(delay=RETRY_S)  # the chain goes on; Huey logs what it was
        raise
    for video_id in swept.to_store:
        store_video(video_id)
    for video_id in swept.to_submit:
        submit_video(video_id)
    if swept.in_flight:
        sweep_videos.schedule(delay=SWEEP_EVERY_S)
    return True


def ring(video_ids: list[str]) -> None:
    """New videos were committed: let a worker know. Losing the bell only delays them."""
    try:
        for video_id in video_ids:
            submit_video(video_id)
        sweep_videos(is_news=True)
    except Exception:
        log.exception("the queue takes no doorbells; the next sweep finds the videos")


@huey.periodic_task(crontab(minute="*"))
@in_app_context
def tidy() -> None:
    """Once an hour, whenever a worker is up: what processes that died left on the disks."""
    if ticks.claim("tidy", HOUR_S):
        vendors.current().storage.sweep_partials(HOUR_S)
        tidying.tidy()
        images.tidy()


@huey.periodic_task(crontab(minute="*"))
@in_app_context
def check_keys() -> None:
    """Each minute, once for all workers: how the providers' keys are doing."""
    if ticks.claim("check_keys", limits.KEY_CHECK_S - 2 * SLACK_S):
        key_status.check()


def wake_up() -> None:
    """At a worker's start: what dead workers of this host held is free at once."""
    with huey.flask_app.app_context():
        keys.sync()
        routes.tell_what_is_off()
        leases.free_dead()
        ticks.make_due("sweep")
    sweep_videos(is_news=True)
