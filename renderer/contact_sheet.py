"""All scenes at a glance: a frame of each and, under it, the spectrogram of its sound.

python -m renderer.contact_sheet OUT.jpg
"""

import subprocess
import sys
from pathlib import Path

import numpy as np

from . import soundtrack
from .clip import frames
from .encode import find_ffmpeg
from .font import draw_text
from .jit import RowPool
from .plan import Plan, make_plan
from .synth import SECONDS

# what is asked for, when in the clip to look (seconds), and the caption
SAMPLES = (
    ("a glass strawberry", "glass-fruit", 4.75, "GLASS FRUIT"),
    ("teal and violet", "kinetic-sand", 5.3, "KINETIC SAND"),
    ("pink and white", "soap-layers", 5.3, "SOAP"),
    ("a clear block", "ice-cut", 4.6, "ICE"),
    ("a blue planet", "planet-cut", 5.25, "PLANET"),
    ("blue and violet", "keyboard", 3.0, "KEYBOARD"),
    ("on a pancake", "honey-drip", 4.5, "HONEY"),
    ("teal and pink", "slime", 4.5, "SLIME"),
    ("a candle", "rain-window", 6.0, "RAIN"),
)
COLUMNS = 3
PICTURE = 270, 480  # rows, columns
SOUND_ROWS, CAPTION_ROWS, GAP = 72, 26, 12
TRACED_ROWS = 300  # more than are shown: the lens shrinks them
PAPER, INK = (16, 17, 20), 225.0
WINDOW, QUIETEST_DB, LOUDEST_DB = 2048, -95.0, -25.0
LOWEST_HZ, HIGHEST_HZ = 60.0, 16_000.0
JPEG_QUALITY = 6  # ffmpeg's -q:v: 2 best .. 31


def sheet(pool: RowPool) -> np.ndarray:
    """The whole picture, RGB of 8 bits [rows, columns, 3]."""
    cells = [cell(*sample, pool) for sample in SAMPLES]
    rows, columns, _ = cells[0].shape
    lines = -(-len(cells) // COLUMNS)
    paper = np.empty((lines * (rows + GAP) + GAP, COLUMNS * (columns + GAP) + GAP, 3), np.uint8)
    paper[:] = PAPER
    for number, drawn in enumerate(cells):
        y = GAP + number // COLUMNS * (rows + GAP)
        x = GAP + number % COLUMNS * (columns + GAP)
        paper[y : y + rows, x : x + columns] = drawn
    return paper


def cell(prompt: str, kind: str, time_s: float, caption: str, pool: RowPool) -> np.ndarray:
    """One scene: picture, spectrogram of all 8 seconds, name."""
    plan = make_plan(prompt, kind, seed=3, quality="draft")
    drawn = np.empty((PICTURE[0] + SOUND_ROWS + CAPTION_ROWS, PICTURE[1], 3), np.uint8)
    drawn[:] = PAPER
    drawn[: PICTURE[0]] = still(plan, time_s, pool)
    sound = soundtrack.compose(plan).mean(1)
    drawn[PICTURE[0] : PICTURE[0] + SOUND_ROWS] = spectrogram(sound, SOUND_ROWS, PICTURE[1])
    text = draw_text(caption, 2)
    top = PICTURE[0] + SOUND_ROWS + (CAPTION_ROWS - text.shape[0]) // 2
    area = drawn[top : top + text.shape[0], : text.shape[1]]
    area[:] = area + (text[: area.shape[0], :, None] * (INK - area)).astype(np.uint8)
    return drawn


def still(plan: Plan, time_s: float, pool: RowPool) -> np.ndarray:
    """The frame at a time, traced finer than a draft's."""
    stream = frames(plan, pool, short_side=TRACED_ROWS, first=round(time_s * plan.fps))
    return next(stream).copy()


def spectrogram(sound: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Mono sound as a heat map [rows, columns, 3]: time to the right, pitch (log) upwards."""
    starts = np.linspace(0, len(sound) - WINDOW, columns).astype(int)
    parts = np.stack([sound[at : at + WINDOW] for at in starts]) * np.hanning(WINDOW)
    power = np.abs(np.fft.rfft(parts, axis=1)) ** 2 / (WINDOW / 2) ** 2
    edges = np.geomspace(LOWEST_HZ, HIGHEST_HZ, rows + 1) * WINDOW / SECONDS
    total = np.concatenate([np.zeros((columns, 1)), np.cumsum(power, 1)], 1)
    low, high = (
        edges[:-1].astype(int),
        np.maximum(edges[1:].astype(int), edges[:-1].astype(int) + 1),
    )
    band = (total[:, high] - total[:, low]) / (high - low)
    level = (10 * np.log10(band + 1e-12) - QUIETEST_DB) / (LOUDEST_DB - QUIETEST_DB)
    return heat(np.clip(level.T[::-1], 0, 1))


def heat(level: np.ndarray) -> np.ndarray:
    """0..1 -> dark blue, violet, orange, pale yellow."""
    stops = np.array([(16, 17, 20), (44, 30, 92), (150, 44, 110), (240, 120, 60), (255, 240, 190)])
    places = np.linspace(0, 1, len(stops))
    channels = [np.interp(level, places, stops[:, channel]) for channel in range(3)]
    return np.stack(channels, -1).astype(np.uint8)


def save(picture: np.ndarray, path: Path) -> None:
    """Write a JPEG, or what else ffmpeg makes of the file's name."""
    rows, columns, _ = picture.shape
    command = [find_ffmpeg(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-video_size", f"{columns}x{rows}", "-i", "pipe:0", "-frames:v", "1"]
    command += ["-q:v", str(JPEG_QUALITY), "-update", "1", f"file:{path}"]
    subprocess.run(command, input=picture.tobytes(), check=True)


def main(arguments: list[str]) -> int:
    """Draw the sheet to the file named on the command line."""
    if len(arguments) != 1:
        print("usage: python -m renderer.contact_sheet OUT.jpg", file=sys.stderr)
        return 2
    pool = RowPool()
    save(sheet(pool), Path(arguments[0]))
    pool.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
