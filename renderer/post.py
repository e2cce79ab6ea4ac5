"""The lens and the film: depth of field, bloom, tone curve, then upscaling, grain and label.

Everything that can ring or alias (upscaling) happens after the tone curve, on display values, so
bright edges get no halos.
"""

import math

import numpy as np

from .font import draw_text
from .jit import RowPool, jit
from .mathkit import clamp, lookup

BLUR_PER_DIOPTRE = 9.4  # circle of confusion (0..1) per 1/distance away from focus
SHARP_ZONE = 0.20
BLOOM_THRESHOLD, BLOOM_AMOUNT = 1.4, 0.20
BRIGHTEST = 6.0
GRAIN = 0.014


@jit
def resolve_rows(first, last, light, colour, focus):
    """[h, w, 5] samples -> colour [h, w, 4] = r, g, b, circle of confusion."""
    for j in range(first, last):
        for i in range(light.shape[1]):
            k = 1.0 / light[j, i, 3]
            for c in range(3):
                colour[j, i, c] = min(light[j, i, c] * k, BRIGHTEST)
            spread = abs(1.0 / light[j, i, 4] - 1.0 / focus) * BLUR_PER_DIOPTRE - SHARP_ZONE
            colour[j, i, 3] = clamp(spread, 0.0, 1.0)


@jit
def halve_rows(first, last, colour, half, glow):
    """Half-size blur source (premultiplied by confusion, so sharp things do not bleed) and glow."""
    for j in range(first, last):
        for i in range(half.shape[1]):
            r = 0.0
            g = 0.0
            b = 0.0
            weight = 0.0
            for q in range(4):
                jj = 2 * j + (q >> 1)
                ii = 2 * i + (q & 1)
                w = colour[jj, ii, 3] * colour[jj, ii, 3] + 0.004
                r += colour[jj, ii, 0] * w
                g += colour[jj, ii, 1] * w
                b += colour[jj, ii, 2] * w
                weight += w
                for c in range(3):
                    glow[j, i, c] += 0.25 * max(colour[jj, ii, c] - BLOOM_THRESHOLD, 0.0)
            half[j, i, 0] = r
            half[j, i, 1] = g
            half[j, i, 2] = b
            half[j, i, 3] = weight


@jit
def blur_across_rows(first, last, source, target, taps):
    """Horizontal filter; `taps` is one side of a symmetric kernel, centre first."""
    w, channels = source.shape[1], source.shape[2]
    for j in range(first, last):
        for i in range(w):
            for c in range(channels):
                total = taps[0] * source[j, i, c]
                for k in range(1, taps.size):
                    total += taps[k] * (
                        source[j, max(i - k, 0), c] + source[j, min(i + k, w - 1), c]
                    )
                target[j, i, c] = total


@jit
def blur_down_rows(first, last, source, target, taps):
    """Vertical filter."""
    h = source.shape[0]
    for j in range(first, last):
        for i in range(source.shape[1]):
            for c in range(source.shape[2]):
                total = taps[0] * source[j, i, c]
                for k in range(1, taps.size):
                    total += taps[k] * (
                        source[max(j - k, 0), i, c] + source[min(j + k, h - 1), i, c]
                    )
                target[j, i, c] = total


@jit
def develop_rows(first, last, colour, near, far, glow, fade, tone, display):
    """Mix the blur layers, add bloom and vignette, look up the tone curve."""
    steps = (tone.size - 1) / math.sqrt(BRIGHTEST)
    h, w = colour.shape[0], colour.shape[1]
    for j in range(first, last):
        v = (j + 0.5) / h
        for i in range(w):
            u = (i + 0.5) / w
            confusion = colour[j, i, 3]
            some = min(confusion * 2.5, 1.0)
            much = clamp(confusion * 1.7 - 0.7, 0.0, 1.0)
            nx = u * near.shape[1] - 0.5
            ny = v * near.shape[0] - 0.5
            fx = u * far.shape[1] - 0.5
            fy = v * far.shape[0] - 0.5
            vignette = (1.0 - 0.75 * ((u - 0.5) ** 2 + (v - 0.5) ** 2)) * fade
            near_weight = lookup(near, nx, ny, 3)
            far_weight = lookup(far, fx, fy, 3)
            for c in range(3):
                s = colour[j, i, c]
                if some > 0.0:
                    s += (lookup(near, nx, ny, c) / near_weight - s) * some
                if much > 0.0:
                    s += (lookup(far, fx, fy, c) / far_weight - s) * much
                s = clamp((s + lookup(glow, fx, fy, c)) * vignette, 0.0, BRIGHTEST)
                display[j, i, c] = tone[int(math.sqrt(s) * steps + 0.5)]


@jit
def cubic(t):
    """Catmull-Rom weight."""
    t = abs(t)
    if t < 1.0:
        return (1.5 * t - 2.5) * t * t + 1.0
    if t < 2.0:
        return ((-0.5 * t + 2.5) * t - 4.0) * t + 2.0
    return 0.0


@jit
def print_rows(first, last, display, out, frame, seed):
    """Catmull-Rom upscale, grain, 8 bits."""
    h, w = display.shape[0], display.shape[1]
    rows, columns = out.shape[0], out.shape[1]
    line = np.empty((w, 3), np.float32)
    place = np.empty(columns, np.int64)
    weights = np.empty((columns, 4), np.float32)
    for i in range(columns):
        x = (i + 0.5) * w / columns - 0.5
        place[i] = math.floor(x) - 1
        for k in range(4):
            weights[i, k] = cubic(x - place[i] - k)
    for j in range(first, last):
        y = (j + 0.5) * h / rows - 0.5
        top = math.floor(y) - 1
        line[:] = 0.0
        for k in range(4):
            weight = np.float32(cubic(y - top - k))
            source = min(max(top + k, 0), h - 1)
            for i in range(w):
                for c in range(3):
                    line[i, c] += weight * display[source, i, c]
        state = np.uint64((frame * 7919 + j) * 2654435761 + seed)
        for i in range(columns):
            state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
            noise = (float((state >> np.uint64(40)) & np.uint64(0xFFFF)) / 65535.0 - 0.5) * GRAIN
            for c in range(3):
                s = noise
                for k in range(4):
                    s += weights[i, k] * line[min(max(place[i] + k, 0), w - 1), c]
                out[j, i, c] = np.uint8(min(max(s, 0.0), 1.0) * 255.0 + 0.5)


def _taps(sigma: float) -> np.ndarray:
    reach = np.arange(0, max(2, int(2.6 * sigma) + 1))
    taps = np.exp(-0.5 * (reach / sigma) ** 2)
    return (taps / (taps[0] + 2 * taps[1:].sum())).astype(np.float32)


def tone_curve(size: int = 4096) -> np.ndarray:
    """Display value for sqrt(linear light) in equal steps: ACES fit by K. Narkowicz, then gamma."""
    s = np.linspace(0, math.sqrt(BRIGHTEST), size) ** 2
    s = s * (2.51 * s + 0.03) / (s * (2.43 * s + 0.59) + 0.14)
    return (np.clip(s, 0, 1) ** (1 / 2.2)).astype(np.float32)


class Lens:
    """Turns linear pictures of one size into finished 8-bit frames of another."""

    def __init__(
        self, width: int, height: int, out_width: int, out_height: int, seed: int, pool: RowPool
    ) -> None:
        self._pool = pool
        self._seed = seed
        half = (height // 2, width // 2)
        quarter = (height // 4, width // 4)
        self._colour = np.zeros((height, width, 4), np.float32)
        self._display = np.zeros((height, width, 3), np.float32)
        self._half = np.zeros((*half, 4), np.float32)
        self._glow = np.zeros((*half, 3), np.float32)
        self._quarter = np.zeros((*quarter, 4), np.float32)
        self._glow_quarter = np.zeros((2, *quarter, 3), np.float32)
        self._scratch = np.zeros((height, width, 4), np.float32)
        self._out = np.zeros((out_height, out_width, 3), np.uint8)
        self._tone = tone_curve()
        self._unit = height * width / (640 * 360)
        self._label = draw_text(
            "LOCAL PREVIEW - PROCEDURAL, NOT AI", max(1, round(min(out_width, out_height) / 360))
        )

    def _blur(self, image: np.ndarray, sigma: float) -> None:
        taps = _taps(sigma * math.sqrt(self._unit))
        rows, columns, channels = image.shape
        scratch = self._scratch[:rows, :columns, :channels]
        self._pool.run(blur_across_rows, rows, image, scratch, taps)
        self._pool.run(blur_down_rows, rows, scratch, image, taps)

    def expose(self, light: np.ndarray, focus: float, fade: float, frame: int) -> np.ndarray:
        """One finished frame [height, width, 3]; the array is reused by the next call."""
        run = self._pool.run
        height = light.shape[0]
        run(resolve_rows, height, light, self._colour, focus)
        self._glow[:] = 0
        run(halve_rows, height // 2, self._colour, self._half, self._glow)
        self._blur(self._half, 1.4)
        far = self._quarter
        glow_near, glow_far = self._glow_quarter
        _shrink(self._half, far)
        _shrink(self._glow, glow_near)
        glow_far[:] = glow_near
        self._blur(far, 2.0)
        self._blur(glow_near, 1.8)
        self._blur(glow_far, 5.0)
        glow_near *= 0.6 * BLOOM_AMOUNT
        glow_near += 0.4 * BLOOM_AMOUNT * glow_far
        layers = (self._colour, self._half, far, glow_near)
        run(develop_rows, height, *layers, fade, self._tone, self._display)
        run(print_rows, self._out.shape[0], self._display, self._out, frame, self._seed)
        self._stamp_label()
        return self._out

    def _stamp_label(self) -> None:
        rows, columns = self._label.shape
        margin = 2 * rows // 3
        area = self._out[-margin - rows : -margin, margin : margin + columns].astype(np.float32)
        area *= 0.62
        area += self._label[..., None] * (215.0 - area)
        self._out[-margin - rows : -margin, margin : margin + columns] = area


def _shrink(source: np.ndarray, target: np.ndarray) -> None:
    rows, columns = 2 * target.shape[0], 2 * target.shape[1]
    s = source[:rows, :columns]
    target[:] = 0.25 * (s[0::2, 0::2] + s[1::2, 0::2] + s[0::2, 1::2] + s[1::2, 1::2])
