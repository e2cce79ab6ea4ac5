"""A finished result becomes our own file, or a failure with a refund; nothing between."""

import hashlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from app import limits
from app.providers import ProviderError
from tests.fakes import READY, RUNNING
from tests.faults.making import Making
from tests.media.clips import SOUND, MakeClip
from tests.waiting import wait_until

pytest_plugins = ["tests.faults.fixtures"]

Files = Callable[[], list[str]]


@pytest.fixture
def files(app: Flask) -> Files:
    """The names of all files in the storage, half-written ones too."""
    root = Path(app.config["STORAGE_URL"].removeprefix("file://"))

    def names() -> list[str]:
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    return names


@pytest.fixture
def good(making: Making, make_clip: MakeClip) -> Path:
    """The provider hands out a file that plays."""
    making.provider.script = (READY,)
    making.provider.clip = make_clip("good.mp4")
    return making.provider.clip


def three(video_id: str) -> list[str]:
    return [f"videos/{video_id}/{name}" for name in ("poster.jpg", "thumbnail.jpg", "video.mp4")]


# Kept --------------------------------------------------------------------------------------------


def test_a_result_is_stored_measured_and_forgotten_by_the_provider(
    making: Making, good: Path, files: Files
) -> None:
    video_id = making.ask()
    assert making.make(video_id) == "completed"
    video = making.video(video_id)
    assert files() == three(video_id)
    assert sorted([video["file_key"], video["poster_key"], video["thumbnail_key"]]) == files()
    assert (video["width"], video["height"], video["audio_channels"]) == (320, 180, 2)
    assert video["measured_duration_s"] == pytest.approx(2, abs=0.1)
    assert video["size_bytes"] == good.stat().st_size
    assert len(video["peaks"].split(",")) == 96
    assert (video["progress"], video["sound_check"]) == (100, "passed")
    (attempt,) = making.attempts(video_id)
    assert attempt["state"] == "done"
    assert attempt["lease_token"] is None
    assert making.provider.forgotten == [attempt["remote_id"]]
    assert making.is_charged(video_id)


def test_storing_again_changes_nothing(making: Making, good: Path, files: Files) -> None:
    video_id = making.ask()
    making.make(video_id)
    before = dict(making.video(video_id))
    assert not making.store(video_id)
    assert dict(making.video(video_id)) == before
    assert files() == three(video_id)


def test_a_silent_result_completes_and_says_so(making: Making, make_clip: MakeClip) -> None:
    making.provider.script = (READY,)
    for name, sound in (("mute.mp4", None), ("silent.mp4", "anullsrc=d=2")):
        making.provider.clip = make_clip(name, sound=sound)
        video_id = making.ask()
        assert making.make(video_id) == "completed"
        assert making.video(video_id)["sound_check"] == "silent"
        assert making.is_charged(video_id)


# Not kept ----------------------------------------------------------------------------------------

HTML = b"<!doctype html><title>502 Bad Gateway</title><p>nginx</p>" * 40


def spoil(kind: str, make_clip: MakeClip, folder: Path) -> Path:
    """A file that is no video, each in its own way."""
    good = make_clip("good.mp4")
    if kind == "black":
        return make_clip("black.mp4", picture="color=black:s=320x180:r=24:d=2")
    if kind == "sound only":
        return make_clip("sound-only.mp4", picture=None)
    path = folder / "spoilt.mp4"
    content = {
        "html": HTML,
        "empty": b"",
        "truncated": good.read_bytes()[: good.stat().st_size // 2],
        "no end": make_clip("fast.mp4", "testsrc=s=320x180:r=24:d=4", SOUND, "-movflags",
                            "+faststart").read_bytes()[:-60_000],
    }  # fmt: skip
    path.write_bytes(content[kind])
    return path


SPOILT = {
    "html": "undecodable",
    "empty": "undecodable",
    "truncated": "undecodable",
    "no end": "undecodable",
    "black": "no_picture",
    "sound only": "no_picture",
}


@pytest.mark.parametrize("kind", SPOILT)
def test_what_is_no_video_fails_with_its_refund(
    making: Making, make_clip: MakeClip, tmp_path: Path, files: Files, kind: str
) -> None:
    making.provider.script = (READY,)
    making.provider.clip = spoil(kind, make_clip, tmp_path)
    video_id = making.ask()
    assert making.make(video_id) == "failed"
    video = making.video(video_id)
    assert video["error_code"] == SPOILT[kind]
    assert video["error_text"]
    assert video["file_key"] is None
    assert files() == []
    assert making.is_refunded(video_id)
    assert making.balance() == 100
    assert making.provider.forgotten == [making.attempts(video_id)[0]["remote_id"]]
    assert making.rows("SELECT * FROM alerts") == []  # the vendor's fault, not our disk's


def test_a_result_that_is_no_longer_there_fails_with_its_refund(
    making: Making, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(handle: str, *_: str) -> Path:
        raise ProviderError("result_expired", "404", permanent=True)

    monkeypatch.setattr(making.provider, "fetch", gone)
    video_id = making.ask()
    assert making.make(video_id) == "failed"
    assert making.video(video_id)["error_code"] == "result_expired"
    assert making.is_refunded(video_id)


# Meanwhile ---------------------------------------------------------------------------------------


def meanwhile(making: Making, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """`act()` once, by somebody else, while a worker fetches the result."""
    fetch, still_to_do = making.provider.fetch, [act]

    def interrupted(handle: str, *key: str) -> Path:
        path: Path = fetch(handle, *key)
        if still_to_do:
            still_to_do.pop()()
        return path

    monkeypatch.setattr(making.provider, "fetch", interrupted)


def test_cancelled_before_storing_it_is_refunded_and_leaves_no_file(
    making: Making, good: Path, files: Files
) -> None:
    video_id = making.ask()
    making.finish_render(video_id)
    making.cancel(video_id)
    assert making.store(video_id)
    assert making.status(video_id) == "cancelled"
    assert files() == []
    assert making.is_refunded(video_id)


@pytest.mark.both_databases
def test_cancelled_while_storing_it_is_refunded_and_leaves_no_file(
    making: Making, good: Path, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    video_id = making.ask()
    making.finish_render(video_id)
    meanwhile(making, monkeypatch, lambda: making.cancel(video_id))
    assert making.store(video_id)
    assert making.status(video_id) == "cancelled"
    assert files() == []
    assert making.is_refunded(video_id)
    assert making.provider.forgotten == [making.attempts(video_id)[0]["remote_id"]]


def test_deleted_while_rendering_it_is_cancelled_where_that_is_allowed(
    making: Making, good: Path, files: Files
) -> None:
    making.provider.script = (RUNNING,)
    video_id = making.ask()
    making.step(video_id)
    making.delete(video_id)
    assert making.make(video_id) == "cancelled"
    assert making.is_refunded(video_id)
    assert files() == []


@pytest.fixture
def unstoppable(cloudy: Making, make_clip: MakeClip) -> Making:
    """A vendor that never stops what it has begun."""
    cloudy.provider.script = (READY,)
    cloudy.provider.clip = make_clip("good.mp4")
    return cloudy


def check_it_ended_unseen(making: Making, video_id: str, files: list[str]) -> None:
    video = making.video(video_id)
    assert video["status"] == "completed"
    assert making.is_charged(video_id)
    seen = ("title", "prompt", "file_key", "poster_key", "thumbnail_key", "peaks")
    assert [video[name] for name in seen] == ["", "", None, None, None, None]
    assert files == []


def test_deleted_at_a_vendor_that_cannot_stop_it_ends_unseen_and_keeps_the_charge(
    unstoppable: Making, files: Files
) -> None:
    video_id = unstoppable.ask()
    unstoppable.submit(video_id)
    unstoppable.delete(video_id)
    assert unstoppable.make(video_id) == "completed"
    check_it_ended_unseen(unstoppable, video_id, files())


def test_deleted_while_storing_it_ends_unseen_and_keeps_the_charge(
    unstoppable: Making, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    video_id = unstoppable.ask()
    unstoppable.finish_render(video_id)
    meanwhile(unstoppable, monkeypatch, lambda: unstoppable.delete(video_id))
    unstoppable.make(video_id)
    check_it_ended_unseen(unstoppable, video_id, files())


@pytest.mark.both_databases
def test_a_worker_that_overslept_its_lease_changes_nothing(
    making: Making, good: Path, files: Files, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one took over, completed and forgot, so that the sleeper finds its source gone."""
    video_id = making.ask()
    making.finish_render(video_id)
    after: dict[str, object] = {}

    def take_over() -> None:
        making.end_leases()
        assert making.store(video_id)
        after.update(making.video(video_id))

    meanwhile(making, monkeypatch, take_over)
    assert not making.store(video_id)
    assert dict(making.video(video_id)) == after
    assert after["status"] == "completed"
    assert files() == three(video_id)
    root = Path(app.config["STORAGE_URL"].removeprefix("file://"))
    stored = (root / f"videos/{video_id}/video.mp4").read_bytes()
    assert hashlib.sha256(stored).digest() == hashlib.sha256(good.read_bytes()).digest()
    assert making.is_charged(video_id)


def test_of_three_workers_at_once_one_stores(
    making: Making, good: Path, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    video_id = making.ask()
    making.finish_render(video_id)
    barrier, answers, fetched = threading.Barrier(3), [], []
    fetch = making.provider.fetch

    def count(handle: str, *key: str) -> Path:
        fetched.append(handle)
        return Path(fetch(handle, *key))

    monkeypatch.setattr(making.provider, "fetch", count)

    def store() -> None:
        barrier.wait(10)
        answers.append(making.store(video_id))

    threads = [threading.Thread(target=store) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(answers) == [False, False, True]
    assert len(fetched) == 1
    assert making.status(video_id) == "completed"
    assert files() == three(video_id)
    assert making.is_charged(video_id)


def test_a_worker_that_takes_longer_than_a_lease_keeps_it(
    making: Making, good: Path, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LEASE_S", 1.0)
    monkeypatch.setattr(limits, "HEARTBEAT_S", 0.1)
    video_id = making.ask()
    making.finish_render(video_id)
    looks = []

    def wait_long() -> None:
        """While three leases go by, a sweep never finds the video to be nobody's."""
        give_up_s = time.monotonic() + 3

        def look() -> bool:
            looks.append(making.sweep().to_store)
            return time.monotonic() > give_up_s

        wait_until(look)

    meanwhile(making, monkeypatch, wait_long)
    assert making.store(video_id)
    assert len(looks) > 10
    assert not any(looks)
    assert making.status(video_id) == "completed"
