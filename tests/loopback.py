"""Tests stay on this machine."""

import contextlib
import ipaddress
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest


class OutsideConnectionError(AssertionError):
    """A test tried to reach another machine."""


@contextlib.contextmanager
def guard() -> Iterator[None]:
    """Sockets of this process reach loopback addresses only, and only localhost has a name."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
        getaddrinfo = socket.getaddrinfo

        def resolve(host: Any, *arguments: Any, **options: Any) -> Any:
            _check(host)
            return getaddrinfo(host, *arguments, **options)

        patch.setattr(socket, "getaddrinfo", resolve)
        yield


def _guarded(original: Callable[..., Any]) -> Callable[..., Any]:
    def connect(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _check(address[0])
        return original(self, address)

    return connect


def _check(host: object) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost", "0.0.0.0", "::"):
        return
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(str(name)).is_loopback:
            return
    raise OutsideConnectionError(f"a test wanted to reach {name}")
