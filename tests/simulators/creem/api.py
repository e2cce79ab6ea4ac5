"""Creem's API, as far as a shop uses it (section 2). Every path is under /v1."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from tests.simulators.creem.bodies import Body, ms
from tests.simulators.creem.books import Discount, new_id
from tests.simulators.creem.wishes import Invalid, checkout_fields
from tests.simulators.wire import Answer, Request, json_answer

if TYPE_CHECKING:
    from tests.simulators.creem.house import CreemHouse


class NotThere(Exception):
    """No such thing; the text says what."""


@dataclass(frozen=True)
class Route:
    """Where a request belongs. `name`: what stands in its path."""

    where: str
    act: "Callable[[CreemHouse, Request, str], Body]"
    name: str = ""


def find(request: Request) -> Route | None:
    """The route of a request; None: nowhere."""
    for method, pattern, where, act in ROUTES:
        if method == request.method and (match := re.fullmatch(pattern, request.path)):
            return Route(where, act, match[1] if match.groups() else "")
    return None


def refusal(house: "CreemHouse", request: Request) -> Answer | None:
    """What a request without the right key gets."""
    if not request.key:
        status = house.switches.no_key_status
        return error(house, status, "API key is missing" if status == 401 else None)
    return None if request.key == house.api_key else error(house, 403, "Invalid API key")


def act(house: "CreemHouse", request: Request, route: Route) -> Answer:
    """Do it."""
    try:
        return json_answer(route.act(house, request, route.name))
    except NotThere as problem:
        return error(house, 404, str(problem))
    except Invalid as problem:
        return error(house, 400, *problem.messages)


def error(house: "CreemHouse", status: int, *messages: str | None) -> Answer:
    """Creem's error body (section 6); its 404 says "Bad Request", and a message may be absent."""
    try:
        name = "Bad Request" if status == HTTPStatus.NOT_FOUND else HTTPStatus(status).phrase
    except ValueError:
        name = "Error"
    body: Body = {"trace_id": new_id("trace"), "status": status, "error": name}
    if said := [message for message in messages if message]:
        body["message"] = said
    return json_answer({**body, "timestamp": ms(house.clock.now())}, status)


def limited(house: "CreemHouse", retry_after_s: Any, *, is_old: bool) -> Answer:
    """429. The page that was withdrawn had another body, and more headers."""
    answer = error(house, 429, "Too many requests")
    if is_old:
        answer = json_answer(
            {"error": {"code": "rate_limit", "message": "slow", "retry_after": retry_after_s}}, 429
        )
        answer.headers |= {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "0"}
    if retry_after_s not in (None, ""):
        answer.headers["Retry-After"] = str(retry_after_s)
    return answer


def without(answer: Answer, path: str) -> Answer:
    """The same answer, without one field (`items.0.id`)."""
    body = json.loads(answer.body)
    *way, last = path.split(".")
    place = body
    for step in way:
        place = place[int(step)] if isinstance(place, list) else place[step]
    del place[last]
    return json_answer(body, answer.status or 200)


def _page(request: Request, bodies: list[Body], size: int = 10) -> Body:
    """`page_number` from 1, `page_size`; null where there is no page before or after."""
    try:
        number = int(request.query.get("page_number", "1"))
        size = int(request.query.get("page_size", size))
    except ValueError:
        raise Invalid("page_number must be a number", "page_size must be a number") from None
    if number < 1 or size < 1:
        raise Invalid("page_number and page_size must not be less than 1")
    last = max(1, math.ceil(len(bodies) / size))
    return {
        "items": bodies[(number - 1) * size : number * size],
        "pagination": {
            "total_records": len(bodies),
            "total_pages": last,
            "current_page": number,
            "next_page": number + 1 if number < last else None,
            "prev_page": number - 1 if number > 1 else None,
        },
    }


def _one(things: dict[str, Any], name: str, what: str) -> Any:
    if name not in things:
        raise NotThere(f"{what} not found")
    return things[name]


def _create_checkout(house: "CreemHouse", request: Request, _: str) -> Body:
    fields = checkout_fields(request, house.customers)
    product = _one(house.products, fields.pop("product_id"), "Product")
    same = [
        checkout
        for checkout in house.checkouts.values()
        if checkout.request_id and checkout.request_id == fields.get("request_id")
    ]
    if same and house.switches.repeated_request_id == "refuse":
        raise Invalid("A checkout with this request_id already exists")
    if same and house.switches.repeated_request_id == "same":
        return house.printer.checkout(same[0], "id")
    return house.printer.checkout(house.open_checkout(product.id, **fields), "id")


def _get_checkout(house: "CreemHouse", request: Request, _: str) -> Body:
    name = request.query.get("checkout_id", "")
    return house.printer.checkout(_one(house.checkouts, name, "Checkout"))


def _get_product(house: "CreemHouse", request: Request, name: str) -> Body:
    name = name or request.query.get("product_id", "")
    return house.printer.product(_one(house.products, name, "Product"))


def _search_products(house: "CreemHouse", request: Request, _: str) -> Body:
    return _page(request, [house.printer.product(one) for one in house.products.values()])


def _get_customer(house: "CreemHouse", request: Request, _: str) -> Body:
    email = request.query.get("email", "").lower()
    for customer in house.customers.values():
        if customer.id == request.query.get("customer_id") or customer.email.lower() == email:
            return house.printer.customer(customer)
    raise NotThere("Customer not found")


def _list_customers(house: "CreemHouse", request: Request, _: str) -> Body:
    return _page(request, [house.printer.customer(one) for one in house.customers.values()], 50)


def _customer_orders(house: "CreemHouse", request: Request, name: str) -> Body:
    _one(house.customers, name, "Customer")
    orders = [order.id for order in house.orders.values() if order.customer_id == name]
    return _page(request, [house.printer.order(order_id) for order_id in reversed(orders)])


def _billing(house: "CreemHouse", request: Request, _: str) -> Body:
    customer = _one(house.customers, str(request.json().get("customer_id")), "Customer")
    return {"customer_portal_link": f"{house.base_url}/portal/{customer.id}"}


def _get_transaction(house: "CreemHouse", request: Request, _: str) -> Body:
    name = request.query.get("transaction_id", "")
    return house.printer.transaction(_one(house.transactions, name, "Transaction").id)


def _search_transactions(house: "CreemHouse", request: Request, _: str) -> Body:
    """The newest first."""
    asked = request.query
    found = [
        one.id
        for one in reversed(list(house.transactions.values()))
        if asked.get("order_id") in (None, one.order_id)
        and asked.get("customer_id") in (None, one.customer_id)
        and asked.get("product_id") in (None, one.product_id)
    ]
    return _page(request, [house.printer.transaction(name) for name in found])


def _refund(house: "CreemHouse", request: Request, _: str) -> Body:
    """All that is left of it; the answer is a status and nothing else (section 5)."""
    name = str(request.json().get("transaction_id"))
    with house.lock:
        transaction = _one(house.transactions, name, "Transaction")
        if house.till.refundable(transaction) <= 0:
            raise Invalid("The transaction has no refundable amount")
        status = request.query.get("refund_status", "succeeded")
        refund = house.till.refund(name, None, status, "requested_by_customer")
    house.tell(refund.id)
    return {"status": refund.status}


def _screen(house: "CreemHouse", request: Request, _: str) -> Body:
    wish = request.json()
    if not isinstance(wish.get("prompt"), str):
        raise Invalid("prompt must be a string")
    body = {"id": new_id("mod"), "object": "moderation_result", "prompt": wish["prompt"]}
    body |= {"external_id": wish["external_id"]} if "external_id" in wish else {}
    return {**body, "decision": house.switches.decision, "usage": {"units": 1}}


def _create_discount(house: "CreemHouse", request: Request, _: str) -> Body:
    wish = request.json()
    if wish.get("type") != "percentage" or not isinstance(wish.get("percentage"), int):
        raise Invalid("the simulator knows discounts of a percentage only")
    code = wish.get("code") or new_id("CODE")[-8:].upper()
    products = list(wish.get("applies_to_products") or [])
    name = str(wish.get("name", code))
    discount = Discount(new_id("dis"), code, wish["percentage"], name, products)
    house.discounts[discount.id] = discount
    house.remember()
    return house.printer.discount(discount)


def _find_discount(house: "CreemHouse", request: Request, name: str) -> Discount:
    name, code = name or request.query.get("discount_id", ""), request.query.get("discount_code")
    for discount in house.discounts.values():
        if discount.id == name or discount.code == code:
            return discount
    raise NotThere("Discount not found")


def _get_discount(house: "CreemHouse", request: Request, name: str) -> Body:
    return house.printer.discount(_find_discount(house, request, name))


def _search_discounts(house: "CreemHouse", request: Request, _: str) -> Body:
    return _page(request, [house.printer.discount(one) for one in house.discounts.values()])


def _delete_discount(house: "CreemHouse", request: Request, name: str) -> Body:
    discount = _find_discount(house, request, name)
    del house.discounts[discount.id]
    house.remember()
    return house.printer.discount(discount)


ROUTES: tuple[tuple[str, str, str, Callable[["CreemHouse", Request, str], Body]], ...] = (
    ("POST", "/v1/checkouts", "checkouts.create", _create_checkout),
    ("GET", "/v1/checkouts", "checkouts.get", _get_checkout),
    ("GET", "/v1/products", "products.get", _get_product),
    ("GET", "/v1/products/search", "products.search", _search_products),
    ("GET", "/v1/products/([^/]+)", "products.get", _get_product),
    ("GET", "/v1/customers", "customers.get", _get_customer),
    ("GET", "/v1/customers/list", "customers.list", _list_customers),
    ("POST", "/v1/customers/billing", "customers.billing", _billing),
    ("GET", "/v1/customers/([^/]+)/orders", "customers.orders", _customer_orders),
    ("GET", "/v1/transactions", "transactions.get", _get_transaction),
    ("GET", "/v1/transactions/search", "transactions.search", _search_transactions),
    ("POST", "/v1/refunds", "refunds.create", _refund),
    ("POST", "/v1/moderation/prompt", "moderation.prompt", _screen),
    ("POST", "/v1/discounts", "discounts.create", _create_discount),
    ("GET", "/v1/discounts", "discounts.get", _get_discount),
    ("GET", "/v1/discounts/search", "discounts.search", _search_discounts),
    ("DELETE", "/v1/discounts/([^/]+)/delete", "discounts.delete", _delete_discount),
)
