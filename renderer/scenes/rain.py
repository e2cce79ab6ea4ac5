"""Rain on a window at night: drops on a height map refract a bokeh street (or the start image)."""

import math

import numpy as np

from ..jit import RowPool
from ..mathkit import ease, gaussian_blur
from ..plan import Plan, Shot
from ..prompts import Colour
from ..synth import SECONDS, band, coloured_noise, fade_out, noise_band, overlay
from .base import Picture, Scene, Voice, shot_fade
from .shower import STEPS_PER_SECOND, UNITS, Canvas, Shower
from .window import GLASS_DEPTH, candle_rows, stamp, window_rows, wipe

FOG_RETURN = 0.012  # per step


class WindowPainter(Canvas):
    """Draws the shower on fogged glass."""

    any_order = False  # drops leave trails

    def __init__(
        self, plan: Plan, width: int, height: int, picture: np.ndarray | None, pool: RowPool
    ) -> None:
        self._plan, self._pool = plan, pool
        self._unit = min(width, height) / UNITS
        self._light = np.zeros((height, width, 5), np.float32)
        self._beads = np.zeros((height, width), np.float32)
        self._fog = np.ones((height, width), np.float32)
        if picture is None:
            layers = [self._street(width, height, spread) for spread in (1.0, 0.55, 0.30)]
        else:
            layers = [gaussian_blur(picture, size * self._unit) for size in (11, 5, 1.5)]
        self._layers = layers
        self._shower = Shower(plan, self)
        self._steps_per_frame = STEPS_PER_SECOND // plan.fps

    def bead(self, x: float, y: float, radius: float, squash: float, phase: float) -> None:
        unit = self._unit
        stamp(self._beads, x * unit, y * unit, radius * unit, squash, phase)

    def clear(self, x: float, y: float, radius: float) -> None:
        unit = self._unit
        wipe(self._beads, self._fog, x * unit, y * unit, radius * unit)

    def _street(self, w: int, h: int, spread: float) -> np.ndarray:
        """Night street as HDR bokeh: spread 1 gives wide soft discs, 0.3 points."""
        plan, unit = self._plan, self._unit
        rng = plan.rng("street")
        y = np.linspace(0, 1, h)[:, None, None]
        sky = np.array(plan.light.room) * 0.16 + np.array([0.004, 0.010, 0.026])
        image = sky * (1 - y) + np.array([0.06, 0.032, 0.018]) * y + np.zeros((h, w, 3))
        rows, columns = np.mgrid[0:h, 0:w].astype(np.float32)
        lamps = [(1, 0.55, 0.2), (1, 0.72, 0.42), (1, 0.25, 0.12), (0.35, 0.75, 1), (0.9, 0.95, 1)]
        lamps += [(0.25, 0.9, 0.6), plan.tint, plan.tint]
        for _ in range(85):
            x0, y0 = rng.uniform(-0.05, 1.05) * w, (0.55 + rng.normal(0, 0.17)) * h
            radius = (rng.uniform(7, 27) * spread + 1.5) * unit
            colour = np.array(lamps[rng.integers(len(lamps))])
            power = min(0.05 + rng.pareto(2.2) * 0.11, 1.3) * (0.4 + 0.6 / spread)
            top, low = (int(np.clip(y0 + s * (radius + 3), 0, h)) for s in (-1, 1))
            left, right = (int(np.clip(x0 + s * (radius + 3), 0, w)) for s in (-1, 1))
            area = np.s_[top:low, left:right]
            q = np.hypot(columns[area] - x0, rows[area] - y0) / radius
            disc = np.clip((1 - q) * radius / (2.0 * unit), 0, 1)
            disc = disc * (0.62 + 0.38 * np.minimum(q, 1) ** 3) * power
            image[area] += disc[..., None] * colour
        return np.ascontiguousarray(image, np.float32)

    def paint(self, index: int) -> Picture:
        plan, unit = self._plan, self._unit
        for _ in range(self._steps_per_frame):
            self._shower.step()
            self._fog += (1 - self._fog) * FOG_RETURN
        drops = self._beads.copy()
        for runner in self._shower.runners:
            stretch = 1.15 + 0.10 * min(runner.speed, 5)
            place = runner.x * unit, runner.y * unit, runner.radius * unit
            stamp(drops, *place, stretch, 0.2 * runner.sway)
        time = index / plan.fps
        u = time / plan.duration
        height, width = drops.shape
        sway = math.sin(0.5 * time)
        view = 0.018 * sway, 0.01 * u, 0.93 - 0.04 * ease(u)
        self._pool.run(window_rows, height, self._light, drops, self._fog, *self._layers, *view)
        if plan.variant == "candle":
            waves = ((0.06, 9.1, 0.0), (0.05, 14.7, 1.0), (0.04, 23.0, 0.0))
            flicker = 1 + sum(a * math.sin(f * time + phase) for a, f, phase in waves)
            x = width * (0.74 if width > height else 0.62) + 2 * sway
            size = 0.46 * min(width, height)
            self._pool.run(candle_rows, height, self._light, x, height * 0.76, size, flicker)
        return Picture(self._light, GLASS_DEPTH, shot_fade(plan, time))


class Rain(Scene):
    """A wet window with a street or a candle behind it."""

    name = "rain"
    detail = 1.8

    def colours(self, variant: str, seed: int) -> list[Colour]:
        return [(1.0, 0.6, 0.25)]

    def add_shot(self, plan: Plan, start: float, end: float) -> None:
        """The window is one continuous take: all shots are one, listed on the first call."""
        if plan.shots:
            return
        plan.shots.append(Shot(0.0, plan.duration))
        shower = Shower(plan, Canvas())
        for _ in range(int(plan.duration * STEPS_PER_SECOND)):
            plan.events += shower.step()

    def painter(
        self, plan: Plan, width: int, height: int, picture: np.ndarray | None, pool: RowPool
    ) -> WindowPainter:
        return WindowPainter(plan, width, height, picture, pool)

    def voices(self, plan: Plan) -> dict[str, Voice]:
        return {"drip": _drip, "trickle": _trickle}

    def ambience(self, plan: Plan, rng: np.random.Generator, length: int) -> np.ndarray:
        """Steady rain with slow swells, and a fine patter of single drops."""
        t = np.arange(length) / SECONDS
        bed = np.zeros((length, 2))
        for ear in range(2):
            hiss = band(coloured_noise(rng, length, 0.9), 350, 9000) * 0.032
            rumble = band(coloured_noise(rng, length, 1.6), 60, 500) * 0.028
            swell = 1 + 0.22 * np.sin(0.69 * t + ear) + 0.10 * np.sin(1.82 * t)
            bed[:, ear] = (hiss + rumble) * swell
        shape = np.exp(-np.arange(300) / 40)
        for _ in range(rng.poisson(260 * plan.duration)):
            at, pan = rng.integers(0, length - 300), rng.random()
            drop = rng.standard_normal(300) * shape * min(rng.pareto(2.2), 6) * 0.012
            bed[at : at + 300] += drop[:, None] * np.sqrt([1 - pan, pan])
        return bed


def _drip(rng: np.random.Generator) -> np.ndarray:
    """Small bubble rings upwards (Minnaert), after a tick on the glass."""
    pitch = rng.uniform(1500, 4200)
    t = np.arange(int(0.05 * SECONDS)) / SECONDS
    ring = np.sin(2 * np.pi * (pitch + 5 * pitch * t) * t) * np.exp(-t / 0.008) * 0.20
    tick = noise_band(rng, 0.05, 3000, 12000) * fade_out(0.05, 0.0015) * 0.10
    return overlay(ring, tick)


def _trickle(rng: np.random.Generator) -> np.ndarray:
    """A run of tiny rising chirps."""
    out = np.zeros(int(0.40 * SECONDS))
    t = np.arange(int(0.02 * SECONDS)) / SECONDS
    for _ in range(14):
        at = int(rng.random() * 0.35 * SECONDS)
        chirp = np.sin(2 * np.pi * (rng.uniform(700, 2200) + 9000 * t) * t)
        out[at : at + len(t)] += chirp * np.exp(-t / 0.006) * 0.05
    return out
