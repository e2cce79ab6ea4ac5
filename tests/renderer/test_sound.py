"""The sound follows the plan's events and keeps its level."""

import numpy as np
import pytest

from renderer import make_plan, soundtrack
from renderer.scenes import SCENES
from renderer.synth import SECONDS


@pytest.mark.parametrize("name", SCENES)
def test_level_length_and_stereo(name):
    plan = make_plan(name, duration_s=5, seed=1)
    sound = soundtrack.compose(plan)
    assert sound.shape == (5 * SECONDS, 2)
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() <= soundtrack.CEILING + 1e-6
    assert -26.0 < soundtrack.loudness(sound) < -21.0
    left, right = np.sqrt((sound**2).mean(0))
    assert 0.5 < left / right < 2.0


def test_sound_is_repeatable():
    first, second = (soundtrack.compose(make_plan("kiwi", duration_s=5, seed=1)) for _ in "ab")
    assert np.array_equal(first, second)


@pytest.mark.parametrize(("name", "event"), [("fruit", "knock"), ("keyboard", "press")])
def test_every_event_is_heard_at_its_time(name, event):
    plan = make_plan(name, duration_s=6, seed=1)
    plan.events = [e for e in plan.events if e.name == event]
    sound = np.abs(soundtrack.compose(plan)).max(1)
    for heard in plan.events:
        at = int(heard.time * SECONDS)
        before = sound[at - 960 : at - 96].max()
        after = sound[at : at + 960].max()
        assert after > 3 * before
