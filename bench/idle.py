"""What a worker costs that has nothing to do: CPU of `flask worker`, as it is shipped.

With the queue in SQLite and, where there is a Redis, in Redis; both at the same time, each beside
an app of its own with nothing in flight.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench import scratch
from bench.figures import Figure, missing
from bench.processes import cpu_s
from bench.servers import ROOT

SECONDS = 20.0
SETTLE_S = 3.0
TARGET_PERCENT = 1.0
READY_WITHIN_S = 30


def measure() -> Iterator[Figure]:
    """Percent of a core, by user and system time."""
    with contextlib.ExitStack() as stack:
        workers = {"SQLite": stack.enter_context(_worker())}
        with contextlib.suppress(scratch.NotHere):
            url = stack.enter_context(redis())
            workers["Redis"] = stack.enter_context(_worker(REDIS_URL=url))
        time.sleep(SETTLE_S)
        before = {name: cpu_s(pid) for name, pid in workers.items()}
        started = time.perf_counter()
        time.sleep(SECONDS)
        elapsed_s = time.perf_counter() - started
        used = {name: cpu_s(pid) - before[name] for name, pid in workers.items()}
    for name, seconds in used.items():
        note = f"{seconds:.2f} s of CPU in {elapsed_s:.0f} s"
        percent = 100 * seconds / elapsed_s
        yield Figure(f"idle worker, {name} queue", percent, "%", TARGET_PERCENT, "lower", note)
    if "Redis" not in used:
        yield missing("idle worker, Redis queue", "redis-server is not installed")


@contextlib.contextmanager
def _worker(**more: str) -> Iterator[int]:
    """A worker on a new database. Yields its pid."""
    with scratch.folder() as place:
        variables = scratch.environment(scratch.sqlite_url(place), place)
        with scratch.app_on(variables["DATABASE_URL"], place):
            pass
        with worker(variables | more, place / "worker.log") as pid:
            yield pid


@contextlib.contextmanager
def worker(variables: dict[str, str], log: Path) -> Iterator[int]:
    """`flask worker`, ready, ended by its pid. Raises RuntimeError when it does not come up."""
    command = [sys.executable, "-m", "flask", "worker"]
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables}
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=given, stdout=output, stderr=output)

    def is_ready() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"the worker ended: {log.read_text(errors='replace')[-2000:]}")
        return "worker ready" in log.read_text(errors="replace")

    try:
        scratch.wait_until(is_ready, READY_WITHIN_S, "the worker is ready")
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """A Redis of this run's own, in memory only. Raises NotHere without its program."""
    program = shutil.which("redis-server")
    if program is None:
        raise scratch.NotHere("redis-server is not installed")
    port = scratch.free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with scratch.folder() as place:
        process = subprocess.Popen([program, *options], cwd=place, stdout=subprocess.DEVNULL)
        try:
            url = f"redis://127.0.0.1:{port}/0"
            scratch.wait_until(lambda: _listens(port), READY_WITHIN_S, "Redis answers")
            yield url
        finally:
            process.terminate()
            process.wait(10)


def _listens(port: int) -> bool:
    import socket

    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
