"""Starts the processes under test: by exec as in production, or from a nursery.

A campaign restarts hundreds of times, and most of a start is reading modules. The nursery has read
them; what it forks runs the same entry points (see parts), in a session of its own.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from threading import Lock

from config import ROOT
from renderer import manners
from tests.waiting import wait_until

MODULES = (
    "app.auth app.blueprints app.cli app.error_pages app.htmx app.i18n app.logs app.security"
    " app.tasks app.template_filters flask.cli gunicorn.app.wsgiapp gunicorn.workers.gthread"
    " sqlalchemy.dialects.sqlite sqlalchemy.dialects.postgresql tests.faults.parts"
)


class Part:
    """A process with a session of its own, as the supervisor starts them."""

    def __init__(
        self, pid: int, log: Path, process: "subprocess.Popen[bytes] | None" = None
    ) -> None:
        self.pid, self.log, self.process = pid, log, process
        self._mark = manners.start_mark(pid)

    @property
    def is_alive(self) -> bool:
        if self.process:
            return self.process.poll() is None
        return self._mark is not None and manners.start_mark(self.pid) == self._mark

    @property
    def is_asleep(self) -> bool:
        """Whether a signal has stopped it."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def kill(self) -> None:
        """kill -9 of all its processes; they are gone when this returns."""
        if self.is_alive:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        wait_until(lambda: not self.is_alive, 10, "a killed process is gone")

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)


Start = Callable[[str, dict[str, str], Path], Part]
"""`start("web" | "worker", environment, log)`."""


def start(kind: str, env: dict[str, str], log: Path) -> Part:
    """By exec, as in production."""
    gunicorn = ["gunicorn", "--config", "deploy/gunicorn.py", "--no-control-socket"]
    module = [*gunicorn, "tests.faults.parts:web()"] if kind == "web" else ["tests.faults.parts"]
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    return Part(process.pid, log, process)


@contextmanager
def nursery() -> Iterator[Start]:
    """The same by a fork of a process that has read the code already."""
    command = [sys.executable, "-m", "tests.faults.nursery"]
    turn = Lock()
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        asks, answers = process.stdin, process.stdout

        def fork(kind: str, env: dict[str, str], log: Path) -> Part:
            with turn:
                print(json.dumps([kind, env, str(log)]), file=asks, flush=True)
                return Part(int(answers.readline()), log)

        yield fork


def main() -> None:
    """Fork once a line of stdin, tell the pid on stdout; the kernel reaps."""
    for name in MODULES.split():
        import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        kind, env, log = json.loads(line)
        pid = os.fork()
        if not pid:
            become(kind, env, log)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def become(kind: str, env: dict[str, str], log: str) -> None:
    """Be the process that exec would have made; never returns."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream, target in ((0, os.open(os.devnull, os.O_RDONLY)), (1, out), (2, out)):
        os.dup2(target, stream)
    os.environ.clear()
    os.environ.update(env)
    status = 1
    try:
        run(kind)
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 1
    finally:
        sys.stdout.flush()
        os._exit(status)


def run(kind: str) -> None:
    """What `python -m gunicorn ...` and `flask worker` do."""
    if kind == "web":
        options = ["--config", "deploy/gunicorn.py", "--no-control-socket"]
        sys.argv = ["gunicorn", *options, "tests.faults.parts:web()"]
        import_module("gunicorn.app.wsgiapp").run()
    else:
        from tests.faults import parts

        parts.worker()


if __name__ == "__main__":
    main()
