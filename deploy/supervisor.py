"""Runs the whole site on one machine: web, worker (and, with PAYMENTS=simulator, a Creem that takes
no money) as children of one small process.

`make run` starts it as `python -m deploy.supervisor --with-parent`. It restarts a part that died,
after a pause that doubles; passes on what the parts print, each line with the part's name; stops
all on Ctrl-C, TERM or a closed terminal; and takes them along when it is killed itself. It imports
neither Flask nor the app, so it is up in an instant and nothing in them can break it.
"""

import ctypes
import functools
import http.client
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from config import ROOT, Config, ConfigError

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
HEALTHY_AFTER_S = 30.0
"""A part that lived this long starts again after the first pause."""
STOP_S = 20.0
"""From TERM to KILL. Longer than the grace of the parts themselves: gunicorn 10 s, worker 15 s."""
KILL_S = 5.0
TICK_S = 0.1

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
prctl = getattr(ctypes.CDLL(None), "prctl", None)
STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


@dataclass
class Part:
    """One child: what to start, and how it fares. `*_s` are seconds of time.monotonic()."""

    name: str
    command: list[str]
    process: "subprocess.Popen[bytes] | None" = None
    started_s: float = 0.0
    restart_s: float = 0.0
    pause_s: float = FIRST_PAUSE_S


@dataclass
class Output:
    """What one start of a part prints; a line is passed on when it is whole."""

    name: str
    pending: bytes = field(default=b"")


def main(arguments: list[str]) -> int:
    """Check settings and port, migrate, then run until told to stop. Returns the exit status."""
    if "--with-parent" in arguments:
        _end_with(os.getppid())
    os.umask(0o077)  # databases, mail and media are this user's alone
    try:
        config = Config.from_env()
    except ConfigError as error:
        return _refuse(str(error))
    places = [(config.HOST, config.PORT)]
    gunicorn = ["gunicorn", "--config", "deploy/gunicorn.py", "--no-control-socket", "wsgi:app"]
    programs = {"web": gunicorn, "worker": ["flask", "worker"]}
    if config.PAYMENTS == "simulator":
        places.append(("127.0.0.1", urlsplit(config.CREEM["base_url"]).port))
        programs["creem"] = ["tests.simulators", "creem", "--like-site"]
    if problem := next(filter(None, (port_problem(*place) for place in places)), None):
        return _refuse(problem)
    if status := migrate():
        return status
    parts = [Part(name, [sys.executable, "-m", *words]) for name, words in programs.items()]
    return supervise(parts, config.HOST, config.PORT)


def port_problem(host: str, port: int) -> str | None:
    """Why nothing can listen there, in one line; None when the port is free."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # gunicorn does the same
            probe.bind(address)
    except OSError as error:
        return f"cannot listen on {host}:{port}: {error.strerror} (try: make run PORT={port + 1})"
    return None


def migrate() -> int:
    """Bring the database to the newest schema. What alembic says is shown only when it fails."""
    command = [sys.executable, "-m", "flask", "db", "upgrade"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
    return done.returncode


def supervise(parts: list[Part], host: str, port: int) -> int:
    """Keep the parts running until a stop signal; print the address once the site answers there.

    Returns 0 after a stop. Belongs in the main thread of a process without others: a child that is
    to end with its parent ends with the thread that started it.
    """
    signals, selector = _signals_to_pipe(), selectors.DefaultSelector()
    selector.register(signals, selectors.EVENT_READ)
    if prctl:
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # orphans of a dead part come to us, not to init
    guardian = None if prctl else _start_guardian()
    is_announced = False
    while not _arrived(signals) & STOP_SIGNALS:
        for part in parts:
            if not part.process and time.monotonic() >= part.restart_s:
                _start(part, selector, guardian)
        _pass_on(selector, 1.0 if is_announced and all(part.process for part in parts) else TICK_S)
        for part, status in _reap(parts):
            _plan_restart(part, status)
        if not is_announced and _answers(host, port):
            is_announced = True
            _say(f"CuttingASMR is ready at http://{_address(host)}:{port} (Ctrl-C stops it)")
    _stop(parts, selector, signals)
    return 0


def _signals_to_pipe() -> int:
    """Turn signals into bytes of a pipe, so that one `select` waits for signals and for output."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (*STOP_SIGNALS, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)  # the byte in the pipe is all we need
    return reader


def _arrived(signals: int) -> set[int]:
    """The numbers of the signals that came since the last look."""
    with suppress(BlockingIOError):
        return set(os.read(signals, 4096))
    return set()


def _start(part: Part, selector: selectors.BaseSelector, guardian: int | None) -> None:
    part.started_s = time.monotonic()
    # A session of its own keeps Ctrl-C for us alone, and lets us end what the part leaves behind.
    part.process = subprocess.Popen(
        part.command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=functools.partial(_end_with, os.getpid()),  # noqa: PLW1509  no threads here
    )
    assert part.process.stdout
    selector.register(part.process.stdout, selectors.EVENT_READ, Output(part.name))
    if guardian is not None:
        os.write(guardian, f"{part.name} {part.process.pid}\n".encode())


def _end_with(parent: int) -> None:
    """Ask Linux to TERM this process when `parent` dies, even by kill -9; survives `exec`."""
    if prctl:
        prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)


def _start_guardian() -> int:
    """Where the kernel offers no such thing: a process that ends the parts when we are gone.

    Returns the pipe on which it is told "name process-group". The pipe closes when we die.
    """
    reader, writer = os.pipe()
    if os.fork():
        os.close(reader)
        return writer
    os.setsid()  # out of reach of Ctrl-C
    os.close(writer)
    with os.fdopen(reader) as told:
        groups = dict(line.split() for line in told)
    for group in groups.values():
        _signal_group(int(group), signal.SIGTERM)
    os._exit(0)


def _pass_on(selector: selectors.BaseSelector, timeout_s: float) -> None:
    """Wait for output or a signal, and print the whole lines that came, with the part's name."""
    for key, _ in selector.select(timeout_s):
        output = key.data
        if output is None:  # the signals, which _arrived reads
            continue
        chunk = os.read(key.fd, 65536)
        *lines, output.pending = (output.pending + chunk).split(b"\n")
        if not chunk:
            lines = [output.pending] if output.pending else []
            selector.unregister(key.fileobj)
            key.fileobj.close()  # type: ignore[union-attr]  # it is the pipe that _start registered
        for line in lines:
            _say(f"{output.name} | {line.decode(errors='replace')}")


def _reap(parts: list[Part]) -> list[tuple[Part, int]]:
    """Take the status of every dead child, adopted ones too: no zombies. Returns the dead parts."""
    dead = []
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            for part in parts:
                if part.process and part.process.pid == found[0]:
                    part.process.returncode = os.waitstatus_to_exitcode(found[1])
                    dead.append((part, part.process.returncode))
                    _signal_group(found[0], signal.SIGKILL)  # gunicorn's workers hold the port
                    part.process = None
    return dead


def _plan_restart(part: Part, status: int) -> None:
    now = time.monotonic()
    if now - part.started_s >= HEALTHY_AFTER_S:
        part.pause_s = FIRST_PAUSE_S
    reason = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    _say(f"{part.name} | ended ({reason}); starting again in {part.pause_s:g} s")
    part.restart_s = now + part.pause_s
    part.pause_s = min(part.pause_s * 2, LONGEST_PAUSE_S)


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(_address(host).strip("[]"), port, timeout=1)
    try:
        connection.request("GET", "/api/health")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _address(host: str) -> str:
    """How a browser on this machine writes the host that we listen on."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  compared, not bound
    return f"[{host}]" if ":" in host else host


def _stop(parts: list[Part], selector: selectors.BaseSelector, signals: int) -> None:
    """TERM the parts, pass on their last words; KILL the rest in the end or at a second Ctrl-C."""
    for part in parts:
        if part.process:
            os.kill(part.process.pid, signal.SIGTERM)
    give_up_s = time.monotonic() + STOP_S
    while any(part.process for part in parts) and time.monotonic() < give_up_s:
        _pass_on(selector, TICK_S)
        _reap(parts)
        if signal.SIGINT in _arrived(signals):
            break
    give_up_s = time.monotonic() + KILL_S
    while (rest := _children(parts)) and time.monotonic() < give_up_s:
        for pid in rest:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _pass_on(selector, TICK_S)
        _reap(parts)


def _children(parts: list[Part]) -> list[int]:
    """The processes that are ours to end; adopted orphans only where the system lists them."""
    with suppress(OSError):
        listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
        return [int(pid) for pid in listed.split()]
    return [part.process.pid for part in parts if part.process]


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _refuse(problem: str) -> int:
    print(f"error: {problem}", file=sys.stderr)
    return 1


def _say(line: str) -> None:
    with suppress(OSError):  # a closed terminal must not end the site before SIGHUP does
        print(line, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # before the parts were started
        sys.exit(130)
