"""A server that speaks S3 badly: each test says what it answers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Answer:
    """Status, headers and body; `cut` says a longer Content-Length than it sends."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    hang: bool = False


@dataclass
class BadServer:
    """`answers` by method; `asked` is every request that came."""

    url: str
    answers: dict[str, Answer]
    asked: list[str]


def refusal(status: int, code: str) -> Answer:
    """An error as S3 says it."""
    return Answer(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())


@contextmanager
def bad_server(**answers: Answer) -> Iterator[BadServer]:
    """Answers as told, and hangs up without a word to what nothing is told for."""
    done = threading.Event()
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            asked.append(self.command)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.close_connection = True
            answer = answers.get(self.command)
            if answer is None:
                return
            if answer.hang:
                done.wait(30)
                return
            self.send_response(answer.status)
            headers = {"Content-Length": str(len(answer.body) + answer.cut)} | answer.headers
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_GET = do_PUT = do_HEAD = do_DELETE = answer  # noqa: N815 - http.server asks for these

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield BadServer(f"http://127.0.0.1:{server.server_port}", answers, asked)
    finally:
        done.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
