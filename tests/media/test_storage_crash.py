"""kill -9 before every step of `put`, and in the middle of the copy.

One child process is started, which forks once for each point and lets that fork kill itself: a
fork of the test process would copy its threads' locks.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLED = r"""
import json, os, shutil, signal, sys
from pathlib import Path
from app.media import DiskStorage

root, old, new = map(Path, sys.argv[1:4])
STEPS = [(os, "mkdir"), (os, "open"), (shutil, "copyfileobj"), (os, "fsync"), (os, "replace")]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def half_copy(content, copy, length):
    copy.write(content.read(os.path.getsize(content.name) // 2))
    copy.flush()
    die()

def put_and_die(storage, point):
    count = 0
    def watched(function):
        def step(*args, **kwargs):
            nonlocal count
            count += 1
            if count == point:
                die()
            return function(*args, **kwargs)
        return step
    for module, name in STEPS:
        setattr(module, name, watched(getattr(module, name)))
    if point == 0:
        shutil.copyfileobj = half_copy
    storage.put("videos/a/file.mp4", new)
    os._exit(0)

def state(storage):
    path = storage.path("videos/a/file.mp4")
    if not path.exists():
        return "nothing"
    return {old.read_bytes(): "old", new.read_bytes(): "new"}.get(path.read_bytes(), "HALF")

seen = []
for point in range(100):
    storage = DiskStorage(root / str(point))
    if sys.argv[4] == "over":
        storage.put("videos/a/file.mp4", old)
    child = os.fork()
    if child == 0:
        put_and_die(storage, point)
    ended = os.waitpid(child, 0)[1]
    was = state(storage)
    swept = storage.sweep_partials(0)
    left = [p.name for p in storage.root.rglob("*") if p.is_file() and p.name != "file.mp4"]
    storage.put("videos/a/file.mp4", new)
    seen.append({"killed": os.WIFSIGNALED(ended), "was": was, "swept": swept, "left": left,
                 "then": state(storage)})
    if not os.WIFSIGNALED(ended):
        break
print(json.dumps(seen))
"""


@pytest.mark.parametrize(
    ("mode", "before", "least_points"), [("fresh", "nothing", 10), ("over", "old", 6)]
)
def test_a_kill_at_any_step_leaves_no_half_file(
    tmp_path: Path, mode: str, before: str, least_points: int
) -> None:
    old, new = tmp_path / "old.mp4", tmp_path / "new.mp4"
    old.write_bytes(b"old" * 100_000)
    new.write_bytes(b"new" * 150_000)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "media"), str(old), str(new), mode],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    points = json.loads(done.stdout)
    killed = [point for point in points if point["killed"]]
    assert len(killed) >= least_points
    assert points[-1] == {"killed": False, "was": "new", "swept": 0, "left": [], "then": "new"}
    for point in killed:
        assert point["was"] in (before, "new"), point
        assert point["left"] == [], point
        assert point["then"] == "new", point
    assert killed[0]["was"] == before, "half a copy became the file"
    assert killed[0]["swept"] == 1, "the partial of a killed put was not swept"
    assert {point["was"] for point in killed} == {before, "new"}
