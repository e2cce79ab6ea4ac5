"""Which hosts and addresses a vendor's result may come from: never our own network.

A name is checked twice: against the list of hosts, and, once resolved, by its address.  Whoever
connects must connect to the address that was checked, because the next answer may be another one.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import Final

Resolver = Callable[[str, int], Sequence[str]]

# What ipaddress calls global and is not, or is only a way around to an IPv4 address.  NAT64
# (64:ff9b::/96, 64:ff9b:1::/48), mapped and unique local addresses lie outside 2000::/3.
_GLOBAL_IPV6: Final = ipaddress.IPv6Network("2000::/3")
_NOT_OURS_TO_ASK: Final = tuple(
    ipaddress.ip_network(each)
    for each in (
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # 6to4 relays
        "224.0.0.0/4",  # multicast
        "2001::/23",  # Teredo and other protocol assignments
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, in the order in which to try them.  Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def is_public(address: str) -> bool:
    """Whether it is a machine of the open network; anything that is no address is not."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and (found.scope_id or found not in _GLOBAL_IPV6):
        return False
    return found.is_global and not any(found in network for network in _NOT_OURS_TO_ASK)


def is_loopback(address: str) -> bool:
    """Whether it is this machine: an address in its usual spelling, or `localhost`."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def is_address(host: str) -> bool:
    """Whether a host is an address, in its usual spelling."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def plain(host: str) -> str:
    """A host as it is compared: lower case, without the dot that may end it."""
    return host.lower().removesuffix(".")


def is_listed(host: str, patterns: Iterable[str]) -> bool:
    """Whether a plain host is on a list; `*.kie.ai` is every name below kie.ai, not itself."""
    return any(
        host.endswith(pattern[1:]) and len(host) >= len(pattern)
        if pattern.startswith("*.")
        else host == pattern
        for pattern in patterns
    )
