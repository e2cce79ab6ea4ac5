"""The local provider: the procedural renderer, one child process a video.

Everything about a render lies in its folder (see render_folder), so any process may poll, cancel or
fetch it; only reaping and counting the children belong to the process that started them.  The child
dies within a second of that process, kill -9 included: what was running then is lost, never stray.
"""

import contextlib
import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.providers import Capabilities, Description, ErrorCode, Order, ProviderError, Report
from app.providers import render_folder as folders
from renderer import manners, offer, subjects

NICE = 10
GRACE_S = 3.0  # a renderer answers SIGTERM within a frame; a first compile does not answer at all
POLL_EVERY_S = 2.0
EXPECTED_S = {"standard": 60.0, "draft": 10.0}  # for 8 s at 720p on two processors
MEGABYTES_A_SECOND = {"720p": 1.5, "1080p": 3.0}  # clip and sound, generously
SPARE_MEGABYTES = 2.0
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "FFMPEG_BIN")
DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}
LOST = Report("lost")
IMAGE = "start.jpg"  # in the render's folder
FAILURES: dict[str, ErrorCode] = {"disk_full": "disk_full", "unwritable": "disk_full"}


class LocalProvider:
    """Runs `python -m renderer`, at most `concurrency` at a time from this process."""

    def __init__(
        self,
        work_dir: Path,
        *,
        concurrency: int = 1,
        quality: str = "standard",
        cache_dir: Path | None = None,
        ffmpeg: str | None = None,
    ) -> None:
        self._work_dir = work_dir.absolute()
        self._concurrency = concurrency
        self._quality = quality
        self._cache_dir = cache_dir
        self._ffmpeg = ffmpeg
        self._running: set[str] = set()  # attempt ids of this process's children
        self._counting = threading.Lock()

    @property
    def capabilities(self) -> Capabilities:
        """Everything the renderer offers; free, and cancelled at any time."""
        return Capabilities(
            name="local",
            kind="local",
            aspect_ratios=tuple(offer.ASPECTS),
            resolutions=tuple(offer.RESOLUTIONS),
            durations=tuple(range(offer.MIN_SECONDS, offer.MAX_SECONDS + 1)),
            cancel="always",
            poll_every_s=POLL_EVERY_S,
            expected_s=EXPECTED_S[self._quality],
            places=self._concurrency,
            takes_image=True,
        )

    def has_room(self) -> bool:
        """Whether this process may start one more child."""
        with self._counting:
            return len(self._running) < self._concurrency

    def submit(self, order: Order, _key: str = "") -> str:
        """Start the renderer, unless it runs or has ended for this attempt already.

        Raises ProviderError: rate_limited without room, disk_full, transient.
        """
        folder = self._folder(order.attempt_id)
        with _disk_trouble():
            folder.mkdir(parents=True, exist_ok=True)
            lock = folders.claim(folder)
            if lock is None:
                return order.attempt_id
            try:
                if not _was_cancelled(folder) and _outcome(folder) in (None, LOST):
                    self._start(folder, order, lock)
            finally:
                os.close(lock)  # the child holds it on
        return order.attempt_id

    def recover(
        self,
        attempt_id: str,
        _key: str = "",
        order: Order | None = None,  # noqa: ARG002
    ) -> str | None:
        """The handle when the render runs or has ended; None when nothing is left of it.

        A child whose parent was killed is ended here and now, so None is always certain.
        """
        folder = self._folder(attempt_id)
        if folders.is_running(folder):
            folders.wait_until(lambda: _is_told(folder), folders.FOUND_S)
            child = folders.find_child(folder)
            if child and child.is_alive and not child.is_orphan:
                return attempt_id
            if not folders.end(folder, grace_s=0):
                message = "a render cannot be found or ended"
                raise ProviderError("unknown_outcome", message, permanent=False)
        return attempt_id if _outcome(folder) not in (None, LOST) else None

    def poll(self, handle: str, _key: str = "") -> Report:
        """Read the newest event; `lost` when the renderer ended without a word."""
        folder = self._folder(handle)
        ended = _outcome(folder)
        if ended is None and folders.is_running(folder):
            event = folders.last_event(folder) or {}
            return Report("running", event.get("percent"), event.get("eta_s"))
        # it may have ended between the two looks: look again before calling it lost
        ended = ended or _outcome(folder)
        return ended or (Report("cancelled") if _was_cancelled(folder) else LOST)

    def cancel(self, handle: str, _key: str = "") -> bool:
        """End the renderer.  False: the clip was ready first, or the process cannot be ended."""
        folder = self._folder(handle)
        if not folder.is_dir():
            return True
        if _is_ready(folder):
            return False
        with contextlib.suppress(OSError):  # a full disk must not keep it running
            (folder / folders.CANCELLED).touch()
        if not folders.end(folder, GRACE_S):
            return False
        if _is_ready(folder):
            return False
        for leftover in folder.glob(f"{folders.CLIP}*"):
            leftover.unlink(missing_ok=True)
        return True

    def fetch(self, handle: str, _key: str = "") -> Path:
        """The finished clip, in place."""
        clip = self._folder(handle) / folders.CLIP
        if not clip.is_file():
            raise ProviderError("result_expired", "the clip is no longer there", permanent=True)
        return clip

    def forget(self, handle: str) -> None:
        """End it if it runs and remove its folder."""
        folder = self._folder(handle)
        if folders.is_running(folder):
            folders.end(folder, GRACE_S)
        shutil.rmtree(folder, ignore_errors=True)

    def describe(self, type_id: str, prompt: str) -> Description:
        """The scene that will be drawn: the same table decides here and in the renderer."""
        subject = subjects.describe(prompt, type_id)
        return Description(subject.scene, subject.variant, subject.recognised)

    def _folder(self, attempt_id: str) -> Path:
        if not attempt_id.replace("-", "").replace("_", "").isalnum() or not attempt_id.isascii():
            raise ValueError(f"not an attempt id: {attempt_id!r}")
        return self._work_dir / attempt_id

    def _start(self, folder: Path, order: Order, lock: int) -> None:
        """Start the child with the lock; on any error none is left running."""
        with self._counting:
            if len(self._running) >= self._concurrency:
                raise ProviderError("rate_limited", "every place is taken", permanent=False)
            self._running.add(order.attempt_id)
        try:
            _check_space(self._work_dir, order)
            (folder / folders.PID).unlink(missing_ok=True)
            if order.image is not None:  # a copy: the renderer reads it when it is ready to
                shutil.copyfile(order.image, folder / IMAGE)
            (folder / folders.REQUEST).write_text(json.dumps(self._request(order)))
            child = self._spawn(folder, lock)
        except BaseException:
            self._running.discard(order.attempt_id)
            raise
        threading.Thread(target=self._reap, args=(child, order.attempt_id), daemon=True).start()
        try:  # the child writes it too; whoever comes first, it says the same
            manners.write_pid_file(folder / folders.PID, child.pid, os.getpid())
        except OSError:
            child.kill()
            raise

    def _spawn(self, folder: Path, lock: int) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-P", "-m", "renderer", "--parent", str(os.getpid())]
        command += ["--pid-file", str(folder / folders.PID), "--nice", str(NICE)]
        command += ["--threads", str(max(1, manners.available_threads() // self._concurrency))]
        command += [str(folder / folders.REQUEST), str(folder / folders.CLIP)]
        with (folder / folders.EVENTS).open("wb") as events, (folder / "log").open("wb") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=events,
                stderr=log,
                env=self._environment(),
                pass_fds=(lock,),
                start_new_session=True,  # Ctrl-C in a terminal is for us; and killpg gets ffmpeg
            )

    def _environment(self) -> dict[str, str]:
        """Only what the renderer needs: no secret of ours belongs in a child's environment."""
        kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        kept["PYTHONPATH"] = str(Path(subjects.__file__).parents[1])
        if self._cache_dir:
            kept["NUMBA_CACHE_DIR"] = str(self._cache_dir.absolute())
        if self._ffmpeg:
            kept["FFMPEG_BIN"] = self._ffmpeg
        return kept

    def _reap(self, child: "subprocess.Popen[bytes]", attempt_id: str) -> None:
        child.wait()
        with self._counting:
            self._running.discard(attempt_id)

    def _request(self, order: Order) -> dict[str, Any]:
        return {
            "prompt": order.prompt,
            "type": order.type,
            "aspect_ratio": order.aspect_ratio,
            "duration_s": order.duration_s,
            "resolution": order.resolution,
            "seed": order.seed,
            "quality": self._quality,
            "start_image": order.image and str(self._folder(order.attempt_id) / IMAGE),
        }


def _outcome(folder: Path) -> Report | None:
    """How it ended, by its own last word; None when it has not said."""
    event = folders.last_event(folder) or {}
    if event.get("event") == "done":
        return Report("ready", 100.0, 0.0)
    if event.get("event") != "failed":
        return None
    code = str(event.get("code"))
    if code == "cancelled":  # by somebody else's SIGTERM, such as a shutdown: start it anew
        return Report("cancelled") if _was_cancelled(folder) else LOST
    return Report("failed", code=FAILURES.get(code, "permanent"), message=event.get("message"))


def _is_ready(folder: Path) -> bool:
    ended = _outcome(folder)
    return ended is not None and ended.state == "ready"


def _was_cancelled(folder: Path) -> bool:
    return (folder / folders.CANCELLED).exists()


def _is_told(folder: Path) -> bool:
    """Whether the pid file is there, or needed no more."""
    return folders.find_child(folder) is not None or not folders.is_running(folder)


def _check_space(work_dir: Path, order: Order) -> None:
    """Raise now what would fail in the middle of the work."""
    megabytes = MEGABYTES_A_SECOND.get(order.resolution, 3.0) * order.duration_s + SPARE_MEGABYTES
    if shutil.disk_usage(work_dir).free < megabytes * 1e6:
        raise OSError(errno.ENOSPC, f"less than {megabytes:.0f} MB free for a render")


@contextlib.contextmanager
def _disk_trouble() -> Iterator[None]:
    """Turn the system's errors into ours."""
    try:
        yield
    except OSError as error:
        code: ErrorCode = "disk_full" if error.errno in DISK_ERRORS else "transient"
        raise ProviderError(code, str(error), permanent=False) from error
