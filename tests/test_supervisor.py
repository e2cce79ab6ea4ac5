"""The supervisor of `make run`, with real processes: it restarts, stops, leaves nothing behind."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config import ROOT
from deploy import supervisor
from tests.databases import free_port
from tests.waiting import wait_until

SLEEPER = "import os, time; print('pid', os.getpid(), flush=True); time.sleep(600)"
"""A part that would run for ever: it ends by TERM, as gunicorn and the worker do."""

STUBS = """
import sys
from deploy import supervisor
if {without_prctl}:
    supervisor.prctl = None
parts = [supervisor.Part(name, [sys.executable, "-c", code]) for name, code in {parts!r}.items()]
sys.exit(supervisor.supervise(parts, "127.0.0.1", {port}))
"""


class Site:
    """A supervisor with stub parts, in a process of its own; `lines` is what it has printed."""

    def __init__(self, log: Path, parts: dict[str, str], *, without_prctl: bool = False) -> None:
        self.log = log
        self.port = free_port()
        parts = {name: code.replace("PORT", str(self.port)) for name, code in parts.items()}
        code = STUBS.format(parts=parts, port=self.port, without_prctl=without_prctl)
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code], cwd=ROOT, stdout=out, stderr=out
            )

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines()

    def pids(self, name: str) -> list[int]:
        """The pids that part `name` has printed, one a start."""
        return [int(line.split()[-1]) for line in self.lines() if line.startswith(f"{name} | pid ")]

    def wait_for_start(self, name: str, count: int = 1) -> int:
        """The pid of the `count`-th start of a part."""
        return wait_until(lambda: self.pids(name)[count - 1 :], what=f"start {count} of {name}")[0]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Starts supervisors; ends them, and all that they started, after the test."""
    sites: list[Site] = []

    def start(parts: dict[str, str] | None = None, **options: bool) -> Site:
        log = tmp_path / f"{len(sites)}.log"
        sites.append(Site(log, parts or {"web": SLEEPER, "worker": SLEEPER}, **options))
        return sites[-1]

    yield start
    for site in sites:
        site.process.kill()
        site.process.wait()
        for line in re.findall(r"pid (\d+)", site.log.read_text()):
            if is_alive(int(line)):
                os.kill(int(line), signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def zombies_of(pid: int) -> list[str]:
    """The dead children of a process that it has not reaped."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    states = (Path(f"/proc/{child}/status").read_text() for child in children)
    return [state for state in states if "\nState:\tZ" in state]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_dead_worker_is_replaced_and_leaves_no_zombie(
    start: Callable[..., Site], number: signal.Signals
) -> None:
    site = start()
    first = site.wait_for_start("worker")
    web = site.wait_for_start("web")
    os.kill(first, number)
    second = site.wait_for_start("worker", 2)
    assert second != first
    assert is_alive(web)
    assert f"worker | ended ({number.name}); starting again in 0.5 s" in site.lines()
    assert zombies_of(site.process.pid) == []


def test_a_part_that_keeps_dying_is_started_after_longer_pauses(start: Callable[..., Site]) -> None:
    site = start({"web": SLEEPER, "worker": "print('no'); raise SystemExit(3)"})
    last = "worker | ended (exit status 3); starting again in 1 s"
    wait_until(lambda: last in site.lines())
    assert site.lines().count("worker | no") == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_ends_both_parts(start: Callable[..., Site], number: signal.Signals) -> None:
    site = start()
    parts = [site.wait_for_start("web"), site.wait_for_start("worker")]
    site.process.send_signal(number)
    assert site.process.wait(10) == 0
    assert not any(map(is_alive, parts))


def test_a_part_may_finish_its_work_and_say_so_before_it_ends(start: Callable[..., Site]) -> None:
    patient = (
        "import os, signal; signal.signal(signal.SIGTERM, lambda *_: print('saved'));"
        "print('pid', os.getpid(), flush=True); signal.pause()"
    )
    site = start({"web": SLEEPER, "worker": patient})
    site.wait_for_start("worker")
    site.process.send_signal(signal.SIGINT)
    assert site.process.wait(10) == 0
    assert "worker | saved" in site.lines()


def test_a_second_ctrl_c_does_not_wait_for_a_part_that_hangs(start: Callable[..., Site]) -> None:
    deaf = (
        "import os, signal; signal.signal(signal.SIGTERM, lambda *_: print('no', flush=True))\n"
        "print('pid', os.getpid(), flush=True)\n"
        "while True: signal.pause()"
    )
    site = start({"web": SLEEPER, "worker": deaf})
    worker = site.wait_for_start("worker")
    site.process.send_signal(signal.SIGINT)
    wait_until(lambda: "worker | no" in site.lines())
    site.process.send_signal(signal.SIGINT)
    assert site.process.wait(10) == 0
    assert not is_alive(worker)


@pytest.mark.parametrize("without_prctl", [False, True], ids=["linux", "elsewhere"])
def test_kill_9_of_the_supervisor_leaves_nothing(
    start: Callable[..., Site], without_prctl: bool
) -> None:
    site = start(without_prctl=without_prctl)
    parts = [site.wait_for_start("web"), site.wait_for_start("worker")]
    site.process.kill()
    site.process.wait()
    wait_until(lambda: not any(map(is_alive, parts)), what="both parts ended")


ORPHAN = SLEEPER.replace("'pid'", "'orphan pid'")
ORPHAN_MAKER = f"""
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", {ORPHAN!r}], start_new_session=True)
print('pid', os.getpid(), flush=True)
time.sleep(600)
"""


def test_orphans_of_a_dead_worker_are_reaped_and_ended_with_the_site(
    start: Callable[..., Site],
) -> None:
    site = start({"web": SLEEPER, "worker": ORPHAN_MAKER})

    def orphans() -> list[int]:
        return [int(line.split()[-1]) for line in site.lines() if "orphan pid" in line]

    first = site.wait_for_start("worker")
    wait_until(orphans)
    os.kill(first, signal.SIGKILL)
    site.wait_for_start("worker", 2)
    wait_until(lambda: len(orphans()) == 2)
    os.kill(orphans()[0], signal.SIGTERM)
    wait_until(lambda: not Path(f"/proc/{orphans()[0]}").exists(), what="the orphan was reaped")
    site.process.send_signal(signal.SIGTERM)
    assert site.process.wait(10) == 0
    assert not is_alive(orphans()[1])


def test_the_address_is_printed_only_when_the_site_answers(start: Callable[..., Site]) -> None:
    web = """
import http.server, os
class Health(http.server.BaseHTTPRequestHandler):
    answers = iter([503, 503, 200])
    def do_GET(self):
        status = next(self.answers)
        print("answered", self.path, status, flush=True)
        self.send_response(status)
        self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", PORT), Health).serve_forever()
"""
    site = start({"web": web, "worker": SLEEPER})
    ready = f"CuttingASMR is ready at http://127.0.0.1:{site.port} (Ctrl-C stops it)"
    wait_until(lambda: ready in site.lines())
    before = site.lines()[: site.lines().index(ready)]
    assert before.count("web | answered /api/health 503") == 2


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        env = {**os.environ, "HOST": "127.0.0.1", "PORT": str(port), "INSTANCE_DIR": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-m", "deploy.supervisor"],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1
    reason = "Address already in use"
    advice = f"(try: make run PORT={port + 1})"
    assert done.stderr == f"error: cannot listen on 127.0.0.1:{port}: {reason} {advice}\n"
    assert supervisor.port_problem("127.0.0.1", port) is None


def test_a_malformed_setting_is_one_clear_line(tmp_path: Path) -> None:
    env = {**os.environ, "PORT": "many", "INSTANCE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "deploy.supervisor"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: PORT='many'")
