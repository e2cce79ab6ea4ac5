"""A debit on PostgreSQL: 8 clients, as threads of a process a core, against pgbench with 8.

pgbench runs the very statements that our side sent, prepared, on a database that commits to disk.
Slices of a second take turns; then the same with one hot account for all.
"""

import re
import resource
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from bench import scratch, spending
from bench.clients import Clients
from bench.figures import Figure, paired
from bench.spending import ACCOUNTS, Recorded

ROUNDS = 6
CLIENTS = 8


def measure(server: scratch.Server, place: Path) -> Iterator[Figure]:
    """The ratio to pgbench, and what a hot account costs either."""
    with server.database() as url, scratch.app_on(url, place) as app:
        spending.fill(app)
        recorded = spending.record(app)
        scripts = {
            "spread": script(recorded, place / "spread.sql", f"random(1, {ACCOUNTS})"),
            "hot": script(recorded, place / "hot.sql", "1"),
        }
        with Clients(CLIENTS, url.render_as_string(hide_password=False), place) as clients:
            pairs = [_pair(server, url, scripts, clients) for _ in range(ROUNDS + 1)][1:]
        spending.check(app)
    yield from _figures({name: [pair[name] for pair in pairs] for name in pairs[0]})


@dataclass(frozen=True)
class Slice:
    """A second of debits: how many, and the CPU of clients and server a debit."""

    rate: float
    cpu_ms: float


def _pair(
    server: scratch.Server, url: Any, scripts: dict[str, Path], clients: Clients
) -> dict[str, Slice]:
    """pgbench and ours in turn, on spread accounts and on a hot one."""
    found = {}
    for name, path in scripts.items():
        before_s = server.cpu_s() + _children_cpu_s()
        rate = _pgbench(server, url, path)
        cpu_s = server.cpu_s() + _children_cpu_s() - before_s
        found[f"pgbench {name}"] = Slice(rate, cpu_s * 1000 / rate)
        before_s = server.cpu_s() + clients.cpu_s()
        rate = clients.rate(name == "hot", 1.0)
        cpu_s = server.cpu_s() + clients.cpu_s() - before_s
        found[f"ours {name}"] = Slice(rate, cpu_s * 1000 / rate)
    return found


def _figures(slices: dict[str, list[Slice]]) -> Iterator[Figure]:
    rates = {name: [one.rate for one in some] for name, some in slices.items()}
    cpu = {name: [one.cpu_ms for one in some] for name, some in slices.items()}
    ours, theirs = "ours spread", "pgbench spread"
    yield Figure(
        f"debit against pgbench, {CLIENTS} clients",
        paired(rates[ours], rates[theirs]),
        target=0.25,
        note=f"ours {median(rates[ours]):.0f}, pgbench {median(rates[theirs]):.0f} transactions/s",
    )
    yield Figure(
        "debit against pgbench, CPU of all",
        paired(cpu[theirs], cpu[ours]),
        note=f"ours {median(cpu[ours]):.2f} ms, pgbench {median(cpu[theirs]):.2f} ms",
    )
    for who in ("ours", "pgbench"):
        hot = paired(rates[f"{who} hot"], rates[f"{who} spread"])
        yield Figure(f"debit, one hot account / spread, {who}", hot)


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def script(recorded: Recorded, path: Path, user: str) -> Path:
    """The recorded statements as pgbench reads them."""

    def value(values: dict[str, Any], match: re.Match[str]) -> str:
        held = values[match[1]]
        role = recorded.role(held)
        if role:
            return {"user": ":user", "video": ":video", "key": "('spend:' || :video)"}[role]
        if held is None:
            return "NULL"
        text = str(held).replace("'", "''")
        return str(held) if isinstance(held, bool | int) else f"'{text}'"

    lines = [f"\\set user {user}", "\\set video random(1, 9000000000000000000)", "BEGIN;"]
    for sql, values in recorded.statements:
        text = re.sub(r"%\((\w+)\)s", partial(value, values), sql)
        lines.append(" ".join(text.split()) + ";")
    path.write_text("\n".join([*lines, "COMMIT;", ""]))
    return path


def _pgbench(server: scratch.Server, url: Any, path: Path) -> float:
    """Transactions a second by pgbench with prepared statements."""
    command = [
        *(str(server.programs / "pgbench"), "--no-vacuum", "--protocol=prepared"),
        *(f"--client={CLIENTS}", "--jobs=2", "--time=1", f"--file={path}", scratch.plain(url)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
    failed = re.search(r"number of failed transactions: ([1-9]\d*)", done.stdout)
    if done.returncode or found is None or failed:
        raise RuntimeError(f"pgbench: {done.stdout}{done.stderr}")
    return float(found[1])
