"""The vendor's side that all have in common: a clock, accounts, tasks and what becomes of them."""

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.simulators.faults import Part

LOOK_AGAIN_S = 0.25  # the clock may be moved without the timers being told


class Clock:
    """The vendor's time: time.time(), moved forward by `advance`."""

    def __init__(self) -> None:
        self.offset_s = 0.0

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time() + self.offset_s


def utc(seconds: float, form: str = "%Y-%m-%dT%H:%M:%S.%fZ") -> str:
    """A time as text."""
    return datetime.fromtimestamp(seconds, UTC).strftime(form)


class Timers:
    """Calls functions when the vendor's clock says so, from one thread."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def at(self, when: float, function: Callable[[], None]) -> None:
        """Call it then, or at once where that is past."""
        with self._changed:
            heapq.heappush(self._due, (when, next(self._count), function))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="simulator-timers")
                self._thread.daemon = True
                self._thread.start()
            self._changed.notify()

    def look(self) -> None:
        """The clock was moved."""
        with self._changed:
            self._changed.notify()

    def close(self) -> None:
        """Nothing more is called."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    def _run(self) -> None:
        while (function := self._next()) is not None:
            function()

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while not self._is_closed:
                left_s = self._due[0][0] - self.clock.now() if self._due else None
                if left_s is not None and left_s <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(None if left_s is None else min(left_s, LOOK_AGAIN_S))
        return None


@dataclass
class Key:
    """A key that the vendor gave out. `state`: ok | bad | empty | limited | limited=SECONDS."""

    state: str
    account: str

    @classmethod
    def of(cls, key: str, text: str) -> "Key":
        """From `state` or `state@account`; without a name the account is the key's own."""
        state, _, account = text.partition("@")
        if state.partition("=")[0] not in ("ok", "bad", "empty", "limited"):
            raise ValueError(f"no such state of a key: {state!r}")
        return cls(state, account or key)


class SubmitWindow:
    """So many submits in so many seconds for each account."""

    def __init__(self, rule: tuple[int, float] | None) -> None:
        self.rule = rule
        self.violations: list[tuple[str, float]] = []
        self._taken: dict[str, deque[float]] = {}

    def left_s(self, account: str, now: float) -> float:
        """0: there was room, and it is taken. Else seconds until there is; a violation is noted."""
        if self.rule is None:
            return 0.0
        count, seconds = self.rule
        taken = self._taken.setdefault(account, deque())
        while taken and taken[0] <= now - seconds:
            taken.popleft()
        if len(taken) < count:
            taken.append(now)
            return 0.0
        self.violations.append((account, now))
        return max(0.001, taken[0] + seconds - now)


@dataclass
class Task:
    """One order, as the vendor sees it."""

    id: str
    key: str
    account: str
    model: str
    request: dict[str, Any]
    callback_url: str | None
    made_at: float
    queue_s: float
    takes_s: float | None
    clip: str
    clock: Clock = field(repr=False)
    plans: dict[str, Part] = field(default_factory=dict)
    callback_faults: list[Part] = field(default_factory=list)
    outcome: str | None = None  # succeeded | failed | cancelled
    reason: str = ""  # content | error | timeout | ..., of a failure
    message: str | None = None
    ended_at: float | None = None
    is_expired: bool = False
    polls: int = 0
    downloads: int = 0
    extra: dict[str, Any] = field(default_factory=dict)
    on_end: Callable[["Task"], None] | None = field(default=None, repr=False)
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def due_at(self) -> float | None:
        """When it ends by itself."""
        return None if self.takes_s is None else self.made_at + self.takes_s

    @property
    def state(self) -> str:
        """queued | running | succeeded | failed | cancelled, by the vendor's clock."""
        self.settle()
        if self.outcome is not None:
            return self.outcome
        return "queued" if self.clock.now() < self.made_at + self.queue_s else "running"

    def settle(self) -> None:
        """It is over if its time is."""
        due_at = self.due_at
        if self.outcome is None and due_at is not None and self.clock.now() >= due_at:
            self.end(*planned(self))

    def end(self, outcome: str, reason: str = "", message: str | None = None) -> bool:
        """It is over, once: False when it was before."""
        with self.lock:
            if self.outcome is not None:
                return False
            due_at, now = self.due_at, self.clock.now()
            self.ended_at = now if due_at is None else min(now, due_at)
            self.reason, self.message, self.outcome = reason, message, outcome
            tell = self.on_end  # read with the lock held: else it could be told twice
        if tell is not None:
            tell(self)
        return True


PLANNED = {
    "refuse_later": "content",
    "fail_later": "error",
    "timeout_later": "timeout",
    "flag3": "flag3",
    "rai": "rai",
    "operation_error": "operation_error",
    "completed_error": "completed_error",
    "result_422": "invalid",
    "aborted": "aborted",
    "content_words": "content_words",
}


def planned(task: Task) -> tuple[str, str]:
    """Outcome and reason of a task with which nobody meddles."""
    return next(
        (("failed", PLANNED[name]) for name in task.plans if name in PLANNED), ("succeeded", "")
    )
