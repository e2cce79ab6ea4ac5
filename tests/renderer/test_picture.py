"""Every scene draws something sensible in every ratio, and the same for any number of threads."""

import itertools

import numpy as np
import pytest

from renderer import make_plan
from renderer.clip import frames
from renderer.jit import RowPool
from renderer.scenes import SCENES
from renderer.scenes.base import TracedPainter, TracedScene
from renderer.scenes.cutting import CuttingScene

TINY = 48


def draw(plan, index, threads=2):
    pool = RowPool(threads)
    image = next(frames(plan, pool, short_side=TINY, first=index)).copy()
    pool.close()
    return image


@pytest.mark.parametrize("ratio", ["16:9", "9:16", "1:1"])
@pytest.mark.parametrize("name", SCENES)
def test_every_scene_in_every_ratio(name, ratio):
    plan = make_plan(name, aspect_ratio=ratio, quality="draft", seed=2)
    assert plan.scene.name == name
    image = draw(plan, 5)
    assert image.shape == (plan.height, plan.width, 3)
    assert 15 < image.mean() < 200
    assert image.std() > 15


@pytest.mark.parametrize("name", ["fruit", "rain"])
def test_frames_depend_on_the_seed_only(name):
    def clip(seed, threads):
        plan = make_plan(name, quality="draft", aspect_ratio="1:1", seed=seed)
        return draw(plan, 3, threads)

    reference = clip(1, 1)
    assert np.array_equal(reference, clip(1, 2))
    assert np.array_equal(reference, clip(1, 3))
    assert not np.array_equal(reference, clip(2, 1))


@pytest.mark.parametrize(
    "name", [name for name, scene in SCENES.items() if isinstance(scene, CuttingScene)]
)
def test_knife_touches_the_board_when_it_is_heard(name):
    plan = make_plan(name, duration_s=8, seed=1)
    painter = plan.scene.painter(plan, 32, 32, None, RowPool(1))
    assert isinstance(painter, TracedPainter)
    knocks = [event.time for event in plan.events if event.name == "knock"]
    assert len(knocks) >= 4
    for time in knocks:
        assert abs(painter.state(time)[0]["knife_y"]) < 1e-6
        assert painter.state(time - 0.2)[0]["knife_y"] > 0.1


def test_keys_are_down_when_they_are_heard():
    plan = make_plan("keyboard", duration_s=8, seed=1)
    painter = plan.scene.painter(plan, 32, 32, None, RowPool(1))
    assert isinstance(painter, TracedPainter)
    presses = [event.time for event in plan.events if event.name == "press"]
    assert len(presses) > 10
    for time in presses:
        sunk = painter.state(time)[1].p["sunk"]
        assert np.isclose(sunk.max(), 0.10)


def test_slices_do_not_overlap():
    """The newer slice's right face stays clear of the older one's left foot."""
    plan = make_plan("glass orange", duration_s=8, seed=1)
    painter = plan.scene.painter(plan, 32, 32, None, RowPool(1))
    assert isinstance(painter, TracedPainter)
    body = painter.state(7.4)[1].p
    slices = body["pieces"][: body["count"] - 1]
    for older, newer in itertools.pairwise(slices):
        cos, sin = newer[4], newer[5]
        foot = older[3] / (older[4] + 1e-9)  # any point of the older left face would do
        half = 0.5 * (older[1] - older[0])
        x = older[2] - half * older[4] - min(foot, 0.3) * older[5]
        y = older[3] + half * older[5] - min(foot, 0.3) * older[4]
        face = 0.5 * (newer[1] - newer[0])
        assert (x - newer[2]) * cos - (y - newer[3]) * sin > face - 0.03


def test_a_start_image_changes_the_picture(tmp_path):
    path = tmp_path / "start.ppm"
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[..., 1] = 220
    path.write_bytes(b"P6 60 40 255\n" + pixels.tobytes())
    for prompt in ("rain", "kiwi"):
        plain = draw(make_plan(prompt, quality="draft"), 5)
        green = draw(make_plan(prompt, quality="draft", start_image=str(path)), 5)
        gain = green.astype(float).mean((0, 1)) - plain.astype(float).mean((0, 1))
        assert gain[1] > gain[0] + 2


def test_traced_scenes_have_bounds_around_the_hero():
    for name, scene in SCENES.items():
        if isinstance(scene, TracedScene):
            plan = make_plan(name)
            painter = scene.painter(plan, 16, 16, None, RowPool(1))
            assert isinstance(painter, TracedPainter)
            studio, _ = painter.state(3.0)
            assert (studio["box_low"] < studio["box_high"]).all()
