"""Kernels are compiled once, and a cache that cannot be used is no reason to fail."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from renderer import kernel_cache

ROOT = Path(__file__).parents[2]


def warm(cache_dir, program="import sys; from renderer.__main__ import main; main(['--warm'])"):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(cache_dir)}
    command = [sys.executable, "-c", program]
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return events, done.stderr, time.monotonic() - started


def test_warm_twice_compiles_once(tmp_path):
    """The compiling itself stands in: it is tested by every render."""
    program = (
        "import renderer.__main__ as m; m._compile = lambda *_: m.emit('compiled'); "
        "m.main(['--warm'])"
    )
    assert [event["event"] for event in warm(tmp_path, program)[0]] == ["compiled", "done"]
    events, errors, took_s = warm(tmp_path)
    assert [event["event"] for event in events] == ["done"]
    assert errors == ""
    assert took_s < 2
    assert list(tmp_path.glob("kernels-*/warm-*"))


def test_a_cache_that_cannot_be_written_is_said_in_one_line(tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    events, errors, _ = warm(in_the_way / "cache")
    assert [event["event"] for event in events] == ["done"]
    assert errors.count("\n") == 1
    assert "not writable" in errors


def test_a_render_without_a_cache_says_so_and_works(tmp_path):
    program = (
        "from renderer.mathkit import clamp; import json; "
        "print(json.dumps({'event': clamp(7, 0, 5)}))"
    )
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    events, errors, _ = warm(in_the_way / "cache", program)
    assert events == [{"event": 5}]
    assert errors.count("\n") == 1


def test_the_folder_is_named_after_the_sources(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    kernel_cache.folder.cache_clear()
    try:
        assert kernel_cache.folder().parent == tmp_path
        assert kernel_cache.stamp().parent == kernel_cache.folder()
    finally:
        kernel_cache.folder.cache_clear()
