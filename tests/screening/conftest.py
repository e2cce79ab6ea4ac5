"""Creem's moderation on loopback: says what a test tells it to say, and keeps what it was asked."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

KEY = "test-creem-key"


@dataclass
class CreemServer:
    """It answers with `decision`, `status` or `body` as it stands, or `hangs` until it is over."""

    decision: str = "allow"
    status: int = 200
    body: bytes | None = None
    hangs: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    is_over: threading.Event = field(default_factory=threading.Event)

    def answer_to(self, asked: dict[str, Any]) -> bytes:
        """The answer as the API reference has it, with a field that is not in it yet."""
        if self.body is not None:
            return self.body
        if self.status != 200:
            return json.dumps({"trace_id": "t", "status": self.status, "error": "no"}).encode()
        answer = {
            "id": "mod_1",
            "object": "moderation_result",
            "prompt": asked["prompt"],
            "external_id": asked.get("external_id"),
            "decision": self.decision,
            "usage": {"units": 1},
            "new_field": True,
        }
        return json.dumps(answer).encode()


def serve(server: CreemServer) -> ThreadingHTTPServer:
    """Start answering; `server.url` says where."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked = json.loads(body)
            server.asked.append({"path": self.path, **asked})
            server.headers.append({name.lower(): value for name, value in self.headers.items()})
            if server.hangs:
                server.is_over.wait(30)
                self.close_connection = True
                return
            answer = server.answer_to(asked)
            self.send_response(server.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's word
            """Quiet."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
    server.url = f"http://127.0.0.1:{http.server_port}"
    return http


@pytest.fixture
def creem_server() -> Iterator[CreemServer]:
    """Creem's moderation, for this test."""
    server = CreemServer()
    http = serve(server)
    yield server
    server.is_over.set()
    http.shutdown()
    http.server_close()
