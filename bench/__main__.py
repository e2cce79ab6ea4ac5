"""`make bench`: measures what the project promises about speed, and says what it missed.

python -m bench [--strict] [fragment|debit|pages|sweep|idle|latency|start|render ...]
"""

import argparse
import os
import platform
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator

from bench import debit, fragment, idle, latency, pages, render, start, sweep
from bench.figures import Figure, missing


def _render() -> Iterator[Figure]:
    name = "8 s at 720p, rendered"
    try:
        got = render.measure()
    except (OSError, RuntimeError) as error:
        yield missing(name, str(error))
        return
    note = f"{got['cpu_seconds']} s of CPU on {got['processors']} processors"
    yield Figure(name, got["seconds"], "s", note=note)


MEASUREMENTS: dict[str, Callable[[], Iterator[Figure]]] = {
    "fragment": fragment.measure,
    "debit": debit.measure,
    "pages": pages.measure,
    "sweep": sweep.measure,
    "idle": idle.measure,
    "latency": latency.measure,
    "start": start.measure,
    "render": _render,
}


def main(arguments: list[str]) -> int:
    """Print a line for each figure. Returns 1 when asked to be strict and a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASUREMENTS))
    parser.add_argument("--strict", action="store_true", help="fail when a target is missed")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(MEASUREMENTS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(MEASUREMENTS)}")
    print(_where())
    figures: list[Figure] = []
    started = time.monotonic()
    for name in options.names or MEASUREMENTS:
        for figure in MEASUREMENTS[name]():
            print(figure.line(), flush=True)
            figures.append(figure)
    missed = [figure.name for figure in figures if figure.verdict == "MISSED"]
    print(f"{len(figures)} figures, {len(missed)} missed, {time.monotonic() - started:.0f} s")
    return 1 if missed and options.strict else 0


def _where() -> str:
    """The machine, and how busy it is: figures by the clock want it idle."""
    load, processors = os.getloadavg()[0], os.cpu_count()
    return (
        f"{time.strftime('%Y-%m-%d %H:%M')}, {processors} processors, load {load:.1f}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
