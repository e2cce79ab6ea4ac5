"""Named moments of the code at which a real process can be killed or stopped.

Not a line of app/ knows of them. `install` wraps the functions around each gap: every commit (named
after the verb that commits: `attempts._claim`), every call of a provider, every file put into the
storage, the queue.
The folder FAULTS_DIR tells a process what to do and hears what it did:

    armed    "KILL 2 submit.after 7": the second process to get there is ended, its whole group
    plan-7   renamed to hit-7 by the one that carries it out
    trace    one line a moment: "monotonic-seconds pid moment detail"
"""

import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from app.providers import render_folder
from app.providers.local import LocalProvider
from renderer import manners

FOLDER = "FAULTS_DIR"
STEPS = (
    "attempts", "dues", "endings", "leases", "moves", "overdue", "queueing", "results", "sounds",
    "watching", "write_back",
)  # fmt: skip
"""Services whose commits bring a video further; "step" is after each, whatever its name."""


def reach(moment: str, detail: object = "") -> None:
    """Note that this process got here; die or stop here if the test wants it."""
    folder = Path(os.environ[FOLDER])
    line = f"{time.monotonic():.3f} {os.getpid()} {moment} {detail}".rstrip()
    with (folder / "trace").open("a") as trace:
        trace.write(f"{line}\n")
    order = _read(folder / "armed").split()
    if len(order) == 4 and order[2] == moment and _is_my_turn(folder, int(order[1]), order[3]):
        if order[0] == "KILL":
            os.killpg(0, signal.SIGKILL)
        _stop()


def _stop() -> None:
    """SIGSTOP while no other thread of ours holds a lock of SQLite: all the others would wait."""
    from app.extensions import huey
    from app.services import transactions

    with transactions._sqlite_writers, getattr(huey.storage, "lock", nullcontext()):
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # not a step further


def _is_my_turn(folder: Path, wanted: int, plan: str) -> bool:
    """Count the visits of all processes; the wanted one carries the plan out, if it stands."""
    visit = next(number for number in range(1, 1000) if _is_new(folder / f"visit-{plan}-{number}"))
    if visit != wanted:
        return False
    try:
        (folder / f"plan-{plan}").rename(folder / f"hit-{plan}")
    except FileNotFoundError:
        return False  # disarmed
    return True


def _is_new(path: Path) -> bool:
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def install(vendors: Any) -> None:
    """Wrap what this process will call. `vendors` are those of its app, built already."""
    for provider in vendors.providers.values():
        for verb in ("submit", "recover", "poll", "cancel", "fetch", "forget"):
            _around(provider, verb, verb, lambda first: getattr(first, "attempt_id", first))
        if isinstance(provider, LocalProvider):
            _watch_renders(provider)
    _watch_commits()
    _watch_storage(vendors.storage)
    _watch_queue()
    _watch_steps()


def _watch_renders(provider: LocalProvider) -> None:
    """Inside of a submission, a cancellation, a clean-up of the real renderer."""
    _around(render_folder, "claim", "render.claim")
    _around(render_folder, "end", "render.end")
    _around(provider, "_spawn", "render.spawn")
    _around(manners, "write_pid_file", "render.pid_file")


def _around(
    owner: Any, name: str, moment: str, detail: Callable[[Any], object] = lambda first: ""
) -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        said = detail(args[0]) if args else ""
        reach(f"{moment}.before", said)
        answer = original(*args, **kwargs)
        reach(f"{moment}.after", said)
        return answer

    setattr(owner, name, wrapped)


def _watch_commits() -> None:
    """`commit:services.attempts._claim.before` and `.after`, for every transaction of app/."""
    from sqlalchemy.engine.default import DefaultDialect

    original = DefaultDialect.do_commit

    def do_commit(self: Any, connection: Any) -> None:
        verb = _committing_verb()
        reach(f"commit:{verb}.before")
        original(self, connection)
        reach(f"commit:{verb}.after")
        if verb.partition(".")[0] in STEPS:
            reach("step")

    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]


def _committing_verb() -> str:
    """The nearest function of app/services that is above the commit."""
    frame = sys._getframe(2)
    while frame.f_back:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("app.services.") and module != "app.services.transactions":
            return f"{module.removeprefix('app.services.')}.{frame.f_code.co_name}"
        frame = frame.f_back
    return "other"


def _watch_storage(storage: Any) -> None:
    """`put:video.half` is in the middle of the copy; `.before` and `.after` are around it."""
    from app.media import storage as module

    write_new = module._write_new

    def write_half_first(path: Path, content: Any) -> None:
        name = path.name.split(".")[1]  # ".video.mp4.<hex>.part"
        with _half_written(path, content):
            reach(f"put:{name}.half")
        write_new(path, content)

    module._write_new = write_half_first
    _around(module, "_move_into_place", "place")
    _around(storage, "put", "put", lambda key: key)
    _around(storage, "delete_all", "delete_all", lambda key: key)


@contextmanager
def _half_written(path: Path, content: Any) -> Iterator[None]:
    """The first half of `content` under `path`, gone again if nobody dies."""
    path.write_bytes(content.read(max(1, os.fstat(content.fileno()).st_size // 2)))
    try:
        yield
    finally:
        content.seek(0)
        path.unlink()


def _watch_queue() -> None:
    """`enqueue:submit_video.before`, `run:store_video.before`, `later:sweep_videos.before`."""
    from app.extensions import huey

    def watch(name: str, moment: str) -> None:
        original = getattr(huey, name)

        def wrapped(task: Any, *args: Any, **kwargs: Any) -> Any:
            kind = f"later:{task.name}" if name == "enqueue" and task.eta else moment + task.name
            reach(f"{kind}.before")
            answer = original(task, *args, **kwargs)
            reach(f"{kind}.after")
            return answer

        setattr(huey, name, wrapped)

    watch("enqueue", "enqueue:")
    watch("execute", "run:")


def _watch_steps() -> None:
    """Steps between which nothing is committed."""
    from app import media
    from app.services import clawbacks, granting, leases, payment_events, sweeps

    _around(media, "inspect", "inspect")
    _around(media, "make_stills", "stills")
    _around(leases, "free_dead", "free_dead")
    _around(sweeps, "refresh_due", "sweep")
    _around(payment_events, "_keep", "event.keep")  # these three: between statements of one
    _around(granting, "_give", "give")
    _around(clawbacks, "settle", "settle")
