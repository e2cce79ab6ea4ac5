"""How the child process behaves: it is nice, it is findable, and it dies with its parent.

Standard library only, and imported before anything heavy, so that all of this holds from the
first moments of the process on.
"""

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

WATCH_EVERY_S = 0.25
PS_TIMEOUT_S = 5.0

WATCHER = "watches-its-parent"


def available_threads() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def start_mark(pid: int) -> str | None:
    """When the process began, in the kernel's own words; None when there is no such process.

    A pid is used again after its process has ended; pid and mark together never are.
    """
    facts = _facts(pid)
    return facts[1] if facts else None


def parent_of(pid: int) -> int | None:
    """The parent's pid; None when there is no such process."""
    facts = _facts(pid)
    return facts[0] if facts else None


def _facts(pid: int) -> tuple[int, str] | None:
    """Parent and start of a process that lives: a zombie does not."""
    try:
        # after the name in brackets, which may hold spaces: state, parent, ..., start: proc(5)
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return None if fields[0] in "ZX" else (int(fields[1]), fields[19])
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _facts_by_ps(pid)
    except (OSError, IndexError):  # it ended while we were reading
        return None


def _facts_by_ps(pid: int) -> tuple[int, str] | None:
    """The same where there is no /proc (macOS, BSD)."""
    command = ["ps", "-o", "stat=,ppid=,lstart=", "-p", str(pid)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PS_TIMEOUT_S, check=True
        )
        state, parent, *started = done.stdout.split()
        return None if state.startswith("Z") else (int(parent), "_".join(started))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def write_pid_file(path: Path, pid: int, parent: int) -> None:
    """Atomically write "pid parent start-mark"."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(f"{pid} {parent} {start_mark(pid) or '-'}\n")
    draft.replace(path)


def die_with(parent: int, clean_up: Callable[[], None]) -> None:
    """End this process at once, after `clean_up`, when `parent` is not its parent any more.

    PR_SET_PDEATHSIG would be shorter, but it fires when the *thread* that started us ends.
    """
    if os.getppid() != parent:
        os._exit(1)
    watcher = threading.Thread(target=_watch, args=(parent, clean_up), daemon=True, name=WATCHER)
    watcher.start()


def _watch(parent: int, clean_up: Callable[[], None]) -> None:
    wait = threading.Event().wait
    while os.getppid() == parent:
        wait(WATCH_EVERY_S)
    try:
        clean_up()
    finally:
        os._exit(1)
