"""Kernels for a wet window: drops on a height map, the fogged view through them, a candle."""

import math

from ..jit import jit
from ..mathkit import lookup, smoothstep

GLASS_DEPTH = 4.0  # nominal distance of the pane, for the lens


@jit
def stamp(height_map, x, y, radius, squash, phase):
    """Lay a wobbly spherical cap (pixels) onto the height map; taller wins."""
    h, w = height_map.shape
    reach = int(radius * 1.6 * squash) + 2
    for j in range(max(0, int(y) - reach), min(h, int(y) + reach + 1)):
        for i in range(max(0, int(x) - reach), min(w, int(x) + reach + 1)):
            dx = (i - x) / radius
            dy = (j - y) / (radius * squash)
            if dy < 0:  # a little taller above: teardrop
                dy *= 0.82
            turn = math.atan2(dy, dx)
            lobes = 0.09 * math.sin(2 * turn + phase) + 0.06 * math.sin(3 * turn + 2 * phase)
            q = math.sqrt(dx * dx + dy * dy) * (1.0 + lobes)
            if q < 1.0:
                height_map[j, i] = max(height_map[j, i], 0.8 * radius * math.sqrt(1.0 - q * q))


@jit
def wipe(height_map, fog, x, y, radius):
    """A running drop clears what it passes."""
    h, w = height_map.shape
    reach = int(radius) + 1
    for j in range(max(0, int(y) - reach), min(h, int(y) + reach + 1)):
        for i in range(max(0, int(x) - reach), min(w, int(x) + reach + 1)):
            q = ((i - x) ** 2 + (j - y) ** 2) / (radius * radius)
            if q < 1.0:
                height_map[j, i] = 0.0
                fog[j, i] = min(fog[j, i], 0.15 + 0.85 * q * q)


@jit
def window_rows(first, last, out, drops, fog, wide, middle, sharp, pan_x, pan_y, zoom):
    """Fogged street with drops, each a tiny fisheye that shows the street upside down."""
    h, w = drops.shape
    for j in range(first, last):
        up = max(j - 1, 0)
        down = min(j + 1, h - 1)
        for i in range(w):
            bx = (0.5 + ((i + 0.5) / w - 0.5) * zoom + pan_x) * w
            by = (0.5 + ((j + 0.5) / h - 0.5) * zoom + pan_y) * h
            haze = fog[j, i]
            wet = smoothstep(0.0, 1.2, drops[j, i])
            gx = (drops[j, min(i + 1, w - 1)] - drops[j, max(i - 1, 0)]) * 0.5
            gy = (drops[down, i] - drops[up, i]) * 0.5
            slope = math.sqrt(gx * gx + gy * gy)
            k = 1.0 / math.sqrt(1.0 + slope * slope)
            rx = bx + gx * k * 0.22 * w
            ry = (0.52 + (by / h - 0.5) * 0.3 + gy * k * 0.26) * h
            rim = smoothstep(0.75, 2.2, slope)
            shine = smoothstep(0.93, 0.985, (gx * 0.50 + gy * 0.66 + 0.56) * k) * 0.65
            sky = smoothstep(0.55, 0.9, -gy * k) * 0.35
            for c in range(3):
                soft = lookup(wide, bx, by, c)
                s = soft * haze + lookup(middle, bx, by, c) * (1.0 - haze)
                s = s * (1.0 - 0.1 * haze) + (0.010 + 0.004 * c) * haze
                if wet > 0.0:
                    lens = 0.55 * lookup(middle, rx, ry, c) + 1.1 * lookup(sharp, rx, ry, c)
                    drop = lens * (1.25 - 0.95 * rim) + 0.012 + sky * 0.5 * soft + shine
                    s += (drop - s) * wet
                out[j, i, c] = s
            out[j, i, 3] = 1.0
            out[j, i, 4] = GLASS_DEPTH


@jit
def candle_rows(first, last, out, centre_x, sill_y, size, flicker):
    """A candle on the sill, in front of the glass; `size` is its scale in pixels."""
    for j in range(first, last):
        y = (sill_y - j) / size
        for i in range(out.shape[1]):
            x = (i - centre_x) / size
            glow = math.exp(-(x * x + 0.8 * (y - 0.22) ** 2) * 5.0) * 0.34 * flicker
            r = out[j, i, 0] + glow
            g = out[j, i, 1] + glow * 0.52
            b = out[j, i, 2] + glow * 0.16
            if 0.0 < y < 0.62:
                q = y / (0.50 + 0.06 * flicker)
                width = 0.22 * math.sqrt(q) * max(1.0 - q, 0.0) ** 0.75
                lean = 0.2 * (flicker - 1.0) * q * q
                flame = smoothstep(width * 1.08 + 0.006, width * 0.45, abs(x - lean))
                if q < 0.3:
                    flame *= smoothstep(0.02, 0.32, q)
                r += flame * 2.6 * flicker
                g += flame * (1.8 - 0.6 * q) * flicker
                b += flame * (0.50 - 0.2 * q)
            if y < 0.05:
                wax = smoothstep(0.205, 0.195, abs(x))
                wax *= smoothstep(0.035, 0.005, y + 0.03 * math.cos(9.0 * x))
                round_off = 0.55 + 0.45 * math.cos(x / 0.205 * 1.45)
                lit = math.exp(1.7 * y) * round_off * flicker * 0.95
                r += (0.95 * lit + 0.03 - r) * wax
                g += (0.60 * lit + 0.03 - g) * wax
                b += (0.30 * lit + 0.03 - b) * wax
            if abs(x) < 0.008 and -0.02 < y < 0.09:  # wick
                r *= 0.25
                g *= 0.25
                b *= 0.25
            out[j, i, 0] = r
            out[j, i, 1] = g
            out[j, i, 2] = b
