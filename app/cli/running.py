"""The worker, and a sweep by hand."""

import click
from flask.cli import AppGroup, with_appcontext

from app import tasks
from app.extensions import huey
from app.services import sweeps, watching

videos_group = AppGroup("videos", help="Videos.")


@videos_group.command("sweep")
def sweep_videos() -> None:
    """Look after everything in flight now, whenever the last sweep was."""
    swept = sweeps.refresh_due()
    tasks.videos.ring(swept.to_submit)
    for video_id in swept.to_store:
        tasks.videos.store_video(video_id)
    click.echo(f"{swept.in_flight} in flight")


@click.command("worker")
@click.option("--threads", type=click.IntRange(1, 64), default=4, show_default=True)
@with_appcontext
def worker(threads: int) -> None:
    """Run a worker until it is told to stop (TERM lets running tasks end, for 15 s).

    Renders end with it, within a second, and start anew with the next worker.
    """
    consumer = huey.create_consumer(
        workers=threads,
        periodic=True,
        initial_delay=0.1,  # how often each thread looks into a queue in SQLite: idle CPU
        backoff=1.0,
        max_delay=0.1,
        graceful_signal="TERM",
        shutdown_timeout=15,
    )
    tasks.on_start()
    click.echo(f"worker ready: {threads} threads")
    consumer.run()
    watching.stop()


COMMANDS = (videos_group, worker)
