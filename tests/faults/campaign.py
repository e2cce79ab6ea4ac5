"""A seeded campaign of kills: a person uses the site, a process dies, work goes on.

A lane is one machine that goes through moments one after the other; lanes run side by side.
"""

import random
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.faults.machine import ENDED, WITHIN_S, Machine
from tests.faults.nursery import Part
from tests.faults.visitor import Visitor
from tests.waiting import wait_until

TO_THE_MOMENT_S = 45.0


@dataclass(frozen=True)
class Moment:
    """Where whoever gets there (for the `count`-th time) is killed, and in which story.

    `where` is a moment of points.py, or "progress:40": the worker dies when the card says so.

    `does`: what the person does: make; cancel or delete (while it is made); cancel queued; cancel
    storing; tire (cancel after the restart). `prompt`: what the fast provider is to do (see fast).
    `ends`: how the video ends all the same.
    `then`: where the next workers die, each while it picks up the pieces.
    """

    where: str
    does: str = "make"
    prompt: str = "glass"
    ends: str = "completed"
    count: int = 1
    then: tuple[str, ...] = ()
    is_certain: bool = True  # else the story may end before anybody gets there


@dataclass
class Lane:
    """One machine, its web and its worker, and how long each moment took to recover from."""

    machine: Machine
    dice: random.Random
    web: Part
    worker: Part
    recovered_s: list[tuple[str, float]]
    within_s: float = WITHIN_S
    visitor: Visitor | None = None
    asked: int = 0

    def go_through(self, moment: Moment, number: int) -> None:
        """One story with its kill, to its end."""
        visitor, prompt = self._visitor(), f"{moment.prompt} {number}"
        form = self._before(moment, visitor, prompt)
        if not moment.where.startswith("progress:"):
            self.machine.arm(moment.where, count=moment.count)
        self._act(moment, visitor, prompt, form)
        self._wait_for_death(moment, prompt)
        web_died = not self.web.is_alive
        if self.dice.random() < 1 / 3:  # both at once
            self.web.kill()
            self.worker.kill()
        restarted_at = self._restart(moment.then)
        if web_died or "endless" in moment.prompt:  # who saw an error, or sees no end, acts again
            self._act(moment, visitor, prompt, form)
        self.machine.wait_for_the_end(self.within_s - (time.monotonic() - restarted_at))
        self.recovered_s.append((moment.where, time.monotonic() - restarted_at))
        if moment.does == "delete":
            assert self.machine.videos(prompt) == []
        else:
            assert [video["status"] for video in self.machine.videos(prompt)] == [moment.ends]
        wait_until(lambda: not self.machine.renderers(), 10, "every renderer has ended")
        self.machine.check()

    def _visitor(self) -> Visitor:
        """A person asks for at most 10 videos an hour; then another one comes."""
        if self.visitor is None or self.asked % 10 == 0:
            self.visitor = self.machine.visit(f"person-{self.asked}@example.org")
        self.asked += 1
        return self.visitor

    def _before(self, moment: Moment, visitor: Visitor, prompt: str) -> dict[str, str]:
        """What happens before the moment is armed. Returns the form that is to be sent."""
        form = visitor.fill_in(prompt)
        closed = self.machine.instance / "renders" / "closed"
        if moment.does == "cancel queued":
            closed.touch()
        if moment.does == "cancel storing":  # the worker stands still after the first file
            self.machine.arm("place.after", name="STOP")
        if moment.does not in ("make", "tire"):
            assert visitor.send("/videos", form) == 303
        if moment.does in ("cancel", "delete"):
            wait_until(lambda: self._status(prompt) == "processing", 30, "it is being made")
        if moment.does == "cancel storing":
            wait_until(lambda: self.machine.is_hit, 30, "it is being stored")
        return form

    def _act(self, moment: Moment, visitor: Visitor, prompt: str, form: dict[str, str]) -> None:
        """What leads to the moment, and what a person repeats when it came to nothing."""
        found = self.machine.videos(prompt)
        if moment.does == "make" or not found:
            visitor.send("/videos", form)
        elif moment.does == "delete":
            visitor.press(f"/videos/{found[0]['id']}", _method="DELETE")
        else:
            visitor.press(f"/videos/{found[0]['id']}/cancellation")
        (self.machine.instance / "renders" / "closed").unlink(missing_ok=True)

    def _wait_for_death(self, moment: Moment, prompt: str) -> None:
        """Until somebody died where it was planned, or the story of an uncertain moment is over."""
        if moment.does == "cancel storing":
            self.worker.send(signal.SIGCONT)
        if moment.where.startswith("progress:"):
            percent = int(moment.where.removeprefix("progress:"))
            wait_until(lambda: self._progress(prompt) >= percent, TO_THE_MOMENT_S, moment.where)
            self.worker.kill()
            return
        wait_until(
            lambda: self.machine.is_hit or (not moment.is_certain and self._has_ended(prompt)),
            TO_THE_MOMENT_S,
            f"somebody gets to {moment.where}",
        )
        self.machine.disarm()
        if self.machine.is_hit:
            wait_until(self._someone_died, 10, "whoever was hit is dead")

    def _has_ended(self, prompt: str) -> bool:
        return self._status(prompt) in ENDED

    def _someone_died(self) -> bool:
        return not (self.web.is_alive and self.worker.is_alive)

    def _progress(self, prompt: str) -> int:
        (video,) = self.machine.videos(prompt)
        return 100 if video["status"] == "storing" else video["progress"] or 0

    def _status(self, prompt: str) -> str:
        return str(self.machine.videos(prompt)[0]["status"])

    def _restart(self, then: Sequence[str]) -> float:
        """Start anew what died; the moments of `then` kill one worker each. Returns when."""
        for where in then:
            self.worker.kill()
            self.machine.arm(where)
            self.worker = self.machine.start_worker(wait=False)
            wait_until(lambda: not self.worker.is_alive, TO_THE_MOMENT_S, f"a worker at {where}")
            assert self.machine.is_hit, self.worker.log.read_text()
        restarted_at = time.monotonic()
        if not self.worker.is_alive:
            self.worker = self.machine.start_worker(wait=False)
        if not self.web.is_alive:
            self.web = self.machine.start_web()
        return restarted_at


def run(
    machines: Sequence[Machine],
    moments: Sequence[Moment],
    seed: int,
    within_s: float = WITHIN_S,
) -> list[tuple[str, float]]:
    """Go through all moments, in an order and with company that `seed` decides.

    Returns how many seconds after its restart each was over. Fails with all that went wrong.
    """
    dice = random.Random(seed)
    shuffled = dice.sample(list(moments), len(moments))
    recovered_s: list[tuple[str, float]] = []

    def go(number: int) -> list[str]:
        machine = machines[number]
        lane = Lane(
            machine,
            random.Random(seed + number),
            machine.start_web(),
            machine.start_worker(),
            recovered_s,
            within_s,
        )
        for index, moment in enumerate(shuffled[number :: len(machines)]):
            try:
                lane.go_through(moment, index)
            except Exception as error:  # noqa: BLE001  told below, with what the others found
                log = lane.worker.log.read_text()[-3000:]
                return [f"seed {seed}, {moment}: {error!r}\n{machine.describe()}\n{log}"]
        return []

    with ThreadPoolExecutor(len(machines)) as pool:
        problems = [text for found in pool.map(go, range(len(machines))) for text in found]
    assert not problems, "\n\n".join(problems)
    return recovered_s
