"""Requests of a simulator's own: callbacks and events, to addresses on this machine only."""

import contextlib
import http.client
import threading
from urllib.parse import urlsplit

ANSWER_WITHIN_S = 15.0
"""kie and fal say so; of Creem it is not known."""


class Line:
    """Posts from any number of threads; a closing simulator hangs up, and nobody waits on."""

    def __init__(self) -> None:
        self._open: set[http.client.HTTPConnection] = set()
        self._lock = threading.Lock()

    def post(self, url: str, headers: dict[str, str], body: bytes) -> int | None:
        """The status of the answer; None when nobody answered, or the address is not here."""
        if not is_here(url):
            return None
        parts = urlsplit(url)
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        connection = kind(parts.hostname or "", parts.port, timeout=ANSWER_WITHIN_S)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        with self._lock:
            self._open.add(connection)
        try:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            response.read()
            return response.status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits for an answer."""
        return bool(self._open)

    def hang_up(self) -> None:
        """Who waits for an answer stops."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            if connection.sock is not None:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(2)


def is_here(url: str) -> bool:
    """Whether an address is on this machine: nobody else is ever called."""
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
