"""A viscous rope that coils into a mound: what honey and slime have in common."""

import math
from typing import NamedTuple

import numpy as np

from ..jit import jit
from ..mathkit import clamp, smooth_min, smoothstep
from ..plan import Event, Plan, Shot
from ..studio import KEY_X, KEY_Y, KEY_Z, MISS, ray_box, set_camera
from ..synth import SECONDS, band, coloured_noise
from ..tracer import distance
from .base import TracedScene
from .glass import reflection

POUR_BODY = np.dtype(
    [
        ("time", "f8"),
        ("pool", "f8"),  # radius of the puddle
        ("mound", "f8"),  # height of the heap above the base
        ("coil", "f8"),  # turns of the rope's foot, radians per second
        ("base", "f8"),  # height of the pancake or dish
        ("seed", "f8"),
        ("tint", "f8", 3),
        ("tint2", "f8", 3),
    ]
)
BASE_RADIUS = 1.18
ROPE_TOP = 3.8


@jit
def ellipsoid(r, y, across, high):
    """Bound on the distance to an ellipsoid of revolution."""
    a = math.sqrt((r / across) ** 2 + (y / high) ** 2)
    b = math.sqrt((r / (across * across)) ** 2 + (y / (high * high)) ** 2) + 1e-6
    return a * (a - 1.0) / b


@jit
def liquid(x, y, z, p):
    """Puddle, coiled heap and falling rope."""
    r = math.sqrt(x * x + z * z) + 1e-6
    h = y - p.base
    c = x / r
    wobble = r * (1.0 + 0.05 * (4.0 * c * c - 3.0) * c)  # three soft lobes: cos(3 * angle)
    d = ellipsoid(wobble, h, p.pool, 0.15)
    d = smooth_min(d, ellipsoid(r, h, 0.42, p.mound), 0.18)
    if d < 0.12 and r < 0.9:  # ridges travel outwards and melt
        phase = 46.0 * r + math.atan2(z, x) - p.coil * p.time
        d -= 0.026 * math.exp(-((r / 0.34) ** 2)) * math.cos(phase) * smoothstep(0.02, 0.09, r)
    if r - 0.22 > d + 0.075:  # the rope is too far away to matter
        return d * 0.8
    top = p.base + p.mound
    near_foot = smoothstep(0.75, 0.0, y - top)
    sway = 0.085 * near_foot * near_foot
    angle = p.coil * p.time - 3.0 * (y - top)
    ox = sway * math.cos(angle) + 0.012 * math.sin(5.0 * y + 2.2 * p.time)
    oz = sway * math.sin(angle)
    radius = 0.060 + 0.05 * smoothstep(0.1, 1.9, y - top)
    rope = math.sqrt((x - ox) ** 2 + (z - oz) ** 2) - radius
    rope = max(rope, (top - 0.06 - y) * 0.75)
    return smooth_min(d, rope, 0.075) * 0.8


@jit
def pancake(x, y, z, p):
    """Rounded disc on the board."""
    r = math.sqrt(x * x + z * z)
    half = 0.5 * p.base
    a = r - BASE_RADIUS + 0.10
    b = abs(y - half) - half + 0.10
    inside = min(max(a, b), 0.0)
    a = max(a, 0.0)
    b = max(b, 0.0)
    return math.sqrt(a * a + b * b) + inside - 0.10


def trace_pour(x, y, z, dx, dy, dz, limit, studio, body):
    """March the low box round the base, then the thin column of the rope."""
    reach = BASE_RADIUS + 0.03
    best = MISS
    for column in range(2):
        wide = 0.24 if column else reach
        low = body.p.base + body.p.mound if column else 0.0
        high = ROPE_TOP if column else body.p.base + body.p.mound + 0.10
        near, far = ray_box(x, y, z, dx, dy, dz, -wide, low, -wide, wide, high, wide)
        far = min(far, min(limit, best))
        t = max(near, 0.3)
        if t > far:
            continue
        for _ in range(64):
            d = distance(x + dx * t, y + dy * t, z + dz * t, body)
            if d < 0.0005 * t:
                best = t
                break
            t += d
            if t > far:
                break
    return best


@jit
def liquid_normal(x, y, z, p):
    e = 0.003
    a = liquid(x + e, y - e, z - e, p)
    b = liquid(x - e, y - e, z + e, p)
    c = liquid(x - e, y + e, z - e, p)
    d = liquid(x + e, y + e, z + e, p)
    nx = a - b - c + d
    ny = -a - b + c + d
    nz = -a + b - c + d
    k = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz + 1e-20)
    return nx * k, ny * k, nz * k


@jit
def liquid_light(x, y, z, p):
    """Soft key visibility past the liquid alone, for the base under it."""
    light = 1.0
    t = 0.03
    for _ in range(14):
        d = liquid(x + KEY_X * t, y + KEY_Y * t, z + KEY_Z * t, p)
        light = min(light, 0.5 + 0.5 * d / (0.12 * t + 0.004))
        if light <= 0.0:
            return 0.0
        t += clamp(d, 0.05, 0.4)
        if t > 2.6:
            break
    return light * light * (3.0 - 2.0 * light)


@jit
def shade_base(x, y, z, dx, dy, dz, r, g, b, gloss, light_through, studio, wood, p):
    """Lit pancake or dish; `light_through` is the share of key light the liquid lets pass."""
    radius = math.sqrt(x * x + z * z) + 1e-6
    up = smoothstep(p.base - 0.10, p.base, y)
    nx = x / radius * (1.0 - up)
    nz = z / radius * (1.0 - up)
    ny = 0.15 + 0.85 * up
    k = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz)
    nx *= k
    ny *= k
    nz *= k
    shadow = liquid_light(x, y + 0.02, z, p)
    shadow += (1.0 - shadow) * light_through
    facing = max((nx * KEY_X + ny * KEY_Y + nz * KEY_Z + 0.2) / 1.2, 0.0)
    contact = clamp(0.45 + 5.5 * liquid(x + nx * 0.1, y + ny * 0.1, z + nz * 0.1, p), 0.4, 1.0)
    contact *= 0.5 + 0.5 * smoothstep(0.0, 0.25, y)
    ambient = studio.ambient * contact * (0.7 + 0.3 * ny)
    # warm light that the liquid throws onto the base round it
    spill = (1.0 - shadow) * 0.5
    r = r * (1.7 * facing * (shadow + spill * p.tint[0]) * studio.key[0] + ambient)
    g = g * (1.7 * facing * (shadow + spill * p.tint[1]) * studio.key[1] + ambient)
    b = b * (1.7 * facing * (shadow + spill * p.tint[2]) * studio.key[2] + ambient)
    er, eg, eb = reflection(dx, dy, dz, nx, ny, nz, studio)
    f = gloss * (0.15 + (1.0 - clamp(-(dx * nx + dy * ny + dz * nz), 0.0, 1.0)) ** 5)
    return r + er * f, g + eg * f, b + eb * f


class PourScene(TracedScene):
    body_class: type
    base: float
    pops_every: float  # mean seconds between bubbles
    low_flow: tuple[float, float, float]  # Hz, Hz, level of the slow flow
    high_flow: tuple[float, float, float]

    def add_shot(self, plan: Plan, start: float, end: float) -> None:
        rng = plan.rng("beats", start)
        plan.shots.append(Shot(start, end))
        time = start + 0.4
        while time < end - 0.2:
            gain = rng.uniform(0.4, 1.0)
            plan.events.append(Event(time, "pop", rng.uniform(-0.5, 0.5), gain))
            time += rng.exponential(self.pops_every) + 0.07

    def set_frame(
        self, plan: Plan, index: int, shot: Shot, time: float, studio: np.void
    ) -> NamedTuple:
        rng = plan.rng("shot", index)
        turn, lift, seed = rng.uniform(-1, 1, 3)
        u = (time - shot.start) / (shot.end - shot.start)
        grown = 1 - math.exp(-(time - shot.start) / (0.5 * (shot.end - shot.start) + 1))
        body = np.zeros(1, POUR_BODY)[0]
        body["time"], body["seed"], body["base"] = time, 50 + 50 * seed, self.base
        body["pool"] = min(0.36 + 0.78 * grown**0.7, 1.02)
        body["mound"] = 0.20 + 0.16 * grown
        body["coil"] = coil_rate(plan)
        body["tint"], body["tint2"] = plan.tint, plan.tint2
        reach = BASE_RADIUS + 0.04
        studio["box_low"], studio["box_high"] = (-reach, 0, -reach), (reach, ROPE_TOP, reach)
        tall = plan.aspect < 0.8
        away = 4.7 - 0.3 * u
        set_camera(
            studio,
            (0.0, 0.60 if tall else 0.55, 0.0),
            math.radians(12 * turn + 12 * (u - 0.5) + 0.6 * math.sin(0.9 * time)),
            math.radians((25 if tall else 21) + 2 * lift + 4 * u),
            away,
            0.225 if tall else 0.235,
        )
        studio["focus"] = away - 0.30
        return self.body_class(body)

    def ambience(self, plan: Plan, rng: np.random.Generator, length: int) -> np.ndarray:
        """Slow viscous flow that follows the coiling."""
        cycle = np.sin(coil_rate(plan) * np.arange(length) / SECONDS)
        bottom, top, level = self.low_flow
        low = band(coloured_noise(rng, length, 1.4), bottom, top) * (0.55 + 0.45 * cycle) * level
        bottom, top, level = self.high_flow
        high = band(coloured_noise(rng, length, 0.8), bottom, top) * (0.45 - 0.45 * cycle) * level
        flow = low + high
        return np.stack([flow * (1 - 0.3 * cycle), flow * (1 + 0.3 * cycle)], 1)


def coil_rate(plan: Plan) -> float:
    return 2 * math.pi / (plan.period * 0.62)
