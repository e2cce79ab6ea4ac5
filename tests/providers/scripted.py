"""A vendor on loopback that answers as its script says, and remembers what it was asked."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from app.providers import Order, ProviderError, Report
from app.providers.download import Downloads

KEY = "test-key-1234567890abcdef"
ORDER = Order("attempt-1", "rain-window", "soft rain", "9:16", 8, "720p", 7)
JPEG = b"\xff\xd8\xff\xe0 a small picture"
DONE = Report("ready", 100.0, 0.0)
VIDEO = {"Content-Type": "video/mp4"}
MP4 = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + b"\x00" * 1000


@dataclass(frozen=True)
class Reply:
    """`body` is JSON unless it is bytes.

    `drops`: the line is cut instead of an answer. `hangs`: the answer never comes. `stream`: writes
    the body by itself, after the head.
    """

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    drops: bool = False
    hangs: bool = False
    stream: Callable[[Callable[[bytes], None]], object] | None = None


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Server(ThreadingHTTPServer):
    """`script[(method, path)]`: replies one after the other; the last one repeats."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: dict[tuple[str, str], list[Reply]] = {}
        self.asked: list[Asked] = []
        self.over = threading.Event()
        self.sent_bytes = 0
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.scheme = "https" if context else "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def on(self, method: str, path: str, *replies: Reply) -> None:
        self.script[method, path] = list(replies)

    def reply_to(self, method: str, path: str) -> Reply:
        replies = self.script.get((method, path))
        if not replies:
            return Reply(599, {"test": f"nothing is said of {method} {path}"})
        return replies.pop(0) if len(replies) > 1 else replies[0]

    def handle_error(self, *_: Any) -> None:
        """Clients of these tests hang up on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def answer(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("content-length") or 0)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, parts.path, query, headers, self.rfile.read(length))
        self.server.asked.append(asked)
        reply = self.server.reply_to(self.command, parts.path)
        if reply.hangs:
            self.server.over.wait(60)
        if reply.hangs or reply.drops:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.say(reply)

    do_GET = do_POST = do_PUT = answer  # noqa: N815  http.server's names

    def say(self, reply: Reply) -> None:
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        headers = {"Content-Type": "application/json"} | reply.headers
        if reply.stream is None:
            headers.setdefault("Content-Length", str(len(body)))
        else:
            headers.setdefault("Connection", "close")
            self.close_connection = True
        self.send_response(reply.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.write(body)
        if reply.stream is not None:
            reply.stream(self.write)
        if reply.headers.get("Content-Length", str(len(body))) != str(len(body)):
            self.close_connection = True

    def write(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()
        self.server.sent_bytes += len(data)

    def log_message(self, *_: Any) -> None:
        """Quietly."""


def served(server: Server) -> Iterator[Server]:
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()


def refusal(call: Callable[..., object], *arguments: object) -> ProviderError:
    """The error of a call, which tells no key and no more than a few lines."""
    with pytest.raises(ProviderError) as caught:
        call(*arguments)
    told = str(caught.value) + repr(caught.value) + repr(vars(caught.value))
    assert KEY not in told
    assert len(str(caught.value)) <= 300
    return caught.value


def refused(downloads: Downloads, url: Any, handle: str = "task-1 1080p") -> ProviderError:
    """The error of a download."""
    with pytest.raises(ProviderError) as caught:
        downloads.fetch(handle, url)
    return caught.value


def left_over(folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file()]
