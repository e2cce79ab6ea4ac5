"""The way to Creem: one client, one try at a time with an end to it, answers with a cap.

What an answer means is decided in creem.py.  Nothing of an exception of httpx leaves this module
but the name of its type: it holds the request, whose headers hold the key.
"""

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final

import httpx

USER_AGENT: Final = "CuttingASMR/1.0"
MAX_BYTES: Final = 2_000_000
RETRY_AFTER_MAX_S: Final = 86_400.0
CONNECTIONS: Final = 20

_UNSENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    httpx.InvalidURL,
)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long Creem is waited for, in seconds; somebody stands at the counter meanwhile."""

    connect_s: float = 3.0
    try_s: float = 5.0  # in all, from the look-up of the name to the last byte
    backoffs_s: tuple[float, ...] = (0.2, 0.4)  # before the second try, the third, ...
    retry_after_max_s: float = 2.0  # what Creem asks for is waited no longer than that
    sleep: Callable[[float], object] = field(default=time.sleep, repr=False)

    def wait(self, tries: int, retry_after_s: float | None) -> None:
        """Before the next try, after so many."""
        backoff_s = self.backoffs_s[min(tries, len(self.backoffs_s)) - 1]
        self.sleep(max(backoff_s, min(retry_after_s or 0.0, self.retry_after_max_s)))


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is its JSON, or None where it was none, or too much."""

    status: int
    body: Any = field(repr=False)
    retry_after_s: float | None


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer.  `was_sent`: whether the request may have arrived."""

    reason: str
    was_sent: bool


class Line:
    """Any thread may ask."""

    def __init__(self, base_url: str, key: str, patience: Patience) -> None:
        self._patience = patience
        # Redirects and proxies of the environment would carry the key elsewhere.  No connection is
        # kept: one that was closing just then would leave a refund unknown.
        self._client = httpx.Client(
            base_url=base_url,
            headers={
                "x-api-key": key,
                "User-Agent": USER_AGENT,
                "Accept": "application/json",
                "Accept-Encoding": "identity",
            },
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
            timeout=httpx.Timeout(patience.try_s, connect=patience.connect_s),
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=0),
            trust_env=False,
            follow_redirects=False,
            verify=_trusted(),
        )

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Answer | Silence:
        """Ask once; never raises for what the line or the other side does."""
        exchange = _Exchange(self._client)
        request = self._client.build_request(
            method, path, params=query, json=body, extensions={"trace": exchange.watch}
        )
        return exchange.run(request, self._patience.try_s)

    def close(self) -> None:
        """Give back the connections."""
        self._client.close()


class _Exchange:
    """One request in a thread of its own, which is left behind when the time is over.

    httpx's time-outs start anew with each address of a name and with each byte, and a look-up of a
    name has none: an answer that trickles would hold the buyer for days.
    """

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._outcome: Answer | Silence | None = None
        self._is_done = threading.Event()
        self._is_over = False
        self._stream: Any = None

    def run(self, request: httpx.Request, seconds: float) -> Answer | Silence:
        threading.Thread(target=self._work, args=(request,), daemon=True).start()
        if self._is_done.wait(seconds) and self._outcome is not None:
            return self._outcome
        self._is_over = True
        self._shut()  # what the thread reads from then on is no answer: its end was made by us
        return Silence(f"nothing in {seconds:g} s", was_sent=self._stream is not None)

    def watch(self, event: str, about: Mapping[str, Any]) -> None:
        """httpcore's trace: remember the connection; one that comes too late carries nothing."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._stream = about["return_value"]
            if self._is_over:
                self._shut()

    def _work(self, request: httpx.Request) -> None:
        try:
            response = self._client.send(request, stream=True)
            try:
                self._outcome = _answer(response)
            finally:
                response.close()
        except (httpx.HTTPError, httpx.InvalidURL, RuntimeError, OSError) as error:
            self._outcome = Silence(type(error).__name__, not isinstance(error, _UNSENT))
        finally:
            self._is_done.set()

    def _shut(self) -> None:
        found = self._stream.get_extra_info("socket") if self._stream else None
        if found is not None:
            with contextlib.suppress(OSError):
                # past the layer of TLS, which belongs to the thread that reads
                socket.socket.shutdown(found, socket.SHUT_RDWR)


@cache
def _trusted() -> ssl.SSLContext:
    """Made once: reading the authorities takes longer than a call."""
    return httpx.create_ssl_context(trust_env=False)


def _answer(response: httpx.Response) -> Answer:
    body = _json(_read(response))
    return Answer(response.status_code, body, _retry_after_s(response.headers, body))


def _read(response: httpx.Response) -> bytes:
    """The body; nothing where it is more than the cap."""
    data = bytearray()
    for chunk in response.iter_bytes():
        data += chunk
        if len(data) > MAX_BYTES:
            return b""
    return bytes(data)


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _retry_after_s(headers: Mapping[str, str], body: Any) -> float | None:
    """How long Creem wants us to wait: its header, else a field that its errors used to have."""
    value = headers.get("retry-after", "").strip()
    if not value and isinstance(body, dict) and isinstance(body.get("error"), dict):
        said = body["error"].get("retry_after")
        value = f"{said:.0f}" if isinstance(said, (int, float)) and 0 <= said < 1e9 else ""
    if value.isascii() and value.isdigit():
        return min(float(value), RETRY_AFTER_MAX_S)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return min(max((date - datetime.now(UTC)).total_seconds(), 0.0), RETRY_AFTER_MAX_S)
