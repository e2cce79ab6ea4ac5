"""Any two scenes differ, to the eye and to the ear."""

import itertools

import numpy as np
import pytest

from renderer import make_plan, soundtrack
from renderer.clip import frames
from renderer.jit import RowPool
from renderer.scenes import SCENES
from renderer.synth import SECONDS

DIFFERENT_PICTURE = 15.0  # mean difference of 8-bit values
DIFFERENT_SOUND_DB = 3.0  # mean difference of the levels of third-octave bands


def picture(name, seed):
    """One frame late in a short clip, blurred so that a shift of a few pixels does not count."""
    pool = RowPool(2)
    plan = make_plan("", name, duration_s=4, quality="draft", seed=seed)
    image = next(frames(plan, pool, short_side=48, first=30)).astype(float)
    pool.close()
    rows, columns = image.shape[0] // 9 * 9, image.shape[1] // 16 * 16
    return image[:rows, :columns].reshape(9, rows // 9, 16, columns // 16, 3).mean((1, 3))


def sound(name, seed):
    """Levels in dB of third-octave bands, the whole clip through; equal loudness by mastering."""
    plan = make_plan("", name, duration_s=4, quality="draft", seed=seed)
    power = np.abs(np.fft.rfft(soundtrack.compose(plan).mean(1))) ** 2
    hertz = np.fft.rfftfreq(4 * SECONDS, 1 / SECONDS)
    edges = 100 * 2 ** (np.arange(22) / 3)
    bands = [
        power[(hertz >= low) & (hertz < high)].mean() for low, high in itertools.pairwise(edges)
    ]
    level = 10 * np.log10(bands)
    return level - level.mean()


@pytest.fixture(scope="module")
def seen():
    return {name: picture(name, seed=1) for name in SCENES}


@pytest.fixture(scope="module")
def heard():
    return {name: sound(name, seed=1) for name in SCENES}


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(SCENES, 2)))
def test_any_two_scenes_differ(one, other, seen, heard):
    assert np.abs(seen[one] - seen[other]).mean() > DIFFERENT_PICTURE
    assert np.abs(heard[one] - heard[other]).mean() > DIFFERENT_SOUND_DB


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_sounds_like_itself(name, heard):
    assert np.abs(sound(name, seed=2) - heard[name]).mean() < DIFFERENT_SOUND_DB
