"""Client processes that spend credits at the same time, each with an app of its own."""

import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bench.processes import cpu_s


class Clients:
    """Started once, then told when to go: an app takes longer to build than a slice lasts."""

    def __init__(self, count: int, url: str, place: Path) -> None:
        self._count, self._url, self._place = count, url, place
        self._clients: list[tuple[Any, Any]] = []

    def __enter__(self) -> "Clients":
        context = get_context("spawn")
        for _ in range(self._count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, self._url, self._place))
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


def _serve(pipe: Any, url: str, place: Path) -> None:
    from app import create_app
    from app.models import new_id
    from bench import scratch, spending
    from config import Config

    app = create_app(Config.from_env(scratch.environment(url, place)))
    with app.app_context():
        pipe.send("ready")
        while order := pipe.recv():
            hot, seconds = order
            count, started = 0, time.perf_counter()
            while time.perf_counter() - started < seconds:
                spending.debit(1 if hot else spending.anyone(), new_id())
                count += 1
            pipe.send(count / (time.perf_counter() - started))
    scratch.close(app)
