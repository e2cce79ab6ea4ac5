"""One vendor on loopback: what a test or a terminal holds in its hands."""

import contextlib
import functools
import threading
from types import TracebackType
from typing import Any, Self

from tests.simulators import desk
from tests.simulators.callbacks import Callbacks, Delivery
from tests.simulators.clips import CLIPS
from tests.simulators.engine import Clock, Key, SubmitWindow, Task, Timers, planned
from tests.simulators.faults import Armoury, Fault, parse
from tests.simulators.vendor import Vendor
from tests.simulators.wire import Door, Request

UNSET: Any = object()


class Simulator:
    """See `tests.simulators.start` for the options and the package's docstring for an example."""

    def __init__(
        self,
        vendor: type[Vendor],
        *,
        port: int = 0,
        keys: dict[str, str] | None = None,
        takes_s: float | None = 1.0,
        queue_s: float = 0.0,
        clip: str = "sound",
        clip_s: float = 2.0,
        sizes: str = "small",
        submits: tuple[int, float] | None = UNSET,
        public_url: str | None = None,
        retired: tuple[str, ...] = (),
        clock_skew_s: float = 0.0,
        retry_waits_s: tuple[float, ...] | None = None,
        **own: Any,
    ) -> None:
        self.clock = Clock()
        self.timers = Timers(self.clock)
        self.armoury = Armoury(vendor.name)
        self.tasks: dict[str, Task] = {}
        self.requests: list[Request] = []
        self.is_closed = False
        self.takes_s, self.queue_s, self.clip = takes_s, queue_s, clip
        self.clip_s, self.sizes = clip_s, sizes
        self.retired, self.clock_skew_s = set(retired), clock_skew_s
        self.keys = {k: Key.of(k, text) for k, text in (keys or {"test-key": "ok"}).items()}
        self.window = SubmitWindow(vendor.submits if submits is UNSET else submits)
        self.lock = threading.RLock()
        self.vendor = vendor(self, **own)
        waits_s = vendor.retry_waits_s if retry_waits_s is None else retry_waits_s
        self.sender = Callbacks(self, waits_s)
        self._public_url = public_url
        self._door = Door(functools.partial(desk.answer, self), port, self.clock.now)

    # What a test reads ----------------------------------------------------------------------------

    @property
    def base_url(self) -> str:
        """Where it listens, without a path."""
        return f"http://127.0.0.1:{self._door.port}"

    @property
    def public_url(self) -> str:
        """What its links begin with."""
        return (self._public_url or self.base_url).replace("{port}", str(self._door.port))

    @property
    def callbacks(self) -> list[Delivery]:
        """What was sent, in order; the ones that are on their way are not yet there."""
        return list(self.sender.sent)

    @property
    def violations(self) -> list[tuple[str, float]]:
        """Submits above the allowed rate: account and time."""
        return list(self.window.violations)

    @property
    def faults(self) -> list[Fault]:
        """What is armed."""
        return list(self.armoury.faults)

    def asked(self, where: str) -> list[Request]:
        """The requests of one place, in the order of their answers."""
        return [request for request in list(self.requests) if request.where == where]

    @property
    def keys_url(self) -> str:
        """fal: where the keys are that its callbacks are signed with."""
        return f"{self.base_url}/.well-known/jwks.json"

    @property
    def webhook_secret(self) -> str:
        """kie's webhookHmacKey or Replicate's whsec_ secret; empty where there is none."""
        return self.vendor.webhook_secret or ""

    # What a test does -----------------------------------------------------------------------------

    def fault(
        self,
        name: str,
        value: object = None,
        *,
        where: str | None = None,
        times: int | None = 1,
        task: str | None = None,
        key: str | None = None,
        after: int = 0,
    ) -> Fault:
        """Arm a fault, or several that strike together: "takes=5, silent"."""
        text = name if value is None else f"{name}={value}"
        return self.armoury.arm(text, where=where, times=times, task=task, key=key, after=after)

    def clear(self) -> None:
        """Nothing is armed any more."""
        self.armoury.clear()

    def finish(self, task_id: str) -> None:
        """The task ends now, well or as its faults planned it."""
        task = self.tasks[task_id]
        task.end(*planned(task))

    def fail(self, task_id: str, reason: str = "error", message: str | None = None) -> None:
        """The task fails now; `cancelled` is a reason too."""
        task = self.tasks[task_id]
        task.end("cancelled" if reason == "cancelled" else "failed", reason, message)

    def expire(self, task_id: str) -> None:
        """The vendor has thrown its results away."""
        self.tasks[task_id].is_expired = True

    def advance(self, seconds: float) -> None:
        """The vendor's clock moves on."""
        self.clock.offset_s += seconds
        self.timers.look()

    def set_key(self, key: str, text: str) -> None:
        """A key's state, as in the option; the account stays unless one is named."""
        known = self.keys.get(key)
        if "@" not in text and known is not None:
            text = f"{text}@{known.account}"
        self.keys[key] = Key.of(key, text)

    def set(self, **options: Any) -> None:
        """Change takes_s, queue_s, clip, clip_s, sizes or clock_skew_s for what comes."""
        for name, value in options.items():
            if name not in ("takes_s", "queue_s", "clip", "clip_s", "sizes", "clock_skew_s"):
                raise ValueError(f"no such option: {name!r}")
            if name == "clip" and value not in CLIPS:
                raise ValueError(f"no such clip: {value!r}")
            setattr(self, name, value)

    def send_callback(self, task_id: str, *faults: str) -> list[Delivery]:
        """Send the callback of a task now and wait for the answer."""
        return self.sender.send(self.tasks[task_id], parse(", ".join(faults), self.vendor.name))

    def down(self) -> None:
        """Connections are refused and the open ones end."""
        self._door.shut()

    def up(self) -> None:
        """It listens again, at the same port."""
        self._door.open()

    def outage(self) -> contextlib.AbstractContextManager[None]:
        """Down within the block."""
        return self._door.outage()

    def wait(self, seconds: float) -> None:
        """Sleep, but not past the moment when the door shuts."""
        self._door.closing.wait(seconds)

    def close(self) -> None:
        """Stop all of it. Raises AssertionError when the simulator itself went wrong."""
        if self.is_closed:
            return
        self.is_closed = True
        self._door.shut()
        self.timers.close()
        self.sender.close()
        if self._door.errors:
            raise AssertionError(f"the simulator failed:\n{self._door.errors[0]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        with contextlib.suppress(AssertionError) if kind else contextlib.nullcontext():
            self.close()
