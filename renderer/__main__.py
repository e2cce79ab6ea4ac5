"""Child-process interface: one JSON event a line on stdout.

    python -m renderer [options] REQUEST.json OUT.mp4
    python -m renderer [options] --warm     compile every kernel ahead of time

Exit status: 0 done, 2 bad_request, 3 no_ffmpeg, 4 disk_full, 5 cancelled, 6 unwritable, 1 internal.
Heavy imports come late: a parent may be gone, or ask to stop, before they are through.
"""

import argparse
import contextlib
import errno
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from . import kernel_cache, manners
from .subjects import SCENES

if TYPE_CHECKING:
    from .clip import Progress

EXIT_STATUS = {
    "internal": 1,
    "bad_request": 2,
    "no_ffmpeg": 3,
    "disk_full": 4,
    "cancelled": 5,
    "unwritable": 6,
}
DISK_ERRORS = {
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "disk_full",
    errno.EACCES: "unwritable",
    errno.EPERM: "unwritable",
    errno.EROFS: "unwritable",
}
REPORT_EVERY_S = 0.25


class UsageError(ValueError):
    """The command line makes no sense."""


class Parser(argparse.ArgumentParser):
    """Raises instead of printing to stderr and leaving: a caller gets its `failed` event."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def parser() -> Parser:
    """The command line."""
    made = Parser(prog="python -m renderer", description=__doc__, add_help=True)
    made.formatter_class = argparse.RawDescriptionHelpFormatter
    made.add_argument("request", nargs="?", type=Path, metavar="REQUEST.json")
    made.add_argument("out", nargs="?", type=Path, metavar="OUT.mp4")
    made.add_argument("--warm", action="store_true", help="compile every kernel, render nothing")
    made.add_argument("--parent", type=int, help="pid of the parent: end when it is gone")
    made.add_argument("--pid-file", type=Path, help='write "pid parent start-mark" there first')
    made.add_argument("--nice", type=int, default=0, help="add to the niceness (lower priority)")
    made.add_argument("--threads", type=int, help="threads to use (default: every processor)")
    return made


def emit(event: str, **values: Any) -> None:
    """Print one event.  A full disk or a closed pipe must not end the work: status tells too."""
    with contextlib.suppress(OSError):
        print(json.dumps({"event": event, **values}, ensure_ascii=False), flush=True)


class Reporter:
    """Prints progress: the first and the last, and between them a few a second."""

    def __init__(self) -> None:
        self._printed_at = -REPORT_EVERY_S

    def __call__(self, progress: "Progress") -> None:
        now = time.monotonic()
        last = progress.frame == progress.frames
        if now - self._printed_at < REPORT_EVERY_S and not last:
            return
        self._printed_at = now
        emit(
            "progress",
            percent=progress.percent,
            frame=progress.frame,
            frames=progress.frames,
            eta_s=None if progress.eta_s is None else round(progress.eta_s, 1),
        )


def run(request_path: Path, out: Path, stop: threading.Event, threads: int | None) -> None:
    """Render one request, with events."""
    from .clip import check_output, render
    from .encode import EncodeError
    from .plan import BadRequest
    from .request import load

    check_output(out)
    plan = load(request_path).plan()
    emit("started", scene=plan.scene.name, variant=plan.variant, recognised=plan.recognised)
    try:
        render(plan, out, Reporter(), stop.is_set, threads)
    except EncodeError as error:
        if plan.start_image and "start_image" in str(error):
            raise BadRequest(str(error)) from error
        raise
    emit(
        "done",
        path=str(out),
        width=plan.width,
        height=plan.height,
        duration_s=plan.duration,
        bytes=out.stat().st_size,
    )


def warm(stop: threading.Event, threads: int | None) -> None:
    """Render one tiny frame of every scene, which fills the kernel cache; at once if it is full."""
    if not kernel_cache.is_writable():
        place = kernel_cache.folder().parent
        print(f"renderer: {place} is not writable: nothing to warm", file=sys.stderr)
    elif not kernel_cache.stamp().exists():
        _compile(stop, threads)
        kernel_cache.stamp().touch()
    emit("done")


def _compile(stop: threading.Event, threads: int | None) -> None:
    from .clip import Cancelled, frames
    from .jit import RowPool
    from .plan import make_plan

    pool = RowPool(threads)
    samples = [*((scene, scene) for scene in SCENES), ("candle", "rain")]
    for number, (prompt, scene) in enumerate(samples, start=1):
        if stop.is_set():
            raise Cancelled
        next(frames(make_plan(prompt, scene, quality="draft"), pool, short_side=48))
        percent = round(100 * number / len(samples))
        emit("progress", percent=percent, frame=number, frames=len(samples), eta_s=None)
    pool.close()


def error_code(error: BaseException) -> str:
    """The `code` of a `failed` event."""
    if isinstance(error, OSError):
        return DISK_ERRORS.get(error.errno or 0, "internal")
    # by name: when an import fails or is interrupted these classes are not there to compare with
    names = {
        "BadRequest": "bad_request",
        "UsageError": "bad_request",
        "NoFfmpeg": "no_ffmpeg",
        "Cancelled": "cancelled",
    }
    return names.get(type(error).__name__, "internal")


def _mind_manners(options: argparse.Namespace) -> None:
    """Be findable, then mortal, then modest: in this order, before anything that takes time."""
    if options.pid_file:
        with contextlib.suppress(OSError):  # a full disk is reported when the clip meets it
            manners.write_pid_file(options.pid_file, os.getpid(), options.parent or os.getppid())
    if options.parent:
        manners.die_with(options.parent, lambda: _drop_everything(options.out))
    if options.nice:
        os.nice(options.nice)  # Linux derives the I/O priority from it; ffmpeg inherits both


def _drop_everything(out: Path | None) -> None:
    """Nobody is left to hear of it: end ffmpeg and take the unfinished files away."""
    if (encode := sys.modules.get(f"{__package__}.encode")) and hasattr(encode, "kill_all"):
        encode.kill_all()
    if out and (clip := sys.modules.get(f"{__package__}.clip")):
        clip.remove_partial(out)


def main(arguments: list[str]) -> int:
    """Run and return the exit status."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        options = parser().parse_args(arguments)
        _mind_manners(options)
        if options.warm and not options.request:
            warm(stop, options.threads)
        elif options.out and not options.warm:
            run(options.request, options.out, stop, options.threads)
        else:
            raise UsageError("usage: python -m renderer REQUEST.json OUT.mp4 | --warm")
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent hears of it as an event
        code = error_code(error)
        message = "cancelled" if code == "cancelled" else str(error) or type(error).__name__
        emit("failed", code=code, message=message)
        return EXIT_STATUS[code]
    return 0


def _leave(status: int) -> NoReturn:
    """Exit without a traceback about a stdout that cannot be flushed (full disk, closed pipe)."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


if __name__ == "__main__":
    _leave(main(sys.argv[1:]))
