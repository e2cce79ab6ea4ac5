"""What POST /v1/checkouts may ask for (section 2), checked as strictly as its description says."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.simulators.wire import Request

if TYPE_CHECKING:
    from tests.simulators.creem.books import Customer

FIELDS: dict[str, type | tuple[type, ...]] = {
    "product_id": str,
    "request_id": str,
    "units": int,
    "custom_price": int,
    "discount_code": str,
    "affiliate_code": str,
    "customer": dict,
    "custom_fields": list,
    "custom_field": list,
    "success_url": str,
    "metadata": dict,
}
CUSTOM_PRICE_CENTS = range(100, 100_000_000)


class Invalid(Exception):
    """The body is not as it must be; `messages` say how."""

    def __init__(self, *messages: str) -> None:
        super().__init__("; ".join(messages))
        self.messages = messages


def checkout_fields(request: Request, customers: "dict[str, Customer]") -> dict[str, Any]:
    """The fields of a checkout, product_id among them. Raises Invalid."""
    wish = request.json()
    if not isinstance(wish, dict) or "json" not in request.headers.get("content-type", ""):
        raise Invalid("the body must be a JSON object")
    wrong = [f"property {name} should not exist" for name in wish if name not in FIELDS]
    wrong += [
        f"{name} must be a {_name(kind)}"
        for name, kind in FIELDS.items()
        if name in wish and (not isinstance(wish[name], kind) or wish[name] is True)
    ]
    if not wish.get("product_id"):
        wrong.append("product_id should not be empty")
    if wrong:
        raise Invalid(*wrong)
    _check_values(wish)
    customer = wish.get("customer", {})
    fields = {name: wish[name] for name in TAKEN if name in wish}
    return {**fields, "email": _email(customer, customers)}


TAKEN = (
    "product_id", "request_id", "units", "custom_price", "discount_code", "success_url", "metadata",
)  # fmt: skip


def _check_values(wish: dict[str, Any]) -> None:
    if wish.get("units", 1) < 1:
        raise Invalid("units must not be less than 1")
    if "custom_price" in wish and wish["custom_price"] not in CUSTOM_PRICE_CENTS:
        raise Invalid("custom_price must be between 100 and 99999999")
    there = urlsplit(wish.get("success_url", "https://shop.example"))
    if there.scheme not in ("http", "https") or not there.hostname:
        raise Invalid("success_url must be a URL address")


def _email(customer: dict[str, Any], customers: "dict[str, Customer]") -> str:
    if "id" in customer and "email" in customer:
        raise Invalid("You may only specify one of these parameters: customer.id, customer.email")
    if "email" in customer and "@" not in str(customer["email"]):
        raise Invalid("customer.email must be an email")
    if "id" in customer and customer["id"] not in customers:
        raise Invalid("customer.id is not known")
    return customers[customer["id"]].email if "id" in customer else customer.get("email", "")


def _name(kind: Any) -> str:
    return {str: "string", int: "number", dict: "object", list: "array"}[kind]
