"""Creem in memory: its pages and books, what they really are, and the events it signs of them.

Answers and events are JSON in the shape of the official SDK and go through the app's own reader;
events carry a real HMAC over their bytes.  What the app is told, and when, the machine decides.
"""

import json
from collections.abc import Callable
from datetime import datetime
from itertools import count
from typing import Any

from app.payments import Checkout, PaymentError, Status, Transaction, reading
from app.payments.creem import Creem
from tests.money.payments_books import PACKS, SETTINGS, Answer, Message, Order, Page, Refund
from tests.money.payments_cuts import PowerCut

PER_PAGE = 3


class MemoryCreem(Creem):
    """Obeys app.payments.creem.Creem; signatures are checked by the real thing."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.settings, self.clock = SETTINGS, clock
        self.pages: dict[str, Page] = {}
        self.orders: dict[str, Order] = {}
        self.numbers = count(1)
        self.is_down = False
        self.answer: Answer = "succeeded"

    # What the app asks ----------------------------------------------------------------------------

    def create_checkout(
        self,
        *,
        product_id: str,
        request_id: str,
        metadata: dict[str, str],
        success_url: str,
        email: str,
    ) -> Checkout:
        self._must_be_up()
        page = self.open_page(product_id.removeprefix("prod_"), request_id, metadata)
        return self.find_checkout(page.id)

    def find_checkout(self, checkout_id: str) -> Checkout:
        self._must_be_up()
        found = reading.checkout(self._page(self.pages[checkout_id]), f"https://{checkout_id}")
        assert found
        return found

    def find_transaction(self, transaction_id: str) -> Transaction:
        self._must_be_up()
        found = reading.transaction(self._transaction(self._order_of(transaction_id)))
        assert found
        return found

    def transactions(self, page: int) -> tuple[list[Transaction], int | None]:
        newest_first = list(self.orders.values())[::-1]
        wanted = newest_first[(page - 1) * PER_PAGE : page * PER_PAGE]
        found = [reading.transaction(self._transaction(order)) for order in wanted]
        more = len(newest_first) > page * PER_PAGE
        return [one for one in found if one], page + 1 if more else None

    def refund(self, transaction_id: str) -> Status:
        order, answer = self._order_of(transaction_id), self.answer
        if answer == "refused" or order.left_cents <= 0:
            raise PaymentError("refused", "400")
        if answer == "lost":
            raise PaymentError("unavailable", "no answer")
        if answer == "cut":
            raise PowerCut
        if answer == "failed":
            return "failed"
        self.give_back(order, order.left_cents, "pending" if answer == "pending" else "succeeded")
        if answer == "unheard":
            raise PaymentError("unavailable", "no answer")
        if answer == "cut late":
            raise PowerCut
        return "pending" if answer == "pending" else "succeeded"

    def close(self) -> None:
        """There is no line."""

    def _must_be_up(self) -> None:
        if self.is_down:
            raise PaymentError("unavailable", "503")

    def _order_of(self, transaction_id: str) -> Order:
        return next(one for one in self.orders.values() if one.transaction_id == transaction_id)

    # What happens there ---------------------------------------------------------------------------

    def open_page(self, pack: str, request_id: str = "", metadata: Any = None) -> Page:
        page = Page(f"ch_{next(self.numbers)}", pack, request_id, dict(metadata or {}))
        self.pages[page.id] = page
        return page

    def pay(self, page: Page, email: str, tax_cents: int, wrong: str = "") -> Order:
        """Somebody pays, with whatever address; `wrong`: not what was agreed."""
        number, price = next(self.numbers), PACKS[page.pack][1]
        cents = price - 100 if wrong == "amount" else price * (2 if wrong == "units" else 1)
        order = Order(f"ord_{number}", page, email, cents + tax_cents, self.clock(), wrong)
        page.status, page.order = "completed", order
        self.orders[order.id] = order
        return order

    def give_back(self, order: Order, cents: int, status: Status) -> Refund:
        """A refund, by whomever it was started."""
        refund = Refund(f"ref_{next(self.numbers)}", order, cents, status, self.clock())
        order.refunds.append(refund)
        return refund

    def dispute(self, order: Order) -> None:
        """The buyer's bank takes what is left."""
        order.disputed_at = self.clock()
        order.disputed_cents = order.paid_cents - order.refunded_cents

    # What it tells --------------------------------------------------------------------------------

    def tell_paid(self, order: Order) -> Message:
        body = self._page(order.page)
        return self._message("paid", "checkout.completed", order, body)

    def tell_refund(self, refund: Refund) -> Message:
        order = refund.order
        body = {
            **self._about(order), "id": refund.id, "object": "refund", "status": refund.status,
            "refund_amount": refund.cents, "refund_currency": "USD", "created_at": ms(refund.at),
            "reason": "requested_by_customer",
        }  # fmt: skip
        return self._message("refund", "refund.created", order, body, refund)

    def tell_dispute(self, order: Order) -> Message:
        assert order.disputed_at
        body = {
            **self._about(order), "id": order.id.replace("ord", "disp"), "object": "dispute",
            "amount": order.disputed_cents, "currency": "USD", "created_at": ms(order.disputed_at),
        }  # fmt: skip
        return self._message("dispute", "dispute.created", order, body)

    def tell_again(self, message: Message) -> Message:
        """The same under a new number."""
        said = json.loads(message.body)
        said["id"] = f"evt_{next(self.numbers)}"
        again = {**vars(message), "id": said["id"], "body": json.dumps(said).encode()}
        return Message(**again)

    def tell_of_other_world(self, message: Message) -> Message:
        """The like from Creem's other world, where everything has other numbers."""
        said = message.body.decode()
        for kind in ("ord", "tran", "ref", "disp"):
            said = said.replace(f'"{kind}_', f'"{kind}_prod_')
        said = said.replace('"mode": "test"', '"mode": "prod"')
        said = said.replace(f'"{message.id}"', f'"evt_{next(self.numbers)}"')
        other = {**vars(message), "id": json.loads(said)["id"], "body": said.encode()}
        return Message(**{**other, "is_ours": False})

    def _message(
        self, kind: Any, type_: str, order: Order, about: Any, refund: Refund | None = None
    ) -> Message:
        event_id = f"evt_{next(self.numbers)}"
        said = {"id": event_id, "eventType": type_, "created_at": ms(self.clock()), "object": about}
        status = refund.status if refund else ""
        body = json.dumps(said).encode()
        return Message(event_id, kind, order, body, refund, status, order.refunded_cents)

    # How it writes --------------------------------------------------------------------------------

    def _page(self, page: Page) -> dict[str, Any]:
        order = page.order
        body: dict[str, Any] = {
            "id": page.id, "object": "checkout", "mode": "test", "status": page.status,
            "product": {"id": f"prod_{page.pack}", "object": "product"}, "units": 1,
            "metadata": page.metadata,
        }  # fmt: skip
        if page.request_id:
            body["request_id"] = page.request_id
        if order is None:
            return body
        body["order"] = self._order(order)
        body["customer"] = {"id": f"cust_{order.id}", "email": order.email}
        body["mode"] = "prod" if order.wrong == "mode" else "test"
        body["units"] = 2 if order.wrong == "units" else 1
        body["product"]["id"] = body["order"]["product"]
        return body

    def _order(self, order: Order) -> dict[str, Any]:
        pack, wrong = order.page.pack, order.wrong
        price = PACKS[pack][1] * (2 if wrong == "units" else 1) - (100 if wrong == "amount" else 0)
        return {
            "id": order.id, "object": "order", "status": "paid", "type": "onetime",
            "product": "prod_other" if wrong == "product" else f"prod_{pack}",
            "transaction": order.transaction_id, "amount": price, "discount_amount": 0,
            "tax_amount": order.paid_cents - price, "amount_paid": order.paid_cents,
            "currency": "EUR" if wrong == "currency" else "USD",
            "created_at": order.at.isoformat(),
        }  # fmt: skip

    def _transaction(self, order: Order) -> dict[str, Any]:
        status, back = "paid", order.refunded_cents
        if back:
            status = "refunded" if back >= order.paid_cents else "partialRefund"
        if order.disputed_at and not order.is_won:
            status = "chargedBack"
        return {
            "id": order.transaction_id, "object": "transaction", "status": status,
            "order": order.id, "currency": "USD", "amount_paid": order.paid_cents,
            "refunded_amount": back, "created_at": ms(order.at),
        }  # fmt: skip

    def _about(self, order: Order) -> dict[str, Any]:
        page = {"id": order.page.id, "object": "checkout", "mode": "test"}
        if order.page.request_id:
            page["request_id"] = order.page.request_id
        return {
            "mode": "test",
            "transaction": self._transaction(order),
            "order": self._order(order),
            "checkout": {**page, "metadata": order.page.metadata},
        }


def ms(moment: datetime) -> int:
    """Milliseconds since 1970, as events have their times."""
    return round(moment.timestamp() * 1000)
