"""What Creem sends, in the shape that its official SDK accepts; each test bends its own copy."""

import copy
import hashlib
import hmac
import json
from typing import Any

KEY = "creem_test_CANARY0key0of0payments"
SECRET = "whsec_CANARY0secret0of0payments"
CREATED_MS = 1_767_323_045_000

PRODUCT: dict[str, Any] = {
    "id": "prod_1",
    "mode": "test",
    "object": "product",
    "name": "Starter",
    "price": 990,
    "currency": "USD",
    "billing_type": "onetime",
    "billing_period": "once",
    "status": "active",
    "tax_mode": "exclusive",
}
CUSTOMER: dict[str, Any] = {
    "id": "cust_1",
    "mode": "test",
    "object": "customer",
    "email": "payer@example.org",
    "name": "A. Payer",
    "country": "DE",
}
TRANSACTION: dict[str, Any] = {
    "id": "tran_1",
    "mode": "test",
    "object": "transaction",
    "amount": 990,
    "amount_paid": 1198,
    "discount_amount": 0,
    "currency": "USD",
    "type": "payment",
    "tax_country": "DE",
    "tax_amount": 208,
    "status": "paid",
    "refunded_amount": 0,
    "order": "ord_1",
    "customer": "cust_1",
    "created_at": CREATED_MS,
}
ORDER: dict[str, Any] = {
    "id": "ord_1",
    "mode": "test",
    "object": "order",
    "customer": "cust_1",
    "product": "prod_1",
    "transaction": "tran_1",
    "amount": 990,
    "sub_total": 990,
    "tax_amount": 208,
    "discount_amount": 0,
    "amount_due": 1198,
    "amount_paid": 1198,
    "currency": "USD",
    "status": "paid",
    "type": "onetime",
    "created_at": "2026-01-02T03:04:05.000Z",
    "updated_at": "2026-01-02T03:04:05.000Z",
}
CHECKOUT: dict[str, Any] = {
    "id": "ch_1",
    "mode": "test",
    "object": "checkout",
    "status": "completed",
    "request_id": "0197-purchase",
    "product": PRODUCT,
    "units": 1,
    "order": ORDER,
    "customer": CUSTOMER,
    "custom_fields": [],
    "checkout_url": "https://checkout.creem.io/ch_1",
    "success_url": "https://site.example/payment/success",
    "metadata": {"purchase_id": "0197-purchase", "user_id": "7", "schema": "1"},
}
REFUND: dict[str, Any] = {
    "id": "ref_1",
    "mode": "test",
    "object": "refund",
    "status": "succeeded",
    "refund_amount": 599,
    "refund_currency": "USD",
    "reason": "requested_by_customer",
    "transaction": TRANSACTION | {"status": "partialRefund", "refunded_amount": 599},
    "checkout": CHECKOUT | {"product": "prod_1"},
    "order": ORDER,
    "customer": CUSTOMER,
    "created_at": CREATED_MS + 1000,
}
DISPUTE: dict[str, Any] = {
    "id": "disp_1",
    "mode": "test",
    "object": "dispute",
    "amount": 1198,
    "currency": "USD",
    "transaction": TRANSACTION | {"status": "chargedBack"},
    "checkout": CHECKOUT | {"product": "prod_1"},
    "order": ORDER,
    "customer": CUSTOMER,
    "created_at": CREATED_MS + 2000,
}


def bent(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy with other fields; None leaves one out.  `order__id` reaches into `order`."""
    result = copy.deepcopy(body)
    for path, value in changes.items():
        *outer, last = path.split("__")
        place = result
        for step in outer:
            place = place[step]
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    return result


def message(kind: str, about: Any, event_id: str = "evt_1") -> bytes:
    """The bytes of an event."""
    envelope = {"id": event_id, "eventType": kind, "created_at": CREATED_MS, "object": about}
    return json.dumps(envelope).encode()


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    """The headers of an event, as its sender makes them."""
    return {"creem-signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def returned(query: str, key: str = KEY) -> str:
    """A raw query with its signature at the end; `query` holds nothing that is escaped or empty."""
    text = "|".join([*query.split("&"), f"salt={key}"])
    return f"{query}&signature={hashlib.sha256(text.encode()).hexdigest()}"
