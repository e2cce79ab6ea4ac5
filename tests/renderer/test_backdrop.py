"""What stands behind the set: in proportion, toned, and the same every time."""

import math

import numpy as np
import pytest

from renderer import backdrop
from renderer import studio as st
from renderer.jit import RowPool
from renderer.plan import make_plan
from renderer.scenes import SCENES
from renderer.scenes.base import TracedPainter

LUMA = np.array([0.2126, 0.7152, 0.0722])
FRAMES = {"16:9": (96, 54), "9:16": (54, 96), "1:1": (64, 64)}


def halves(width, height):
    """Red on the left, blue on the right."""
    picture = np.zeros((height, width, 3), np.float32)
    picture[:, : width // 2, 0] = 0.5
    picture[:, width // 2 :, 2] = 0.5
    return picture


def painter(prompt, aspect="16:9", picture=None):
    plan = make_plan(prompt, aspect_ratio=aspect, quality="draft", seed=3)
    width, height = FRAMES[aspect]
    if picture is not None:
        picture = picture(*plan.scene.view(width, height))
    return plan.scene.painter(plan, width, height, picture, RowPool(1))


@pytest.mark.parametrize("aspect", FRAMES)
def test_a_picture_keeps_its_proportions_and_fills_the_frame(aspect):
    width, height = FRAMES[aspect]
    made = painter("kiwi", aspect, halves)
    assert isinstance(made, TracedPainter)
    wide, high = 2 * width / made._scale, 2 * height / made._scale
    columns, rows = backdrop.crop(width, height)
    unit = 0.5 * made._set.wide / columns  # the texture is twice as wide: mirrored at its sides
    assert math.isclose(made._set.high / rows, unit, rel_tol=0.03)
    assert made._set.wide >= wide + backdrop.SLIDE
    assert math.isclose(made._set.middle + made._set.high / 2, high / 2)  # from the top of it


@pytest.mark.parametrize("scene", SCENES)
def test_a_picture_is_seen_in_every_scene_the_right_way_round(scene):
    plain, shown = painter(scene), painter(scene, picture=halves)
    before, after = (one.paint(0).light.copy() for one in (plain, shown))
    gain = [pixels[..., :3] / pixels[..., 3:4] for pixels in (before, after)]
    top = gain[1][:8] - gain[0][:8]  # what is above the hero: never covered as a whole
    left, right = top[:, :32].mean((0, 1)), top[:, -32:].mean((0, 1))
    assert left[0] - left[2] > right[0] - right[2] + 0.02


def test_equal_pictures_give_equal_frames():
    first, second = (painter("honey", picture=halves).paint(9).light for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("level", [0.0, 0.002, 0.05, 0.2, 0.6, 1.0])
def test_snow_and_night_both_leave_room(level):
    seen = backdrop.tone(np.full((9, 9, 3), level, np.float32)).mean()
    assert seen <= 0.45
    assert seen >= min(level, 0.15) - 1e-6  # a night may be lifted, nothing dark is put out


def test_the_room_takes_the_hue_and_keeps_its_brightness():
    room = np.array([0.3, 0.25, 0.2])
    green = np.zeros((4, 4, 3), np.float32)
    green[..., 1] = 0.4
    tinted = backdrop.tinted(room, green)
    assert np.isclose(tinted @ LUMA, room @ LUMA)
    assert tinted[1] > room[1] and tinted[0] < room[0]


def test_the_camera_comes_down_around_what_it_looks_at():
    high, low = (made.state(2.0)[0] for made in (painter("ice"), painter("ice", picture=halves)))
    assert low["eye"][1] < high["eye"][1] - 0.3
    away = float(high["focus"]) + 0.3
    for studio in (high, low):
        assert np.allclose(studio["eye"] + away * studio["forward"], target_of(high), atol=1e-6)
        assert np.isclose(np.linalg.norm(studio["forward"]), 1)
    assert low["eye"][1] > 0.2 and low["half_tan"] == high["half_tan"]


def target_of(studio):
    return studio["eye"] + (float(studio["focus"]) + 0.3) * studio["forward"]


def test_without_a_picture_nothing_is_moved():
    made = painter("ice")
    assert isinstance(made, TracedPainter)
    assert (made._set.wide, made._set.high) == (st.BACKDROP_WIDE, st.BACKDROP_HIGH)
    assert (made._set.middle, made._set.lower) == (0.0, 0.0)
