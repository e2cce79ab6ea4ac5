"""An end to a request as a whole: time-outs of reading start anew with each byte."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self


class Deadline:
    """Shuts the connection when the time is over, whatever it waits for.

    Time-outs of reading alone would let headers trickle in for days.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.is_over = False
        self._stream: Any = None
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def watch(self, event: str, about: Mapping[str, Any]) -> None:
        """httpcore's trace: remember the connection that is in use now."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._stream = about["return_value"]
            if self.is_over:
                self._shut()

    def _end(self) -> None:
        self.is_over = True
        self._shut()

    def _shut(self) -> None:
        found = self._stream.get_extra_info("socket") if self._stream else None
        if found is not None:
            with contextlib.suppress(OSError):
                # past the layer of TLS, which belongs to the thread that reads
                socket.socket.shutdown(found, socket.SHUT_RDWR)


class Watchdog:
    """Calls `end` once any of many calls has taken more than `seconds`.

    A Deadline costs a thread and a new connection a call; this costs one thread while there are
    calls, and leaves kept connections alone.
    """

    def __init__(self, end: Callable[[], None]) -> None:
        self._end = end
        self._lock = threading.Lock()
        self._until: dict[object, float] = {}
        self._is_running = False

    @contextlib.contextmanager
    def watching(self, seconds: float) -> Iterator[None]:
        """Watch the block."""
        call = object()
        with self._lock:
            self._until[call] = time.monotonic() + seconds
            must_start, self._is_running = not self._is_running, True
        if must_start:
            threading.Thread(target=self._run, args=(seconds / 4,), daemon=True).start()
        try:
            yield
        finally:
            with self._lock:
                self._until.pop(call, None)

    def _run(self, every_s: float) -> None:
        while True:
            time.sleep(every_s)
            with self._lock:
                if not self._until:
                    self._is_running = False
                    return
                is_over = min(self._until.values()) < time.monotonic()
                if is_over:
                    self._until.clear()
            if is_over:
                self._end()
