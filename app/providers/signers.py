"""The published keys of a vendor that signs its callbacks with Ed25519 (a JWKS address)."""

import base64
import binascii
import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.providers import ProviderError
from app.providers.http import Line

KEPT: Final = timedelta(hours=24)
ASKED_AGAIN: Final = timedelta(minutes=1)  # a forger must not make us ask for every callback


class Signers:
    """Keeps the keys for a day; asks again when none fits, at most once a minute."""

    def __init__(self, line: Line, url: str) -> None:
        self._line = line
        self._url = url
        self._keys: tuple[Ed25519PublicKey, ...] = ()
        self._read_at: datetime | None = None
        self._asked_at: datetime | None = None
        self._choosing = threading.Lock()

    def have_signed(self, message: bytes, signature: bytes, now: datetime) -> bool:
        """Whether one of the keys made the signature.

        Raises ProviderError transient when the keys cannot be had.
        """
        with self._choosing:
            is_fresh = self._read_at is not None and now - self._read_at < KEPT
            keys = self._keys
            is_asked = self._asked_at is not None and now - self._asked_at < ASKED_AGAIN
            if not is_asked and not (is_fresh and _fits(keys, message, signature)):
                self._asked_at = now
                keys = ()
        if keys or is_asked:
            if is_fresh:
                return _fits(keys, message, signature)
            raise ProviderError("transient", "the keys for callbacks could not be read")
        keys = self._ask()  # not under the lock: others judge by the keys that there are
        with self._choosing:
            self._keys, self._read_at = keys, now
        return _fits(keys, message, signature)

    def _ask(self) -> tuple[Ed25519PublicKey, ...]:
        answer = self._line.call("GET", self._url, "", "poll")
        found = answer.fields.get("keys")
        if answer.status != 200 or not isinstance(found, list):
            raise ProviderError("transient", f"the keys for callbacks: {answer.status}")
        return tuple(key for each in found if (key := _key(each)) is not None)


def _fits(keys: Iterable[Ed25519PublicKey], message: bytes, signature: bytes) -> bool:
    for key in keys:
        try:
            key.verify(signature, message)
        except InvalidSignature:
            continue
        return True
    return False


def _key(row: Any) -> Ed25519PublicKey | None:
    """An Ed25519 key of the set; other kinds are passed over."""
    if not isinstance(row, dict) or row.get("kty") != "OKP":
        return None
    if row.get("crv", "Ed25519") != "Ed25519" or not isinstance(row.get("x"), str):
        return None
    try:
        raw = base64.urlsafe_b64decode(row["x"] + "=" * (-len(row["x"]) % 4))
        return Ed25519PublicKey.from_public_bytes(raw)
    except (binascii.Error, ValueError):
        return None
