"""The child-process interface: events, files, cancelling, manners, errors."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from renderer import BadRequest, Cancelled, make_plan, manners, render
from renderer.__main__ import REPORT_EVERY_S, Reporter
from renderer.clip import SOURCE_TYPE, Progress
from renderer.encode import find_ffmpeg
from tests.waiting import wait_until

GONE_S = 5  # takes half a second; more where other tests keep the processors from a nice child
ROOT = Path(__file__).parents[2]


def start(*arguments, parent="", **environment):
    command = [sys.executable, "-m", "renderer", *map(str, arguments)]
    if parent:
        command = [sys.executable, "-c", parent, *command]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def write_request(folder, **changes):
    request = {"prompt": "candle rain", "quality": "draft", "duration_s": 4, **changes}
    path = folder / "request.json"
    path.write_text(json.dumps(request))
    return path


def finish(process):
    output, errors = process.communicate(timeout=90)
    assert "Traceback" not in errors
    return [json.loads(line) for line in output.splitlines()]


def ffmpeg(*arguments):
    command = [find_ffmpeg(), "-hide_banner", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def children_of(pid):
    return [
        int(stat.parent.name)
        for stat in Path("/proc").glob("[0-9]*/stat")
        if manners.parent_of(int(stat.parent.name)) == pid
    ]


def test_a_clip_is_made(tmp_path):
    out = tmp_path / "clip.mp4"
    events = finish(start(write_request(tmp_path), out))
    assert events[0] == {
        "event": "started",
        "scene": "rain",
        "variant": "candle",
        "recognised": True,
    }
    progress = [event for event in events if event["event"] == "progress"]
    frames = [event["frame"] for event in progress]
    assert frames == sorted(set(frames))
    assert (frames[0], frames[-1]) == (1, 48)
    assert [e["percent"] for e in progress] == [round(99 * f / 48, 1) for f in frames]
    assert progress[0]["eta_s"] is None
    done = events[-1]
    assert (done["event"], done["width"], done["height"]) == ("done", 480, 270)
    assert done["bytes"] == out.stat().st_size
    data = out.read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")  # faststart
    peak = ffmpeg("-i", out, "-af", "volumedetect", "-f", "null", "-").stderr
    loudest = re.search(r"max_volume: (-?[\d.]+) dB", peak)
    assert loudest
    assert float(loudest[1]) <= -3.0
    assert {p.name for p in tmp_path.iterdir()} == {"clip.mp4", "request.json"}


def test_the_file_says_what_it_is(tmp_path):
    out = render(make_plan("secret words", "rain", duration_s=4, quality="draft"), tmp_path / "c")
    said = ffmpeg("-v", "error", "-i", out, "-f", "ffmetadata", "-").stdout
    tags = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    assert tags["comment"] == "Local procedural preview, not AI generated"
    assert tags["genre"] == "Procedural, not AI"
    facts = json.loads(tags["description"].replace("\\", ""))
    assert facts["digital_source_type"] == SOURCE_TYPE
    assert facts["ai_generated"] is False
    assert "secret" not in said


def test_progress_is_told_a_few_times_a_second(capsys, monkeypatch):
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    report = Reporter()
    for frame in range(1, 101):
        report(Progress(frame, 100, 0.99 * frame, None))
        now += 0.01
    told = [json.loads(line)["frame"] for line in capsys.readouterr().out.splitlines()]
    assert (told[0], told[-1]) == (1, 100)
    assert len(told) <= 2 + 1.0 / REPORT_EVERY_S


def test_sigterm_cancels_and_leaves_nothing(tmp_path):
    out = tmp_path / "clip.mp4"
    process = start(write_request(tmp_path, quality="standard", duration_s=30), out)
    next(line for line in process.stdout if '"progress"' in line)
    process.send_signal(signal.SIGTERM)
    events = finish(process)
    assert (events[-1]["event"], events[-1]["code"]) == ("failed", "cancelled")
    assert process.returncode == 5
    assert [p.name for p in tmp_path.iterdir()] == ["request.json"]


def test_cancel_by_api_keeps_an_older_clip(tmp_path):
    out = tmp_path / "clip.mp4"
    out.write_bytes(b"older")
    plan = make_plan("rain", quality="draft", duration_s=4)
    with pytest.raises(Cancelled):
        render(plan, out, is_cancelled=lambda: True)
    assert out.read_bytes() == b"older"
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


PARENT = """
import subprocess, sys, os
command = sys.argv[1:]
command[3:3] = ["--parent", str(os.getpid())]
subprocess.run(command)
"""


def test_the_renderer_and_its_ffmpeg_die_with_a_killed_parent(tmp_path):
    request = write_request(tmp_path, quality="standard", duration_s=30)
    pid_file = tmp_path / "pid"
    parent = start(
        "--pid-file", pid_file, "--nice", "5", request, tmp_path / "clip.mp4", parent=PARENT
    )
    with parent:
        next(line for line in parent.stdout if '"progress"' in line)
        pid, its_parent, mark = pid_file.read_text().split()
        family = [int(pid), *children_of(int(pid))]
        assert len(family) == 2  # the renderer and ffmpeg
        assert int(its_parent) == parent.pid
        assert mark == manners.start_mark(int(pid))
        assert os.getpriority(os.PRIO_PROCESS, family[1]) == min(os.nice(0) + 5, 19)
        parent.kill()
        wait_until(lambda: not any(map(manners.start_mark, family)), GONE_S)
        assert {path.name for path in tmp_path.iterdir()} == {"pid", "request.json"}


def test_a_child_whose_parent_is_gone_already_does_not_begin(tmp_path):
    out = tmp_path / "clip.mp4"
    process = start("--parent", os.getppid(), write_request(tmp_path), out)
    assert finish(process) == []
    assert process.returncode == 1
    assert not out.exists()


def test_a_zombie_and_a_stranger_have_no_start_mark():
    process = subprocess.Popen([sys.executable, "-c", ""])
    wait_until(lambda: manners.start_mark(process.pid) is None, 10)  # ended, not reaped
    process.wait()
    assert manners.start_mark(process.pid) is None
    assert manners.start_mark(os.getpid()) == manners.start_mark(os.getpid())


@pytest.mark.parametrize("kind", ["missing folder", "folder", "pipe", "link"])
def test_unsafe_outputs_are_refused(tmp_path, kind):
    out = tmp_path / "out"
    if kind == "missing folder":
        out = tmp_path / "none" / "clip.mp4"
    elif kind == "folder":
        out.mkdir()
    elif kind == "pipe":
        os.mkfifo(out)
    else:
        out.symlink_to(tmp_path / "elsewhere.mp4")
    with pytest.raises(BadRequest):
        render(make_plan("rain", quality="draft"), out)


@pytest.mark.parametrize(
    ("change", "environment", "code", "status"),
    [
        ({"aspect_ratio": "2:1"}, {}, "bad_request", 2),
        ({}, {"FFMPEG_BIN": "no-such-program"}, "no_ffmpeg", 3),
        ({"start_image": __file__}, {}, "bad_request", 2),
    ],
)
def test_error_codes(tmp_path, change, environment, code, status):
    out = tmp_path / "clip.mp4"
    process = start(write_request(tmp_path, **change), out, **environment)
    events = finish(process)
    assert (events[-1]["event"], events[-1]["code"]) == ("failed", code)
    assert process.returncode == status
    assert not out.exists()


@pytest.mark.parametrize("arguments", [[], ["one"], ["a", "b", "--warm"], ["--threads", "x"]])
def test_a_senseless_command_line_is_an_event_too(arguments):
    process = start(*arguments)
    assert [event["code"] for event in finish(process)] == ["bad_request"]
    assert process.returncode == 2


@pytest.mark.parametrize(
    ("said", "code", "status"),
    [
        ("write: No space left on device", "disk_full", 4),
        ("av_interleaved_write_frame(): Disk quota exceeded", "disk_full", 4),
        ("clip.mp4.part: Permission denied", "unwritable", 6),
    ],
)
def test_trouble_with_the_disk_is_named(tmp_path, said, code, status):
    """ffmpeg stands in: it reports the trouble and stops."""
    fake = tmp_path / "ffmpeg"
    fake.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    fake.chmod(0o755)
    folder = tmp_path / "out"
    folder.mkdir()
    process = start(write_request(tmp_path), folder / "clip.mp4", FFMPEG_BIN=str(fake))
    assert finish(process)[-1]["code"] == code
    assert process.returncode == status
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("room_kb", [100, 780])
def test_a_full_disk_ends_cleanly_even_when_events_go_there(small_disk, tmp_path, room_kb):
    """Too small for the sound (100 kB), or for the clip and its events."""
    room = small_disk / "room"
    room.write_bytes(bytes(max(0, (700 - room_kb) * 1000)))
    request = write_request(tmp_path, duration_s=30 if room_kb > 100 else 4)
    command = [sys.executable, "-m", "renderer", str(request), str(small_disk / "clip.mp4")]
    with (small_disk / "events").open("wb") as events:
        done = subprocess.run(command, stdout=events, stderr=subprocess.PIPE, cwd=ROOT, text=True)
    assert done.returncode == 4
    assert done.stderr == ""
    last = json.loads((small_disk / "events").read_text().splitlines()[-1])
    assert (last["event"], last["code"]) == ("failed", "disk_full")
    assert {path.name for path in small_disk.iterdir()} == {"events", "room"}


def test_a_reader_that_went_away_does_not_stop_the_work(tmp_path):
    out = tmp_path / "clip.mp4"
    process = start(write_request(tmp_path), out)
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr.read() == ""
    process.stderr.close()
    assert out.stat().st_size > 50_000


def test_the_watcher_is_no_reason_to_stay():
    """A daemon thread: the process ends when its work is done, with its parent alive."""
    program = (
        "import os, threading; from renderer import manners;"
        "manners.die_with(os.getppid(), lambda: None);"
        "assert manners.WATCHER in [one.name for one in threading.enumerate()]"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=30, check=False)
    assert done.returncode == 0
