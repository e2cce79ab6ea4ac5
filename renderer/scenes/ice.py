"""A block of clear ice that cracks under the knife and splits into glassy slabs."""

import math
from typing import NamedTuple

import numpy as np

from ..jit import implements, jit
from ..mathkit import box_distance, mix, noise3, smooth_max, smoothstep
from ..plan import Plan
from ..prompts import Colour
from ..studio import KEY_X, KEY_Y, KEY_Z
from ..synth import clicks, modes, overlay
from ..tracer import shade
from . import cutting
from .base import Voice
from .cutting import CuttingScene, Solid
from .glass import body_glow, fresnel, reflection, through_piece, tinted
from .pieces import END, START, implements_piece, local_x, local_y, nearest_piece, piece_normal

HALF_LENGTH, HALF_HEIGHT = 1.02, 0.50
IOR = 1.31
CRACK_SAMPLES = 5
SEEN_MOST = 0.75  # brightest light seen through the block: the softbox would burn out a face


class IceBody(NamedTuple):
    p: np.void  # a CUT_BODY record


@implements_piece(IceBody)
def ice_piece(lx, ly, z, start, end, crumble, body):
    d = box_distance(lx, ly, z, HALF_LENGTH, HALF_HEIGHT, HALF_HEIGHT, 0.07)
    d = smooth_max(d, max(start - lx, lx - end), 0.03)
    if abs(d) < 0.05:  # melted, slightly wavy skin
        d += 0.020 * (noise3(3.4 * lx + 5.0, 3.4 * ly, 3.4 * z) - 0.5)
    return d * 0.95


@jit
def frost(lx, ly, z, crack_amount):
    """White scattering inside the ice: a hazy core, bubble trails, and thin crack sheets."""
    core = smoothstep(0.42, 0.0, math.sqrt(ly * ly + z * z)) * 0.20
    bubbles = smoothstep(0.78, 0.86, noise3(6.0 * lx, 24.0 * ly, 24.0 * z)) * (0.2 + 2.0 * core)
    bend = 0.35 * (noise3(2.4 * lx + 11.0, 2.4 * ly + 3.0, 2.4 * z) - 0.5)
    crack = 0.0
    for sheet in range(3):  # three families of bent, broken fracture planes
        slant = 0.9 * sheet - 0.8
        plane = 1.2 * lx + slant * ly + (0.7 - 0.6 * sheet) * z + bend + 0.37 * sheet
        plane = abs(plane - math.floor(plane) - 0.5)
        if plane < 0.028:
            broken = noise3(3.1 * lx + 5.0 * sheet, 3.1 * ly, 3.1 * z + 9.0)
            crack += smoothstep(0.028, 0.0, plane) * smoothstep(0.42, 0.62, broken)
    return core * 0.30 + bubbles * 0.5 + crack * crack_amount * 1.5


@implements(shade, IceBody)
def shade_ice(x, y, z, dx, dy, dz, studio, wood, light_map, body):
    k = nearest_piece(x, y, z, body)
    nx, ny, nz = piece_normal(k, x, y, z, body)
    lx = local_x(k, x, y, body)
    ly = local_y(k, x, y, body)
    start = body.p.pieces[k, START]
    end = body.p.pieces[k, END]
    sawn = smoothstep(0.035, 0.015, min(abs(lx - start), abs(lx - end)))
    if sawn > 0.0:
        rough = 0.14 * sawn
        ny += rough * (noise3(30.0 * ly, 30.0 * z + 9.0, 30.0 * lx) - 0.5)
        nz += rough * (noise3(30.0 * z, 30.0 * ly + 5.0, 30.0 * lx) - 0.5)
        f = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz)
        nx *= f
        ny *= f
        nz *= f
    r, g, b, length, ex, ey, ez = through_piece(
        k, x, y, z, dx, dy, dz, nx, ny, nz, IOR, studio, wood, light_map, body
    )
    r, g, b = min(r, SEEN_MOST), min(g, SEEN_MOST), min(b, SEEN_MOST)
    glow = body_glow(k, x, y, z, nx, ny, nz, body)
    tint, key = body.p.tint, studio.key
    r = tinted(r, length, 0.75, 0.06, tint[0], glow, key[0])
    g = tinted(g, length, 0.75, 0.06, tint[1], glow, key[1])
    b = tinted(b, length, 0.75, 0.06, tint[2], glow, key[2])
    white = 0.0
    crack_amount = min(0.25 * body.p.count, 1.0)
    mx = local_x(k, ex, ey, body)
    my = local_y(k, ex, ey, body)
    for step in range(CRACK_SAMPLES):
        u = (step + 0.5) / CRACK_SAMPLES
        white += frost(mix(lx, mx, u), mix(ly, my, u), mix(z, ez, u), crack_amount)
    white = 1.0 - math.exp(-white * length * 2.2 / CRACK_SAMPLES)
    white = min(white + 0.16 * sawn * (0.4 + 0.6 * noise3(14.0 * ly, 14.0 * z, lx)), 0.92)
    lit = 0.35 + 0.45 * glow + 0.25 * max(nx * KEY_X + ny * KEY_Y + nz * KEY_Z, 0.0)
    r = mix(r, lit * key[0] * mix(tint[0], 1.0, 0.8), white)
    g = mix(g, lit * key[1] * mix(tint[1], 1.0, 0.8), white)
    b = mix(b, lit * key[2] * mix(tint[2], 1.0, 0.8), white)
    er, eg, eb = reflection(dx, dy, dz, nx, ny, nz, studio)
    f = fresnel(max(-(dx * nx + dy * ny + dz * nz), 0.0), 0.04)
    return r + (er - r) * f, g + (eg - g) * f, b + (eb - b) * f


class Ice(CuttingScene):
    name = "ice"
    body_class = IceBody
    max_cuts = 6

    def colours(self, variant: str, seed: int) -> list[Colour]:
        return [(0.72, 0.90, 0.98)]

    def solid(self, plan: Plan) -> Solid:
        return Solid(
            HALF_LENGTH,
            HALF_HEIGHT,
            lambda x: HALF_HEIGHT,
            HALF_HEIGHT,
            0.21,
            lean=52.0,
            square=True,
        )

    def set_frame(self, plan, index, shot, time, studio):
        studio["shadow_tint"], studio["shadow_pass"] = plan.tint, 0.70
        return super().set_frame(plan, index, shot, time, studio)

    def voices(self, plan: Plan) -> dict[str, Voice]:
        return {
            "swish": cutting.swish,
            "pierce": _crack,
            "knock": lambda rng: cutting.knock(rng, ring=1.2),
            "fall": _tinkle,
        }


def _crack(rng: np.random.Generator) -> np.ndarray:
    """Ice gives way: a dense burst, then scattered snaps."""
    burst = clicks(rng, 0.20, 1500, 3200, 14000, lambda u: u**2 + 0.1, 0.0003, 0.002) * 2.2
    snap = modes(rng, 0.2, [1240, 2170, 3980, 6100], [0.03, 0.03, 0.02, 0.02], [0.10] * 4)
    return overlay(burst, snap)


def _tinkle(rng: np.random.Generator) -> np.ndarray:
    """A slab lands and small splinters skitter."""
    decays, gains = [0.02, 0.03, 0.06, 0.05], [0.12, 0.1, 0.08, 0.05]
    slab = modes(rng, 0.4, [420, 980, 2350, 4100], decays, gains)
    splinters = clicks(rng, 0.5, 140, 5000, 15000, lambda u: (1 - u) ** 2, 0.001, 0.006) * 1.6
    return overlay(slab, splinters)
