"""Somebody who receives callbacks, for tests that have no app."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.simulators.engine import Clock
from tests.simulators.wire import Answer, Door, Request


class Inbox:
    """Listens on loopback; `url` is where to call, `letters` what came.

    `statuses` are answered one after the other, the last one for ever; `hook` is called first.
    """

    def __init__(self, *statuses: int, hook: Callable[[Request], None] | None = None) -> None:
        self.letters: list[Request] = []
        self.statuses = list(statuses or (200,))
        self.hook = hook
        self._door = Door(self._take, 0, Clock().now)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._door.port}/api/webhooks/test?attempt=7"

    def _take(self, request: Request) -> Answer:
        if self.hook is not None:
            self.hook(request)
        self.letters.append(request)
        return Answer(self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._door.shut()
