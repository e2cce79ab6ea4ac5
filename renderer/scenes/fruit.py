"""Fruit made of coloured glass, cut into slices that show flesh, pith and seeds."""

import math
from typing import NamedTuple

import numpy as np

from ..jit import implements, jit
from ..mathkit import hash_unit, mix, noise3, smooth_max, smooth_min, smoothstep
from ..plan import Plan
from ..prompts import Colour
from ..studio import KEY_X, KEY_Y, KEY_Z
from ..synth import SECONDS, clicks, modes, noise_band, overlay
from ..tracer import shade
from . import cutting
from .base import Voice
from .cutting import CuttingScene, Solid
from .glass import body_glow, fresnel, reflection, through_piece, tinted
from .pieces import END, START, implements_piece, local_x, local_y, nearest_piece, piece_normal

CITRUS, BERRY, KIWI, LEMON, MELON, SMOOTH = range(6)  # build of the body
IOR = 1.33
ROUNDING = 0.035
SEED_TURNS = 14 / (2 * math.pi)  # strawberry seeds per radian
SEED_ROWS = 6.5  # per unit length

# kind (its words are in `subjects`) -> build, colour
KINDS: dict[str, tuple[int, Colour]] = {
    "strawberry": (BERRY, (0.95, 0.05, 0.07)),
    "orange": (CITRUS, (1.0, 0.36, 0.03)),
    "kiwi": (KIWI, (0.38, 0.80, 0.06)),
    "lemon": (LEMON, (0.98, 0.78, 0.05)),
    "watermelon": (MELON, (0.95, 0.10, 0.13)),
    "mango": (SMOOTH, (1.0, 0.52, 0.06)),
    "grape": (SMOOTH, (0.40, 0.07, 0.62)),
    "apple": (MELON, (0.80, 0.10, 0.08)),
}


@jit
def whole(x, y, z, variant):
    """Distance to the uncut fruit."""
    rho = math.sqrt(y * y + z * z)
    if variant == BERRY:
        f = max(0.66 * (1.0 - 0.36 * x - 0.12 * x * x), 0.12)
        q = rho / f
        d = (math.sqrt(x * x + q * q) - 1.0) * f * 0.86
        if -0.025 < d < 0.030:  # only where a seed can matter: the two lines below are dear
            return d + 0.022 * math.exp(-420.0 * berry_seed(x, y, z, rho)) - 0.005
        return d
    if variant in (KIWI, SMOOTH):
        return (math.sqrt((x / 0.95) ** 2 + (rho / 0.66) ** 2) - 1.0) * 0.62
    if variant == LEMON:
        d = (math.sqrt((x / 0.92) ** 2 + (rho / 0.64) ** 2) - 1.0) * 0.58
        return smooth_min(d, math.sqrt((abs(x) - 0.92) ** 2 + rho * rho) - 0.10, 0.14)
    return math.sqrt(x * x + rho * rho) - 0.74


@jit
def berry_seed(x, y, z, rho):
    """Squared distance, stretched along x, to the nearest strawberry seed."""
    u = x * SEED_ROWS
    row = math.floor(u)
    turn = math.atan2(z, y) * SEED_TURNS + 0.5 * (int(row) & 1)
    a = (u - row - 0.5) / SEED_ROWS
    b = (turn - math.floor(turn) - 0.5) / SEED_TURNS * max(rho, 0.30)
    return 0.6 * a * a + 1.4 * b * b


class FruitBody(NamedTuple):
    p: np.void  # a CUT_BODY record


@implements_piece(FruitBody)
def fruit_piece(lx, ly, z, start, end, crumble, body):
    slab = max(start - lx, lx - end)
    return smooth_max(whole(lx, ly, z, body.p.variant), slab, ROUNDING)


@jit
def flesh(lx, y, z, body):
    """Pattern of a cut face: opacity, r, g, b, whiteness."""
    variant = body.p.variant
    rho = math.sqrt(y * y + z * z)
    turn = math.atan2(z, y)
    depth = -whole(lx, y, z, variant)
    q = rho / (rho + depth + 1e-4)  # 0 in the middle, 1 at the peel
    fibre = noise3(3.5 * turn + 20.0, 9.0 * rho, 3.0 * lx) * 0.6
    fibre += 0.4 * noise3(9.0 * turn + 60.0, 5.0 * rho, 1.0)
    shade = 0.75 + 0.5 * fibre
    r = body.p.tint[0]
    g = body.p.tint[1]
    b = body.p.tint[2]
    white = 0.0
    if variant in (CITRUS, LEMON):
        a = turn / (2 * math.pi) * 10.0
        a = abs(a - math.floor(a) - 0.5)
        membrane = smoothstep(0.5 - 0.030 / (q + 0.12), 0.5, a) * 0.85
        pith = smoothstep(0.80, 0.90, q) * smoothstep(1.0, 0.93, q)
        white = max(max(membrane, pith), smoothstep(0.13, 0.08, q))
    elif variant == KIWI:
        ray = 0.5 + 0.5 * math.cos(26.0 * turn)
        white = smoothstep(0.30, 0.18, q) * 0.9
        white = max(white, 0.35 * ray * smoothstep(0.70, 0.3, q) * smoothstep(0.12, 0.3, q))
        a = turn / (2 * math.pi) * 22.0
        c = a - math.floor(a) - 0.5
        ring = 0.40 + 0.07 * hash_unit(math.floor(a), 3, 1)
        seed = 2.2 * (c * 0.2856 * q) ** 2 + 0.55 * (q - ring) ** 2
        if seed < 0.0012:
            return 0.95, 0.02, 0.015, 0.01, 0.0
    elif variant == BERRY:
        ray = 0.5 + 0.5 * math.cos(18.0 * turn + 3.0 * fibre)
        white = smoothstep(0.42, 0.10, q) * 0.75
        white += 0.22 * ray * smoothstep(0.85, 0.5, q) * smoothstep(0.1, 0.3, q)
    elif variant == SMOOTH:
        white = 0.55 * smoothstep(0.75, 0.0, q) + 0.30 * smoothstep(0.88, 0.95, q)
    else:
        white = smoothstep(0.84, 0.92, q) * 0.8
        a = turn / (2 * math.pi) * 12.0
        c = a - math.floor(a) - 0.5
        if 3.0 * (c * 0.5236 * q) ** 2 + 0.5 * (q - 0.55) ** 2 < 0.0014:
            return 0.95, 0.03, 0.015, 0.01, 0.0
    return 0.46, r * shade, g * shade, b * shade, white


@implements(shade, FruitBody)
def shade_fruit(x, y, z, dx, dy, dz, studio, wood, light_map, body):
    k = nearest_piece(x, y, z, body)
    nx, ny, nz = piece_normal(k, x, y, z, body)
    lx = local_x(k, x, y, body)
    ly = local_y(k, x, y, body)
    er, eg, eb = reflection(dx, dy, dz, nx, ny, nz, studio)
    r, g, b, length, ex, ey, ez = through_piece(
        k, x, y, z, dx, dy, dz, nx, ny, nz, IOR, studio, wood, light_map, body
    )
    glow = body_glow(k, x, y, z, nx, ny, nz, body)
    tint, key = body.p.tint, studio.key
    r = tinted(r, length, 1.15, 0.30, tint[0], glow, key[0])
    g = tinted(g, length, 1.15, 0.30, tint[1], glow, key[1])
    b = tinted(b, length, 1.15, 0.30, tint[2], glow, key[2])
    start = body.p.pieces[k, START]
    end = body.p.pieces[k, END]
    variant = body.p.variant
    lit = 0.45 + 0.60 * max(nx * KEY_X + ny * KEY_Y + nz * KEY_Z, 0.0) + 0.18 * glow
    gloss = 1.0
    for side in range(2):  # pattern on the near face, then the far face seen through the body
        qx, qy, qz = lx, ly, z
        if side == 1:
            qx = local_x(k, ex, ey, body)
            qy = local_y(k, ex, ey, body)
            qz = ez
        if min(abs(qx - start), abs(qx - end)) < 0.03 and whole(qx, qy, qz, variant) < -0.012:
            opacity, fr, fg, fb, white = flesh(qx, qy, qz, body)
            if side == 1:
                opacity *= 0.45
                white *= 0.5
            else:
                gloss = 0.55  # a wet cut, duller than the skin: keeps it from glaring
            opacity = min(opacity + 0.35 * white, 1.0)
            r = mix(r, mix(fr, 0.95, white) * lit * key[0], opacity)
            g = mix(g, mix(fg, 0.90, white) * lit * key[1], opacity)
            b = mix(b, mix(fb, 0.80, white) * lit * key[2], opacity)
    skin = abs(whole(lx, ly, z, variant)) < 0.03 and lx < end - 0.03
    if variant == BERRY and skin:
        rho = math.sqrt(ly * ly + z * z)
        m = smoothstep(0.0008, 0.00035, berry_seed(lx, ly, z, rho)) * 0.85
        r = mix(r, 0.95, m)
        g = mix(g, 0.72, m)
        b = mix(b, 0.25, m)
    if variant == MELON and skin:
        wobble = 5.0 * noise3(3.0 * lx, 2.0, 0.0)
        m = smoothstep(0.35, 0.65, 0.5 + 0.5 * math.sin(9.0 * math.atan2(z, ly) + wobble)) * 0.75
        r = mix(r, 0.03, m)
        g = mix(g, 0.22, m)
        b = mix(b, 0.05, m)
    f = fresnel(max(-(dx * nx + dy * ny + dz * nz), 0.0), 0.04) * gloss
    return r + (er - r) * f, g + (eg - g) * f, b + (eb - b) * f


def _radius_at(build: int, x: float) -> float:
    if build == BERRY:
        shoulder = max(1 - 0.36 * x - 0.12 * x * x, 0.12)
        return 0.66 * shoulder * math.sqrt(max(1 - x * x, 0))
    if build in (KIWI, SMOOTH, LEMON):
        return 0.66 * math.sqrt(max(1 - (x / 0.95) ** 2, 0))
    return math.sqrt(max(0.74**2 - x * x, 0))


class Fruit(CuttingScene):
    name = "fruit"
    body_class = FruitBody

    def variant_index(self, plan: Plan) -> int:
        return KINDS[plan.variant][0]

    def colours(self, variant: str, seed: int) -> list[Colour]:
        return [KINDS[variant][1]]

    def named_colours(self, variant: str, found: list[Colour]) -> list[Colour]:
        return [c for c in found if not (variant == "orange" and c == KINDS["orange"][1])]

    def solid(self, plan: Plan) -> Solid:
        build = self.variant_index(plan)
        radius = {BERRY: 0.66, KIWI: 0.66, LEMON: 0.64, SMOOTH: 0.66}.get(build, 0.74)
        cap = 0.13 if build == LEMON else 0.07
        half = {BERRY: 0.94, KIWI: 0.90, LEMON: 0.92, SMOOTH: 0.90}.get(build, 0.70)
        return Solid(half, radius, lambda x: _radius_at(build, x), radius, 0.18, cap=cap)

    def set_frame(self, plan, index, shot, time, studio):
        studio["shadow_tint"], studio["shadow_pass"] = plan.tint, 0.62
        return super().set_frame(plan, index, shot, time, studio)

    def voices(self, plan: Plan) -> dict[str, Voice]:
        return {
            "swish": cutting.swish,
            "pierce": _snap,
            "knock": lambda rng: cutting.knock(rng, ring=0.8),
            "fall": _clink,
        }


def _snap(rng: np.random.Generator) -> np.ndarray:
    """Skin gives way, then glassy-wet slicing."""
    grains = clicks(rng, 0.19, 900, 1800, 9500, lambda u: 0.25 + u, 0.0003, 0.002) * 1.3
    slide = noise_band(rng, 0.19, 2600, 8000) * np.linspace(0.02, 0.16, int(0.19 * SECONDS))
    ring = modes(rng, 0.19, [2350, 3920, 5480], [0.05, 0.04, 0.03], [0.22, 0.18, 0.10])
    return overlay(grains, slide, ring)


def _clink(rng: np.random.Generator) -> np.ndarray:
    """A slice lands on the board and touches its neighbour."""
    board = modes(rng, 0.30, [310, 640, 1480], [0.022, 0.015, 0.010], [0.14, 0.10, 0.06])
    glass = modes(rng, 0.30, [2620, 4410, 6870], [0.08, 0.055, 0.035], [0.06, 0.045, 0.025])
    return overlay(board, glass)
