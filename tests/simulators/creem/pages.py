"""The pages that a buyer sees, and the dashboard of the shop: no key, no script, plain forms."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.simulators.creem import markup
from tests.simulators.creem.books import Checkout
from tests.simulators.creem.till import NotPaid
from tests.simulators.wire import Answer, Request

if TYPE_CHECKING:
    from tests.simulators.creem.house import CreemHouse

Page = Callable[["CreemHouse", Request, str], Answer]


def answer(house: "CreemHouse", request: Request) -> Answer:
    """A page, or a form that was sent."""
    for method, pattern, act in ROUTES:
        if method == request.method and (match := re.fullmatch(pattern, request.path)):
            return act(house, request, match[1] if match.groups() else "")
    return _gone("This page does not exist")


def _html(body: bytes, status: int = 200) -> Answer:
    headers = {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store"}
    return Answer(status, body, headers)


def _there(url: str, status: int = 303) -> Answer:
    return Answer(status, b"", {"Location": url, "Cache-Control": "no-store"})


def _gone(text: str) -> Answer:
    return _html(markup.message(text, "Go back to the shop and begin again."), 404)


def _open_link(house: "CreemHouse", request: Request, product_id: str) -> Answer:
    """A static link: each visit opens a checkout of its own."""
    if product_id not in house.products:
        return _gone("This product does not exist")
    asked = request.query.get("request_id") if house.switches.links_carry_request_id else None
    checkout = house.open_checkout(product_id, request_id=asked)
    return _there(f"/checkout/{checkout.id}")


def _show(house: "CreemHouse", request: Request, checkout_id: str) -> Answer:
    checkout = house.checkouts.get(checkout_id)
    if checkout is None:
        return _gone("This checkout does not exist")
    if checkout.status != "pending":
        return _ended(house, checkout)
    email = request.query.get("email", checkout.email)
    return _form(house, checkout, email, request.query.get("discount", checkout.discount_code))


def _form(
    house: "CreemHouse", checkout: Checkout, email: str, code: str | None, problem: str = ""
) -> Answer:
    """The form. A code that does not work is said, and the price is the one without it."""
    try:
        discount = house.till.discount(code, checkout.product_id)
    except NotPaid as error:
        discount, problem = None, problem or error.reason
    amounts = house.till.amounts(checkout, discount)
    body = markup.pay_page(house, checkout, amounts, email=email, code=code or "", problem=problem)
    return _html(body, 402 if problem else 200)


def _ended(house: "CreemHouse", checkout: Checkout) -> Answer:
    back = house.till.return_url(checkout) or _shop(checkout)
    if checkout.status == "expired":
        return _html(markup.message("This checkout has expired", "Nothing was paid.", back), 410)
    return _html(markup.message("Paid", f"This checkout is {checkout.status}.", back))


def _shop(checkout: Checkout) -> str | None:
    """The front page of whoever wants the buyer back."""
    parts = urlsplit(checkout.success_url or "")
    return f"{parts.scheme}://{parts.netloc}/" if parts.netloc else None


def _send(house: "CreemHouse", request: Request, checkout_id: str) -> Answer:
    checkout = house.checkouts.get(checkout_id)
    if checkout is None:
        return _gone("This checkout does not exist")
    if checkout.status != "pending":
        return _ended(house, checkout)
    sent = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    email, code = sent.get("email", "").strip(), sent.get("discount", "").strip()
    # a code that was typed and not applied: the price that is shown is the price that is paid
    if sent.get("do") == "discount" or code != sent.get("applied", code):
        query = urlencode({"email": email, "discount": code})
        return _there(f"/checkout/{checkout.id}?{query}")
    try:
        payment = house.charge(
            checkout.id, email=email, card=sent.get("card", "ok"), discount=code, country="US"
        )
    except NotPaid as error:
        if checkout.status != "pending":  # paid by another tab meanwhile
            return _ended(house, checkout)
        reason = f"{error.reason} Nothing was paid; you can try again."
        return _form(house, checkout, email, code, reason)
    back = _there(payment.return_url) if payment.return_url else _ended(house, checkout)
    if "after_return" in payment.event.faults:
        back.after = lambda: house.post.leave(payment.event)
    else:
        house.post.leave(payment.event)
    return back


def _leave(house: "CreemHouse", _: Request, checkout_id: str) -> Answer:
    """As if the tab was closed: Creem tells nobody."""
    checkout = house.checkouts.get(checkout_id)
    if checkout is None:
        return _gone("This checkout does not exist")
    text = "Nothing was paid. The checkout stays open; the shop is not told that you left."
    return _html(markup.message("You left", text, _shop(checkout)))


def _portal(house: "CreemHouse", _: Request, customer_id: str) -> Answer:
    if customer_id not in house.customers:
        return _gone("This customer does not exist")
    return _html(markup.portal_page(house, customer_id))


def _merchant(house: "CreemHouse", _: Request, __: str) -> Answer:
    return _html(markup.merchant_page(house))


def _reverse(house: "CreemHouse", request: Request, transaction_id: str) -> Answer:
    """A button of the dashboard."""
    transaction = house.transactions.get(transaction_id)
    if transaction is None:
        return _gone("This payment does not exist")
    wish = dict(parse_qsl(request.body.decode())).get("do")
    left = house.till.refundable(transaction)
    if wish == "dispute":
        house.dispute(transaction_id)
    elif left > 0:
        house.refund(transaction_id, -(-left // 2) if wish == "half" else None)
    return _there("/")


ROUTES: tuple[tuple[str, str, Page], ...] = (
    ("GET", "/", _merchant),
    ("POST", "/merchant/([^/]+)", _reverse),
    ("GET", "/payment/([^/]+)", _open_link),
    ("GET", "/checkout/([^/]+)", _show),
    ("POST", "/checkout/([^/]+)", _send),
    ("GET", "/checkout/([^/]+)/leave", _leave),
    ("GET", "/portal/([^/]+)", _portal),
)
