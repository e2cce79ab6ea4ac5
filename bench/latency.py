"""From the vendor's "done" to the user's row, with 100 videos in flight.

Real processes: gunicorn with the settings of deploy/, one worker as `flask worker` starts it, and
the simulator of kie, which posts its callbacks to the web server.  The videos are asked for by the
verb behind the form and submitted by the worker, at the rate that the vendor allows five keys.
Once all are being made they are done one by one, in any order, at random moments of a minute: all
at once would measure how long a queue of a hundred downloads is.
"""

import contextlib
import json
import os
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from flask import Flask
from sqlalchemy import func, select

from app import create_app, limits
from app.extensions import db
from app.models import Attempt, Video
from app.services import accounts, requests, videos
from app.tasks.videos import ring
from bench import scratch
from bench.figures import Figure, percentile
from bench.idle import worker
from bench.servers import ROOT
from bench.sweep import SECRETS, environment
from config import Config

IN_FLIGHT = 100
SPREAD_S = {True: 60.0, False: 45.0}
"""By whether there are callbacks: without them nearly all of it is waiting to be asked."""
TARGET_S = {True: 3.0, False: 12.0}
SUBMIT_WITHIN_S = 120
DONE_WITHIN_S = 60
NEVER_S = 100_000
FORM = {
    "type": "glass-fruit", "prompt": "Slow slicing of a glass strawberry on a wooden board",
    "aspect_ratio": "16:9", "duration": "8", "resolution": "720p",
}  # fmt: skip


def measure() -> Iterator[Figure]:
    """p95 with callbacks and without."""
    for has_callbacks in (True, False):
        words = "with" if has_callbacks else "without"
        waits = waited(IN_FLIGHT, SPREAD_S[has_callbacks], has_callbacks)
        stored = sorted(one.stored_s for one in waits)
        told = sorted(one.told_s for one in waits)
        yield Figure(
            f"done to row, {words} callbacks, p95",
            percentile(stored, 0.95),
            "s",
            TARGET_S[has_callbacks],
            "lower",
            f"median {median(stored):.2f}, max {stored[-1]:.2f} s; to `storing` median "
            f"{median(told):.2f}, p95 {percentile(told, 0.95):.2f} s; {len(waits)} videos",
        )


@dataclass(frozen=True)
class Wait:
    """Seconds from the vendor's done until the site knew, and until the row was complete."""

    told_s: float
    stored_s: float


def waited(count: int, spread_s: float, has_callbacks: bool) -> list[Wait]:
    """Make `count` videos that are done at random moments of `spread_s` seconds."""
    with scratch.folder() as place, _vendor() as vendor:
        port = scratch.free_port()
        variables = environment(scratch.sqlite_url(place), place, vendor) | {
            "APP_ENV": "development",  # production calls no plain http address
            "APP_URL": f"http://127.0.0.1:{port}" if has_callbacks else "https://asmr.example",
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "VEO3_MODEL": "veo3_lite",  # an account of the simulator has credits for 33 of these
        }
        with scratch.app_on(variables["DATABASE_URL"], place):
            pass
        app = create_app(Config.from_env(variables))
        with (
            _web(variables, port, place / "web.log"),
            worker(variables, place / "worker.log"),
            contextlib.closing(_Closing(app)),
            app.app_context(),
        ):
            _ask_for(count)
            scratch.wait_until(lambda: _count("processing") == count, SUBMIT_WITHIN_S, "submitted")
            done_at = _finish(vendor, spread_s)
            scratch.wait_until(lambda: _count("completed") == count, DONE_WITHIN_S, "completed")
            return _waits(done_at)


@dataclass
class _Closing:
    app: Flask

    def close(self) -> None:
        scratch.close(self.app)


def _ask_for(count: int) -> None:
    """Videos of several users, as many of each as an hour allows."""
    wanted = requests.parse(FORM)
    for number in range(count):
        if number % limits.VIDEOS_PER_HOUR == 0:
            user_id = accounts.create_user(
                f"bench{number}@example.org", "seven quiet strawberries",
                is_verified=True, credits=1000,
            ).id  # fmt: skip
        price = videos.quote(user_id, wanted).price.total
        ring(videos.request_video(user_id, wanted, token=f"bench-{number}", price_credits=price))


def _count(status: str) -> int:
    time.sleep(0.1)  # looked at by the eye, not in a busy loop beside what is measured
    db.session.rollback()
    query = select(func.count()).select_from(Video).where(Video.status == status)
    return int(db.session.scalar(query) or 0)


def _finish(vendor: str, spread_s: float) -> dict[str, float]:
    """Tell the vendor to be done with one after the other. Returns when, by its ids."""
    tasks = [task["id"] for task in _simulate(vendor)["tasks"]]
    random.shuffle(tasks)
    moments = sorted(random.uniform(0, spread_s) for _ in tasks)
    started, done_at = time.time(), {}
    for task, moment in zip(tasks, moments, strict=True):
        time.sleep(max(0.0, started + moment - time.time()))
        done_at[task] = time.time()
        _simulate(vendor, finish=task)
    return done_at


def _waits(done_at: dict[str, float]) -> list[Wait]:
    rows = db.session.execute(
        select(Attempt.callback_id, Video.rendered_at, Video.completed_at)
        .join(Video, Video.id == Attempt.video_id)
        .where(Attempt.state == "done")
    ).all()
    return [
        Wait(
            row.rendered_at.timestamp() - done_at[row.callback_id],
            row.completed_at.timestamp() - done_at[row.callback_id],
        )
        for row in rows
    ]


def _simulate(vendor: str, **wish: Any) -> dict[str, Any]:
    """The simulator's own door: how things are, or a change."""
    data = json.dumps(wish).encode() if wish else None
    with urllib.request.urlopen(f"{vendor}/_simulate", data, 30) as answer:  # noqa: S310  loopback
        found: dict[str, Any] = json.loads(answer.read())
    return found


@contextlib.contextmanager
def _vendor() -> Iterator[str]:
    """The simulator of kie; its tasks end when told."""
    command = [sys.executable, "-m", "tests.simulators", "kie", "--takes", str(NEVER_S)]
    command += [word for secret in SECRETS for word in ("--key", f"{secret}=ok")]
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, env=given, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[1]
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


@contextlib.contextmanager
def _web(variables: dict[str, str], port: int, log: Path) -> Iterator[None]:
    """The web server as it is deployed."""
    command = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.py", "wsgi:app"]
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables}
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=given, stdout=output, stderr=output)

    def answers() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended: {log.read_text(errors='replace')[-2000:]}")
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=5).close()
            return True
        return False

    try:
        scratch.wait_until(answers, SUBMIT_WITHIN_S, "the web server answers")
        yield
    finally:
        process.terminate()
        process.wait(30)
