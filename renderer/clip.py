"""Plan -> MP4 file."""

import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import encode, soundtrack
from .jit import RowPool
from .plan import BadRequest, Plan
from .post import Lens

COMMENT = "Local procedural preview, not AI generated"
# IPTC NewsCodes: "created purely by an algorithm not based on any sampled training data"
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"
STANDARD_ROWS, DRAFT_ROWS = 360, 135  # traced size of the short side; the lens upscales


class Cancelled(Exception):
    """The caller asked to stop; no file was left."""


@dataclass(frozen=True)
class Progress:
    """After frame number `frame` (from 1) of `frames`; `eta_s` seconds left, None at the first."""

    frame: int
    frames: int
    percent: float
    eta_s: float | None


def _never() -> bool:
    return False


def _ignore(_: Progress) -> None:
    pass


def traced_size(plan: Plan, short_side: int | None = None) -> tuple[int, int]:
    """Width and height of the traced picture, multiples of 4."""
    default = DRAFT_ROWS if plan.quality == "draft" else STANDARD_ROWS
    rows = (short_side or default) * plan.scene.detail
    unit = min(rows / min(plan.width, plan.height), 1.0)
    return int(plan.width * unit) // 4 * 4, int(plan.height * unit) // 4 * 4


def frames(
    plan: Plan, pool: RowPool, short_side: int | None = None, first: int = 0
) -> Iterator[np.ndarray]:
    """Finished 8-bit RGB frames in order from number `first` on; the array is reused."""
    width, height = traced_size(plan, short_side)
    picture = None
    if plan.start_image:
        picture = encode.read_image(plan.start_image, *plan.scene.view(width, height))
    lens = Lens(width, height, plan.width, plan.height, plan.seed, pool)
    painter = plan.scene.painter(plan, width, height, picture, pool)
    for index in range(first if painter.any_order else 0, plan.frames):
        shown = painter.paint(index)
        if index >= first:
            yield lens.expose(shown.light, shown.focus, shown.fade, index)


def check_output(path: Path) -> None:
    """Only a regular file (or a new one) in an existing directory may be written."""
    if not path.parent.is_dir():
        raise BadRequest("the output's directory does not exist")
    for candidate in (path, *partial_paths(path)):
        try:
            mode = os.lstat(candidate).st_mode
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(mode):
            raise BadRequest("the output is not a regular file")


def partial_paths(path: Path) -> tuple[Path, Path]:
    """The unfinished clip and its sound, beside the output: a crash leaves nothing elsewhere."""
    return path.with_name(path.name + ".part"), path.with_name(path.name + ".wav")


def remove_partial(path: Path) -> None:
    """Remove what an unfinished render left beside `path`."""
    for partial in partial_paths(path):
        partial.unlink(missing_ok=True)


def tags(plan: Plan) -> dict[str, str]:
    """Labels for the file that people and programs can read; no word of the prompt."""
    facts = {
        "generator": "CuttingASMR local renderer",
        "method": "procedural",
        "ai_generated": False,
        "digital_source_type": SOURCE_TYPE,
        "scene": plan.scene.name,
    }
    return {
        "title": f"Procedural preview: {plan.variant or plan.scene.name}",
        "artist": "CuttingASMR local renderer",
        "genre": "Procedural, not AI",
        "comment": COMMENT,
        "description": json.dumps(facts, sort_keys=True),
    }


def render(
    plan: Plan,
    path: str | os.PathLike[str],
    on_progress: Callable[[Progress], None] = _ignore,
    is_cancelled: Callable[[], bool] = _never,
    threads: int | None = None,
) -> Path:
    """Render to `path` by way of files beside it.  Raises Cancelled, NoFfmpeg, OSError, others."""
    path = Path(path)
    check_output(path)
    part, wav = partial_paths(path)
    pool = RowPool(threads)
    try:
        encode.write_wav(wav, soundtrack.compose(plan))
        if is_cancelled():
            raise Cancelled
        size = plan.width, plan.height
        with encode.Encoder(part, wav, size, plan.fps, tags(plan), pool.threads) as encoder:
            started = 0.0
            for index, image in enumerate(frames(plan, pool)):
                if is_cancelled():
                    raise Cancelled
                encoder.write(image)
                now = time.monotonic()
                if index == 0:  # it loads or compiles kernels: no measure of the others
                    started = now
                eta_s = (now - started) / index * (plan.frames - index - 1) if index else None
                percent = round(99 * (index + 1) / plan.frames, 1)
                on_progress(Progress(index + 1, plan.frames, percent, eta_s))
            encoder.finish()
        if is_cancelled():
            raise Cancelled
        part.replace(path)
    finally:
        pool.close()
        remove_partial(path)
    return path
