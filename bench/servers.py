"""A web server on one core, the load on another, and what the server's CPU did meanwhile."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.processes import tree_cpu_s
from bench.scratch import free_port, wait_until

ROOT = Path(__file__).resolve().parents[1]
SERVER_CORE, CLIENT_CORE = 0, 1
THREADS = 8
"""As deploy/gunicorn.py has them."""
CONNECTIONS = 8


@dataclass(frozen=True)
class Slice:
    """What the server did in one slice of load."""

    requests: int
    cpu_s: float

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds a request: user and system time of the whole server."""
        return self.cpu_s * 1000 / self.requests


class Web:
    """A gunicorn with one gthread worker, pinned to a core of its own."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]") -> None:
        self.port, self.process = port, process

    def load(self, path: str, headers: dict[str, str], seconds: float) -> Slice:
        """Ask for `path` over and over from the other core. Raises when an answer is not a 200."""
        before_s = tree_cpu_s(self.process.pid)
        requests = _requests(f"http://127.0.0.1:{self.port}{path}", headers, seconds)
        return Slice(requests, tree_cpu_s(self.process.pid) - before_s)


@contextlib.contextmanager
def serving(target: str, environment: dict[str, str]) -> Iterator[Web]:
    """Serve `module:app`, ended by its pid."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "gunicorn", "--no-control-socket", "--worker-class", "gthread"),
        *("--workers", "1", "--threads", str(THREADS), "--bind", f"127.0.0.1:{port}"),
        *("--log-level", "warning", "--forwarded-allow-ips", "", target),
    ]
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment}
    process = subprocess.Popen(_pinned(SERVER_CORE, command), cwd=ROOT, env=variables)
    try:
        wait_until(lambda: _listens(process, port), 30, f"{target} answers")
        yield Web(port, process)
    finally:
        process.terminate()
        process.wait(30)


def _listens(process: "subprocess.Popen[bytes]", port: int) -> bool:
    import http.client

    if process.poll() is not None:
        raise RuntimeError(f"the server ended with status {process.returncode}")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status > 0
    except OSError:
        return False
    finally:
        connection.close()


def _pinned(core: int, command: list[str]) -> list[str]:
    """Tied to one core where there are two and `taskset` is here; else floating."""
    has_cores = len(os.sched_getaffinity(0)) > 1 and shutil.which("taskset")
    return ["taskset", "-c", str(core), *command] if has_cores else command


def _requests(url: str, headers: dict[str, str], seconds: float) -> int:
    """How many requests were answered in `seconds`: by wrk, else by the client beside this file."""
    given = [f"{name}: {value}" for name, value in headers.items()]
    if shutil.which("wrk"):
        options = ["-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s"]
        command = ["wrk", *options, *(word for line in given for word in ("-H", line)), url]
    else:
        command = [sys.executable, "-m", "bench.client", url, str(CONNECTIONS), str(seconds)]
        command += given
    done = subprocess.run(
        _pinned(CLIENT_CORE, command), capture_output=True, text=True, check=True, cwd=ROOT
    )
    found = re.search(r"(\d+) requests in", done.stdout)
    if found is None or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise RuntimeError(f"{url} did not answer well: {done.stdout}{done.stderr}")
    return int(found[1])


def settle(seconds: float = 0.2) -> None:
    """Let the server finish what the last slice left in its sockets."""
    time.sleep(seconds)
