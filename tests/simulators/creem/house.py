"""Creem on loopback: what a test or a terminal holds in its hands."""

import contextlib
import functools
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.simulators.creem import desk, memory
from tests.simulators.creem.bodies import Body, Printer
from tests.simulators.creem.books import (
    Books,
    Checkout,
    Discount,
    Dispute,
    Product,
    Refund,
    Transaction,
    new_id,
)
from tests.simulators.creem.events import RETRY_WAITS_S, Delivery, Event, Post
from tests.simulators.creem.faults import Armoury, Fault, known
from tests.simulators.creem.switches import Switches
from tests.simulators.creem.till import NotPaid, Payment, Till
from tests.simulators.engine import Clock, Timers
from tests.simulators.wire import Door, Request

PRODUCTS = (
    Product("prod_starter", "Starter: 115 credits", 990),
    Product("prod_standard", "Standard: 355 credits", 3000),
    Product("prod_premium", "Premium: 1450 credits", 9900),
)
DISCOUNTS = (("TEN", 10), ("FREE", 100))


class CreemHouse:
    """See `start_creem` for the options and the package's docstring for an example."""

    def __init__(
        self,
        *,
        port: int = 0,
        api_key: str = "creem_test_not_a_key",
        webhook_secret: str = "whsec_not_a_secret",
        webhook_url: str | None = None,
        products: Iterable[Product] = PRODUCTS,
        retry_waits_s: tuple[float, ...] = RETRY_WAITS_S,
        file: Path | None = None,
        **switches: Any,
    ) -> None:
        self.api_key, self.webhook_secret, self.webhook_url = api_key, webhook_secret, webhook_url
        self.switches = Switches(**switches)
        self.clock, self.lock, self.file = Clock(), threading.RLock(), file
        self.timers = Timers(self.clock)
        self.armoury = Armoury()
        self.books = memory.read(file) if file else Books()
        self.books.products = {product.id: replace(product) for product in products}
        if not self.books.discounts:
            new = [Discount(new_id("dis"), code, percent) for code, percent in DISCOUNTS]
            self.books.discounts = {discount.id: discount for discount in new}
        self.products, self.discounts = self.books.products, self.books.discounts
        self.customers, self.checkouts = self.books.customers, self.books.checkouts
        self.orders, self.transactions = self.books.orders, self.books.transactions
        self.refunds, self.disputes = self.books.refunds, self.books.disputes
        self.changes: dict[str, Body] = {}
        self.requests: list[Request] = []
        self.is_closed = False
        self.printer, self.till = Printer(self), Till(self)
        self.post = Post(self, retry_waits_s)
        self._door = Door(functools.partial(desk.answer, self), port, self.clock.now)

    # What a test reads ----------------------------------------------------------------------------

    @property
    def base_url(self) -> str:
        """Where it listens, without a path."""
        return f"http://127.0.0.1:{self._door.port}"

    @property
    def events(self) -> dict[str, Event]:
        """What was written, sent or not, in order."""
        return self.post.events

    @property
    def deliveries(self) -> list[Delivery]:
        """What was sent, in the order of the answers."""
        return list(self.post.sent)

    @property
    def faults(self) -> list[Fault]:
        """What is armed."""
        return list(self.armoury.faults)

    @property
    def errors(self) -> list[str]:
        """Of the simulator itself; there should be none."""
        return self._door.errors

    def asked(self, where: str) -> list[Request]:
        """The requests at one place of the API (faults.PLACES), in the order of their answers."""
        return [request for request in list(self.requests) if request.where == where]

    def checkout_url(self, checkout_id: str) -> str:
        """The pay page."""
        return f"{self.base_url}/checkout/{checkout_id}"

    def payment_link(self, product_id: str, request_id: str | None = None) -> str:
        """The static link of a product: a fresh checkout at each visit."""
        query = f"?request_id={request_id}" if request_id else ""
        return f"{self.base_url}/payment/{product_id}{query}"

    def letter(self, event_id: str) -> tuple[dict[str, str], bytes]:
        """Headers and bytes of an event, for a test that posts it itself."""
        return self.post.letter(self.events[event_id])

    # What a shop and its buyers do ----------------------------------------------------------------

    def open_checkout(self, product_id: str, **fields: Any) -> Checkout:
        """A checkout as POST /v1/checkouts or a static link makes one."""
        with self.lock:
            now = self.clock.now()
            checkout = Checkout(new_id("ch"), self.products[product_id].id, now, **fields)
            self.checkouts[checkout.id] = checkout
            self.remember()
        return checkout

    def pay(
        self,
        checkout_id: str,
        *,
        email: str | None = None,
        card: str = "ok",
        discount: str | None = None,
        country: str = "US",
    ) -> Payment:
        """The buyer pays; the event leaves. Raises NotPaid when no money was taken."""
        payment = self.charge(
            checkout_id, email=email, card=card, discount=discount, country=country
        )
        self.post.leave(payment.event)
        return payment

    def charge(
        self, checkout_id: str, *, email: str | None, card: str, discount: str | None, country: str
    ) -> Payment:
        """The same, and the event has not left yet: `house.post.leave(payment.event)`."""
        checkout = self.checkouts[checkout_id]
        email = email or checkout.email or "buyer@example.com"
        code = checkout.discount_code if discount is None else discount
        return self.till.charge(checkout_id, email=email, card=card, code=code, country=country)

    def decline(self, checkout_id: str, card: str = "declined", **options: Any) -> Transaction:
        """A card that does not pay. The checkout stays open, a declined transaction stays."""
        try:
            self.pay(checkout_id, card=card, **options)
        except NotPaid as error:
            if error.transaction is None:
                raise
            return error.transaction
        raise ValueError(f"the card {card!r} pays")

    def expire(self, checkout_id: str) -> None:
        """Nobody paid in time."""
        self.checkouts[checkout_id].status = "expired"
        self.remember()

    def refund(
        self,
        transaction_id: str,
        cents: int | None = None,
        status: str = "succeeded",
        reason: str = "requested_by_customer",
    ) -> Refund:
        """As from the dashboard: a part, or without `cents` all that is left; its event leaves."""
        refund = self.till.refund(transaction_id, cents, status, reason)
        self.tell(refund.id)
        return refund

    def settle_refund(self, refund_id: str, status: str = "succeeded") -> Refund:
        """A pending refund ends: succeeded, failed or canceled. No event says so."""
        return self.till.settle(refund_id, status)

    def dispute(self, transaction_id: str, cents: int | None = None) -> Dispute:
        """The buyer's bank takes the money back; its event leaves."""
        dispute = self.till.dispute(transaction_id, cents)
        self.tell(dispute.id)
        return dispute

    def win_dispute(self, dispute_id: str) -> None:
        """The dispute ended well. No event says so."""
        self.till.win(dispute_id)

    # What a test does -----------------------------------------------------------------------------

    def tell(self, id: str) -> Event:  # noqa: A002 - the wire's own word
        """A new event, with an id of its own, about a paid checkout, a refund or a dispute."""
        if id.startswith("ch_"):
            checkout = self.checkouts[id]
            order = self.orders.get(checkout.order_id or "")
            transaction_id = order.transaction_id if order else None
            about, type_, checkout_id = self.printer.checkout(checkout), "checkout.completed", id
        else:
            is_refund = id.startswith("ref_")
            one: Refund | Dispute = self.refunds[id] if is_refund else self.disputes[id]
            type_ = "refund.created" if is_refund else "dispute.created"
            about = self.printer.refund(id) if is_refund else self.printer.dispute(id)
            transaction_id = one.transaction_id
            checkout_id = self.transactions[transaction_id].checkout_id
        event = self.post.write(
            type_, about, checkout_id=checkout_id, transaction_id=transaction_id
        )
        self.post.leave(event)
        return event

    def announce(self, type: str, about: Body) -> Event:  # noqa: A002 - the wire's own word
        """An event of any type about anything."""
        event = self.post.write(type, about)
        self.post.leave(event)
        return event

    def send(self, event_id: str, copies: int = 1, *, at_once: bool = False) -> list[Delivery]:
        """Send an event now, again or for the first time, the same bytes; wait for the answers."""
        return self.post.send(self.events[event_id], copies, at_once=at_once)

    def change(self, id: str, **fields: Any) -> None:  # noqa: A002 - the wire's own word
        """From now on an entity is told with these fields; `...` takes one away."""
        self.changes.setdefault(id, {}).update(fields)

    def fault(
        self,
        name: str,
        value: Any = None,
        *,
        where: str | None = None,
        times: int | None = 1,
        after: int = 0,
    ) -> Fault:
        """Arm a fault (faults.KINDS). Raises ValueError for one that does not exist there."""
        return self.armoury.arm(known(name, value, where, times=times, after=after))

    def set(self, **switches: Any) -> None:
        """Change how it behaves (Switches). Raises TypeError for what does not exist."""
        self.switches = replace(self.switches, **switches)

    def clear(self) -> None:
        """Nothing is armed and nothing is changed any more."""
        self.armoury.clear()
        self.changes.clear()

    def advance(self, seconds: float) -> None:
        """Creem's clock moves on."""
        self.clock.offset_s += seconds
        self.timers.look()

    def down(self) -> None:
        """Connections are refused and the open ones end."""
        self._door.shut()

    def up(self) -> None:
        """It listens again, at the same port."""
        self._door.open()

    def outage(self) -> contextlib.AbstractContextManager[None]:
        """Down within the block."""
        return self._door.outage()

    def remember(self) -> None:
        """Write the books down, where a file was named for them."""
        if self.file is not None:
            memory.write(self.file, self.books)

    def close(self) -> None:
        """Stop all of it. Raises AssertionError when the simulator itself went wrong."""
        if self.is_closed:
            return
        self.is_closed = True
        self._door.shut()
        self.timers.close()
        self.post.close()
        if self.errors:
            raise AssertionError(f"the simulator failed:\n{self.errors[0]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        with contextlib.suppress(AssertionError) if kind else contextlib.nullcontext():
            self.close()
