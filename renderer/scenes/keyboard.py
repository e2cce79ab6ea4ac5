"""Keycaps of a mechanical keyboard that sink in rhythm, lit from below."""

import math
from typing import NamedTuple

import numpy as np

from ..font import GLYPH_COLUMNS, GLYPH_ROWS, glyph
from ..jit import implements, jit
from ..mathkit import box_distance, clamp, ease, hash_unit, mix, noise3, smoothstep
from ..plan import Event, Plan, Shot
from ..prompts import Colour
from ..studio import set_camera
from ..synth import fade_out, modes, noise_band, overlay
from ..tracer import distance, march_box, normal, shade, trace
from . import matte
from .base import TracedScene, Voice

ROWS, COLUMNS = 4, 8
PITCH = 0.40
CAP = 0.185  # half width at the foot
CAP_TOP, CAP_FOOT = 0.44, 0.17  # heights
TRAVEL = 0.10
PRESS_SECONDS, RELEASE_SECONDS = 0.055, 0.10
HOLD_SECONDS = 0.05
LETTERS = "QWERTYUIASDFGHJKZXCVBNMLQPOIUYTR"
LEGENDS = np.array([glyph(letter) for letter in LETTERS]).astype(np.float64)
KEYBOARD_BODY = np.dtype(
    [("sunk", "f8", (ROWS, COLUMNS)), ("tint", "f8", 3), ("tint2", "f8", 3), ("time", "f8")]
)


class KeyboardBody(NamedTuple):
    p: np.void


@jit
def cell(value, count):
    """Index of the key under a coordinate along one axis."""
    return int(clamp(math.floor(value / PITCH + 0.5 * count), 0.0, count - 1.0))


@implements(distance, KeyboardBody)
def keyboard_distance(x, y, z, body):
    half_x = 0.5 * COLUMNS * PITCH
    half_z = 0.5 * ROWS * PITCH
    case = box_distance(x, y - 0.09, z, half_x + 0.10, 0.09, half_z + 0.10, 0.05)
    rim = max(abs(x) - half_x - 0.02, abs(z) - half_z - 0.02)
    wall = box_distance(x, y - 0.13, z, half_x + 0.10, 0.13, half_z + 0.10, 0.05)
    case = min(case, max(wall, -rim))
    column = cell(x, COLUMNS)
    row = cell(z, ROWS)
    kx = x - (column - 0.5 * (COLUMNS - 1)) * PITCH
    kz = z - (row - 0.5 * (ROWS - 1)) * PITCH
    sunk = body.p.sunk[row, column]
    height = y + sunk - CAP_FOOT
    middle = 0.5 * (CAP_TOP - CAP_FOOT)
    shrink = 0.045 * clamp(height / (CAP_TOP - CAP_FOOT), 0.0, 1.0)
    half = CAP - shrink
    key = box_distance(kx, height - middle, kz, half, middle, half, 0.035)
    if key < 0.05:  # dished top
        key += 0.016 * math.exp(-(kx * kx + kz * kz) / 0.016) * smoothstep(0.1, 0.25, height)
    border = 0.5 * PITCH - max(abs(kx), abs(kz)) + (0.5 * PITCH - CAP)
    return min(min(key * 0.92, max(border, 0.012)), case)


implements(trace, KeyboardBody)(march_box)


@implements(shade, KeyboardBody)
def shade_keyboard(x, y, z, dx, dy, dz, studio, wood, light_map, body):
    nx, ny, nz = normal(x, y, z, body)
    column = cell(x, COLUMNS)
    row = cell(z, ROWS)
    kx = x - (column - 0.5 * (COLUMNS - 1)) * PITCH
    kz = z - (row - 0.5 * (ROWS - 1)) * PITCH
    sunk = body.p.sunk[row, column]
    inside = abs(x) < 0.5 * COLUMNS * PITCH + 0.03 and abs(z) < 0.5 * ROWS * PITCH + 0.03
    under_r = body.p.tint[0]
    under_g = body.p.tint[1]
    under_b = body.p.tint[2]
    hue = 0.5 + 0.5 * math.sin(1.1 * x + 0.8 * body.p.time)
    under_r = mix(under_r, body.p.tint2[0], hue)
    under_g = mix(under_g, body.p.tint2[1], hue)
    under_b = mix(under_b, body.p.tint2[2], hue)
    legend = 0.0
    tone = 0.022 + 0.002 * noise3(60.0 * x, 60.0 * y, 60.0 * z)
    r, g, b, gloss = tone, tone, tone * 1.15, 0.035
    glow = 0.0
    if inside and y + sunk > CAP_FOOT - 0.01:  # a keycap
        accent = hash_unit(row, column, 5) > 0.80
        if accent:
            r, g, b = under_r * 0.45, under_g * 0.45, under_b * 0.45
        else:
            r, g, b = 0.62 * tone / 0.023, 0.61 * tone / 0.023, 0.58 * tone / 0.023
        gloss = 0.045
        if ny > 0.75:
            u = (kx + 0.115) / 0.023
            v = (kz + 0.115) / 0.021
            if 0.0 <= u < GLYPH_COLUMNS and 0.0 <= v < GLYPH_ROWS:
                legend = LEGENDS[row * COLUMNS + column, int(v), int(u)]
        ink = 0.85 if accent else 0.06
        r = mix(r, ink, legend)
        g = mix(g, ink, legend)
        b = mix(b, ink, legend)
        glow = smoothstep(0.30, 0.17, y) * 0.30 + 1.2 * sunk * smoothstep(0.9, 0.3, ny)
    elif inside:
        glow = 0.55 + 4.0 * sunk
    r, g, b = matte.lit(x, y, z, dx, dy, dz, nx, ny, nz, r, g, b, 0.25, gloss, 0.3, studio, body)
    return r + glow * under_r, g + glow * under_g, b + glow * under_b


class Keyboard(TracedScene):
    name = "keyboard"
    detail = 1.15

    def colours(self, variant: str, seed: int) -> list[Colour]:
        return [[(0.10, 0.45, 0.95), (0.75, 0.20, 0.90)], [(0.95, 0.40, 0.10), (0.95, 0.15, 0.40)]][
            seed % 2
        ]

    def add_shot(self, plan: Plan, start: float, end: float) -> None:
        """Bursts of three to seven strokes with a breath between them."""
        rng = plan.rng("beats", start)
        beats: list[float] = []
        time = start + 0.6
        while time < end - 0.45:
            for _ in range(rng.integers(3, 8)):
                if time < end - 0.45:
                    beats.append(time)
                time += plan.period * rng.uniform(0.16, 0.24)
            time += plan.period * rng.uniform(0.20, 0.45)
        plan.shots.append(Shot(start, end, tuple(beats)))
        keys = self._keys(plan, start, len(beats))
        for beat, (_, column) in zip(beats, keys, strict=True):
            pan = (column / (COLUMNS - 1) - 0.5) * 1.1
            plan.events.append(Event(beat, "press", pan, rng.uniform(0.75, 1.0)))
            plan.events.append(Event(beat + HOLD_SECONDS + 0.06, "release", pan, 0.8))

    def _keys(self, plan: Plan, start: float, count: int) -> list[tuple[int, int]]:
        """Row and column of each stroke; never the same key twice in a row."""
        rng = plan.rng("keys", start)
        keys: list[tuple[int, int]] = []
        while len(keys) < count:
            key = int(rng.integers(0, ROWS)), int(rng.integers(1, COLUMNS - 1))
            if not keys or key != keys[-1]:
                keys.append(key)
        return keys

    def set_frame(
        self, plan: Plan, index: int, shot: Shot, time: float, studio: np.void
    ) -> NamedTuple:
        body = np.zeros(1, KEYBOARD_BODY)[0]
        body["tint"], body["tint2"], body["time"] = plan.tint, plan.tint2, time
        keys = self._keys(plan, shot.start, len(shot.beats))
        for beat, (row, column) in zip(shot.beats, keys, strict=True):
            down = ease((time - beat + PRESS_SECONDS) / PRESS_SECONDS)
            up = ease((time - beat - HOLD_SECONDS) / RELEASE_SECONDS)
            body["sunk"][row, column] = max(body["sunk"][row, column], TRAVEL * (down - up))
        half_x, half_z = 0.5 * COLUMNS * PITCH + 0.12, 0.5 * ROWS * PITCH + 0.12
        studio["box_low"], studio["box_high"] = (-half_x, 0, -half_z), (half_x, 0.46, half_z)
        rng = plan.rng("shot", index)
        turn, lift = rng.uniform(-1, 1, 2)
        u = (time - shot.start) / (shot.end - shot.start)
        tall, wide = plan.aspect < 0.8, plan.aspect > 1.2
        azimuth, elevation, away, half_tan = (
            (24.0, 33.0, 4.6, 0.21) if wide else (58.0, 42.0, 4.9, 0.165)
        )
        if not tall and not wide:
            azimuth, away, half_tan = 38.0, 4.9, 0.25
        set_camera(
            studio,
            (0.25 * (u - 0.5), 0.26, 0.05),
            math.radians(azimuth + 5 * turn + 7 * (u - 0.5)),
            math.radians(elevation + 2 * lift),
            away - 0.25 * u,
            half_tan,
        )
        studio["focus"] = away - 0.25 * u - 0.25
        return KeyboardBody(body)

    def voices(self, plan: Plan) -> dict[str, Voice]:
        return {"press": _thock, "release": _clack}


def _thock(rng: np.random.Generator) -> np.ndarray:
    """Bottoming out: deep case resonance and a soft plastic tap."""
    pitch = rng.uniform(0.93, 1.07)
    frequencies = [pitch * f for f in (128, 236, 410, 890, 1730)]
    decays = [0.045, 0.038, 0.026, 0.012, 0.007]
    case = modes(rng, 0.25, frequencies, decays, [0.34, 0.40, 0.26, 0.14, 0.07])
    tap = noise_band(rng, 0.03, 1200, 6500) * fade_out(0.03, 0.0035) * 0.14
    return np.tanh(1.3 * overlay(case, tap)) * 0.7


def _clack(rng: np.random.Generator) -> np.ndarray:
    """The key comes back up."""
    stem = modes(rng, 0.08, [640, 1480, 2600], [0.012, 0.008, 0.005], [0.10, 0.08, 0.05])
    tap = noise_band(rng, 0.02, 2500, 9000) * fade_out(0.02, 0.002) * 0.06
    return overlay(stem, tap)
