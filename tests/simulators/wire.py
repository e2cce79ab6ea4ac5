"""HTTP on loopback: a thread a connection, keep-alive, lengths said; bad manners on request."""

import contextlib
import email.parser
import email.policy
import json
import select
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

LONGEST_HANG_S = 120.0
RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: closing sends RST instead of FIN


@dataclass
class Request:
    """What a client sent. `where` and `status` are filled in when it is answered."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    at: float
    key: str = ""
    where: str = ""
    status: int | None = None

    def json(self) -> Any:
        """The body as JSON; an empty or broken one is {}."""
        try:
            return json.loads(self.body or b"{}")
        except ValueError:
            return {}


@dataclass
class Answer:
    """What goes back. `status` None: nothing is said, and the connection ends as `ending` says.

    `chunks` (with `length`, or until the connection closes) instead of `body`; `wait_s` before a
    word is said; `after` runs when all of it was sent, or would have been.
    """

    status: int | None = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    chunks: Iterable[bytes] | None = None
    length: int | None = None
    ending: str = "keep"  # keep | close | reset | hang
    wait_s: float = 0.0
    hang_s: float = LONGEST_HANG_S
    after: Callable[[], None] | None = None


def json_answer(body: Any, status: int = 200, **headers: str) -> Answer:
    """A JSON answer; `retry_after="3"` becomes the header Retry-After."""
    said = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return Answer(status, json.dumps(body).encode(), {"Content-Type": "application/json", **said})


def form_fields(request: Request) -> dict[str, tuple[bytes, str | None]]:
    """multipart/form-data: field -> (bytes, file name)."""
    head = f"Content-Type: {request.headers.get('content-type', '')}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body)
    fields = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        fields[str(name)] = (bytes(part.get_payload(decode=True) or b""), part.get_filename())
    return fields


class Door:
    """A listening socket that can be shut and opened again at the same port."""

    def __init__(
        self, answer: Callable[[Request], Answer], port: int, now: Callable[[], float]
    ) -> None:
        self.answer, self.now = answer, now
        self.errors: list[str] = []  # of the simulator itself; there should be none
        self.closing = threading.Event()
        self._server: _Server | None = None
        self.port = port
        self.open()

    def open(self) -> None:
        """Listen. The first time the port may be 0: any free one, kept from then on."""
        if self._server is None:
            self.closing = threading.Event()
            self._server = _Server(("127.0.0.1", self.port), self)
            self.port = int(self._server.server_address[1])
            self._server.start()

    def shut(self) -> None:
        """Connections are refused from now on, and the open ones end."""
        server, self._server = self._server, None
        if server is not None:
            self.closing.set()
            server.stop()

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Shut within the block."""
        self.shut()
        try:
            yield
        finally:
            self.open()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], door: Door) -> None:
        super().__init__(address, _Conversation)
        self.door = door
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, name="simulator-door", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread
        self._thread.join(timeout=5.0)
        self.server_close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            end(connection)

    def _accept(self) -> None:
        while not self.door.closing.is_set():
            self.handle_request()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that went away is no error of ours
            self.door.errors.append(traceback.format_exc())


def end(connection: socket.socket) -> None:
    """Stop a connection that another thread may be reading from."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


class _Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        request = self._read()
        try:
            answer = self.server.door.answer(request)
        except Exception:  # noqa: BLE001 - told to the test when the simulator closes
            self.server.door.errors.append(traceback.format_exc())
            answer = Answer(500, b"the simulator itself failed", {"X-Simulator-Error": "1"})
        request.status = answer.status
        if answer.wait_s:
            self.server.door.closing.wait(answer.wait_s)
        try:
            self._say(answer)
        finally:
            if answer.after is not None:
                answer.after()
            self._end(answer)

    do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_GET  # noqa: N815 - http.server's names

    def _read(self) -> Request:
        parts = urlsplit(self.path)
        return Request(
            method=self.command,
            path=unquote(parts.path),
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self._body(),
            at=self.server.door.now(),
        )

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            return b"".join(iter(self._chunk, b""))
        length = int(self.headers.get("Content-Length") or 0)
        return self.rfile.read(length) if length else b""

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline().split(b";")[0] or b"0", 16)
        chunk = self.rfile.read(size)
        self.rfile.readline()
        return chunk

    def _say(self, answer: Answer) -> None:
        if answer.status is None:
            return
        length = len(answer.body) if answer.chunks is None else answer.length
        is_last = answer.ending != "keep" or length is None
        lines = [f"HTTP/1.1 {answer.status} {_phrase(answer.status)}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        lines += [f"Content-Length: {length}"] if length is not None else []
        lines += ["Connection: close"] if length is None else []
        head = ("\r\n".join(lines) + "\r\n\r\n").encode()
        self.close_connection = self.close_connection or is_last
        if self.command == "HEAD":
            self.connection.sendall(head)
            return
        self.connection.sendall(head + answer.body)
        for chunk in answer.chunks or ():
            self.connection.sendall(chunk)

    def _end(self, answer: Answer) -> None:
        if answer.status is None or answer.ending != "keep":
            self.close_connection = True
        if answer.ending == "hang":
            self._hang(answer.hang_s)
        elif answer.ending == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.connection.close()

    def _hang(self, longest_s: float) -> None:
        """Until the client goes, the door shuts or the time is over."""
        poll = select.poll()
        poll.register(self.connection, select.POLLIN | select.POLLHUP | select.POLLERR)
        give_up_s = time.perf_counter() + longest_s
        while (left_s := give_up_s - time.perf_counter()) > 0:
            if not poll.poll(left_s * 1000) or not self.connection.recv(4096):
                return

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Quiet: the tests look at `requests`."""


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
