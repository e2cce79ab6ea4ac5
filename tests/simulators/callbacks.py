"""Callbacks on their way to the address that a submit named, and how they go wrong."""

import json
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.simulators.engine import Task
from tests.simulators.faults import Part
from tests.simulators.sending import Line, is_here

if TYPE_CHECKING:
    from tests.simulators.simulator import Simulator

SENDERS = 8
SIGNED_OTHERWISE = {"wrong_signature", "unsigned", "forged_key", "two_signatures"}


@dataclass
class Delivery:
    """One POST of a callback; `status` None: nobody answered."""

    task_id: str
    url: str
    headers: dict[str, str]
    body: bytes
    status: int | None
    at: float


class Callbacks:
    """Sends what vendors send, from threads of its own."""

    def __init__(self, house: "Simulator", retry_waits_s: tuple[float, ...]) -> None:
        self.house = house
        self.retry_waits_s = retry_waits_s
        self.sent: list[Delivery] = []
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self.line = Line()
        self._lock = threading.Lock()

    def ended(self, task: Task) -> None:
        """A task is over, and its submit was answered: its callback leaves, unless it gets lost."""
        if task.callback_url is None:
            return
        parts = task.callback_faults + self.house.armoury.take("callback", task.key, task.id)
        named = {part.name: part for part in parts}
        if "lost" in named:
            return
        job = lambda: self._deliver(task, parts, self.retry_waits_s)  # noqa: E731 - one line
        if "late" in named:
            when = self.house.clock.now() + named["late"].number()
            self.house.timers.at(when, lambda: self._enqueue(job))
        else:
            self._enqueue(job)

    def send(self, task: Task, parts: list[Part]) -> list[Delivery]:
        """Send it now, from this thread, and do not try again."""
        named = {part.name: part for part in parts}
        more = int(named["duplicate"].number()) if "duplicate" in named else 0
        return [done for _ in range(1 + more) if (done := self._post(task, named))]

    def close(self) -> None:
        """Nothing more is sent, and who waits for an answer stops."""
        self.line.hang_up()
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join(timeout=5.0)

    def _enqueue(self, job: Callable[[], None]) -> None:
        with self._lock:
            if len(self._threads) < SENDERS:
                thread = threading.Thread(target=self._work, name="simulator-callback", daemon=True)
                self._threads.append(thread)
                thread.start()
        self._jobs.put(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if not self.house.is_closed:
                job()

    def _deliver(self, task: Task, parts: list[Part], waits_s: tuple[float, ...]) -> None:
        done = self.send(task, parts)
        if not done or any(one.status is not None and one.status < 300 for one in done):
            return
        if waits_s and is_here(task.callback_url or "") and not self.house.is_closed:
            again = lambda: self._deliver(task, parts, waits_s[1:])  # noqa: E731 - one line
            when = self.house.clock.now() + waits_s[0]
            self.house.timers.at(when, lambda: self._enqueue(again))

    def _post(self, task: Task, named: dict[str, Part]) -> Delivery | None:
        body = self.house.vendor.callback_body(task)
        if body is None or task.callback_url is None:
            return None
        text, task_id = json.dumps(body), task.id
        if "other_task" in named:
            task_id = named["other_task"].value or self._other_than(task)
            text = text.replace(task.id, task_id)
        headers = self._headers(task_id, text.encode(), named)
        if "tampered" in named:
            text = text.replace(self.house.public_url, "http://tampered.invalid")
            text = text[:-1] + ', "tampered": true}'
        status = self.line.post(task.callback_url, headers, text.encode())
        now = self.house.clock.now()
        done = Delivery(task.id, task.callback_url, headers, text.encode(), status, now)
        self.sent.append(done)
        return done

    def _other_than(self, task: Task) -> str:
        others = (one for one in list(self.house.tasks) if one != task.id)
        return next(others, task.id[:-4] + "0000")

    def _headers(self, task_id: str, body: bytes, named: dict[str, Part]) -> dict[str, str]:
        at = self.house.clock.now() + self.house.clock_skew_s
        at -= named["stale"].number() if "stale" in named else 0.0
        at += named["skew"].number() if "skew" in named else 0.0
        names = SIGNED_OTHERWISE & set(named)
        headers = {"Content-Type": "application/json"}
        if "unsigned" not in names:
            headers |= self.house.vendor.sign(task_id, body, int(at), names)
        return headers
