"""What stands behind the set: our own dim room, or the picture that the clip starts with.

A picture fills what is seen above the board, keeps its proportions, is toned so that the hero stays
the brightest thing, and lends the room its colour, which glass and steel reflect.  The camera comes
down a little for it.  All of this is set-up work: the kernels only look a colour up.
"""

import math
from dataclasses import dataclass

import numpy as np

from . import studio as st
from .mathkit import gaussian_blur
from .plan import Plan

SHARE = 0.62  # of the frame's height, from its top: below this the board covers everything
SLIDE = 0.5  # view-plane units that it moves as the camera turns
LOWER = math.radians(8)
SOFTEN = 1 / 110  # of its height; the lens adds its own blur
LUMA = np.array([0.2126, 0.7152, 0.0722])
MIDDLE, CONTRAST = 0.20, 0.45  # brightness in the middle of the scale, and what is left of others
MOST_GAIN = 1.6
TINT = 0.6  # how far the room takes on the picture's colour


@dataclass(frozen=True)
class Set:
    """The texture behind the board, its place in view-plane units, and the colour of the room."""

    texture: np.ndarray
    room: np.ndarray
    wide: float
    high: float
    middle: float
    lower: float = 0.0

    def place(self, studio: np.void) -> None:
        """Write it into the frame's record, once the scene has set its camera."""
        studio["backdrop_wide"], studio["backdrop_high"] = self.wide, self.high
        studio["backdrop_v"] = self.middle
        if self.lower:
            st.lower_camera(studio, self.lower)


def crop(width: int, height: int) -> tuple[int, int]:
    """Pixels of the picture in a frame of that size: a band as wide as the frame."""
    return width, max(4, round(height * SHARE))


def build(plan: Plan, picture: np.ndarray | None, wide: float, high: float) -> Set:
    """The set for a frame of `wide` by `high` view-plane units; `picture` is linear RGB."""
    room = np.array(plan.light.room)
    if picture is None:
        texture = st.backdrop_texture(plan.rng("backdrop"), room)
        return Set(texture, room, st.BACKDROP_WIDE, st.BACKDROP_HIGH, 0.0)
    toned = tone(gaussian_blur(picture, max(picture.shape[0] * SOFTEN, 0.5)))
    texture = np.pad(toned, ((0, 0), (picture.shape[1] // 2,) * 2, (0, 0)), "reflect")
    return Set(
        texture=np.ascontiguousarray(texture, dtype=np.float32),
        room=tinted(room, toned),
        wide=2 * (wide + SLIDE),
        high=high * SHARE * (wide + SLIDE) / wide,
        middle=high / 2 * (1 - SHARE * (wide + SLIDE) / wide),
        lower=LOWER,
    )


def tone(picture: np.ndarray) -> np.ndarray:
    """Brought towards a middle brightness, so that a snow field and a night both leave room."""
    mean = max(float((picture @ LUMA).mean()), 1e-3)
    gain = min(MIDDLE * (mean / MIDDLE) ** CONTRAST / mean, MOST_GAIN)
    return picture * np.float32(gain)


def tinted(room: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """The room's colour with its brightness kept, and its hue moved to the picture's."""
    colour = picture.mean((0, 1)) + 1e-3
    colour *= (room @ LUMA) / (colour @ LUMA)
    return room + TINT * (colour - room)
