"""Creem's two signatures: of events (section 4) and of return addresses (section 3)."""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from urllib.parse import urlencode

HEADER = "creem-signature"
RETURN_ORDER = (
    "request_id", "checkout_id", "order_id", "customer_id", "subscription_id", "product_id",
)  # fmt: skip


def signature_of(body: bytes, secret: str) -> str:
    """Of an event: HMAC-SHA256 over its bytes; the secret as it is, `whsec_` included."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def standard_headers(event_id: str, at: int, body: bytes, secret: str) -> dict[str, str]:
    """Of an event, as Standard Webhooks has it; that Creem sends these is not confirmed."""
    key = base64.b64decode(secret.removeprefix("whsec_") + "==")
    signed = f"{event_id}.{at}.".encode() + body
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{digest}",
    }


def return_signature(pairs: Iterable[tuple[str, str]], api_key: str) -> str:
    """Of a return address: SHA-256 over its pairs in their order, and the API key as salt."""
    text = "|".join([*(f"{name}={value}" for name, value in pairs), f"salt={api_key}"])
    return hashlib.sha256(text.encode()).hexdigest()


def return_url(
    success_url: str,
    values: dict[str, str | None],
    api_key: str,
    *,
    order: Sequence[str] = RETURN_ORDER,
    nulls: Sequence[str] = (),
) -> str:
    """Where the buyer is sent back to. Absent values are left out; those of `nulls` are said to be
    null, and not signed.
    """
    pairs = [(name, value) for name in order if (value := values.get(name))]
    signature = ("signature", return_signature(pairs, api_key))
    query = urlencode([*((name, "null") for name in nulls), *pairs, signature])
    return f"{success_url}{'&' if '?' in success_url else '?'}{query}"
