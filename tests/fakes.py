"""A provider in memory, for tests of services: it does what its script says, at once."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from app.providers import Cancel, Capabilities, Description, Order, ProviderError, Report

Step = Report | ProviderError
RUNNING = Report("running", percent=50.0, eta_s=4.0)
READY = Report("ready", percent=100.0)


@dataclass
class FakeProvider:
    """Obeys app.providers.Provider. What a test sets:

    - `script`: what the polls of an order answer, one after the other; the last one repeats.
    - `submit_errors`: raised by the next submits, one each. With `takes_order_anyway` the order is
      placed all the same, as when the answer gets lost on its way back.
    - `recover_error`: raised by `recover`. `room`: how many orders may run at once.
    - `can_stop`: what `cancel` answers. `clip`: the file that `fetch` hands out a copy of.

    What it looks at: `orders` by handle, `polls`, `cancelled` and `forgotten` handles.
    """

    folder: Path
    name: str = "local"
    kind: Literal["local", "cloud"] = "local"
    cancel_rule: Cancel = "always"
    clip: Path | None = None
    script: Sequence[Step] = (RUNNING, READY)
    submit_errors: list[ProviderError] = field(default_factory=list)
    takes_order_anyway: bool = False
    recover_error: ProviderError | None = None
    room: int = 100
    can_stop: bool = True
    orders: dict[str, Order] = field(default_factory=dict)
    polls: dict[str, int] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)

    @property
    def capabilities(self) -> Capabilities:
        """All that the forms know."""
        return Capabilities(
            name=self.name,
            kind=self.kind,
            aspect_ratios=("16:9", "9:16", "1:1"),
            resolutions=("720p", "1080p"),
            durations=(4, 5, 6, 8, 10, 30),
            cancel=self.cancel_rule,
            poll_every_s=0.0,
            expected_s=8.0,
            price_cents=0,
        )

    def has_room(self) -> bool:
        """Whether fewer than `room` orders are placed and not yet forgotten."""
        return len(self.orders) - len(set(self.forgotten)) < self.room

    def submit(self, order: Order) -> str:
        """Place the order, or raise the next of `submit_errors`."""
        error = self.submit_errors.pop(0) if self.submit_errors else None
        handle = _handle(order.attempt_id)
        if error is None or self.takes_order_anyway:
            self.orders.setdefault(handle, order)
        if error is not None:
            raise error
        return handle

    def recover(self, attempt_id: str) -> str | None:
        """The handle of an order that was placed."""
        if self.recover_error is not None:
            raise self.recover_error
        handle = _handle(attempt_id)
        return handle if handle in self.orders else None

    def poll(self, handle: str) -> Report:
        """The next step of the script; `cancelled` after a stop, `lost` for a strange handle."""
        if handle not in self.orders or handle in self.forgotten:
            return Report("lost")
        if handle in self.cancelled:
            return Report("cancelled")
        count = self.polls.get(handle, 0)
        self.polls[handle] = count + 1
        step = self.script[min(count, len(self.script) - 1)]
        if isinstance(step, ProviderError):
            raise step
        return replace(step)

    def cancel(self, handle: str) -> bool:
        """Stop the order if `can_stop`."""
        if self.can_stop:
            self.cancelled.append(handle)
        return self.can_stop

    def fetch(self, handle: str) -> Path:
        """A copy of `clip`; without one, a file that no player would take."""
        if handle not in self.orders:
            raise ProviderError("result_expired", "there is no such order", permanent=True)
        path = self.folder / f"{handle}.mp4"
        if self.clip is not None:
            shutil.copyfile(self.clip, path)
        else:
            path.write_bytes(b"this is not a video")
        return path

    def forget(self, handle: str) -> None:
        """Remove what `fetch` made."""
        self.forgotten.append(handle)
        (self.folder / f"{handle}.mp4").unlink(missing_ok=True)

    def describe(self, type: str, prompt: str) -> Description:  # noqa: A002  the protocol's word
        """A fruit, always."""
        return Description(scene="fruit", variant="strawberry", recognised=True)


def _handle(attempt_id: str) -> str:
    return f"fake-{attempt_id}"
