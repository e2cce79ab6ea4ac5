"""Geometry of a body cut into pieces, each with its own pose: kernels and the hook `piece`."""

import math
from collections.abc import Callable

import numpy as np

from ..jit import implements, jit
from ..studio import MISS, ray_box
from ..tracer import distance, trace

MAX_PIECES = 9
# Columns of a piece: x range in the uncut body, pose, bounding radius, crumbling 0..1, half sizes
START, END, POS_X, POS_Y, COS, SIN, BOUND, CRUMBLE, HALF_Y, HALF_Z = range(10)
PADDING = 0.10  # room around a piece's box for seeds and crumbs
CUT_BODY = np.dtype(
    [
        ("pieces", "f8", (MAX_PIECES, 10)),
        ("count", "i8"),
        ("variant", "i8"),
        ("tint", "f8", 3),
        ("tint2", "f8", 3),
        ("time", "f8"),
        ("seed", "f8"),
    ]
)


def piece(lx, ly, z, start, end, crumble, body):
    """Hook: distance to the part start..end of the uncut body, in its own frame."""
    raise NotImplementedError


@jit
def local_x(k, x, y, body):
    p = body.p.pieces
    dx = x - p[k, POS_X]
    dy = y - p[k, POS_Y]
    return dx * p[k, COS] - dy * p[k, SIN] + 0.5 * (p[k, START] + p[k, END])


@jit
def local_y(k, x, y, body):
    p = body.p.pieces
    return (x - p[k, POS_X]) * p[k, SIN] + (y - p[k, POS_Y]) * p[k, COS]


@jit
def piece_distance(k, x, y, z, body):
    """Distance from a world point to piece k alone."""
    p = body.p.pieces
    lx = local_x(k, x, y, body)
    ly = local_y(k, x, y, body)
    return piece(lx, ly, z, p[k, START], p[k, END], p[k, CRUMBLE], body)


@jit
def piece_normal(k, x, y, z, body):
    e = 0.003
    a = piece_distance(k, x + e, y - e, z - e, body)
    b = piece_distance(k, x - e, y - e, z + e, body)
    c = piece_distance(k, x - e, y + e, z - e, body)
    d = piece_distance(k, x + e, y + e, z + e, body)
    nx = a - b - c + d
    ny = -a - b + c + d
    nz = -a + b - c + d
    f = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz + 1e-20)
    return nx * f, ny * f, nz * f


@jit
def nearest_piece(x, y, z, body):
    best = MISS
    index = 0
    for k in range(body.p.count):
        d = piece_distance(k, x, y, z, body)
        if d < best:
            best = d
            index = k
    return index


def _all_pieces(x, y, z, body):
    """Distance to the nearest piece; bounding spheres and slabs skip most of them."""
    p = body.p.pieces
    best = MISS
    for k in range(body.p.count):
        dx = x - p[k, POS_X]
        dy = y - p[k, POS_Y]
        reach = best + p[k, BOUND]
        q = dx * dx + dy * dy + z * z
        if q > reach * reach:
            continue
        gap = p[k, BOUND] + 0.35
        if q > gap * gap:
            best = math.sqrt(q) - p[k, BOUND]
            continue
        lx = dx * p[k, COS] - dy * p[k, SIN] + 0.5 * (p[k, START] + p[k, END])
        if max(p[k, START] - lx, lx - p[k, END]) - 0.05 > best:
            continue
        ly = dx * p[k, SIN] + dy * p[k, COS]
        best = min(best, piece(lx, ly, z, p[k, START], p[k, END], p[k, CRUMBLE], body))
    return best


def _trace_pieces(x, y, z, dx, dy, dz, limit, studio, body):
    """March every piece alone inside its own oriented box; keep the nearest hit."""
    p = body.p.pieces
    best = MISS
    for k in range(body.p.count):
        c = p[k, COS]
        s = p[k, SIN]
        middle = 0.5 * (p[k, START] + p[k, END])
        lx = (x - p[k, POS_X]) * c - (y - p[k, POS_Y]) * s + middle
        ly = (x - p[k, POS_X]) * s + (y - p[k, POS_Y]) * c
        lu = dx * c - dy * s
        lv = dx * s + dy * c
        hy = p[k, HALF_Y]
        hz = p[k, HALF_Z]
        x0 = p[k, START] - PADDING
        x1 = p[k, END] + PADDING
        near, far = ray_box(lx, ly, z, lu, lv, dz, x0, -hy, -hz, x1, hy, hz)
        far = min(far, min(limit, best))
        t = max(near, 0.3)
        if t > far:
            continue
        start = p[k, START]
        end = p[k, END]
        crumble = p[k, CRUMBLE]
        for _ in range(64):
            d = piece(lx + lu * t, ly + lv * t, z + dz * t, start, end, crumble, body)
            if d < 0.0005 * t:
                best = t
                break
            t += d
            if t > far:
                break
    return best


def implements_piece(body_class: type) -> Callable[[Callable], Callable]:
    """Make the decorated function the `piece` of a body, with `distance` and `trace` to match."""
    implements(distance, body_class)(_all_pieces)
    implements(trace, body_class)(_trace_pieces)
    return implements(piece, body_class)
