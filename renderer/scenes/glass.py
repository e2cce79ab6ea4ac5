"""Shading of clear bodies: one refracted ray through a single piece, absorption and glow."""

import math

from ..jit import jit
from ..mathkit import smoothstep
from ..studio import KEY_X, KEY_Y, KEY_Z, beyond, environment, table
from .pieces import piece_distance, piece_normal

INSIDE_STEPS = 22


@jit
def fresnel(cosine, base):
    """Schlick's approximation."""
    return min(base + (1.0 - base) * (1.0 - cosine) ** 5, 0.9)


@jit
def through_piece(k, x, y, z, dx, dy, dz, nx, ny, nz, ior, studio, wood, light_map, body):
    """Follow a ray through piece k: seen r, g, b, path length, exit point (x, y, z)."""
    eta = 1.0 / ior
    c1 = min(max(-(dx * nx + dy * ny + dz * nz), 0.0), 1.0)
    q = eta * c1 - math.sqrt(max(1.0 - eta * eta * (1.0 - c1 * c1), 0.0))
    ix = eta * dx + q * nx
    iy = eta * dy + q * ny
    iz = eta * dz + q * nz
    t = 0.03
    for _ in range(INSIDE_STEPS):
        d = piece_distance(k, x + ix * t, y + iy * t, z + iz * t, body)
        if d > -0.004:
            break
        t += max(-d, 0.02)
        if y + iy * t < 0.0 or t > 2.2:
            break
    ex = x + ix * t
    ey = y + iy * t
    ez = z + iz * t
    mx, my, mz = piece_normal(k, ex, ey, ez, body)
    c2 = ix * mx + iy * my + iz * mz
    k2 = 1.0 - ior * ior * (1.0 - c2 * c2)
    if my < -0.7 and ey < 0.05:  # through a flat foot that rests on the board: no air gap
        r, g, b = table(ex, ez, studio, wood, light_map)
        return r, g, b, t, ex, ey, ez
    if k2 > 0.0 and c2 > 0.0:
        q = math.sqrt(k2) - ior * c2
        ox = ior * ix + q * mx
        oy = ior * iy + q * my
        oz = ior * iz + q * mz
    else:
        ox = ix - 2.0 * c2 * mx
        oy = iy - 2.0 * c2 * my
        oz = iz - 2.0 * c2 * mz
    r, g, b = beyond(
        ex + mx * 0.02,
        max(ey + my * 0.02, 0.002),
        ez + mz * 0.02,
        ox,
        oy,
        oz,
        studio,
        wood,
        light_map,
    )
    return r, g, b, t, ex, ey, ez


@jit
def glow_towards_key(k, x, y, z, nx, ny, nz, body):
    """Signed distance just under the surface towards the key light: > 0 where light comes in."""
    return piece_distance(
        k,
        x + KEY_X * 0.22 - nx * 0.1,
        y + KEY_Y * 0.22 - ny * 0.1,
        z + KEY_Z * 0.22 - nz * 0.1,
        body,
    )


@jit
def tinted(level, length, density, scatter, tint, glow, key):
    """Beer-Lambert absorption of `level` over `length` plus in-scattered tint (one channel)."""
    passed = level * math.exp(-length * (density * (1.02 - tint) + scatter))
    return passed + (1.0 - math.exp(-2.0 * length * scatter)) * 0.75 * glow * tint * key


@jit
def reflection(dx, dy, dz, nx, ny, nz, studio):
    dn = dx * nx + dy * ny + dz * nz
    return environment(dx - 2 * dn * nx, dy - 2 * dn * ny, dz - 2 * dn * nz, studio)


@jit
def body_glow(k, x, y, z, nx, ny, nz, body):
    towards = glow_towards_key(k, x, y, z, nx, ny, nz, body)
    facing = max(nx * KEY_X + ny * KEY_Y + nz * KEY_Z, 0.0)
    return 0.30 + 0.9 * smoothstep(-0.30, 0.12, towards) + 0.35 * facing
