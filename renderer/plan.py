"""Prompt and settings -> Plan: everything the picture and the sound are made from."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from . import prompts, subjects
from .offer import ASPECTS, MAX_SECONDS, MIN_SECONDS, QUALITIES, RESOLUTIONS
from .prompts import Colour, Light

if TYPE_CHECKING:
    from .scenes.base import Scene

STANDARD_FPS, DRAFT_FPS = 24, 12
DRAFT_SHORT_SIDE = 270
SHOT_SECONDS = 9.0  # longer clips are split into shots of about this length


class BadRequest(ValueError):
    """The request cannot be rendered as asked."""


@dataclass(frozen=True)
class Event:
    """Something that is seen and heard at `time` seconds; pan -1 left .. 1 right."""

    time: float
    name: str
    pan: float
    gain: float


@dataclass(frozen=True)
class Shot:
    """One camera take; `beats` are the moments (in seconds) that the motion is built on."""

    start: float
    end: float
    beats: tuple[float, ...] = ()


@dataclass
class Plan:
    scene: "Scene"
    recognised: bool  # False: the prompt named no subject that a scene can show
    prompt: str
    seed: int
    width: int
    height: int
    duration: float
    fps: int
    quality: str
    variant: str  # scene's own sub-type, such as the kind of fruit
    tint: Colour
    tint2: Colour
    light: Light
    period: float  # seconds between beats
    start_image: str | None = None
    shots: list[Shot] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    @property
    def frames(self) -> int:
        return round(self.duration * self.fps)

    @property
    def aspect(self) -> float:
        return self.width / self.height

    def rng(self, *tags: object) -> np.random.Generator:
        """Independent random stream for a purpose, fixed by the plan's seed."""
        return np.random.default_rng([self.seed, *(subjects.digest(str(tag)) for tag in tags)])

    def shot_at(self, time: float) -> tuple[int, Shot]:
        for index, shot in enumerate(self.shots):
            if time < shot.end:
                return index, shot
        return len(self.shots) - 1, self.shots[-1]


def _even(value: float) -> int:
    return round(value / 2) * 2


def frame_size(aspect: str, resolution: str, quality: str) -> tuple[int, int]:
    """Width and height in pixels, both even (H.264 4:2:0 needs that)."""
    short = DRAFT_SHORT_SIDE if quality == "draft" else RESOLUTIONS[resolution]
    across, down = ASPECTS[aspect]
    unit = short / min(across, down)
    return _even(across * unit), _even(down * unit)


def make_plan(
    prompt: str,
    kind: str = "",
    aspect_ratio: str = "16:9",
    duration_s: float = 8.0,
    resolution: str = "720p",
    seed: int = 0,
    quality: str = "standard",
    start_image: str | None = None,
) -> Plan:
    """Choose scene, look and timeline.  Pure: equal arguments give equal plans.

    Raises BadRequest.  Scene and variant are those of `subjects.describe`, whatever the seed.
    """
    from .scenes import SCENES

    _check(aspect_ratio, resolution, quality, duration_s)
    subject = subjects.describe(prompt, kind)
    scene = SCENES[subject.scene]
    text = subjects.plain(f"{prompt} {kind}")
    seed = (seed ^ subjects.digest(text)) & 0xFFFFFFFF
    width, height = frame_size(aspect_ratio, resolution, quality)
    tint, tint2 = _colours(scene, subject.variant, seed, text)
    plan = Plan(
        scene=scene,
        recognised=subject.recognised,
        prompt=prompt,
        seed=seed,
        width=width,
        height=height,
        duration=float(duration_s),
        fps=DRAFT_FPS if quality == "draft" else STANDARD_FPS,
        quality=quality,
        variant=subject.variant,
        tint=tint,
        tint2=tint2,
        light=prompts.find_light(text),
        period=prompts.find_pace(text),
        start_image=start_image,
    )
    shots = max(1, round(plan.duration / SHOT_SECONDS))
    length = plan.duration / shots
    for index in range(shots):
        scene.add_shot(plan, index * length, (index + 1) * length)
    plan.events.sort(key=lambda event: event.time)
    return plan


def _check(aspect_ratio: str, resolution: str, quality: str, duration_s: float) -> None:
    if aspect_ratio not in ASPECTS:
        raise BadRequest(f"aspect_ratio must be one of {', '.join(ASPECTS)}")
    if resolution not in RESOLUTIONS:
        raise BadRequest(f"resolution must be one of {', '.join(RESOLUTIONS)}")
    if quality not in QUALITIES:
        raise BadRequest(f"quality must be one of {', '.join(QUALITIES)}")
    if not MIN_SECONDS <= duration_s <= MAX_SECONDS:
        raise BadRequest(f"duration_s must be {MIN_SECONDS} to {MAX_SECONDS}")


def _colours(scene: "Scene", variant: str, seed: int, text: str) -> tuple[Colour, Colour]:
    """Main and second colour: named in the text, else the scene's own."""
    colours = scene.named_colours(variant, prompts.find_colours(text))
    colours = colours or scene.colours(variant, seed)
    main = colours[0]
    paler = 0.45 * main[0] + 0.5, 0.45 * main[1] + 0.5, 0.45 * main[2] + 0.5
    return main, colours[1] if len(colours) > 1 else paler
