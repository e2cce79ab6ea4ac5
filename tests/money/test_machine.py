"""The money machine, on both databases: short in every run, long as a proof."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from app import media
from app.media import Measurements, Stills
from tests.money.conftest import Fresh
from tests.money.machine import Money

MEASURED = Measurements(
    width=320, height=180, fps=24.0, duration_s=8.0, size_bytes=1000, video_codec="h264",
    audio_codec="aac", audio_channels=2, loudness_lufs=-23.0, true_peak_dbtp=-3.0,
    sound_check="passed", peaks=(0,) * 96, comment="",
)  # fmt: skip
SETTINGS = settings(
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
EXAMPLES = {"sqlite": 30, "postgresql": 10}


@pytest.fixture
def no_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a file measures is not what this is about, and decoding takes a hundred times longer."""

    def stills(video: Path, *_: object) -> Stills:
        return Stills(video, video)

    monkeypatch.setattr(media, "inspect", lambda *_: dataclasses.replace(MEASURED))
    monkeypatch.setattr(media, "make_stills", stills)


@pytest.mark.usefixtures("no_ffmpeg")
@pytest.mark.both_databases
def test_money_adds_up_whatever_happens(fresh: Fresh, database: str) -> None:
    """The same examples in every run: a red one can be repeated."""
    few = settings(
        SETTINGS, max_examples=EXAMPLES[database], stateful_step_count=30, derandomize=True
    )
    run_state_machine_as_test(lambda: Money(fresh), settings=few)


@pytest.mark.proof
@pytest.mark.usefixtures("no_ffmpeg")
@pytest.mark.both_databases
def test_money_adds_up_over_many_long_days(fresh: Fresh) -> None:
    many = settings(SETTINGS, max_examples=300, stateful_step_count=80, phases=list(Phase))
    run_state_machine_as_test(lambda: Money(fresh), settings=many)
