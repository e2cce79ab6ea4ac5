"""Providers in memory, for tests of services: they do what their script says, at once."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from app.providers import (
    CallbackRefused,
    Cancel,
    Capabilities,
    Description,
    Event,
    Limit,
    Order,
    Price,
    ProviderError,
    Report,
    Trust,
)

Step = Report | ProviderError
RUNNING = Report("running", percent=50.0, eta_s=4.0)
READY = Report("ready", percent=100.0)


@dataclass
class FakeProvider:
    """Obeys app.providers.Provider. What a test sets:

    - `script`: what the polls of an order answer, one after the other; the last one repeats.
      `scripts`: the same for single orders, by handle.
    - `submit_errors`: raised by the next submits, one each. With `takes_order_anyway` the order is
      placed all the same, as when the answer gets lost on its way back.
    - `recover_error`: raised by `recover`. `room`: how many orders may run at once.
    - `can_stop`: what `cancel` answers. `clip`: the file that `fetch` hands out a copy of.
    - `on_call`: called before each verb with its name and the key, and may raise.

    What it looks at: `orders` by handle, `polls`, `cancelled` and `forgotten` handles.
    """

    folder: Path
    name: str = "local"
    kind: Literal["local", "cloud"] = "local"
    cancel_rule: Cancel = "always"
    clip: Path | None = None
    script: Sequence[Step] = (RUNNING, READY)
    scripts: dict[str, Sequence[Step]] = field(default_factory=dict)
    submit_errors: list[ProviderError] = field(default_factory=list)
    takes_order_anyway: bool = False
    recover_error: ProviderError | None = None
    room: int = 100
    can_stop: bool = True
    on_call: Callable[[str, str], object] | None = None
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
        )

    def has_room(self) -> bool:
        """Whether fewer than `room` orders are placed and not yet forgotten."""
        return len(self.orders) - len(set(self.forgotten)) < self.room

    def submit(self, order: Order, key: str = "") -> str:
        """Place the order, or raise the next of `submit_errors`."""
        self._note("submit", key)
        error = self.submit_errors.pop(0) if self.submit_errors else None
        handle = self.handle_of(order.attempt_id)
        if error is None or self.takes_order_anyway:
            self.orders.setdefault(handle, order)
        if error is not None:
            raise error
        return handle

    def recover(self, attempt_id: str, key: str = "", order: Order | None = None) -> str | None:
        """The handle of an order that was placed."""
        self._note("recover", key)
        if self.recover_error is not None:
            raise self.recover_error
        handle = self.handle_of(attempt_id)
        return handle if handle in self.orders else None

    def poll(self, handle: str, key: str = "") -> Report:
        """The next step of the script; `cancelled` after a stop, `lost` for a strange handle."""
        self._note("poll", key)
        if handle not in self.orders or handle in self.forgotten:
            return Report("lost")
        if handle in self.cancelled:
            return Report("cancelled")
        count = self.polls.get(handle, 0)
        self.polls[handle] = count + 1
        script = self.scripts.get(handle, self.script)
        step = script[min(count, len(script) - 1)]
        if isinstance(step, ProviderError):
            raise step
        return replace(step)

    def cancel(self, handle: str, key: str = "") -> bool:
        """Stop the order if `can_stop`."""
        self._note("cancel", key)
        if self.can_stop:
            self.cancelled.append(handle)
        return self.can_stop

    def fetch(self, handle: str, key: str = "") -> Path:
        """A copy of `clip`; without one, a file that no player would take."""
        self._note("fetch", key)
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

    def handle_of(self, attempt_id: str) -> str:
        """What the order of an attempt is called."""
        return f"fake-{attempt_id}"

    def _note(self, verb: str, key: str) -> None:
        if self.on_call is not None:
            self.on_call(verb, key)


@dataclass
class FakeCloud(FakeProvider):
    """Obeys app.providers.CloudProvider too. What a test sets besides:

    - what it makes: `aspect_ratios`, `durations`, `limits`, `price`, `takes_image`, `retired`
    - `submits`: its rate for each key. `key_errors`: raised by every call with that key.
    - `balances`: what `check` answers for a key; None where nothing is said of it.
    - `signature`: what a callback's header `x-signature` must say to be believed.

    What it looks at: `calls`, (verb, key) of each call in order.
    """

    name: str = "kie"
    kind: Literal["local", "cloud"] = "cloud"
    cancel_rule: Cancel = "never"
    script: Sequence[Step] = (Report("running"), READY)
    aspect_ratios: tuple[str, ...] = ("16:9", "9:16")
    resolutions: tuple[str, ...] = ("720p", "1080p")
    durations: tuple[int, ...] = (4, 8)
    limits: Mapping[str, Limit] = field(default_factory=dict)
    price: Price = field(default_factory=lambda: Price(flat_cents=20.0))
    model: str = "fake-1"
    retired: str = ""
    takes_image: bool = False
    callback: Trust = "hint"
    can_check: bool = True
    submits: tuple[int, float] | None = None
    signature: str = "good"
    key_errors: dict[str, ProviderError] = field(default_factory=dict)
    balances: dict[str, float] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)

    @property
    def capabilities(self) -> Capabilities:
        """What the test gave it."""
        return Capabilities(
            name=self.name,
            kind="cloud",
            aspect_ratios=self.aspect_ratios,
            resolutions=self.resolutions,
            durations=self.durations,
            limits=self.limits,
            cancel=self.cancel_rule,
            poll_every_s=10.0,
            expected_s=90.0,
            price=self.price,
            places=20,
            model=self.model,
            label="Fake One",
            retired=self.retired,
            takes_image=self.takes_image,
            callback=self.callback,
            can_check=self.can_check,
            submits=self.submits,
        )

    def keys_of(self, verb: str) -> list[str]:
        """The keys with which a verb was called, in order."""
        return [key for name, key in self.calls if name == verb]

    def handle_of(self, attempt_id: str) -> str:
        """Two words, as some adapters give: callbacks know the first."""
        return f"{self.name}-{attempt_id} more"

    def adopt(self, attempt_id: str, remote_id: str, key: str) -> str | None:
        """The handle, if the task of that name was ordered for that attempt."""
        self._note("adopt", key)
        handle = self.handle_of(attempt_id)
        is_its = handle.split(" ")[0] == remote_id and handle in self.orders
        return handle if is_its else None

    def check(self, key: str) -> float | None:
        """The balance of the key's account."""
        self._note("check", key)
        return self.balances.get(key)

    def verify_callback(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Event:
        """The body is the name of a task; told again with other bytes it is another event."""
        if headers.get("x-signature") != self.signature:
            raise CallbackRefused("the signature does not fit")
        if not 0 < len(body) < 200 or not body.isascii() or b"\x00" in body:
            raise CallbackRefused("there is no sense in it")
        task, _, _rest = body.decode().partition(" ")
        return Event(remote_id=task, dedup_key=body.decode(), trust=self.callback)

    def preview(self, order: Order) -> dict[str, Any]:
        """What would be sent."""
        return {"prompt": order.prompt}

    def _note(self, verb: str, key: str) -> None:
        self.calls.append((verb, key))
        super()._note(verb, key)
        if key in self.key_errors:
            raise self.key_errors[key]
