"""The local provider with real child processes: making, watching, cancelling."""

import fcntl
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from app.providers import Description, ProviderError, Report, render_folder
from app.providers import local as module
from app.providers.local import LocalProvider
from renderer import subjects
from renderer.encode import find_ffmpeg
from tests.providers.conftest import LONG, SHORT, events_of, family, is_gone
from tests.waiting import wait_until


def test_a_video_is_made_with_honest_progress(local, renders):
    order = replace(SHORT, type="glass-fruit", prompt="玻璃草莓，慢慢切片", aspect_ratio="9:16")
    handle = local.submit(order)
    assert not local.has_room()
    seen: list[Report] = []

    def look():
        seen.append(local.poll(handle))
        return seen[-1].state != "running"

    wait_until(look, 60)
    assert seen[-1] == Report("ready", 100.0, 0.0)
    percents = [report.percent for report in seen if report.percent is not None]
    assert percents == sorted(percents)
    assert len(set(percents)) >= 3
    told = {event.get("percent") for event in events_of(renders / handle)} | {100.0}
    assert set(percents) <= told  # nothing is made up
    started = events_of(renders / handle)[0]
    assert (started["scene"], started["variant"]) == ("fruit", "strawberry")
    clip = local.fetch(handle)
    command = [find_ffmpeg(), "-hide_banner", "-i", str(clip), "-map", "0", "-f", "null", "-"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert re.search(r"Video: h264.* 270x480", said)
    assert re.search(r"Audio: aac.* 48000 Hz, stereo", said)
    assert "Duration: 00:00:04.0" in said
    assert "frame=   48" in said
    wait_until(local.has_room)
    assert local.recover(handle) == handle
    local.forget(handle)
    local.forget(handle)
    assert not (renders / handle).exists()
    with pytest.raises(ProviderError) as caught:
        local.fetch(handle)
    assert caught.value.code == "result_expired"


def test_the_same_attempt_is_submitted_once(local, renders, ended):
    assert local.submit(LONG) == local.submit(LONG) == LONG.attempt_id
    pid = family(renders / LONG.attempt_id)[0]
    assert LocalProvider(renders).submit(LONG) == LONG.attempt_id
    assert family(renders / LONG.attempt_id)[0] == pid
    assert local.cancel(LONG.attempt_id)
    assert local.submit(LONG) == LONG.attempt_id  # cancelled stays cancelled
    assert local.poll(LONG.attempt_id).state == "cancelled"


def test_cancelling_ends_everything_and_leaves_no_clip(local, renders, drawing):
    handle = local.submit(LONG)
    drawing(handle)
    processes = family(renders / handle)
    assert len(processes) == 2  # the renderer and its ffmpeg
    assert local.cancel(handle)
    assert local.poll(handle) == Report("cancelled")
    wait_until(local.has_room)
    assert all(is_gone(pid) for pid in processes)
    assert not list((renders / handle).glob("clip*"))
    assert local.cancel(handle)  # again: as certain as before
    local.forget(handle)
    assert list(renders.iterdir()) == []


def test_cancelling_from_another_process(local, renders, drawing, worker):
    handle = local.submit(LONG)
    drawing(handle)
    other = worker()
    assert other.ask(f"local.poll({handle!r}).state") == "running"
    assert other.ask(f"local.cancel({handle!r})") == "True"
    assert local.poll(handle).state == "cancelled"
    wait_until(local.has_room)


def test_cancelling_one_that_does_not_answer(local, renders, drawing, monkeypatch):
    monkeypatch.setattr(module, "GRACE_S", 0.2)
    handle = local.submit(LONG)
    drawing(handle)
    processes = family(renders / handle)
    os.kill(processes[0], signal.SIGSTOP)
    assert local.cancel(handle)
    wait_until(lambda: all(map(is_gone, processes)))
    assert local.poll(handle).state == "cancelled"
    assert not list((renders / handle).glob("clip*"))


def test_cancelling_right_after_submitting(local):
    handle = local.submit(LONG)
    assert local.cancel(handle)
    assert local.poll(handle).state == "cancelled"


def test_a_result_that_came_first_stays(local, ended):
    handle = local.submit(SHORT)
    assert ended(handle).state == "ready"
    assert not local.cancel(handle)
    assert local.poll(handle).state == "ready"
    assert local.fetch(handle).is_file()


def test_what_was_never_submitted_is_surely_stopped(local):
    assert local.cancel("never")
    assert local.poll("never") == Report("lost")


def test_places_are_limited(renders, ended):
    two = LocalProvider(renders, concurrency=2, quality="draft")
    names = ["a", "b", "c"]
    for name in names[:2]:
        assert two.has_room()
        two.submit(replace(LONG, attempt_id=name))
    assert not two.has_room()
    with pytest.raises(ProviderError) as caught:
        two.submit(replace(LONG, attempt_id="c"))
    assert (caught.value.code, caught.value.permanent) == ("rate_limited", False)
    assert two.recover("c") is None
    assert [two.poll(name).state for name in names] == ["running", "running", "lost"]
    assert two.cancel("a")
    wait_until(two.has_room)
    assert two.poll("b").state == "running"
    two.forget("b")
    assert not (renders / "b").exists()


def test_a_renderer_that_dies_is_lost_and_starts_anew(local, renders, drawing):
    handle = local.submit(LONG)
    drawing(handle)
    os.killpg(family(renders / handle)[0], signal.SIGKILL)
    wait_until(lambda: local.poll(handle) == Report("lost"))
    wait_until(local.has_room)
    assert local.recover(handle) is None
    assert local.submit(LONG) == handle
    assert local.poll(handle).state == "running"


def test_a_shutdown_that_ends_the_renderer_is_no_cancellation(local, renders, drawing):
    handle = local.submit(LONG)
    drawing(handle)
    os.kill(family(renders / handle)[0], signal.SIGTERM)
    wait_until(lambda: local.poll(handle) == Report("lost"))


@pytest.mark.parametrize(
    ("changes", "ffmpeg", "code"),
    [
        ({"aspect_ratio": "2:1"}, None, "permanent"),
        ({}, "/nowhere/ffmpeg", "permanent"),
    ],
)
def test_a_failure_says_why(renders, ended, changes, ffmpeg, code):
    local = LocalProvider(renders, quality="draft", ffmpeg=ffmpeg)
    report = ended(local.submit(replace(SHORT, **changes)))
    assert (report.state, report.code) == ("failed", code)
    assert report.message


def test_a_recycled_pid_is_never_killed(local, renders, monkeypatch):
    """The pid file names a process that is not the one that wrote it; somebody holds the lock."""
    monkeypatch.setattr(render_folder, "FOUND_S", 0.1)
    folder = renders / "attempt-1"
    folder.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        (folder / "pid").write_text(f"{stranger.pid} {os.getpid()} 12345\n")
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert not local.cancel("attempt-1")
            with pytest.raises(ProviderError) as caught:
                local.recover("attempt-1")
            assert caught.value.code == "unknown_outcome"
        assert local.cancel("attempt-1")  # nothing holds the lock: nothing runs
        assert stranger.poll() is None
        stranger.communicate(b"\n")


def test_a_full_disk_is_said_before_the_work(small_disk):
    local = LocalProvider(small_disk / "renders", quality="draft")
    with pytest.raises(ProviderError) as caught:
        local.submit(SHORT)
    assert (caught.value.code, caught.value.permanent) == ("disk_full", False)
    assert local.has_room()
    assert local.recover(SHORT.attempt_id) is None


def test_a_disk_that_fills_up_on_the_way_is_a_failure(small_disk, monkeypatch, ended):
    monkeypatch.setattr(module, "_check_space", lambda *_: None)
    local = LocalProvider(small_disk / "renders", quality="draft")
    handle = local.submit(LONG)
    wait_until(lambda: local.poll(handle).state != "running", 60)
    assert (local.poll(handle).state, local.poll(handle).code) == ("failed", "disk_full")
    local.forget(handle)


def test_the_child_knows_no_secret_and_is_modest(local, renders, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "not for the renderer")
    handle = local.submit(LONG)
    pid = wait_until(lambda: family(renders / handle)[0])
    wait_until(lambda: os.getpriority(os.PRIO_PROCESS, pid) >= min(os.nice(0) + module.NICE, 19))
    assert "SECRET_KEY" not in Path(f"/proc/{pid}/environ").read_text()


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc", "a.b", "é", "a\0"])
def test_an_attempt_id_never_leaves_the_folder(local, name):
    with pytest.raises(ValueError, match="attempt id"):
        local.poll(name)


def test_what_is_described_is_what_the_renderer_says(local):
    assert local.describe("glass-fruit", "kiwi") == Description("fruit", "kiwi", True)
    assert local.describe("ocean", "waves") == Description("rain", "street", False)
    assert {local.describe(kind, "").scene for kind in subjects.SHOWN} == set(subjects.SCENES)


def test_capabilities(local):
    offered = local.capabilities
    assert (offered.name, offered.kind, offered.cancel) == ("local", "local", "always")
    assert offered.durations == tuple(range(4, 31))
    assert offered.aspect_ratios == ("16:9", "9:16", "1:1")
    assert offered.resolutions == ("720p", "1080p")
    assert offered.price.cents(30, "1080p") == 0


@pytest.mark.parametrize(
    ("written", "percent"),
    [
        (b"", None),
        (b'{"event": "progress", "percent": 4.2}\n', 4.2),
        (b'{"event": "progress", "percent": 4.2}\n{"event": "prog', 4.2),
        (b'{"event": "progress", "percent": 4.2}\n\xff\xfe[1]\n7\n', 4.2),
        (b"x" * 9000 + b'\n{"event": "progress", "percent": 5}\n', 5),
    ],
)
def test_the_newest_whole_event_counts(tmp_path, written, percent):
    (tmp_path / "events.jsonl").write_bytes(written)
    event = render_folder.last_event(tmp_path)
    assert (event or {}).get("percent") == percent
