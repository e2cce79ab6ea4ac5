"""Kinetic sand that crumbles, and a bar of marbled or layered soap."""

import math
from typing import NamedTuple

import numpy as np

from ..jit import implements, jit
from ..mathkit import box_distance, clamp, fractal3, hash_unit, mix, noise3, smooth_max, smoothstep
from ..plan import Plan
from ..prompts import Colour
from ..synth import clicks, modes, noise_band, overlay
from ..tracer import shade
from . import cutting, matte
from .base import Voice
from .cutting import CuttingScene, Solid
from .pieces import implements_piece, local_x, local_y, nearest_piece, piece_normal

HALF_LENGTH, HALF_HEIGHT = 1.15, 0.52
MARBLE, LAYERED = range(2)  # kinds of soap
LAYERS = 5
GRAINS = 95.0  # sand grains per unit length


class SandBody(NamedTuple):
    p: np.void  # a CUT_BODY record


@implements_piece(SandBody)
def sand_piece(lx, ly, z, start, end, crumble, body):
    slab = max(start - lx, lx - end)
    d = box_distance(lx, ly, z, HALF_LENGTH, HALF_HEIGHT, HALF_HEIGHT, 0.05)
    d = smooth_max(d, slab, 0.05)
    if d < 0.16:
        lumps = noise3(9.0 * lx, 9.0 * ly, 9.0 * z) - 0.5
        crumbs = noise3(27.0 * lx, 27.0 * ly, 27.0 * z) - 0.5
        d += (0.016 + 0.13 * crumble) * lumps + (0.012 + 0.050 * crumble) * crumbs
        d += 0.015 * crumble
    return d * 0.85


@implements(shade, SandBody)
def shade_sand(x, y, z, dx, dy, dz, studio, wood, light_map, body):
    k = nearest_piece(x, y, z, body)
    nx, ny, nz = piece_normal(k, x, y, z, body)
    lx = local_x(k, x, y, body)
    ly = local_y(k, x, y, body)
    gx = math.floor(lx * GRAINS)
    gy = math.floor(ly * GRAINS)
    gz = math.floor(z * GRAINS)
    grain = hash_unit(gx, gy, gz)
    nx += (grain - 0.5) * 0.7
    ny += (hash_unit(gx + 7, gy, gz) - 0.5) * 0.7
    nz += (hash_unit(gx, gy + 5, gz) - 0.5) * 0.7
    f = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz)
    nx *= f
    ny *= f
    nz *= f
    wave = 1.4 * (noise3(2.5 * lx + 9.0, 3.0, 2.5 * z) - 0.5)
    band = smoothstep(-0.06, 0.06, math.sin(7.6 * ly + 1.57 + wave))
    tone = 0.72 + 0.45 * grain
    r = mix(body.p.tint[0], body.p.tint2[0], band) * tone
    g = mix(body.p.tint[1], body.p.tint2[1], band) * tone
    b = mix(body.p.tint[2], body.p.tint2[2], band) * tone
    sparkle = 0.20 if hash_unit(gx + 3, gy + 1, gz + 9) > 0.978 else 0.012
    return matte.lit(x, y, z, dx, dy, dz, nx, ny, nz, r, g, b, 0.18, sparkle, 0.0, studio, body)


class SoapBody(NamedTuple):
    p: np.void  # a CUT_BODY record


@implements_piece(SoapBody)
def soap_piece(lx, ly, z, start, end, crumble, body):
    d = box_distance(lx, ly, z, HALF_LENGTH, HALF_HEIGHT, HALF_HEIGHT, 0.11)
    if ly > 0.25:  # grooves pressed into the top, a grid on layered soap
        groove = abs(z * 4.0 - math.floor(z * 4.0) - 0.5) * 0.25
        if body.p.variant == LAYERED:
            groove = min(groove, abs(lx * 4.0 - math.floor(lx * 4.0) - 0.5) * 0.25)
        d += 0.05 * smoothstep(0.035, 0.0, groove) * smoothstep(0.30, 0.5, ly)
    return smooth_max(d, max(start - lx, lx - end), 0.03)


@jit
def layer(lx, ly, z):
    """Layered soap: share of the second colour, and nearness of a seam between two layers."""
    wave = 0.05 * (noise3(1.8 * lx, 3.0, 1.8 * z) - 0.5)
    level = clamp(0.5 + 0.5 * (ly + wave) / HALF_HEIGHT, 0.0, 0.999) * LAYERS
    number = math.floor(level)
    seam = smoothstep(0.05, 0.01, min(level - number, number + 1.0 - level))
    if number == 2.0:
        return 0.5, seam
    return (1.0 if number in (1.0, 3.0) else 0.0), seam


@implements(shade, SoapBody)
def shade_soap(x, y, z, dx, dy, dz, studio, wood, light_map, body):
    k = nearest_piece(x, y, z, body)
    nx, ny, nz = piece_normal(k, x, y, z, body)
    lx = local_x(k, x, y, body) + body.p.seed
    ly = local_y(k, x, y, body)
    tone = 0.74 - 0.10 * noise3(5.0 * lx, 5.0 * ly, 5.0 * z)
    fleck = smoothstep(0.80, 0.86, noise3(38.0 * lx, 38.0 * ly, 38.0 * z)) * 0.25
    if body.p.variant == LAYERED:
        vein, seam = layer(lx, ly, z)
        tone *= 1.0 - 0.25 * seam
        fleck *= 0.4
    else:
        warp = 2.2 * fractal3(1.1 * lx, 1.1 * ly, 1.1 * z)
        swirl = fractal3(1.5 * lx + warp, 3.2 * ly - warp, 1.5 * z + 0.7 * warp)
        vein = smoothstep(0.46, 0.56, swirl) * 0.9
    r = mix(body.p.tint[0], body.p.tint2[0], vein) * tone
    g = mix(body.p.tint[1], body.p.tint2[1], vein) * tone
    b = mix(body.p.tint[2], body.p.tint2[2], vein) * tone
    r = mix(r, 0.35 * r, fleck)
    g = mix(g, 0.35 * g, fleck)
    b = mix(b, 0.35 * b, fleck)
    return matte.lit(x, y, z, dx, dy, dz, nx, ny, nz, r, g, b, 0.38, 0.04, 0.4, studio, body)


class Sand(CuttingScene):
    name = "sand"
    body_class = SandBody
    max_cuts = 6
    edge_contrast = 0.16

    def colours(self, variant: str, seed: int) -> list[Colour]:
        return [
            [(0.55, 0.35, 0.85), (0.25, 0.75, 0.80)],
            [(0.95, 0.42, 0.55), (0.98, 0.75, 0.45)],
            [(0.25, 0.62, 0.90), (0.90, 0.93, 0.95)],
        ][seed % 3]

    def solid(self, plan: Plan) -> Solid:
        return Solid(
            HALF_LENGTH,
            HALF_HEIGHT,
            lambda x: HALF_HEIGHT,
            HALF_HEIGHT,
            0.22,
            lean=60.0,
            spread=0.92,
            square=True,
        )

    def voices(self, plan: Plan) -> dict[str, Voice]:
        return {
            "swish": cutting.swish,
            "pierce": lambda rng: clicks(
                rng, 0.34, 4200, 900, 7500, lambda u: np.sin(np.pi * u) ** 0.6, 0.0004, 0.0035
            ),
            "knock": lambda rng: 0.5 * cutting.knock(rng),
            "fall": lambda rng: (
                0.8 * clicks(rng, 0.75, 2400, 1500, 9000, lambda u: (1 - u) ** 1.6, 0.0003, 0.002)
            ),
        }


class Soap(CuttingScene):
    name = "soap"
    body_class = SoapBody
    max_cuts = 6

    def colours(self, variant: str, seed: int) -> list[Colour]:
        return [[(0.95, 0.50, 0.62), (0.98, 0.93, 0.88)], [(0.30, 0.68, 0.60), (0.95, 0.96, 0.90)]][
            seed % 2
        ]

    def solid(self, plan: Plan) -> Solid:
        return Solid(
            HALF_LENGTH,
            HALF_HEIGHT,
            lambda x: HALF_HEIGHT,
            HALF_HEIGHT,
            0.20,
            lean=54.0,
            square=True,
        )

    def variant_index(self, plan: Plan) -> int:
        return LAYERED if plan.variant == "layers" else MARBLE

    def voices(self, plan: Plan) -> dict[str, Voice]:
        return {
            "swish": cutting.swish,
            "pierce": _waxy,
            "knock": lambda rng: 0.8 * cutting.knock(rng),
            "fall": lambda rng: modes(
                rng, 0.30, [240, 520, 1180], [0.030, 0.018, 0.010], [0.20, 0.13, 0.06]
            ),
        }


def _waxy(rng: np.random.Generator) -> np.ndarray:
    """Dry crackle over a soft scrape."""
    crackle = clicks(rng, 0.30, 420, 1100, 4200, lambda u: 0.3 + u, 0.001, 0.005) * 1.5
    scrape = noise_band(rng, 0.30, 700, 2600)
    return overlay(crackle, scrape * np.hanning(len(scrape)) * 0.05)
