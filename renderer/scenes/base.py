"""What a scene is, and the painter shared by all ray-marched scenes."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from .. import backdrop, tracer
from .. import studio as st
from ..jit import RowPool
from ..mathkit import ease
from ..plan import Plan, Shot
from ..prompts import Colour

Voice = Callable[[np.random.Generator], np.ndarray]
SHUTTER = 0.5  # exposure as a share of the frame time


@dataclass
class Picture:
    """One frame before the lens; `light` is [h, w, 5] = weighted linear rgb, weight, distance."""

    light: np.ndarray
    focus: float
    fade: float


class Painter(Protocol):
    any_order: bool  # False: a frame can only be painted after all earlier ones

    def paint(self, index: int) -> Picture:
        """Frame `index`."""


class Scene(ABC):
    """One subject: choreography, picture and sounds.  Stateless; its words are in `subjects`."""

    name: str
    detail = 1.0  # traced resolution relative to other scenes

    @abstractmethod
    def colours(self, variant: str, seed: int) -> list[Colour]:
        """Default colours: the main one, then optionally the second."""

    def named_colours(self, variant: str, found: list[Colour]) -> list[Colour]:
        """Colours taken from the prompt; a scene may ignore some."""
        return found

    @abstractmethod
    def add_shot(self, plan: Plan, start: float, end: float) -> None:
        """Append one shot and its audible events to the plan."""

    @abstractmethod
    def painter(
        self, plan: Plan, width: int, height: int, picture: np.ndarray | None, pool: RowPool
    ) -> Painter: ...

    def view(self, width: int, height: int) -> tuple[int, int]:
        """Size of the picture behind the scene in a frame of that size: what is seen of it."""
        return width, height

    @abstractmethod
    def voices(self, plan: Plan) -> dict[str, Voice]:
        """Sound of each event name."""

    def ambience(self, plan: Plan, rng: np.random.Generator, length: int) -> np.ndarray | None:
        """Optional continuous stereo sound [length, 2]."""
        return None


class TracedScene(Scene):
    """A scene drawn by the ray tracer."""

    edge_contrast = 0.07

    def view(self, width: int, height: int) -> tuple[int, int]:
        return backdrop.crop(width, height)

    @abstractmethod
    def set_frame(
        self, plan: Plan, index: int, shot: Shot, time: float, studio: np.void
    ) -> NamedTuple:
        """Fill in the camera, bounds, knife and shadow of `studio`; return the body."""

    def painter(
        self, plan: Plan, width: int, height: int, picture: np.ndarray | None, pool: RowPool
    ) -> Painter:
        return TracedPainter(self, plan, width, height, picture, pool)


class TracedPainter:
    """Casts rays at the scene: one a pixel, more where the first pass found edges."""

    any_order = True

    def __init__(
        self,
        scene: TracedScene,
        plan: Plan,
        width: int,
        height: int,
        picture: np.ndarray | None,
        pool: RowPool,
    ) -> None:
        self._scene = scene
        self._plan = plan
        self._pool = pool
        self._light = np.zeros((height, width, 5), np.float32)
        self._samples = np.zeros((height, width), np.int64)
        self._light_map = np.zeros(st.MAP_SHAPE, np.float32)
        self._wood = st.wood_texture(plan.rng("wood"), 1024 if height > 240 else 512)
        # pixels per view-plane unit: tall frames show a wider part of the set
        self._scale = height if width > height else (0.92 if width == height else 0.80) * width
        self._set = backdrop.build(plan, picture, 2 * width / self._scale, 2 * height / self._scale)

    def state(self, time: float) -> tuple[np.void, Any]:
        """Studio record and body at a time."""
        plan = self._plan
        index, shot = plan.shot_at(time)
        studio = np.zeros(1, st.STUDIO)[0]
        studio["key"] = plan.light.key
        studio["room"] = self._set.room
        studio["ambient"] = plan.light.ambient
        studio["edge_contrast"] = self._scene.edge_contrast
        body = self._scene.set_frame(plan, index, shot, time, studio)
        self._set.place(studio)
        return studio, body

    def paint(self, index: int) -> Picture:
        plan = self._plan
        time = index / plan.fps
        studio, body = self.state(time)
        if studio["knife_shown"]:
            half = 0.5 * SHUTTER / plan.fps
            before, after = self.state(max(time - half, 0))[0], self.state(time + half)[0]
            studio["knife_travel"] = after["knife_y"] - before["knife_y"]
        run, light, rows = self._pool.run, self._light, self._light.shape[0]
        light[:] = 0
        run(tracer.light_map_rows, st.MAP_SHAPE[0], self._light_map, studio, body)
        given = (self._scale, studio, self._wood, self._set.texture, self._light_map, body)
        run(tracer.sample_rows, rows, light, self._samples, False, *given)
        run(tracer.mark_rows, rows, light, self._samples, self._scale, studio)
        run(tracer.sample_rows, rows, light, self._samples, True, *given)
        return Picture(light, float(studio["focus"]), shot_fade(plan, time))


def shot_fade(plan: Plan, time: float) -> float:
    """Brightness 0..1: every shot rises from and returns to black."""
    _, shot = plan.shot_at(time)
    return ease(min(1.0, (time - shot.start + 0.06) / 0.35, (shot.end - time) / 0.30 + 0.05))
