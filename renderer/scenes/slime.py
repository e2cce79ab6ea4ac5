"""Glossy two-coloured slime poured into a dish."""

import math
from typing import NamedTuple

import numpy as np

from ..jit import implements, jit
from ..mathkit import clamp, mix, noise3, smooth_min, smoothstep
from ..plan import Event, Plan
from ..prompts import Colour
from ..studio import KEY_X, KEY_Y, KEY_Z
from ..synth import SECONDS, bubble, clicks, fade_out, noise_band, overlay
from ..tracer import distance, shade, trace
from .base import Voice
from .glass import fresnel, reflection
from .pour import (
    BASE_RADIUS,
    PourScene,
    coil_rate,
    liquid,
    liquid_light,
    liquid_normal,
    pancake,
    shade_base,
    trace_pour,
)


class SlimeBody(NamedTuple):
    p: np.void  # a POUR_BODY record


@jit
def dish(x, y, z, p):
    """Shallow glazed plate with a raised rim."""
    r = math.sqrt(x * x + z * z)
    plate = pancake(x, y, z, p)
    a = r - (BASE_RADIUS - 0.06)
    b = y - p.base
    rim = math.sqrt(a * a + b * b) - 0.055
    return smooth_min(plate, rim, 0.06)


@implements(distance, SlimeBody)
def slime_distance(x, y, z, body):
    return min(liquid(x, y, z, body.p), dish(x, y, z, body.p))


implements(trace, SlimeBody)(trace_pour)


@implements(shade, SlimeBody)
def shade_slime(x, y, z, dx, dy, dz, studio, wood, light_map, body):
    p = body.p
    if dish(x, y, z, p) < liquid(x, y, z, p):
        return shade_base(x, y, z, dx, dy, dz, 0.050, 0.055, 0.065, 0.55, 0.10, studio, wood, p)
    nx, ny, nz = liquid_normal(x, y, z, p)
    r2 = math.sqrt(x * x + z * z)
    turn = math.atan2(z, x)
    # two colours twisted together in the rope, wound into a spiral by the coiling
    phase = 23.0 * r2 + turn - 0.5 * p.coil * p.time + 1.3 * noise3(5.0 * x, 5.0 * y, 5.0 * z)
    if y > p.base + p.mound:
        phase = 7.0 * y + 3.0 * p.time + turn
    melt = smoothstep(1.0, 0.15, r2)
    swirl = 0.5 + 0.5 * math.sin(phase) * (0.25 + 0.75 * melt)
    swirl = smoothstep(0.25, 0.75, swirl)
    r = mix(p.tint[0], p.tint2[0], swirl)
    g = mix(p.tint[1], p.tint2[1], swirl)
    b = mix(p.tint[2], p.tint2[2], swirl)
    facing = nx * KEY_X + ny * KEY_Y + nz * KEY_Z
    light = liquid_light(x + nx * 0.03, y + ny * 0.03, z + nz * 0.03, p)
    under = liquid(
        x + KEY_X * 0.25 - nx * 0.1, y + KEY_Y * 0.25 - ny * 0.1, z + KEY_Z * 0.25 - nz * 0.1, p
    )
    depth = smoothstep(-0.25, 0.10, under)  # light seeps through thin parts
    soft = max((facing + 0.5) / 1.5, 0.0) * (0.45 + 0.55 * light) * 0.72 + 0.20 * depth
    ambient = studio.ambient * (0.8 + 0.4 * ny)
    r *= soft * studio.key[0] + ambient
    g *= soft * studio.key[1] + ambient
    b *= soft * studio.key[2] + ambient
    # round bubbles under the skin and flakes of glitter
    bubble_edge = noise3(11.0 * x + p.seed, 11.0 * y, 11.0 * z)
    ring = smoothstep(0.80, 0.84, bubble_edge) * smoothstep(0.93, 0.86, bubble_edge) * 0.35
    flake = noise3(70.0 * x, 70.0 * y, 70.0 * z)
    glitter = smoothstep(0.86, 0.92, flake) * (0.5 + 2.0 * depth)
    er, eg, eb = reflection(dx, dy, dz, nx, ny, nz, studio)
    f = fresnel(clamp(-(dx * nx + dy * ny + dz * nz), 0.0, 1.0), 0.07)
    r = r * (1.0 - f) + er * f + ring + glitter * 0.5
    g = g * (1.0 - f) + eg * f + ring + glitter * 0.5
    b = b * (1.0 - f) + eb * f + ring + glitter * 0.5
    return r, g, b


class Slime(PourScene):
    name = "slime"
    body_class = SlimeBody
    base = 0.16
    pops_every = 0.20
    low_flow = 160, 900, 0.014
    high_flow = 1300, 5200, 0.010

    def colours(self, variant: str, seed: int) -> list[Colour]:
        return [
            [(0.05, 0.62, 0.56), (0.80, 0.14, 0.62)],
            [(0.42, 0.10, 0.80), (0.06, 0.42, 0.92)],
            [(0.92, 0.15, 0.38), (0.98, 0.60, 0.10)],
        ][seed % 3]

    def add_shot(self, plan: Plan, start: float, end: float) -> None:
        """As the others, and with each turn of the rope a fold that squelches."""
        super().add_shot(plan, start, end)
        rng = plan.rng("folds", start)
        time = start + 0.6
        while time < end - 0.5:
            plan.events.append(Event(time, "squelch", rng.uniform(-0.6, 0.6), rng.uniform(0.6, 1)))
            time += math.tau / coil_rate(plan) * rng.uniform(0.9, 1.6)

    def voices(self, plan: Plan) -> dict[str, Voice]:
        return {"pop": _pop, "squelch": _squelch}


def _pop(rng: np.random.Generator) -> np.ndarray:
    """A bubble in the skin bursts: high, short, with a click."""
    click = noise_band(rng, 0.02, 2500, 9000) * fade_out(0.02, 0.002)
    return overlay(0.7 * bubble(rng, 420, 1150), 0.06 * click)


def _squelch(rng: np.random.Generator) -> np.ndarray:
    """Air pressed out between two folds: wet noise whose resonance slides up, full of clicks."""
    size, steps = 0.34, 9
    out = clicks(rng, size, 380, 1800, 8000, lambda u: u * (1 - u) * 2.0, 0.0004, 0.002)
    grain = int(0.07 * SECONDS)
    for step in range(steps):
        centre = 620 * 3.6 ** (step / steps) * rng.uniform(0.9, 1.1)
        wet = noise_band(rng, grain / SECONDS, 0.8 * centre, 1.25 * centre)[:grain]
        at = int(step / steps * (size - 0.08) * SECONDS)
        out[at : at + len(wet)] += (
            wet * np.hanning(len(wet)) * 0.10 * math.sin(math.pi * (step + 0.7) / (steps + 0.4))
        )
    return out
