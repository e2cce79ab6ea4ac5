"""Whatever Creem tells, in any order, twice, late or never, with failures in between: once each.

Rules are what buyers, Creem and our own workers do; `Shop` knows what should come of it.
"""

import hashlib
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, multiple, precondition, rule

from app.errors import NotEnoughCredits
from app.models import Purchase
from app.payments import NotSigned
from app.services import (
    buying,
    comparing,
    landings,
    payment_events,
    reconciling,
    recoveries,
)
from tests.money.conftest import Fresh
from tests.money.payments_books import KEY, PACKS, Message, Order
from tests.money.payments_house import FREE_CREDITS, PER_HOUR, UNPAID, Wanted, email_of
from tests.money.payments_returns import MOST_ORDERS, MoneyBack, cuts, places, told

buyers = st.sampled_from(["alice", "alice", "bob", "carol"])
people = st.sampled_from(sorted(FREE_CREDITS))
payers = st.sampled_from([*sorted(FREE_CREDITS), "nobody"])
packs = st.sampled_from(["starter", "starter", *PACKS])
taxes = st.sampled_from([0, 208])
wrongs = st.sampled_from([""] * 10 + ["amount", "product", "currency", "units", "mode"])
downs = st.sampled_from([False, False, True])
HOW = ("once", "twice", "new number")
BOOKS = timedelta(days=3)  # how far back they are compared
URL = "https://shop.example/payment/success"


class Payments(MoneyBack):
    """The bundles hold what Creem may tell and what people want; `Shop` what the app knows."""

    wanted = Bundle("wanted")
    messages = MoneyBack.messages

    # Buying ---------------------------------------------------------------------------------------

    @initialize(target=messages, pack=packs, payer=payers, cut_at=st.one_of(st.just(""), told))
    def alice_buys_a_pack(self, pack: str, payer: str, cut_at: str) -> Message:
        self._buy("alice", pack)
        page = self.shop.wanted[0].page
        assert page
        return self._paid(self.creem.pay(page, email_of(payer), 208), cut_at)

    @rule(target=wanted, name=buyers, pack=packs, is_down=downs)
    def buy(self, name: str, pack: str, is_down: bool) -> Any:
        self.creem.is_down = is_down
        try:
            return self._buy(name, pack)
        finally:
            self.creem.is_down = False

    def _buy(self, name: str, pack: str) -> Any:
        shop = self.shop
        found = shop.find_open(name, pack)
        is_too_many = found is None and shop.begun_lately(name) >= PER_HOUR
        bought = shop.refused(is_too_many, _buy_pack, shop.ids[name], pack)
        if bought is None:
            return multiple()
        page = next((p for p in self.creem.pages.values() if p.request_id == bought.id), None)
        road = "api" if page else "link"
        if found is None:
            shop.wanted.append(Wanted(bought.id, name, pack, road, shop.now(), page))
            return shop.wanted[-1]
        shop.expect("the open purchase was not found again", bought.id == found.id)
        if found.road == "link" and found.status == "pending":  # the API is tried once more
            found.road, found.page = bought.road, page if bought.road == "api" else None
        return multiple()

    @precondition(lambda self: len(self.shop.known) < MOST_ORDERS)
    @rule(target=messages, one=wanted, payer=payers, tax=taxes, wrong=wrongs, cut_at=told)
    def pay(self, one: Wanted, payer: str, tax: int, wrong: str, cut_at: str) -> Any:
        """On the page of a purchase; on another page of it where that is paid or closed."""
        page = one.page
        if page is None or page.status != "pending":
            page = self.creem.open_page(one.pack, one.id, {"purchase_id": one.id})
        return self._paid(self.creem.pay(page, email_of(payer), tax, wrong), cut_at)

    @precondition(lambda self: len(self.shop.known) < MOST_ORDERS)
    @rule(target=messages, pack=packs, payer=payers, wrong=wrongs, cut_at=told)
    def pay_by_link(self, pack: str, payer: str, wrong: str, cut_at: str) -> Any:
        return self._pay_by_link(pack, payer, wrong, cut_at)

    @initialize(target=messages, payer=st.sampled_from(["carol", "bob", "dave"]), wrong=wrongs)
    def a_link_is_paid(self, payer: str, wrong: str) -> Any:
        return self._pay_by_link("starter", payer, wrong, "")

    def _pay_by_link(self, pack: str, payer: str, wrong: str, cut_at: str) -> Message:
        """On a page that says nothing of us."""
        page = self.creem.open_page(pack)
        return self._paid(self.creem.pay(page, email_of(payer), 208, wrong), cut_at)

    def _paid(self, order: Order, cut_at: str) -> Message:
        self.shop.paid(order)
        return self.tell(self.creem.tell_paid(order), cut_at)

    # Messages -------------------------------------------------------------------------------------

    @rule(target=messages, message=messages, cut_at=cuts, how=st.sampled_from(HOW))
    def deliver(self, message: Message, cut_at: str, how: str) -> Any:
        """Late, again, out of order; or we die before a statement, and Creem sends it once more."""
        told = self.creem.tell_again(message) if how == "new number" else message
        self.shop.deliver(told, cut_at)
        if how == "twice":
            self.shop.deliver(told)
        return multiple() if told is message else told

    @rule(message=messages)
    def forge(self, message: Message) -> None:
        """A byte is changed, and the signature stays."""
        body = message.body.replace(b'"paid"', b'"Paid"', 1) + b" "
        try:
            self.shop.call(payment_events.receive, message.headers, body)
        except NotSigned:
            return
        self.shop.expect("a forged event was taken", is_true=False)

    # Asking Creem ---------------------------------------------------------------------------------

    @rule(who=st.sampled_from(["worker", "worker", "books"]))
    def ask(self, who: str) -> None:
        """Our worker does, for all that waits; each day the books are compared too."""
        shop = self.shop
        if who == "worker":
            shop.call(reconciling.check_due, is_eager=True)
        else:
            shop.call(comparing.compare)
        shop.asked()
        for known in shop.known.values() if who == "books" else ():
            if known.is_granted and known.order.at > shop.now() - BOOKS:
                known.compare(shop.now())

    @rule(name=buyers)
    def recheck(self, name: str) -> None:
        """The buyer does."""
        self.shop.call(recoveries.recheck, self.shop.ids[name])
        mine = [one for one in reversed(self.shop.wanted) if one.owner == name and one.page]
        for one in [one for one in mine if one.status in UNPAID]:
            self.shop.look(one)

    @rule(which=places, name=people)
    def come_back(self, which: int, name: str) -> None:
        """By the signed return address of a payment, whosever it is."""
        shop, known = self.shop, self.shop.at(which)
        order = known.order
        named = shop.wanted_of(order)
        owner = named.owner if named else known.owner
        mine = None if owner else shop.earlier_by_link(name, order)
        is_refused = owner != name if owner else mine is None
        shop.refused(is_refused, landings.land, shop.ids[name], address_of(order))
        if is_refused:
            return
        if named and named.status != "completed":
            shop.tell_paid(known)
        elif mine:
            shop.attach(known, mine)

    @rule(which=places, name=buyers)
    def claim(self, which: int, name: str) -> None:
        """By order id and verified address together, what has no owner."""
        known = self.shop.at(which)
        order = known.order
        is_mine = known.is_waiting and not known.owner and order.email == email_of(name)
        may_be_over = known.backs or known.is_disputed  # all of it went back: nothing to claim
        is_refused = None if is_mine and may_be_over else not is_mine
        if self.shop.refused(is_refused, recoveries.claim, self.shop.ids[name], order.id):
            known.owner, known.is_granted = name, True

    # Meanwhile ------------------------------------------------------------------------------------

    @rule(name=people, cost=st.sampled_from([1, 5, 100, 400]))
    def spend(self, name: str, cost: int) -> None:
        is_enough = self.shop.balances()[name] >= cost
        try:
            self.shop.call(self.shop.spend, name, cost)
        except NotEnoughCredits:
            self.shop.expect("refused with enough credits", not is_enough)
            return
        self.shop.expect("spent more than there was", is_enough)

    @rule(hours=st.sampled_from([1.1, 1.1, 25]))
    def time_passes(self, hours: float) -> None:
        """A day is too long for a page that nobody paid on."""
        self.shop.pass_time(hours=hours)
        for page in self.creem.pages.values() if hours > 24 else ():
            if page.status == "pending":
                page.status = "expired"


def _buy_pack(user_id: int, pack: str) -> Purchase:
    return buying.buy(user_id, pack, success_url=URL)


def address_of(order: Order) -> str:
    """The query with which Creem sends a buyer back."""
    said = {
        "request_id": order.page.request_id,
        "checkout_id": order.page.id,
        "order_id": order.id,
        "customer_id": f"cust_{order.id}",
        "product_id": f"prod_{order.page.pack}",
    }
    pairs = [f"{name}={value}" for name, value in said.items() if value]
    signature = hashlib.sha256("|".join([*pairs, f"salt={KEY}"]).encode()).hexdigest()
    return "&".join([*pairs, f"signature={signature}"])


def payments_in(fresh: Fresh) -> type[Payments]:
    """The machine, each example on a database that `fresh` made."""
    return type("PaymentsHere", (Payments,), {"fresh": staticmethod(fresh)})
