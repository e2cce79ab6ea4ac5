"""A site that sells, and Creem on loopback beside it, in one hand.

Nothing arrives by itself: Creem writes its events, and a test delivers them, in the order it means.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import floor
from typing import Any

import httpx
import pytest
from flask import Flask
from sqlalchemy import RowMapping

from app.errors import NotFound
from app.models import Reversal
from app.payments import NotSigned
from app.payments.creem import Creem
from app.payments.line import Patience
from app.services import (
    alerts,
    audits,
    buying,
    credits,
    landings,
    money_back,
    payment_events,
    purchases,
)
from app.services.transactions import write_transaction
from tests.cast import Browser, Person
from tests.conftest import Call, Rows
from tests.payments_settings import CREEM
from tests.services.test_accounts import together
from tests.simulators.creem import Checkout, CreemHouse, Event, Payment, start_creem
from tests.simulators.creem.changes import put
from tests.simulators.creem.signing import HEADER, return_url, signature_of

SITE = "https://site.example/payment/success"
HOOK = "/api/webhooks/creem"
MADE_UP = "of no video"
"""Ends the reference of what `spend` took: there is no video behind it."""
CREDITS = {"starter": 115, "standard": 355, "premium": 1450}


@dataclass
class Seller:
    """`seller.credit(alice)` buys, pays and delivers; the smaller verbs do one step each."""

    app: Flask
    house: CreemHouse
    call: Call
    rows: Rows
    waits: list[float] = field(default_factory=list)

    def door(self, *, try_s: float = 5.0, **settings: Any) -> Creem:
        """The site's client of Creem, anew, with other settings; it waits for no back-off."""
        vendors = self.app.extensions["vendors"]
        vendors.payments.close()
        vendors.payments = Creem(
            replace(vendors.payments.settings, **settings),
            Patience(try_s=try_s, sleep=self.waits.append),
        )
        return vendors.payments

    # What a buyer does ----------------------------------------------------------------------------

    def buy(self, person: Person, pack: str = "starter", road: str = "api") -> str:
        """Press the button. Returns the purchase's id."""
        return str(self.call(_buy, person.id, pack, road))

    def page(self, purchase_id: str) -> Checkout:
        """The payment page of a purchase; a static link is opened, which makes one."""
        row = self.row(purchase_id)
        if row["checkout_id"]:
            return self.house.checkouts[row["checkout_id"]]
        httpx.get(row["checkout_url"], trust_env=False, follow_redirects=True)
        return list(self.house.checkouts.values())[-1]

    def pay(self, purchase_id: str, **options: Any) -> Payment:
        """Pay there; the event is written and not delivered."""
        return self.house.pay(self.page(purchase_id).id, **options)

    def credit(self, person: Person, pack: str = "starter", **options: Any) -> Payment:
        """Buy, pay and deliver."""
        payment = self.pay(self.buy(person, pack), **options)
        assert self.deliver(payment.event) == "done"
        return payment

    def pay_unowned(self, pack: str = "starter", **options: Any) -> Payment:
        """A payment that says nothing of us, as a static link without request_id makes it."""
        return self.house.pay(self.house.open_checkout(f"prod_{pack}").id, **options)

    def land(self, person: Person, query: str) -> str:
        """Come back from Creem. Returns the id of the purchase that is shown."""
        return str(self.call(lambda: landings.land(person.id, query).id))

    def turned_away(self, person: Person, query: str) -> type[Exception]:
        """Come back in vain. Returns why."""
        with pytest.raises((NotFound, NotSigned)) as caught:
            self.land(person, query)
        return caught.type

    def give_back(self, payment: Payment, **options: Any) -> Reversal:
        """Start a refund of the purchase that an order paid."""
        purchase_id = self.of_order(payment)["id"]
        found: Reversal = self.call(money_back.refund, purchase_id, **options)
        return found

    def spend(self, person: Person, number: int, name: str = "1") -> None:
        """Credits go, as a video takes them."""
        self.call(_spend, person.id, number, name)

    # What Creem does ------------------------------------------------------------------------------

    def deliver(self, event: Event) -> str:
        """One event through the front door. Returns what became of it, or the status that is not
        200, as text.
        """
        return self.post(*self.house.letter(event.id))

    def post(self, headers: dict[str, str], body: bytes) -> str:
        """Any letter through the front door."""
        answer = Browser.of(self.app).post(HOOK, data=body, headers=headers, csrf=False)
        return answer.get_json()["outcome"] if answer.status_code == 200 else answer.status

    def receive(self, event: Event) -> str:
        """The same through the service: what goes wrong is raised."""
        headers, body = self.house.letter(event.id)
        lower = {name.lower(): value for name, value in headers.items()}
        return str(self.call(payment_events.receive, lower, body))

    def write(self, id: str, **bends: Any) -> Event:  # noqa: A002 - the wire's own word
        """A new event about a checkout, a refund or a dispute, each bend a field that it has
        otherwise: `order__amount=1`; `...` leaves one out.
        """
        told = self.house.tell(id)
        about = copy.deepcopy(told.object)
        for path, value in bends.items():
            put(about, path.replace("__", "."), value)
        return self.house.announce(told.type, about)

    def tell(self, id: str, **bends: Any) -> str:  # noqa: A002 - the wire's own word
        """The same, delivered."""
        return self.deliver(self.write(id, **bends))

    def newest(self) -> Event:
        """The event that Creem wrote last."""
        return list(self.house.events.values())[-1]

    def refund(
        self, payment: Payment, cents: int | None = None, status: str = "succeeded"
    ) -> Event:
        """A refund as from Creem's dashboard; its event is not delivered."""
        self.house.refund(paid_by(payment), cents, status)
        return self.newest()

    def dispute(self, payment: Payment, cents: int | None = None) -> Event:
        """The buyer's bank takes its money; the event is not delivered."""
        self.house.dispute(paid_by(payment), cents)
        return self.newest()

    def sign(self, body: bytes) -> dict[str, str]:
        """Headers of a body, as Creem signs."""
        return {HEADER: signature_of(body, self.house.webhook_secret)}

    def at_once(self, *verbs: Callable[[], object]) -> list[Any]:
        """What each verb returned, or refused, all of them called at the same moment."""
        waiting = list(verbs)

        def take_one() -> object:
            return waiting.pop()()

        return together(self.app, len(verbs), take_one)

    # What can be seen -----------------------------------------------------------------------------

    def row(self, purchase_id: str) -> RowMapping:
        """The purchase."""
        [found] = self.rows("SELECT * FROM purchases WHERE id = :id", id=purchase_id)
        return found

    def of_order(self, payment: Payment) -> RowMapping:
        """The purchase that an order paid."""
        [found] = self.rows("SELECT * FROM purchases WHERE order_id = :id", id=payment.order.id)
        return found

    def reversal(self, payment: Payment) -> Reversal:
        """The one thing that went back of it."""
        [found] = self.call(purchases.reversals_of, self.of_order(payment)["id"])
        assert isinstance(found, Reversal)
        return found

    def status(self, purchase_id: str) -> str:
        return str(self.row(purchase_id)["status"])

    def balance(self, person: Person) -> int:
        return int(self.call(credits.balance_of, person.id))

    def gained(self, person: Person) -> int:
        """The balance, less the 100 credits that everybody here begins with."""
        return self.balance(person) - 100

    def entries(self, person: Person) -> list[tuple[str, int]]:
        """Kind and amount of a person's entries of payments, oldest first."""
        found = self.rows(
            "SELECT kind, amount FROM credit_entries WHERE user_id = :id"
            " AND kind IN ('purchase', 'clawback', 'reinstatement') ORDER BY id",
            id=person.id,
        )
        return [(row["kind"], row["amount"]) for row in found]

    def alerts(self) -> list[str]:
        """The kinds of all open alerts, sorted."""
        return sorted(self.call(lambda: [alert.kind for alert in alerts.open_alerts()]))

    def events(self) -> list[tuple[str, str]]:
        """Outcome and reason of each kept event, oldest first."""
        found = self.rows("SELECT outcome, reason FROM payment_events ORDER BY id")
        return [(row["outcome"], row["reason"]) for row in found]


def open_house() -> CreemHouse:
    """Creem. Its events are written and wait for a test to deliver them."""
    return start_creem(api_key=CREEM["CREEM_API_KEY"], webhook_secret=CREEM["CREEM_WEBHOOK_SECRET"])


def settings_for(house: CreemHouse) -> dict[str, str]:
    """The environment of a site that sells through it, on both roads."""
    links = {
        f"CREEM_PAYMENT_LINK_{pack.upper()}": house.payment_link(f"prod_{pack}") for pack in CREDITS
    }
    return {**CREEM, **links, "CREEM_API_BASE_URL": house.base_url}


@contextmanager
def open_seller(app: Flask, house: CreemHouse, call: Call, rows: Rows) -> Iterator[Seller]:
    """The site and Creem; whatever a test did, the ledger adds up in the end."""
    seller = Seller(app, house, call, rows)
    seller.door()
    yield seller
    app.extensions["vendors"].payments.close()
    found = call(lambda: list(audits.verify_ledger()))
    assert [one for one in found if not one.what.endswith(MADE_UP)] == []


def paid_by(payment: Payment) -> str:
    """The transaction of a payment that has one."""
    assert payment.transaction is not None
    return payment.transaction.id


def share(number: int, returned: int, paid: int) -> int:
    """Credits for a share of the money, half up: in another way than the code under test."""
    return floor(Fraction(number * returned, paid) + Fraction(1, 2))


def signed(house: CreemHouse, **values: str) -> str:
    """A query as Creem signs it, with these parameters in Creem's order."""
    return return_url("https://x", dict(values), house.api_key).partition("?")[2]


def query_of(payment: Payment) -> str:
    """The query with which the buyer comes back."""
    assert payment.return_url is not None
    return payment.return_url.partition("?")[2]


def _buy(user_id: int, pack: str, road: Any) -> str:
    return buying.buy(user_id, pack, success_url=SITE, road=road).id


def _spend(user_id: int, number: int, name: str) -> None:
    with write_transaction() as connection:
        credits.spend(
            connection, user_id, number, key=f"spend:{name}", reference=f"{name} {MADE_UP}"
        )
