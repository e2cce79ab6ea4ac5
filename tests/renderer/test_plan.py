"""Plans are pure, and requests are checked."""

import json

import pytest

from renderer import BadRequest, make_plan
from renderer.request import load, parse
from renderer.subjects import SCENES


def test_colours_are_read_in_order():
    plan = make_plan("kinetic sand in teal and pink")
    assert plan.tint == (0.05, 0.60, 0.62)
    assert plan.tint2 == (0.95, 0.28, 0.50)


def test_plans_are_equal_for_equal_arguments():
    first, second = (make_plan("kiwi", seed=3) for _ in range(2))
    assert first.events == second.events
    assert first.shots == second.shots
    assert first.events != make_plan("kiwi", seed=4).events


def test_sizes():
    sizes = {
        (ratio, resolution): (plan.width, plan.height)
        for ratio in ("16:9", "9:16", "1:1")
        for resolution in ("720p", "1080p")
        for plan in [make_plan("honey", aspect_ratio=ratio, resolution=resolution)]
    }
    assert sizes["16:9", "720p"] == (1280, 720)
    assert sizes["9:16", "1080p"] == (1080, 1920)
    assert sizes["1:1", "720p"] == (720, 720)
    draft = make_plan("honey", quality="draft", duration_s=30)
    assert (draft.width, draft.height, draft.fps, draft.duration) == (480, 270, 12, 30.0)
    assert draft.frames == 360


@pytest.mark.parametrize("name", SCENES)
def test_the_shortest_clip_has_something_to_see_and_hear(name):
    for pace in ("", "slow"):
        plan = make_plan(f"{pace} {name}", duration_s=4)
        assert plan.shots
        assert plan.events
        assert max(event.time for event in plan.events) < 4.3


def test_long_clips_are_split_into_shots():
    plan = make_plan("kiwi", duration_s=30)
    assert len(plan.shots) == 3
    assert all(shot.beats for shot in plan.shots)
    assert all(0 <= event.time < 30 for event in plan.events)


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": " "},
        {"prompt": 3},
        {"aspect_ratio": "4:3"},
        {"duration_s": 3.9},
        {"duration_s": 31},
        {"duration_s": "8"},
        {"duration_s": True},
        {"resolution": "4k"},
        {"quality": "best"},
        {"seed": -1},
        {"seed": 0.5},
        {"start_image": "/no/such/picture.png"},
        {"surprise": 1},
    ],
)
def test_bad_requests(change):
    with pytest.raises(BadRequest):
        parse({"prompt": "kiwi", **change}).plan()


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '"kiwi"'])
def test_unreadable_requests(tmp_path, text):
    path = tmp_path / "request.json"
    path.write_text(text)
    with pytest.raises(BadRequest):
        load(path)


def test_request_round_trip(tmp_path):
    path = tmp_path / "request.json"
    path.write_text(json.dumps({"prompt": "切冰块", "seed": 5, "quality": "draft"}))
    plan = load(path).plan()
    assert (plan.scene.name, plan.quality) == ("ice", "draft")
