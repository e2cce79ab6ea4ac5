"""Clear honey poured on a pancake."""

import math
from typing import NamedTuple

import numpy as np

from ..jit import implements, jit
from ..mathkit import clamp, fractal3, mix, noise3, smoothstep
from ..plan import Plan
from ..prompts import Colour
from ..studio import KEY_X, KEY_Y, KEY_Z, MISS, beyond
from ..synth import bubble, noise_band, overlay
from ..tracer import distance, shade, trace
from .base import Voice
from .glass import fresnel, reflection
from .pour import (
    BASE_RADIUS,
    PourScene,
    liquid,
    liquid_light,
    liquid_normal,
    pancake,
    shade_base,
    trace_pour,
)

HONEY_IOR = 1.40


class HoneyBody(NamedTuple):
    p: np.void  # a POUR_BODY record


@implements(distance, HoneyBody)
def honey_distance(x, y, z, body):
    return min(liquid(x, y, z, body.p), pancake(x, y, z, body.p))


implements(trace, HoneyBody)(trace_pour)


@jit
def pancake_colour(x, y, z, p):
    """Pale sides, browned top with a lighter edge and pores."""
    r = math.sqrt(x * x + z * z)
    top = smoothstep(p.base - 0.09, p.base - 0.01, y) * smoothstep(1.16, 1.00, r)
    crumb = fractal3(7.0 * x, 9.0 * y, 7.0 * z)
    toast = fractal3(2.6 * x + 3.0, 2.0, 2.6 * z)
    pores = smoothstep(0.74, 0.86, noise3(34.0 * x, 34.0 * y, 34.0 * z))
    tone = (0.70 + 0.5 * crumb) * (1.0 - 0.22 * pores)
    brown = top * mix(0.55, 1.0, smoothstep(0.35, 0.65, toast))
    r = mix(0.50, 0.30, brown) * tone
    g = mix(0.29, 0.115, brown) * tone
    b = mix(0.11, 0.026, brown) * tone
    return r, g, b


@implements(shade, HoneyBody)
def shade_honey(x, y, z, dx, dy, dz, studio, wood, light_map, body):
    p = body.p
    if pancake(x, y, z, p) < liquid(x, y, z, p):
        r, g, b = pancake_colour(x, y, z, p)
        return shade_base(x, y, z, dx, dy, dz, r, g, b, 0.04, 0.25, studio, wood, p)
    nx, ny, nz = liquid_normal(x, y, z, p)
    c1 = clamp(-(dx * nx + dy * ny + dz * nz), 0.0, 1.0)
    eta = 1.0 / HONEY_IOR
    q = eta * c1 - math.sqrt(max(1.0 - eta * eta * (1.0 - c1 * c1), 0.0))
    ix = eta * dx + q * nx
    iy = eta * dy + q * ny
    iz = eta * dz + q * nz
    floor = (p.base - y) / iy if iy < -1e-3 else MISS  # where the ray meets the pancake's top
    t = 0.03
    for _ in range(20):
        d = liquid(x + ix * t, y + iy * t, z + iz * t, p)
        if d > -0.004 or t > floor or t > 1.6:
            break
        t += max(-d, 0.02)
    px = x + ix * floor
    pz = z + iz * floor
    if floor < 3.0 and px * px + pz * pz < BASE_RADIUS * BASE_RADIUS:
        t = min(t, floor)
        r, g, b = pancake_colour(px, p.base, pz, p)
        through = 1.25 * (0.55 + 0.45 * liquid_light(px, p.base + 0.17, pz, p))
        r, g, b = r * through * studio.key[0], g * through * studio.key[1], b * through
    else:
        px = x + ix * t
        py = max(y + iy * t, 0.002)
        r, g, b = beyond(px, py, z + iz * t, ix, iy, iz, studio, wood, light_map)
    length = max(t, 0.10)
    under = liquid(
        x + KEY_X * 0.22 - nx * 0.1, y + KEY_Y * 0.22 - ny * 0.1, z + KEY_Z * 0.22 - nz * 0.1, p
    )
    glow = 0.30 + 0.9 * smoothstep(-0.24, 0.10, under)
    glow += 0.35 * max(nx * KEY_X + ny * KEY_Y + nz * KEY_Z, 0.0)
    scattered = (1.0 - math.exp(-0.9 * length)) * 0.75 * glow
    r = r * math.exp(-length * (7.0 * (1.02 - p.tint[0]) + 0.30)) + scattered * p.tint[0]
    g = g * math.exp(-length * (7.0 * (1.02 - p.tint[1]) + 0.30)) + scattered * p.tint[1]
    b = b * math.exp(-length * (7.0 * (1.02 - p.tint[2]) + 0.30)) + scattered * p.tint[2]
    # the thin rope is a lens: light core, deep edges
    rope = smoothstep(0.02, 0.30, y - p.base - p.mound)
    core = 0.10 + 0.62 * c1 * c1
    r = mix(r, core * p.tint[0] * 1.25, rope)
    g = mix(g, core * p.tint[1] * (0.55 + 0.75 * c1 * c1), rope)
    b = mix(b, core * p.tint[2], rope)
    er, eg, eb = reflection(dx, dy, dz, nx, ny, nz, studio)
    f = fresnel(c1, 0.045)
    return r + (er - r) * f, g + (eg - g) * f, b + (eb - b) * f


class Honey(PourScene):
    name = "honey"
    body_class = HoneyBody
    base = 0.34
    pops_every = 0.75
    low_flow = 90, 700, 0.030
    high_flow = 900, 2200, 0.004

    def colours(self, variant: str, seed: int) -> list[Colour]:
        return [(1.0, 0.42, 0.03)]

    def voices(self, plan: Plan) -> dict[str, Voice]:
        return {"pop": _glug}


def _glug(rng: np.random.Generator) -> np.ndarray:
    """A thick drop closes over its bubble: low and round, with a soft fall."""
    low = 1.3 * bubble(rng, 95, 230)
    fall = noise_band(rng, 0.12, 90, 420)
    return overlay(low, fall * np.hanning(len(fall)) * 0.06)
