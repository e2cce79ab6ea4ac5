"""Clients that spend credits at the same time: threads of a few processes, as gunicorn serves."""

import os
import threading
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bench.processes import cpu_s


class Clients:
    """Started once, then told when to go: an app takes longer to build than a slice lasts."""

    def __init__(self, count: int, url: str, place: Path) -> None:
        self._processes = min(count, os.cpu_count() or 1)
        self._threads = count // self._processes
        self._url, self._place = url, place
        self._clients: list[tuple[Any, Any]] = []

    def __enter__(self) -> "Clients":
        context = get_context("spawn")
        for _ in range(self._processes):
            ours, theirs = context.Pipe()
            arguments = (theirs, self._threads, self._url, self._place)
            process = context.Process(target=_serve, args=arguments)
            process.start()
            self._clients.append((process, ours))
        for _, pipe in self._clients:
            pipe.recv()
        return self

    def __exit__(self, *_: object) -> None:
        for _, pipe in self._clients:
            pipe.send(None)
        for process, _ in self._clients:
            process.join(20)
            if process.is_alive():
                process.kill()

    def cpu_s(self) -> float:
        """Seconds of CPU all of them have used."""
        return sum(cpu_s(process.pid) for process, _ in self._clients)

    def rate(self, hot: bool, seconds: float) -> float:
        """Debits a second of all together, of one account or of all accounts."""
        for _, pipe in self._clients:
            pipe.send((hot, seconds))
        return sum(float(pipe.recv()) for _, pipe in self._clients)


def _serve(pipe: Any, threads: int, url: str, place: Path) -> None:
    from app import create_app
    from bench import scratch
    from config import Config

    app = create_app(Config.from_env(scratch.environment(url, place)))
    pipe.send("ready")
    while order := pipe.recv():
        hot, seconds = order
        counts: list[int] = []
        crew = [
            threading.Thread(target=_spend, args=(app, hot, seconds, counts))
            for _ in range(threads)
        ]
        started = time.perf_counter()
        for thread in crew:
            thread.start()
        for thread in crew:
            thread.join()
        assert len(counts) == threads, "a client failed"
        pipe.send(sum(counts) / (time.perf_counter() - started))
    scratch.close(app)


def _spend(app: Any, hot: bool, seconds: float, counts: list[int]) -> None:
    from app.models import new_id
    from bench import spending

    with app.app_context():
        count, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            spending.debit(1 if hot else spending.anyone(), new_id())
            count += 1
        counts.append(count)
