"""Whether a message, or a return address, is Creem's own.

A message: HMAC-SHA256 of the raw body, in hex.  A return address: SHA-256 of its parameters as they
arrive, with the API key as salt (the newest of three descriptions that disagree; docs/payments.md).
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_plus

from app.payments import SIGNATURE_HEADER, NotSigned

_HEADERS: Final = (SIGNATURE_HEADER, "x-creem-signature")
_PREFIX: Final = "sha256="
_MAX_QUERY: Final = 8000  # characters; theirs has a few hundred


def check_message(headers: Mapping[str, str], body: bytes, secret: str) -> None:
    """Raises NotSigned.  `headers` have lower-case names; `sha256=` and capitals are taken, as the
    official SDK does.
    """
    told = next((headers[name] for name in _HEADERS if headers.get(name)), "").strip()
    told = told[len(_PREFIX) :] if told.lower().startswith(_PREFIX) else told
    ours = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    if not secret or not _is_same(told.lower(), ours):  # under an empty secret anybody can sign
        raise NotSigned("the message is not signed by Creem")


def check_landing(raw_query: str, key: str) -> dict[str, str]:
    """The parameters of a return address whose signature holds.  Raises NotSigned.

    Names and values come in the order of the raw query; empty ones and "null" are left out.
    """
    found = _parameters(raw_query)
    told = found.pop("signature", "")
    said = {name: value for name, value in found.items() if value not in ("", "null")}
    text = "|".join([*(f"{name}={value}" for name, value in said.items()), f"salt={key}"])
    ours = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    if not key or not _is_same(told.lower(), ours):
        raise NotSigned("the return address is not signed by Creem")
    return said


def _parameters(raw_query: str) -> dict[str, str]:
    """Decoded, in the order of their arrival.

    A pipe in a value, or a pipe or `=` in a name, could move the borders between signed parameters:
    what somebody put into the request_id of a payment link would come back as an order_id.
    """
    if len(raw_query) > _MAX_QUERY:
        raise NotSigned("the return address is too long")
    found: dict[str, str] = {}
    for part in filter(None, raw_query.split("&")):
        name, _, value = part.partition("=")
        name, value = unquote_plus(name), unquote_plus(value)
        if name in found or "|" in name + value or "=" in name:
            raise NotSigned("the return address has a parameter twice, or one that is not Creem's")
        found[name] = value
    return found


def _is_same(told: str, ours: str) -> bool:
    """In constant time; as bytes, because a header may hold anything."""
    return hmac.compare_digest(told.encode("utf-8", "replace"), ours.encode())
