"""The word in the file: there, and nothing else changed."""

from pathlib import Path

import pytest

from app import media
from app.media import MediaError
from tests.media.clips import MakeClip

COMMENT = "Made by AI: a model = of; somebody, through CuttingASMR"


def test_a_labelled_video_says_who_made_it_and_is_the_same(
    make_clip: MakeClip, tmp_path: Path, ffmpeg: str
) -> None:
    good_clip = make_clip("good.mp4")
    labelled = tmp_path / "labelled.mp4"
    media.label(good_clip, labelled, COMMENT, ffmpeg)
    before, after = media.inspect(good_clip, ffmpeg), media.inspect(labelled, ffmpeg)
    assert after.comment == COMMENT
    assert (after.width, after.height, after.fps) == (before.width, before.height, before.fps)
    assert (after.loudness_lufs, after.peaks) == (before.loudness_lufs, before.peaks)
    assert labelled.read_bytes()[:4096].find(b"moov") > 0  # the index first


def test_what_is_no_video_is_refused_and_leaves_nothing(tmp_path: Path, ffmpeg: str) -> None:
    page = tmp_path / "page.mp4"
    page.write_text("<html>")
    with pytest.raises(MediaError) as refused:
        media.label(page, tmp_path / "labelled.mp4", COMMENT, ffmpeg)
    assert refused.value.code == "undecodable"
    assert list(tmp_path.iterdir()) == [page]


def test_a_file_that_is_not_there_is_missing(tmp_path: Path, ffmpeg: str) -> None:
    with pytest.raises(MediaError) as refused:
        media.label(tmp_path / "none.mp4", tmp_path / "labelled.mp4", COMMENT, ffmpeg)
    assert refused.value.code == "missing"
