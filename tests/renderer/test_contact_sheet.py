"""The sheet in the docs shows every scene, and its spectrograms are true."""

from pathlib import Path

import numpy as np
import pytest

from renderer import contact_sheet as sheets
from renderer.subjects import SCENES, describe
from renderer.synth import SECONDS

SHEET = Path(__file__).parents[2] / "docs" / "scenes.jpg"


def test_every_scene_is_on_it():
    assert {describe(prompt, kind).scene for prompt, kind, _, _ in sheets.SAMPLES} == set(SCENES)


def test_it_is_in_the_docs_and_light():
    assert 50_000 < SHEET.stat().st_size <= 350_000


@pytest.mark.parametrize("hertz", [120, 1000, 9000])
def test_a_tone_is_a_bright_line_at_its_pitch(hertz):
    tone = 0.3 * np.sin(2 * np.pi * hertz * np.arange(SECONDS) / SECONDS)
    drawn = sheets.spectrogram(tone, 72, 40).sum(2).mean(1)
    share = np.log(hertz / sheets.LOWEST_HZ) / np.log(sheets.HIGHEST_HZ / sheets.LOWEST_HZ)
    assert abs(int(drawn.argmax()) - 72 * (1 - share)) <= 5


def test_silence_is_dark():
    assert sheets.spectrogram(np.zeros(SECONDS), 10, 10).max() <= max(sheets.PAPER)


def test_a_picture_is_saved(tmp_path):
    sheets.save(np.full((20, 30, 3), 128, np.uint8), tmp_path / "grey.jpg")
    assert (tmp_path / "grey.jpg").read_bytes()[:2] == b"\xff\xd8"


def test_it_asks_for_a_file(capsys):
    assert sheets.main([]) == 2
    assert "OUT.jpg" in capsys.readouterr().err
