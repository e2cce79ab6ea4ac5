"""How long `make run` takes until the site answers, when everything is installed already.

In a copy of the working tree with an instance of its own.  The virtual environment and the compiled
renderer are this tree's: what is measured is the second start.  The first start here makes the
database; then three more are timed.
"""

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench import scratch
from bench.figures import Figure, missing
from bench.processes import in_session
from bench.servers import ROOT

STARTS = 3
DEADLINE_S = 60
STOP_S = 40


def measure() -> Iterator[Figure]:
    """Seconds from typing the command to the first page."""
    name = "second `make run`, start to first page"
    if not shutil.which("make") or not shutil.which("git"):
        yield missing(name, "make or git is not installed")
        return
    with scratch.folder() as place:
        tree = place / "tree"
        _copy(tree)
        _start(tree)
        seconds = [_start(tree) for _ in range(STARTS)]
    note = "of " + ", ".join(f"{one:.2f}" for one in seconds)
    yield Figure(name, median(seconds), "s", 5, "lower", note)


def _copy(tree: Path) -> None:
    """The files git knows of, or would; the virtual environment by links, as installed."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    for name in filter(None, listing.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    for catalogue in ROOT.glob("app/translations/*/LC_MESSAGES/*.mo"):
        shutil.copy2(catalogue, tree / catalogue.relative_to(ROOT))
    kernels = Path(os.environ.get("NUMBA_CACHE_DIR", ROOT / "instance" / "numba"))
    compiled = tree / "instance" / "numba"
    if kernels.is_dir():
        shutil.copytree(kernels, compiled)
    compiled.mkdir(parents=True, exist_ok=True)
    (compiled / "warm").touch()  # newer than the renderer: `make` has nothing to compile
    packages = tree / ".venv"
    packages.mkdir()
    for entry in (ROOT / ".venv").iterdir():
        (packages / entry.name).symlink_to(entry)
    lock = packages / "dev.lock"
    lock.unlink(missing_ok=True)
    shutil.copy2(tree / "requirements" / "dev.txt", lock)


def _start(tree: Path) -> float:
    """Start the site, wait for its first page, end it by its pid. Returns seconds to the page."""
    port = scratch.free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "PORT": str(port),
    }
    log = tree.parent / "log"
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            ["make", "run"], cwd=tree, env=environment, stdout=output, stderr=output,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    try:
        scratch.wait_until(lambda: _answers(process, port, log), DEADLINE_S, "make run answers")
        return time.perf_counter() - started
    finally:
        _stop(process)


def _answers(process: "subprocess.Popen[bytes]", port: int, log: Path) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"make run ended: {log.read_text(errors='replace')[-2000:]}")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """TERM to make, which ends with what it started; whatever is left is killed, pid by pid."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    process.wait(STOP_S)
    with contextlib.suppress(TimeoutError):
        scratch.wait_until(lambda: not in_session(process.pid), STOP_S, "its parts ended")
    for pid in in_session(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
