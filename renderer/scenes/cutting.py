"""A body cut into slices by the knife: choreography and sound, for several scenes.

The body's long axis is x.  Slices come off its +x end, topple and are pushed along by the next one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..mathkit import ease, topple
from ..plan import Event, Plan, Shot
from ..studio import set_camera
from ..synth import fade_out, modes, noise_band, overlay
from .base import TracedScene
from .pieces import BOUND, CUT_BODY, END, POS_X, POS_Y


@dataclass(frozen=True)
class Solid:
    """Size of an uncut body and how its slices behave (lengths in world units)."""

    half_length: float
    radius: float  # height of the axis above the board
    radius_at: Callable[[float], float]  # slice radius at x
    half_depth: float  # half extent along z
    thickness: float
    lean: float = 54.0  # degrees a late slice leans; earlier ones lie flatter
    spread: float = 1.03  # distance between slices, 1 = touching
    cap: float = 0.0  # extra length of the first slice's rounded end
    square: bool = False

    def lean_of(self, k: int, most: int) -> float:
        """Final angle of slice k from upright, in radians; later ones stand steeper."""
        return math.radians(self.lean + 12.0 * (1 - k / most))


# view per frame shape: azimuth, elevation (degrees), distance, height of the target, half tangent,
# and how far the camera follows the growing row
WIDE_VIEW = (41.0, 22.0, 4.9, 0.50, 0.25, 1.05)
SQUARE_VIEW = (48.0, 26.0, 5.0, 0.46, 0.285, 1.15)
TALL_VIEW = (60.0, 36.0, 5.2, 0.40, 0.220, 1.1)


class CuttingScene(TracedScene):
    body_class: type
    max_cuts = 7

    def solid(self, plan: Plan) -> Solid:
        raise NotImplementedError

    def variant_index(self, plan: Plan) -> int:
        return 0

    def add_shot(self, plan: Plan, start: float, end: float) -> None:
        rng = plan.rng("beats", start)
        beats: list[float] = []
        time = start + 1.05
        while time < end - 0.60 and len(beats) < self.max_cuts:
            beats.append(time)
            time += plan.period * rng.uniform(0.94, 1.08)
        plan.shots.append(Shot(start, end, tuple(beats)))
        for k, beat in enumerate(beats):
            pan = 0.18 - 0.05 * k
            plan.events += [
                Event(beat - 0.30, "swish", pan, 0.6),
                Event(beat - 0.17, "pierce", pan, 1.0),
                Event(beat, "knock", pan, 1.0),
                Event(beat + 0.42, "fall", pan + 0.14, 0.9),
            ]

    def set_frame(
        self, plan: Plan, index: int, shot: Shot, time: float, studio: np.void
    ) -> NamedTuple:
        solid = self.solid(plan)
        rng = plan.rng("shot", index)
        camera_turn, camera_lift, seed = rng.uniform(-1, 1, 3)
        body = np.zeros(1, CUT_BODY)[0]
        body["variant"] = self.variant_index(plan)
        body["tint"], body["tint2"] = plan.tint, plan.tint2
        body["time"], body["seed"] = time, 50 + 50 * seed
        thickness = min(solid.thickness, 1.25 * solid.half_length / max(len(shot.beats), 1))
        self._place_pieces(body, solid, shot, time, thickness)
        self._place_knife(studio, solid, shot, time, thickness, plan.period)
        _set_bounds(studio, body, solid)
        u = (time - shot.start) / (shot.end - shot.start)
        view = WIDE_VIEW if plan.aspect > 1.2 else (TALL_VIEW if plan.aspect < 0.8 else SQUARE_VIEW)
        azimuth, elevation, away, y, half_tan, follow = view
        x = follow * _row_centre(solid, len(shot.beats), thickness, 0.12 + 0.88 * ease(1.15 * u))
        size = max(1.0, solid.half_length / 0.98) ** 0.8
        breath = 0.7 * math.sin(0.9 * time + 9 * seed)
        set_camera(
            studio,
            (x, y, 0.0),
            math.radians(azimuth + 4 * camera_turn + 8 * (u - 0.5) + breath),
            math.radians(elevation + 2 * camera_lift + 2.5 * u + 0.5 * breath),
            away * size - 0.3 * u,
            half_tan,
        )
        studio["focus"] = away * size - 0.3 * u - 0.30
        return self.body_class(body)

    def _place_pieces(
        self, body: np.void, solid: Solid, shot: Shot, time: float, thickness: float
    ) -> None:
        beats, pieces = shot.beats, body["pieces"]
        leans = [solid.lean_of(k, self.max_cuts) for k in range(len(beats))]
        cut = sum(time >= beat - 0.04 for beat in beats)
        for k in range(cut):
            start = solid.half_length - (k + 1) * thickness
            end = start + thickness + (solid.cap if k == 0 else 0.0)
            since = time - beats[k] + 0.04
            fall = topple(since / 0.75)
            angle = leans[k] * fall
            radius = max(solid.radius_at(max(start, 0.0)), 0.05)
            reach = radius + 0.04 if solid.square else radius
            x = 0.5 * (start + end) + 0.05 * ease(since / 0.2) + reach * math.sin(angle)
            for newer in range(k + 1, cut):  # each newer slice pushes this one on
                ahead = thickness + (solid.cap if newer == 1 else 0.0)
                push = ahead * solid.spread / math.cos(leans[newer]) - thickness
                x += push * ease((time - beats[newer] + 0.1) / 0.35)
            y = reach * math.cos(angle) + 0.5 * (end - start) * math.sin(angle)
            y = solid.radius + (y - solid.radius) * min(fall * 1.6, 1.0)
            across = math.hypot(radius, solid.half_depth) if solid.square else radius
            bound = 1.08 * across + 0.5 * (end - start) + 0.06
            pose = math.cos(angle), math.sin(angle)
            crumble = ease(since)
            half_z = (solid.half_depth if solid.square else radius) + 0.03 + 0.06 * crumble
            half_y = radius + 0.03 + 0.06 * crumble
            pieces[k] = (start, end, x, y, *pose, bound, crumble, half_y, half_z)
        low = -solid.half_length - 0.15
        high = solid.half_length - cut * thickness if cut else solid.half_length + 0.3
        bound = math.hypot(0.5 * (high - low), math.hypot(solid.radius, solid.half_depth) * 0.9)
        half = solid.radius + 0.03, solid.half_depth + 0.03
        pieces[cut] = (low, high, 0.5 * (low + high), solid.radius, 1, 0, bound, 0, *half)
        body["count"] = cut + 1

    def _place_knife(
        self,
        studio: np.void,
        solid: Solid,
        shot: Shot,
        time: float,
        thickness: float,
        period: float,
    ) -> None:
        """Edge height 0 exactly at each beat."""
        beats = shot.beats
        top = 2 * solid.radius + 0.30
        upcoming = next((k for k, beat in enumerate(beats) if time < beat + 0.13), None)
        studio["knife_shown"] = 1
        if upcoming is None:
            since = time - (beats[-1] if beats else shot.start) - 0.13
            studio["knife_y"] = top * ease(since / 0.5) + 2.2 * ease((since - 0.2) / 0.9)
            studio["knife_x"] = solid.half_length - len(beats) * thickness
            return
        x = solid.half_length - (upcoming + 1) * thickness
        drop = min(max((time - beats[upcoming] + 0.36) / 0.36, 0.0), 1.0)
        drop = 0.35 * ease(drop) + 0.65 * drop**2
        if upcoming == 0:
            lowering = 0.5 * (1 - ease((time - shot.start) / 0.8))
            studio["knife_y"] = top * (1 - drop) + lowering
            studio["knife_x"] = x
            return
        since = time - beats[upcoming - 1]
        studio["knife_y"] = top * ease((since - 0.13) / (0.34 * period)) * (1 - drop)
        studio["knife_x"] = x + thickness * (1 - ease((since - 0.22) / (0.3 * period)))


def _row_centre(solid: Solid, cuts: int, thickness: float, done: float) -> float:
    """Middle of body and slices along x when a share `done` of the cuts is made."""
    step = thickness * (solid.spread / math.cos(math.radians(solid.lean + 5.0)) - 1)
    toppled = 1.7 * solid.radius_at(max(solid.half_length - 0.5 * cuts * thickness, 0.0))
    return 0.5 * done * (max(cuts - 1, 0) * step + toppled)


def _set_bounds(studio: np.void, body: np.void, solid: Solid) -> None:
    """Box around all pieces; the uncut rest is boxed by its true size."""
    last = int(body["count"]) - 1
    low = [-solid.half_length - 0.12, 0.0, -solid.half_depth - 0.10]
    rest_end = min(body["pieces"][last, END], solid.half_length) + 0.12
    high = [rest_end, 2 * solid.radius + 0.10, solid.half_depth + 0.10]
    for row in body["pieces"][:last]:
        low[0] = min(low[0], row[POS_X] - row[BOUND])
        high[0] = max(high[0], row[POS_X] + row[BOUND])
        high[1] = max(high[1], row[POS_Y] + row[BOUND])
    studio["box_low"], studio["box_high"] = low, high


def swish(rng: np.random.Generator) -> np.ndarray:
    """Air and steel."""
    sound = noise_band(rng, 0.26, 3500, 11000)
    return sound * np.sin(np.pi * np.linspace(0, 1, len(sound))) ** 2 * 0.045


def knock(rng: np.random.Generator, ring: float = 0.0, weight: float = 1.0) -> np.ndarray:
    """Blade meets board; `ring` adds glassy partials.  Driven softly so that it is not peaky."""
    wood = modes(
        rng, 0.26, [118, 182, 415, 760], [0.060, 0.048, 0.030, 0.018], [0.30, 0.42, 0.28, 0.16]
    )
    tick = noise_band(rng, 0.03, 2500, 12000) * fade_out(0.03, 0.004) * 0.16
    glass = modes(rng, 0.6, [3180, 5230, 8110], [0.16, 0.10, 0.05], [0.06, 0.045, 0.025])
    return 0.55 * np.tanh(1.6 * overlay(wood * weight, tick, glass * ring))
