"""A counter for tests that want one thing at a time: somebody wants a pack, somebody pays, post."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any

from flask import Flask

from app.models import now
from app.services import buying, credits, payment_events
from tests.conftest import Call, Rows
from tests.money.invariants import broken
from tests.money.payments_books import Message, Order, Page
from tests.money.payments_creem import MemoryCreem

URL = "https://shop.example/payment/success"


class Desk:
    """The app sells through `creem`, in memory; there, nothing happens at the same moment."""

    def __init__(self, app: Flask, call: Call, rows: Rows) -> None:
        self.app, self.call, self.rows = app, call, rows
        seconds = count()
        self.creem = MemoryCreem(lambda: now() + timedelta(seconds=next(seconds)))
        app.extensions["vendors"].payments = self.creem
        app.config["PAYMENTS"] = "creem"

    def wants(self, user_id: int, pack: str = "starter") -> str:
        """A purchase with its page; returns its id."""
        bought: str = self.call(lambda: buying.buy(user_id, pack, success_url=URL).id)
        return bought

    def page_of(self, purchase_id: str) -> Page:
        return next(p for p in self.creem.pages.values() if p.request_id == purchase_id)

    def pays(self, purchase_id: str, email: str = "nobody@example.org") -> Order:
        """On the purchase's page; on another page of it once that is paid."""
        page = self.page_of(purchase_id)
        if page.order:
            page = self.creem.open_page(page.pack, purchase_id, page.metadata)
        return self.creem.pay(page, email, 0)

    def buys(self, user_id: int, pack: str = "starter") -> Order:
        """Wanted, paid, told."""
        order = self.pays(self.wants(user_id, pack))
        assert self.post(self.creem.tell_paid(order)) == "done"
        return order

    def post(self, message: Message) -> str:
        answer: str = self.call(self.posting(message))
        return answer

    def posting(self, message: Message) -> Callable[[], Any]:
        """The verb that takes the event, for a race."""
        return partial(payment_events.receive, message.headers, message.body)

    def balance(self, user_id: int) -> int:
        return int(self.call(credits.balance_of, user_id))

    def grants(self) -> int:
        """How many there are; and the books are in order."""
        assert broken(self.app) == {}
        return len(self.rows("SELECT id FROM credit_entries WHERE kind = 'purchase'"))
