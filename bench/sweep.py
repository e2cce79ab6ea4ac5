"""The sweep of 10,000 videos in flight, against a bare httpx loop; and the memory that it takes.

Both sides ask the same stub (stub.py) over loopback, 10 connections and 10 threads each, from one
process on one core, in slices that take turns.  Ours is `watching.ask_due` as the worker calls it:
claim by lease, ask through KieProvider, note how the keys fared, write back.  Bare is GET and
`json()`, and nothing else.

A slice is what a sweep finds when 10,000 are in flight: a fifth of them is due every two seconds.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from flask import Flask
from sqlalchemy import URL, func, insert, select, update

from app import create_app, limits
from app.extensions import db
from app.models import Attempt, User, Video, new_id, now
from app.services import keys, sweeps, watching
from bench import scratch, stub
from bench.figures import Figure, missing, paired
from bench.servers import CLIENT_CORE, ROOT
from config import Config

IN_FLIGHT = 10_000
FEW = 1_000
ROUNDS = 7
SHARE = 5
"""One in so many is due at a time: every 10 s, by sweeps 2 s apart."""
CONNECTIONS = 10
SECRETS = tuple(f"test-key-{number:012d}" for number in range(1, 6))
TARGET = 0.7
MEMORY_TARGET = 1.5
USER = 1


def measure() -> Iterator[Figure]:
    """Ratios on SQLite, and on PostgreSQL where it is installed; memory on SQLite."""
    with scratch.folder() as place, stub.answering() as vendor:
        url = scratch.sqlite_url(place)
        with scratch.app_on(url, place) as app:
            fill(app, FEW)
            few = _child("memory", url, place, vendor)
            fill(app, IN_FLIGHT - FEW)
            many = _child("memory", url, place, vendor)
        yield from _rate("SQLite", _child("rates", url, place, vendor, ROUNDS))
        yield memory(few, many)
        try:
            with scratch.postgres() as server, server.database() as database:
                with scratch.app_on(database, place) as app:
                    fill(app, IN_FLIGHT)
                yield from _rate("PostgreSQL", _child("rates", database, place, vendor, ROUNDS))
        except scratch.NotHere as error:
            yield missing("sweep against bare httpx, PostgreSQL", str(error))


def _rate(database: str, got: dict[str, Any]) -> Iterator[Figure]:
    ours, bare = got["ours"], got["bare"]
    ratios = sorted(one / other for one, other in zip(ours, bare, strict=True))
    yield Figure(
        f"sweep against bare httpx, {database}",
        paired(ours, bare),
        target=TARGET,
        note=f"ours {median(ours):.0f}, bare {median(bare):.0f} tasks/s; pairs from "
        f"{ratios[0]:.2f} to {ratios[-1]:.2f}",
    )
    cpu_ms, bare_ms = got["ours_cpu_ms"], got["bare_cpu_ms"]
    note = f"ours {median(cpu_ms):.3f}, bare {median(bare_ms):.3f} ms a task"
    yield Figure(f"sweep against bare httpx, {database}, CPU", paired(bare_ms, cpu_ms), note=note)


def memory(few: dict[str, Any], many: dict[str, Any]) -> Figure:
    """Peak resident memory with many in flight, divided by that with a tenth of them."""
    return Figure(
        f"sweep, memory at {many['asked']:,} / {few['asked']:,} in flight",
        many["peak_mb"] / few["peak_mb"],
        target=MEMORY_TARGET,
        better="lower",
        note=f"peak {many['peak_mb']:.1f}, {few['peak_mb']:.1f} MB",
    )


def environment(url: URL | str, place: Path, vendor: str) -> dict[str, str]:
    """The variables of an app whose only provider is kie, at `vendor`."""
    names = ("VEO3_API_KEY", *(f"VEO3_API_KEY_{number}" for number in range(2, 6)))
    return {
        **scratch.environment(url, place),
        "VIDEO_PROVIDERS": "kie",
        "VEO3_API_BASE_URL": vendor,
        "VEO3_UPLOAD_BASE_URL": vendor,
        **dict(zip(names, SECRETS, strict=True)),
    }


def fill(app: Flask, count: int) -> None:
    """So many more videos that the vendor has accepted, over all keys in turn; now all are due."""
    moment = now()
    rows = [(new_id(), new_id(), number) for number in range(count)]  # video, attempt
    with app.app_context():
        if db.session.get(User, USER) is None:
            db.session.add(User(id=USER, email="bench@example.org", is_admin=False, locale="en"))
            db.session.flush()
        db.session.execute(insert(Video), [_video(video_id, moment) for video_id, _, _ in rows])
        db.session.execute(insert(Attempt), [_attempt(*row, moment) for row in rows])
        db.session.execute(update(Attempt).values(next_poll_at=moment))
        db.session.commit()


def _video(video_id: str, moment: Any) -> dict[str, Any]:
    return {
        "id": video_id, "user_id": USER, "type": "glass-fruit", "title": "a glass strawberry",
        "prompt": "slow slicing of a glass strawberry on a wooden board", "aspect_ratio": "16:9",
        "duration_s": 8, "resolution": "720p", "seed": 1, "provider": "kie", "kind": "cloud",
        "request_token": "b" * 32, "cost_credits": 10, "status": "processing",
        "created_at": moment, "started_at": moment,
    }  # fmt: skip


def _attempt(video_id: str, attempt_id: str, number: int, moment: Any) -> dict[str, Any]:
    task_id = f"veo_task_{number:024x}"
    return {
        "id": attempt_id, "video_id": video_id, "number": 1, "provider": "kie",
        "provider_key": keys.fingerprint(SECRETS[number % len(SECRETS)]), "model": "veo3_fast",
        "remote_id": task_id, "callback_id": task_id, "state": "processing", "cost_cents": 30,
        "created_at": moment, "accepted_at": moment, "next_poll_at": moment,
    }  # fmt: skip


def _child(what: str, url: URL | str, place: Path, vendor: str, *more: int) -> dict[str, Any]:
    """A process of its own, as a worker is one: on a core that the stub is not on."""
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "bench.sweep", what, *map(str, more)],
        cwd=ROOT, env=variables | environment(url, place, vendor), check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def rates(app: Flask, vendor: str, rounds: int) -> dict[str, list[float]]:
    """Tasks a second and CPU milliseconds a task of both sides, slice by slice."""
    found: dict[str, list[float]] = {}
    with app.app_context(), httpx.Client(
        headers={"Authorization": f"Bearer {SECRETS[0]}"},
        limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
        trust_env=False,
    ) as client, ThreadPoolExecutor(CONNECTIONS) as pool:  # fmt: skip
        for round_ in range(rounds + 1):  # the first slices warm up
            tasks, moment = _make_due(), now()
            for name, run in (
                ("ours", watching.ask_due),
                ("bare", lambda: _ask_bare(client, pool, vendor, tasks)),  # noqa: B023  runs now
            ):
                rate, cpu_ms = _timed(run, len(tasks))
                if round_:
                    found.setdefault(name, []).append(rate)
                    found.setdefault(f"{name}_cpu_ms", []).append(cpu_ms)
            assert not _count_due(moment), "the sweep left some unasked"
    return found


def _make_due() -> list[str]:
    """A slice's worth is due, the others just were asked. Returns the vendor's ids of the slice."""
    moment = now()
    soon, before = moment + timedelta(seconds=limits.GIFT_POLL_S), moment - timedelta(seconds=1)
    ids = db.session.scalars(select(Attempt.id).order_by(Attempt.next_poll_at, Attempt.id)).all()
    slice_ = ids[: max(1, len(ids) // SHARE)]
    db.session.execute(update(Attempt).values(next_poll_at=soon))
    db.session.execute(
        update(Attempt)
        .where(Attempt.id.in_(slice_))
        .values(next_poll_at=before)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    tasks = db.session.scalars(select(Attempt.remote_id).where(Attempt.next_poll_at <= moment))
    found = [task for task in tasks if task]
    db.session.rollback()
    return found


def _count_due(moment: datetime) -> int:
    query = select(func.count()).select_from(Attempt).where(Attempt.next_poll_at <= moment)
    return int(db.session.scalar(query) or 0)


def _timed(run: Callable[[], object], tasks: int) -> tuple[float, float]:
    cpu_s, started = time.process_time(), time.perf_counter()
    run()
    elapsed_s = time.perf_counter() - started
    return tasks / elapsed_s, (time.process_time() - cpu_s) * 1000 / tasks


def _ask_bare(
    client: httpx.Client, pool: ThreadPoolExecutor, vendor: str, tasks: list[str]
) -> None:
    """What asking costs by itself."""

    def ask(task: str) -> None:
        answer = client.get(vendor + stub.PATH + task).json()
        assert answer["data"]["successFlag"] == 0

    for _ in pool.map(ask, tasks):
        pass


def peak(app: Flask) -> dict[str, float]:
    """Whole sweeps until all that is due now was asked; the peak of our resident memory."""
    moment = now()
    with app.app_context():
        asked = _count_due(moment)
        while _count_due(moment):
            sweeps.refresh_due()
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"asked": asked, "peak_mb": peak_kb / 1024}


def main(arguments: list[str]) -> None:
    """One measurement in this process, told as JSON."""
    stub.pin(CLIENT_CORE)
    app = create_app(Config.from_env())
    with app.app_context():
        keys.sync()
    if arguments[0] == "memory":
        print(json.dumps(peak(app)))
    else:
        vendor = app.config["CLOUDS"]["kie"]["base_url"]
        print(json.dumps(rates(app, vendor, int(arguments[1]))))
    scratch.close(app)


if __name__ == "__main__":
    main(sys.argv[1:])
