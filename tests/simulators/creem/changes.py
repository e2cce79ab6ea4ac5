"""What faults change in the object of an event before it is signed."""

import json
from collections.abc import Callable
from typing import Any

Body = dict[str, Any]


def changed(type: str, about: Body, faults: dict[str, Any]) -> Body:  # noqa: A002
    """The object as the faults want it."""
    for name, value in faults.items():
        if name in CHANGES:
            CHANGES[name](type, about, value)
    return about


def put(about: Body, path: str, value: Any) -> None:
    """`order.amount`: set it, where the way there exists; ... takes the field away."""
    *way, last = path.split(".")
    place: Any = about
    for step in way:
        place = place.get(step)
        if not isinstance(place, dict):
            return
    if value is ...:
        place.pop(last, None)
    else:
        place[last] = value


def _without(type: str, about: Body, names: str) -> None:  # noqa: A002
    """In refunds and disputes request_id and metadata stand in the checkout."""
    for name in names.replace("+", " ").split():
        is_inside = type != "checkout.completed" and name in ("request_id", "metadata")
        put(about, f"checkout.{name}" if is_inside else name, ...)


def _everywhere(about: Any, name: str, value: Any) -> None:
    if isinstance(about, dict):
        for key, inner in about.items():
            if key == name:
                about[key] = value
            elif key != "metadata":
                _everywhere(inner, name, value)


def _currency(_: str, about: Body, value: str) -> None:
    _everywhere(about, "currency", value)
    _everywhere(about, "refund_currency", value)


def _amount(type: str, about: Body, value: Any) -> None:  # noqa: A002
    names = {
        "checkout.completed": [
            f"order.{name}" for name in ("amount", "sub_total", "amount_due", "amount_paid")
        ],
        "refund.created": ["refund_amount"],
    }
    for name in names.get(type, ["amount"]):
        put(about, name, int(value))


def _product(_: str, about: Body, value: str) -> None:
    if isinstance(about.get("product"), dict):
        about["product"]["id"] = value
    put(about, "order.product", value)
    put(about, "checkout.product", value)


def _one(path: str, inside: str | None = None) -> Callable[[str, Body, Any], None]:
    """A single field; `inside`: where it stands in refunds and disputes."""

    def change(type: str, about: Body, value: Any) -> None:  # noqa: A002
        is_paid = type == "checkout.completed" or inside is None
        put(about, path if is_paid else str(inside), value)

    return change


def _fields(_: str, about: Body, values: Any) -> None:
    for path, value in (json.loads(values) if isinstance(values, str) else values).items():
        put(about, path, value)


CHANGES: dict[str, Callable[[str, Body, Any], None]] = {
    "without": _without,
    "mode": lambda _, about, value: _everywhere(about, "mode", value),
    "currency": _currency,
    "amount": _amount,
    "product": _product,
    "units": _one("units", "checkout.units"),
    "request_id": _one("request_id", "checkout.request_id"),
    "metadata": _one("metadata", "checkout.metadata"),
    "order_status": _one("order.status"),
    "order_type": _one("order.type"),
    "chargeback": _one("transaction.status"),
    "fields": _fields,
}
