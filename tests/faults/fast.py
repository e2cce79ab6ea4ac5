"""A provider for real processes that needs no renderer: done in FAST_S, it hands out a clip.

All it knows lies in files, so that any process may ask. What an order does, its prompt says:

    endless    runs until it is cancelled        sturdy   outlives the worker that submitted it
    refused    the submission is refused         hiccup   the submission fails, and the next one too
    failing    the render fails                  lossy    the render is lost, and every next one too

Any other is like the local renderer: done soon, and lost when the worker that started it is gone.
"""

import os
import shutil
import time
from pathlib import Path

from app.providers import Capabilities, Description, Order, ProviderError, Report
from renderer import manners

FAST_S = 0.2


class FastProvider:
    """Obeys app.providers.Provider; `room` orders run at once in one folder."""

    def __init__(self, folder: Path, clip: Path, *, room: int = 4) -> None:
        self.folder, self.clip, self.room = folder, clip, room
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            name="local",
            kind="local",
            aspect_ratios=("16:9", "9:16", "1:1"),
            resolutions=("720p", "1080p"),
            durations=(4, 5, 6, 8, 10),
            cancel="always",
            poll_every_s=0.5,
            expected_s=FAST_S,
        )

    def has_room(self) -> bool:
        if (self.folder / "closed").exists():
            return False
        running = [one for one in self._orders() if self.poll(one).state == "running"]
        return len(running) < self.room

    def submit(self, order: Order, key: str = "") -> str:
        if "refused" in order.prompt:
            raise ProviderError("content_rejected", "no", permanent=True)
        if "hiccup" in order.prompt:
            raise ProviderError("transient", "503", permanent=False)
        draft = self.folder / f".{order.attempt_id}"
        draft.write_text(f"{os.getpid()} {manners.start_mark(os.getpid())}\n{order.prompt}")
        draft.rename(self.folder / order.attempt_id)
        return order.attempt_id

    def recover(self, attempt_id: str, key: str = "", order: Order | None = None) -> str | None:
        return attempt_id if self.poll(attempt_id).state in ("running", "ready") else None

    def poll(self, handle: str, key: str = "") -> Report:
        try:
            owner, _, prompt = (self.folder / handle).read_text().partition("\n")
            age_s = time.time() - (self.folder / handle).stat().st_mtime
        except FileNotFoundError:
            return Report("lost")
        if (self.folder / f"{handle}.cancelled").exists():
            return Report("cancelled")
        if "failing" in prompt:
            return Report("failed", code="permanent", message="it always does")
        if "lossy" in prompt:
            return Report("lost")
        if age_s > FAST_S and "endless" not in prompt:
            return Report("ready", 100.0, 0.0)
        pid, mark = owner.split()
        is_orphan = manners.start_mark(int(pid)) != mark
        return Report("lost") if is_orphan and "sturdy" not in prompt else Report("running", 50, 1)

    def cancel(self, handle: str, key: str = "") -> bool:
        if self.poll(handle).state == "ready":
            return False
        (self.folder / f"{handle}.cancelled").touch()
        return True

    def fetch(self, handle: str, key: str = "") -> Path:
        if not (self.folder / handle).exists():
            raise ProviderError("result_expired", "it is gone", permanent=True)
        shutil.copyfile(self.clip, self.folder / f"{handle}.mp4")
        return self.folder / f"{handle}.mp4"

    def forget(self, handle: str) -> None:
        for name in (handle, f"{handle}.mp4", f"{handle}.cancelled"):
            (self.folder / name).unlink(missing_ok=True)

    def describe(self, type_id: str, prompt: str) -> Description:
        return Description("fruit", "strawberry", True)

    def _orders(self) -> list[str]:
        return [path.name for path in self.folder.iterdir() if "." not in path.name]
