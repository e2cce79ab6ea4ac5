"""A small load generator for machines without wrk: kept-alive connections, one process.

python -m bench.client URL CONNECTIONS SECONDS ["Name: value" ...]
"""

import re
import selectors
import socket
import sys
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Connection:
    """One kept-alive connection with one request under way."""

    def __init__(self, address: tuple[str, int], request: bytes) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request, self._received = request, b""
        self.ask()

    def ask(self) -> None:
        """Send the request once more."""
        self.socket.sendall(self._request)

    def is_answered(self) -> bool:
        """Read what is there; whether the answer is whole. Raises OSError unless it is a 200."""
        piece = self.socket.recv(65536)
        if not piece:
            raise OSError("the server closed the connection")
        self._received += piece
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return False
        length = LENGTH.search(head + b"\r\n")
        if not head.startswith(b"HTTP/1.1 200 ") or length is None:
            raise OSError(f"not a 200 with a length: {head[:200]!r}")
        if len(body) < int(length[1]):
            return False
        self._received = b""
        return True


def answered(url: str, connections: int, seconds: float, headers: list[str]) -> int:
    """How many requests were answered within `seconds`."""
    parts = urlsplit(url)
    lines = [f"GET {parts.path or '/'} HTTP/1.1", f"Host: {parts.netloc}", *headers, "", ""]
    request = "\r\n".join(lines).encode()
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for _ in range(connections):
            one = Connection((parts.hostname or "", parts.port or 80), request)
            stack.enter_context(one.socket)
            selector.register(one.socket, selectors.EVENT_READ, one)
        return _count(selector, seconds)


def _count(selector: selectors.BaseSelector, seconds: float) -> int:
    count, end_s = 0, time.monotonic() + seconds
    while time.monotonic() < end_s:
        for key, _ in selector.select(1):
            if key.data.is_answered():
                count += 1
                key.data.ask()
    return count


if __name__ == "__main__":
    _, address, width, duration, *given = sys.argv
    made = answered(address, int(width), float(duration), given)
    print(f"{made} requests in {duration}s")
