"""Calls to a vendor: one client a provider, answers with a cap, trouble named by what it means.

What a vendor answered is for its adapter to read; what the line did is decided here, by the phase.
While submitting, everything after the request left us is an unknown outcome.  No error carries a
key, a picture or a whole body.
"""

import json
import re
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final, Literal, TypeGuard

import httpx

from app.providers import ProviderError
from app.providers.deadline import Deadline, Watchdog

Phase = Literal["submit", "poll"]

USER_AGENT: Final = "CuttingASMR/1.0"  # the doorkeepers of some vendors turn libraries' names away
CONNECTIONS: Final = 10  # larger pools burn processor time and gain nothing
KEEP_ALIVE_S: Final = 30.0
CONNECT_S: Final = 5.0
JSON_MAX_BYTES: Final = 2_000_000
TEXT_MAX_CHARS: Final = 300
RETRY_AFTER_MAX_S: Final = 86_400.0
MOVED: Final = (301, 302, 307, 308)  # sent on, so not taken; a 303 says that it was
TIMEOUTS: Final[dict[Phase, httpx.Timeout]] = {
    "submit": httpx.Timeout(30.0, connect=CONNECT_S, pool=10.0),
    "poll": httpx.Timeout(10.0, connect=CONNECT_S),
}
ANSWER_S: Final[dict[Phase, float]] = {"submit": 60.0, "poll": 20.0}  # in all, as it trickles in

_NEVER_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    httpx.InvalidURL,
)
_SECRETS: Final = re.compile(r"(?i)\bbearer\s+\S+|[A-Za-z0-9+/_=-]{80,}")
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}")
_TAGS: Final = re.compile(r"<[^<>]{0,500}>")
_QUERIES: Final = re.compile(r"(https?://[^\s?#]+)[?#]\S*")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a vendor said; `body` is its JSON, or None where it was none."""

    status: int
    headers: Mapping[str, str]
    body: Any
    text: str  # how the body begins

    @property
    def fields(self) -> dict[str, Any]:
        """The body where it is an object, else nothing."""
        return self.body if isinstance(self.body, dict) else {}


class Line:
    """The way to one vendor.  Any thread may call; the client is made when first needed."""

    def __init__(
        self,
        vendor: str,
        authorise: Callable[[str], Mapping[str, str]],
        max_bytes: int = JSON_MAX_BYTES,
    ) -> None:
        self._vendor = vendor
        self._max_bytes = max_bytes
        self._authorise = authorise
        self._clients: dict[bool, httpx.Client] = {}  # by whether connections are kept
        self._making = threading.Lock()
        self._watchdog = Watchdog(self._drop_kept)

    def call(
        self,
        method: str,
        url: str,
        key: str,
        phase: Phase,
        *,
        body: Mapping[str, Any] | None = None,
        patience: Phase | None = None,
    ) -> Answer:
        """Ask, once.  `patience` is the phase whose time-outs count, where it is another.

        Raises ProviderError: transient; while submitting unknown_outcome, unless the request
        surely never left.
        """
        timed_as = patience or phase
        options = {
            "headers": self._authorise(key) if key else {},
            "json": body,
            "timeout": TIMEOUTS[timed_as],
        }
        try:
            ask = self._ask if timed_as == "poll" else self._order
            answer = ask(method, url, options)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            trouble = self._trouble(error, phase, key)
        else:
            return answer
        raise trouble  # out here it has no context: httpx's errors hold the request and its key

    def _ask(self, method: str, url: str, options: dict[str, Any]) -> Answer:
        """Over a kept connection: one that was closing just then costs another question."""
        seconds, started_s = ANSWER_S["poll"], time.monotonic()
        with self._watchdog.watching(seconds):
            client = self._clients.get(True) or self._make(is_kept=True)
            try:
                return self._exchange(client, client.build_request(method, url, **options))
            except (httpx.HTTPError, RuntimeError) as error:  # RuntimeError: it was just dropped
                if time.monotonic() - started_s < seconds and isinstance(error, httpx.HTTPError):
                    raise
                raise httpx.ReadTimeout(_took(seconds)) from error

    def _order(self, method: str, url: str, options: dict[str, Any]) -> Answer:
        """Over a connection of its own: one that was closing just then would leave it unknown."""
        with Deadline(ANSWER_S["submit"]) as deadline:
            client = self._clients.get(False) or self._make(is_kept=False)
            watched = {"trace": deadline.watch}
            request = client.build_request(method, url, **options, extensions=watched)
            try:
                answer = self._exchange(client, request)
            except httpx.HTTPError as error:
                if not deadline.is_over:
                    raise
                raise httpx.ReadTimeout(_took(deadline.seconds)) from error
            if deadline.is_over:
                raise httpx.ReadTimeout(_took(deadline.seconds))
            return answer

    def _exchange(self, client: httpx.Client, request: httpx.Request) -> Answer:
        response = client.send(request, stream=True)
        try:
            return _answer(response, _read(response, self._max_bytes))
        finally:
            response.close()

    def refusal(
        self,
        answer: Answer,
        phase: Phase,
        reason: str = "",
        *,
        key: str = "",
        is_own: bool = False,
        status: int | None = None,
    ) -> ProviderError:
        """What an answer that is not a good one means by its status alone.

        `is_own`: the body is the vendor's own "no" and not that of a machine before it.  While
        submitting, whatever is no clear "no" is unknown_outcome: also a bare 503, which a proxy
        says after the order has gone through, unless it names a time to come back.
        """
        status = answer.status if status is None else status
        said = reason or _TAGS.sub(" ", answer.text).strip() or "nothing"
        message = short(f"{self._vendor} answered {status}: {said}", key)
        wait_s = retry_after_s(answer.headers, datetime.now(UTC))
        # of a 403 while polling nobody knows whether it is the key's or this one order's
        is_barred = status == 403 and answer.body is not None and phase == "submit"
        if status == 401 or is_barred:
            return ProviderError("key_bad", message)
        if status == 402:
            return ProviderError("out_of_credit", message)
        if status == 429:
            return ProviderError("rate_limited", message, retry_after_s=wait_s)
        is_no = (is_own and status >= 500) or (status == 503 and wait_s is not None)
        is_no = is_no or status in MOVED
        is_open = status >= 500 or status == 408 or status < 400
        if phase == "submit" and is_open and not is_no:
            return ProviderError("unknown_outcome", message)
        # a 403 without JSON is a doorkeeper's (Cloudflare's 1010, say): it says nothing of the key
        # and a 404 that is not the vendor's own is a gateway's: it says nothing of the model
        is_hiccup = is_open or status in (403, 425) or (status == 404 and not is_own)
        if is_hiccup or phase == "poll":
            return ProviderError("transient", message, retry_after_s=wait_s)
        return ProviderError("permanent", message, model_gone=status == 404)

    def _make(self, *, is_kept: bool) -> httpx.Client:
        with self._making:
            if is_kept not in self._clients:
                client = self._clients[is_kept] = make_client(is_kept=is_kept)
                weakref.finalize(self, client.close)
            return self._clients[is_kept]

    def _drop_kept(self) -> None:
        """An answer trickles in: its connection goes, and with it all that are kept."""
        with self._making:
            client = self._clients.pop(True, None)
        if client is not None:
            client.close()

    def _trouble(
        self, error: httpx.HTTPError | httpx.InvalidURL, phase: Phase, key: str
    ) -> ProviderError:
        kind = f"{type(error).__name__}: {error}"
        message = short(f"{self._vendor} could not be asked: {kind}", key)
        if phase == "poll" or isinstance(error, _NEVER_SENT):
            return ProviderError("transient", message)
        return ProviderError("unknown_outcome", message)


def _took(seconds: float) -> str:
    return f"an answer that took more than {seconds:g} s"


def make_client(
    transport: httpx.BaseTransport | None = None, *, is_kept: bool = False
) -> httpx.Client:
    """A client that follows nothing, keeps no cookies and takes no proxy from the environment.

    `is_kept`: connections stay open for the next question.
    """
    return httpx.Client(
        headers={
            "User-Agent": USER_AGENT,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        },
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        limits=httpx.Limits(
            max_connections=CONNECTIONS,
            max_keepalive_connections=CONNECTIONS if is_kept else 0,
            keepalive_expiry=KEEP_ALIVE_S,
        ),
        timeout=TIMEOUTS["poll"],
        follow_redirects=False,
        trust_env=False,
        verify=_trusted(),
        transport=transport,
    )


@cache
def _trusted() -> ssl.SSLContext:
    """Made once: reading the authorities takes longer than a call."""
    return httpx.create_ssl_context(trust_env=False)


def short(text: str, key: str = "") -> str:
    """A vendor's words as they may be kept: one line, no key, no picture, no signed query."""
    if key:
        text = text.replace(key, "[key]")
    text = _QUERIES.sub(r"\1", text[: TEXT_MAX_CHARS * 20])
    text = " ".join(_SECRETS.sub("[…]", text).split())
    return text if len(text) <= TEXT_MAX_CHARS else text[: TEXT_MAX_CHARS - 1] + "…"


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """How long a vendor wants us to wait, in seconds, at most a day; None where it does not say."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), RETRY_AFTER_MAX_S)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return min(max((date - now).total_seconds(), 0.0), RETRY_AFTER_MAX_S)


def is_id(text: object) -> TypeGuard[str]:
    """Whether it can be a vendor's id: short, and safe in a path and in a handle."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def is_same_origin(url: str, base_url: str) -> bool:
    """Whether a vendor's link leads where its key may be sent."""
    try:
        one, other = httpx.URL(url), httpx.URL(base_url)
    except (httpx.InvalidURL, TypeError):
        return False
    return not one.userinfo and origin(one) == origin(other)


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port; the port of the scheme where none is named."""
    port = url.port or {"https": 443, "http": 80}.get(url.scheme)
    return url.scheme, url.raw_host.decode("ascii").lower(), port


def _read(response: httpx.Response, max_bytes: int) -> bytes:
    """The body, up to the cap."""
    data = bytearray()
    for chunk in response.iter_bytes():
        data += chunk
        if len(data) > max_bytes:
            raise httpx.ReadError(f"an answer of more than {max_bytes} bytes")
    return bytes(data)


def _answer(response: httpx.Response, data: bytes) -> Answer:
    try:
        body = json.loads(data) if data else None
    except (ValueError, RecursionError):
        body = None
    text = data[: TEXT_MAX_CHARS * 4].decode("utf-8", "replace")
    return Answer(response.status_code, response.headers, body, text)
