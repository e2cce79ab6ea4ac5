"""Addresses that Creem gives us: a buyer is sent there, so not every one will do."""

import ipaddress
import re
from typing import Any, Final
from urllib.parse import urlencode, urlsplit, urlunsplit

URL_MAX: Final = 2000  # characters, of purchases.checkout_url
_PRINTABLE: Final = re.compile(rf"[!-~]{{1,{URL_MAX}}}")


def trusted(url: Any, base_url: str) -> str:
    """The address, or "": https only, and http on this machine where Creem itself is simulated."""
    if not isinstance(url, str) or not _PRINTABLE.fullmatch(url) or "\\" in url:
        return ""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return ""
    is_simulated = parts.scheme == "http" and _is_here(host) and _is_here(_host(base_url))
    is_fine = (parts.scheme == "https" or is_simulated) and host and "@" not in parts.netloc
    return url if is_fine else ""


def with_request_id(link: str, request_id: str) -> str:
    """A static payment link that says whose payment it is."""
    parts = urlsplit(link)
    kept = [each for each in parts.query.split("&") if each and not _is_request_id(each)]
    query = "&".join([*kept, urlencode({"request_id": request_id})])
    return urlunsplit(parts._replace(query=query))


def _is_request_id(parameter: str) -> bool:
    return parameter.partition("=")[0] == "request_id"


def _host(base_url: str) -> str | None:
    return urlsplit(base_url).hostname


def _is_here(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
