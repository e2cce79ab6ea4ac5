"""The folder of one local render: its files, whether it runs, and how to end it.

    request.json   what was asked       events.jsonl  the renderer's stdout     clip.mp4  the result
    start.jpg      the picture behind it
    lock           held while it runs   pid           "pid parent start-mark"   cancelled a marker

Only files, locks and signals, so that every process on the machine sees the same.  The lock decides
whether a render runs: the child inherits it locked, so no moment is left between fork and pid file,
and the kernel drops it when the child ends, however that comes about.
"""

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from renderer import manners

CLIP, EVENTS, LOCK, PID, CANCELLED, REQUEST = (
    "clip.mp4",
    "events.jsonl",
    "lock",
    "pid",
    "cancelled",
    "request.json",
)
TAIL_BYTES = 4096  # the last events; one is about 100 bytes
LOOK_EVERY_S = 0.02
CLAIM_S = 0.2  # a glance at the lock (`is_running`) holds it for microseconds
FOUND_S = 2.0  # a child writes its pid file within this time
KILLED_S = 5.0


@dataclass(frozen=True)
class Child:
    """A renderer as its pid file names it."""

    pid: int
    parent: int
    start_mark: str

    @property
    def is_alive(self) -> bool:
        """Whether this very process lives: another one with its recycled pid does not count."""
        return manners.start_mark(self.pid) == self.start_mark

    @property
    def is_orphan(self) -> bool:
        """Whether its parent has gone: it will end within a second."""
        return manners.parent_of(self.pid) != self.parent


def claim(folder: Path) -> int | None:
    """Lock the folder for a new render: a file descriptor to pass on, None while one runs."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if wait_until(lambda: _lock(lock, fcntl.LOCK_EX), CLAIM_S):
        return lock
    os.close(lock)
    return None


def is_running(folder: Path) -> bool:
    """Whether a renderer works in this folder."""
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _lock(lock, fcntl.LOCK_SH)
    finally:
        os.close(lock)


def find_child(folder: Path) -> Child | None:
    """The renderer that the pid file names, alive or not."""
    try:
        pid, parent, mark = (folder / PID).read_text().split()
        return Child(int(pid), int(parent), mark)
    except (OSError, ValueError):
        return None


def last_event(folder: Path) -> dict[str, Any] | None:
    """The newest complete event, None before the first."""
    try:
        with (folder / EVENTS).open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
            lines = file.read().splitlines()
    except FileNotFoundError:
        return None
    for line in reversed(lines):
        with contextlib.suppress(ValueError):  # half a line: it is being written, or the disk full
            event = json.loads(line)
            if isinstance(event, dict):
                return event
    return None


def end(folder: Path, grace_s: float) -> bool:
    """SIGTERM, after `grace_s` SIGKILL to it and its ffmpeg.  True: nothing runs any more."""
    if not wait_until(lambda: not is_running(folder) or _is_found(folder), FOUND_S):
        return False
    if grace_s > 0:
        _signal(folder, os.kill, signal.SIGTERM)
        if wait_until(lambda: not is_running(folder), grace_s):
            return True
    _signal(folder, os.killpg, signal.SIGKILL)
    return wait_until(lambda: not is_running(folder), KILLED_S)


def wait_until(is_so: Callable[[], bool], timeout_s: float) -> bool:
    """Look until it is so; False when it is not in time."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_EVERY_S)
    return True


def _lock(lock: int, how: int) -> bool:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_found(folder: Path) -> bool:
    child = find_child(folder)
    return child is not None and child.is_alive


def _signal(folder: Path, send: Callable[[int, int], None], number: int) -> None:
    """Never to a stranger: the pid must still belong to the process that wrote it down."""
    child = find_child(folder)
    if child and child.is_alive:
        with contextlib.suppress(ProcessLookupError):
            send(child.pid, number)
