"""The rain itself, simulated on its own clock, in units of 1/360 of the window's short side.

The plan runs it once to list its sounds, the painter once more to see the same drops.
"""

import math
from dataclasses import dataclass

from ..plan import Event, Plan
from ..prompts import NORMAL_PACE

UNITS = 360.0  # short side of the window
STEPS_PER_SECOND = 24
FIRST_BEADS = 2300  # on a 16:9 window


@dataclass
class Runner:
    """A drop heavy enough to run down, in stops and starts."""

    x: float
    y: float
    radius: float
    sway: float
    speed: float = 0.0
    wanted: float = 0.0


class Canvas:
    """Where a shower leaves its marks; this one ignores them (used to list the sounds)."""

    def bead(self, x: float, y: float, radius: float, squash: float, phase: float) -> None:
        pass

    def clear(self, x: float, y: float, radius: float) -> None:
        pass


class Shower:
    """The simulation.  Given the same plan it makes the same drops on any canvas."""

    def __init__(self, plan: Plan, canvas: Canvas) -> None:
        self._rng = plan.rng("rain")
        self._canvas = canvas
        self._rate = NORMAL_PACE / plan.period
        short = min(plan.width, plan.height)
        self.width, self.height = UNITS * plan.width / short, UNITS * plan.height / short
        self._area = self.width * self.height / (UNITS * UNITS * 16 / 9)
        self.runners: list[Runner] = []
        self._steps = 0
        for _ in range(int(FIRST_BEADS * self._area)):
            self._bead()
        for _ in range(int(5 * self._area) + 2):
            self._start_runner(self._rng.uniform(0, 0.7 * self.height))

    def _bead(self) -> tuple[float, float]:
        rng = self._rng
        radius = min(0.45 + 0.55 * rng.pareto(2.1), 6.0) * 1.15
        x, y = rng.uniform(0, self.width), rng.uniform(0, self.height)
        self._canvas.bead(x, y, radius, rng.uniform(0.95, 1.2), rng.uniform(0, 6))
        return x, radius

    def _start_runner(self, y: float) -> None:
        rng = self._rng
        x, radius = rng.uniform(0.03, 0.97) * self.width, rng.uniform(4.5, 8.5)
        self.runners.append(Runner(x, y, radius, rng.uniform(0, 6.28)))

    def _pan(self, x: float) -> float:
        return 1.6 * x / self.width - 0.8

    def step(self) -> list[Event]:
        """Advance by 1 / STEPS_PER_SECOND and report what can be heard."""
        rng, heard = self._rng, []
        time = self._steps / STEPS_PER_SECOND
        self._steps += 1
        for _ in range(rng.poisson(7 * self._rate * self._area)):
            x, radius = self._bead()
            if radius > 1.6:
                heard.append(Event(time, "drip", self._pan(x), min(radius / 5, 1.0)))
        if rng.random() < 0.055 * self._rate * max(self._area, 0.6):
            self._start_runner(-10.0)
        for runner in self.runners:
            if runner.wanted <= 0 and rng.random() < 0.10:
                runner.wanted = rng.uniform(2.2, 9.0)
                pan = self._pan(runner.x)
                heard.append(Event(time, "trickle", pan, runner.radius / 9))
            runner.speed += (runner.wanted - runner.speed) * 0.25
            if rng.random() < 0.06:
                runner.wanted = 0.0
            self._run(runner)
        self.runners = [runner for runner in self.runners if runner.y < self.height + 20]
        return heard

    def _run(self, runner: Runner) -> None:
        rng = self._rng
        parts = max(1, int(runner.speed / 1.2))
        for _ in range(parts):
            runner.y += runner.speed / parts
            runner.sway += 0.08
            runner.x += math.sin(runner.sway) * 0.16 * runner.speed / parts
            self._canvas.clear(runner.x, runner.y - 0.3 * runner.radius, 1.12 * runner.radius)
        if runner.speed > 1 and rng.random() < 0.55:
            x = runner.x + rng.normal(0, 0.5)
            y = runner.y - runner.radius * rng.uniform(1.6, 2.6)
            self._canvas.bead(x, y, rng.uniform(0.7, 1.9), 1.2, 1.0)
