"""A small planet with a crust, cut open to a glowing mantle and core."""

import math
from typing import NamedTuple

import numpy as np

from ..jit import implements
from ..mathkit import fractal3, mix, noise3, smooth_max, smoothstep
from ..plan import Plan
from ..prompts import Colour
from ..synth import clicks, modes, noise_band, overlay
from ..tracer import shade
from . import cutting, matte
from .base import Voice
from .cutting import CuttingScene, Solid
from .pieces import END, START, implements_piece, local_x, local_y, nearest_piece, piece_normal

RADIUS = 0.74
CRUST = 0.065  # thickness


class PlanetBody(NamedTuple):
    p: np.void  # a CUT_BODY record


@implements_piece(PlanetBody)
def planet_piece(lx, ly, z, start, end, crumble, body):
    d = math.sqrt(lx * lx + ly * ly + z * z) - RADIUS
    if abs(d) < 0.06:  # mountains
        d -= 0.05 * (noise3(5.0 * lx, 5.0 * ly, 5.0 * z) - 0.45)
    return smooth_max(d, max(start - lx, lx - end), 0.02) * 0.92


@implements(shade, PlanetBody)
def shade_planet(x, y, z, dx, dy, dz, studio, wood, light_map, body):
    k = nearest_piece(x, y, z, body)
    nx, ny, nz = piece_normal(k, x, y, z, body)
    lx = local_x(k, x, y, body)
    ly = local_y(k, x, y, body)
    sea = body.p.tint
    depth = RADIUS - math.sqrt(lx * lx + ly * ly + z * z)
    sawn = min(abs(lx - body.p.pieces[k, START]), abs(lx - body.p.pieces[k, END])) < 0.02
    er, eg, eb, gloss, rim = 0.0, 0.0, 0.0, 0.02, 0.05
    if sawn and depth > 0.02:
        if depth < CRUST:
            r, g, b = 0.12, 0.07, 0.05
            r *= 0.6 + 0.8 * noise3(30.0 * ly, 30.0 * z, 9.0)
        else:
            flow = fractal3(4.0 * lx + 2.0, 5.0 * ly, 5.0 * z + 0.15 * body.p.time)
            q = smoothstep(CRUST, RADIUS * 0.95, depth + 0.22 * (flow - 0.5))
            r, g, b = 0.30, 0.05, 0.02
            heat = (0.25 + 1.5 * q) * (0.65 + 0.7 * flow)
            er = heat * 1.25
            eg = heat * mix(0.16, 0.85, q * q)
            eb = heat * mix(0.02, 0.45, q * q * q)
    else:
        land = fractal3(2.3 * lx + body.p.seed, 2.3 * ly, 2.3 * z)
        high = smoothstep(0.50, 0.53, land)
        dry = noise3(7.0 * lx, 7.0 * ly, 7.0 * z + 4.0)
        r = mix(sea[0] * 0.35, mix(0.10, 0.34, dry), high)
        g = mix(sea[1] * 0.35, mix(0.22, 0.26, dry), high)
        b = mix(sea[2] * 0.35, mix(0.06, 0.12, dry), high)
        snow = smoothstep(0.50, 0.60, abs(ly) + 0.2 * (land - 0.5))
        cloud = fractal3(3.0 * lx + 7.0 + 0.05 * body.p.time, 6.0 * ly, 3.0 * z)
        white = max(snow, smoothstep(0.52, 0.68, cloud) * 0.85)
        r = mix(r, 0.85, white)
        g = mix(g, 0.87, white)
        b = mix(b, 0.90, white)
        gloss = 0.05 * (1.0 - high) + 0.01
        rim = 0.45
    r, g, b = matte.lit(x, y, z, dx, dy, dz, nx, ny, nz, r, g, b, 0.15, gloss, rim, studio, body)
    return r + er, g + eg, b + eb


class Planet(CuttingScene):
    name = "planet"
    detail = 1.1
    body_class = PlanetBody

    def colours(self, variant: str, seed: int) -> list[Colour]:
        return [(0.06, 0.24, 0.62)]

    def solid(self, plan: Plan) -> Solid:
        return Solid(
            0.70, RADIUS, lambda x: math.sqrt(max(RADIUS**2 - x * x, 0.0)), RADIUS, 0.19, cap=0.09
        )

    def voices(self, plan: Plan) -> dict[str, Voice]:
        return {
            "swish": cutting.swish,
            "pierce": _crust,
            "knock": lambda rng: cutting.knock(rng, weight=1.3),
            "fall": lambda rng: modes(
                rng, 0.45, [90, 170, 390, 820], [0.08, 0.05, 0.03, 0.015], [0.3, 0.2, 0.12, 0.06]
            ),
        }


def _crust(rng: np.random.Generator) -> np.ndarray:
    """Rock breaks with a rumble below it, then a short hiss of molten matter."""
    rock = clicks(rng, 0.22, 900, 260, 3000, lambda u: 0.3 + u, 0.001, 0.007) * 1.5
    rumble = noise_band(rng, 0.7, 70, 260)
    rumble *= np.hanning(len(rumble)) * 0.16
    hiss = noise_band(rng, 0.6, 3000, 9000) * np.linspace(1, 0, int(0.6 * 48000)) ** 2 * 0.03
    return overlay(rock, rumble, hiss)
