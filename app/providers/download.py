"""A vendor's result becomes a local file, whatever the vendor's link tries to be.

The host is on the model's list, the address is checked once and is the one connected to, nothing is
followed blindly, and neither bytes nor time are without end.  A base URL on this machine (a
simulator) may serve its own results; nothing else on this machine or its network may.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import httpx

from app import limits
from app.providers import ErrorCode, ProviderError, addresses, http, remote_id_of
from app.providers.addresses import Resolver
from app.providers.deadline import Deadline

VIDEO: Final = "video.mp4"
DEADLINE_S: Final = 600.0
STALL_S: Final = 30.0
URL_MAX_CHARS: Final = 8192
ADDRESSES_TRIED: Final = 3
NO_CREDENTIALS: Final[Mapping[str, str]] = {}
DISK_ERRORS: Final = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}


@dataclass(frozen=True)
class _Target:
    """A link that was checked, and the addresses that may be connected to for it."""

    url: httpx.URL
    host: str
    is_base: bool
    addresses: tuple[str, ...]


class Downloads:
    """The folder of one provider's results.

    `stall_s` without a byte or `deadline_s` in all end a download; `max_bytes` cut it off.
    `redirects` are followed, each checked like the first link.
    """

    def __init__(
        self,
        folder: Path,
        base_url: str,
        result_hosts: Iterable[str],
        *,
        redirects: int = 0,
        max_bytes: int = limits.VIDEO_MAX_BYTES,
        deadline_s: float = DEADLINE_S,
        stall_s: float = STALL_S,
        resolve: Resolver = addresses.resolve,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        base = httpx.URL(base_url)
        self._folder = folder
        self._base = _origin(base)
        self._is_simulator = addresses.is_loopback(_host(base))
        self._hosts = (_host(base), *result_hosts)
        self._redirects = redirects
        self._max_bytes = max_bytes
        self._deadline_s = deadline_s
        self._timeout = httpx.Timeout(stall_s, connect=http.CONNECT_S)
        self._resolve = resolve
        self._transport = transport
        self._client: httpx.Client | None = None
        self._making = threading.Lock()

    def fetch(self, handle: str, url: str, credentials: Mapping[str, str] = NO_CREDENTIALS) -> Path:
        """The video behind `url` as a local file; one that is there already is not asked for again.

        `credentials` are headers for the configured origin alone.  Raises ProviderError: transient,
        result_expired, disk_full, host_refused for a link that is not followed, or permanent for
        what is no video.
        """
        folder = self._of(handle)
        path = folder / VIDEO
        if path.is_file():
            return path
        with _disk_trouble():
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as part:
                try:
                    self._fill(part, url, credentials)
                    Path(part.name).replace(path)
                except BaseException:
                    Path(part.name).unlink(missing_ok=True)
                    raise
        return path

    def forget(self, handle: str) -> None:
        """Remove what was fetched.  May be repeated."""
        shutil.rmtree(self._of(handle), ignore_errors=True)

    def _of(self, handle: str) -> Path:
        # a vendor's id is hashed: it is not ours, and no path
        return self._folder / hashlib.sha256(remote_id_of(handle).encode()).hexdigest()[:32]

    def _fill(self, part: Any, url: str, credentials: Mapping[str, str]) -> None:
        with Deadline(self._deadline_s) as deadline:
            try:
                for _ in range(self._redirects + 1):
                    target = self._check(url)
                    with self._ask(target, credentials, deadline) as response:
                        if not (response.has_redirect_location and self._redirects):
                            _check_status(response)
                            return self._save(response, part, deadline)
                        # joined to the name, not to the address that was connected to
                        url = str(target.url.join(response.headers["location"]))
                raise _no_way("the link leads from one place to the next")
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                trouble = f"the result could not be read: {type(error).__name__}: {error}"
            if deadline.is_over:
                trouble = f"the result was not there within {self._deadline_s:g} s"
        # out here the error has no context: httpx's errors hold the request and its headers
        raise ProviderError("transient", http.short(trouble))

    def _check(self, url: str) -> _Target:
        """Everything that can be said of a link before anybody is connected to."""
        if not isinstance(url, str) or len(url) > URL_MAX_CHARS:
            raise _no_way("the link is none")
        try:
            parts = httpx.URL(url)
        except httpx.InvalidURL:
            raise _no_way("the link cannot be read") from None
        host, is_base = _host(parts), _origin(parts) == self._base
        is_simulator = is_base and self._is_simulator
        if parts.userinfo:
            raise _no_way("the link carries a name or a password")
        if not is_simulator and (parts.scheme != "https" or parts.port not in (None, 443)):
            raise _no_way("the link is not https on its usual port")
        if not addresses.is_listed(host, self._hosts):
            raise _no_way(f"results do not come from {host}")
        found = self._addresses_of(host, _origin(parts)[2] or 443)
        is_fit = addresses.is_loopback if is_simulator else addresses.is_public
        if not found or not all(map(is_fit, found)):
            raise _no_way(f"{host} is not where a result can be")
        return _Target(parts, host, is_base, found[:ADDRESSES_TRIED])

    def _addresses_of(self, host: str, port: int) -> tuple[str, ...]:
        if addresses.is_address(host):
            return (host,)
        try:
            return tuple(self._resolve(host, port))
        except (OSError, UnicodeError) as error:
            message = f"the name {host} could not be looked up: {error}"
            raise ProviderError("transient", http.short(message)) from error

    @contextlib.contextmanager
    def _ask(
        self, target: _Target, credentials: Mapping[str, str], deadline: Deadline
    ) -> Iterator[httpx.Response]:
        """The beginning of the answer, from the first checked address that takes a call."""
        client = self._client or self._make()
        port = f":{target.url.port}" if target.url.port else ""
        headers = {"Host": f"[{target.host}]{port}" if ":" in target.host else target.host + port}
        # a kept connection would be found by its address, for whatever name it was checked
        headers |= {"Accept": "*/*", "Connection": "close"} | dict(
            credentials if target.is_base else NO_CREDENTIALS
        )
        last = len(target.addresses) - 1
        for number, address in enumerate(target.addresses):
            request = client.build_request(
                "GET",
                target.url.copy_with(host=address, fragment=None),
                headers=headers,
                timeout=self._timeout,
                extensions={"sni_hostname": target.host, "trace": deadline.watch},
            )
            try:
                response = client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if number == last or deadline.is_over:
                    raise
                continue
            with contextlib.closing(response):
                yield response
            return

    def _make(self) -> httpx.Client:
        with self._making:
            if self._client is None:
                self._client = http.make_client(self._transport)
                weakref.finalize(self, self._client.close)
            return self._client

    def _save(self, response: httpx.Response, part: BinaryIO, deadline: Deadline) -> None:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise _refused("the result came encoded, which nobody asked for")
        length = response.headers.get("content-length", "")
        if length.isdigit() and int(length) > self._max_bytes:
            raise _refused(f"the result is larger than {self._max_bytes} bytes")
        size, head = 0, b""
        for chunk in response.iter_raw():
            size += len(chunk)
            if size > self._max_bytes:
                raise _refused(f"the result is larger than {self._max_bytes} bytes")
            if len(head) < 8:
                head += chunk[:8]
                _check_head(head)
            part.write(chunk)
        if deadline.is_over:
            raise httpx.ReadTimeout("over")
        if (length.isdigit() and size != int(length)) or len(head) < 8:
            raise httpx.ReadError(f"it ended after {size} bytes")
        part.flush()
        os.fsync(part.fileno())  # renamed before it is written, it would be empty after a power cut


def _host(url: httpx.URL) -> str:
    return addresses.plain(url.raw_host.decode("ascii"))


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    scheme, host, port = http.origin(url)
    return scheme, addresses.plain(host), port


def _refused(message: str) -> ProviderError:
    return ProviderError("permanent", message)


def _no_way(message: str) -> ProviderError:
    """The video may be well: a line in models.toml, or the vendor, can still open the way."""
    return ProviderError("host_refused", http.short(message))


def _check_status(response: httpx.Response) -> None:
    status = response.status_code
    if status == 200:
        return
    if status in (403, 404, 410):
        raise ProviderError("result_expired", f"the result is no longer there ({status})")
    if status in (408, 425, 429) or status >= 500:
        raise ProviderError("transient", f"the result could not be read: {status}")
    if response.has_redirect_location:
        raise _no_way(f"the result was answered with {status}, and is not followed")
    raise _refused(f"the result was answered with {status}")


def _check_head(head: bytes) -> None:
    """An MP4 begins with the length of its first box and `ftyp`; a page or a script does not."""
    if not b"ftyp".startswith(head[4:8]):
        raise _refused("the result is not an MP4 video")


@contextlib.contextmanager
def _disk_trouble() -> Iterator[None]:
    """Turn the system's errors into ours."""
    try:
        yield
    except OSError as error:
        code: ErrorCode = "disk_full" if error.errno in DISK_ERRORS else "transient"
        raise ProviderError(code, str(error)) from error
