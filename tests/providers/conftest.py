"""Real renders, small ones; every child that a test starts is gone after it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.providers import Order, Report
from app.providers.local import LocalProvider
from tests.renderer.conftest import small_disk
from tests.waiting import wait_until

__all__ = ["small_disk"]  # a fixture here too

ROOT = Path(__file__).parents[2]
SHORT = Order("attempt-1", "rain-window", "soft rain at night", "1:1", 4, "720p", 7)
LONG = replace(SHORT, duration_s=30)


@pytest.fixture
def renders(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "renders"
    yield folder
    for pid_file in folder.glob("*/pid"):
        LocalProvider(folder).forget(pid_file.parent.name)


@pytest.fixture
def local(renders: Path) -> LocalProvider:
    return LocalProvider(renders, quality="draft")


@pytest.fixture
def ended(local: LocalProvider) -> Callable[[str], Report]:
    """Wait until a render is running no more."""

    def wait(handle: str) -> Report:
        wait_until(lambda: local.poll(handle).state != "running", 60, "the render ends")
        return local.poll(handle)

    return wait


@pytest.fixture
def drawing(local: LocalProvider) -> Callable[[str], float]:
    """Wait until the first frames are drawn: the percent."""

    def wait(handle: str) -> float:
        return wait_until(lambda: local.poll(handle).percent or 0.0, 60, "the render draws")

    return wait


class Worker:
    """Another process with a provider of its own; it runs Python lines one by one."""

    def __init__(self, renders: Path, prelude: str = "") -> None:
        code = f"""
import os, signal, sys
from pathlib import Path
from app.providers import Order
from app.providers import local as module
local = module.LocalProvider(Path({str(renders)!r}), quality="draft")
{prelude}
for line in sys.stdin:
    print(eval(line), flush=True)
"""
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def say(self, expression: str) -> None:
        assert self.process.stdin
        print(expression, file=self.process.stdin, flush=True)

    def ask(self, expression: str) -> str:
        """The value of an expression, as text; "" when the worker died of it."""
        self.say(expression)
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        """kill -9, and reaped."""
        self.process.send_signal(signal.SIGKILL)
        self.close()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def worker(renders: Path) -> Iterator[Callable[..., Worker]]:
    started = []

    def start(prelude: str = "") -> Worker:
        started.append(Worker(renders, prelude))
        return started[-1]

    yield start
    for one in started:
        one.close()


def family(folder: Path) -> list[int]:
    """The renderer of a folder and its children."""
    pid = int((folder / "pid").read_text().split()[0])
    children = Path(f"/proc/{pid}/task").glob("*/children")
    return [pid, *(int(child) for one in children for child in one.read_text().split())]


def is_gone(pid: int) -> bool:
    """Ended and reaped: not even a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def events_of(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
