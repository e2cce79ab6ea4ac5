"""What /proc tells of processes."""

import os
from pathlib import Path


def children(pid: int) -> list[int]:
    """The pids of the processes that `pid` started and that still run."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def cpu_s(pid: int, *, with_ended_children: bool = False) -> float:
    """utime + stime of a process, in seconds (proc(5)); 0 when it is not there any more."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    fields = stat.rpartition(")")[2].split()
    ticks = sum(map(int, fields[11 : 15 if with_ended_children else 13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def tree_cpu_s(pid: int) -> float:
    """The same of a process and of its children, those that ended included."""
    return cpu_s(pid, with_ended_children=True) + sum(map(cpu_s, children(pid)))


def in_session(session: int) -> list[int]:
    """The pids of a session, zombies left out."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it ended while we looked
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(entry.name))
    return found
