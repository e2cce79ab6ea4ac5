"""A shop with four people, Creem in memory, and what everybody should own by a model of its own.

Alice and bob buy, carol buys too and claims what was paid from her address, dave does nothing: his
address is typed by others, and his balance never moves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import time_machine
from flask import Flask
from sqlalchemy import text

from app.errors import UserError
from app.extensions import db
from app.services import accounts, credits, payment_events, transactions
from tests.money.invariants import broken
from tests.money.payments_books import Message, Order, Page
from tests.money.payments_creem import MemoryCreem
from tests.money.payments_cuts import PowerCut, power_cut
from tests.money.payments_oracle import Known

START = datetime(2026, 12, 1, 12, tzinfo=UTC)
FREE_CREDITS = {"alice": 30, "bob": 20, "carol": 10, "dave": 7}
PER_HOUR, DAY = 5, timedelta(days=1)
UNPAID = ("pending", "failed", "expired", "parked")


def email_of(name: str) -> str:
    return f"{name}@example.org"


@dataclass
class Wanted:
    """A purchase as the model knows it."""

    id: str
    owner: str
    pack: str
    road: str
    at: datetime
    page: Page | None
    status: str = "pending"
    order: Order | None = None


class Shop:
    """The app, its people, and the model."""

    def __init__(self, app: Flask) -> None:
        self.app, self.numbers = app, count(1)
        self.clock = time_machine.travel(START, tick=False)
        self.traveller = self.clock.start()
        self.creem = MemoryCreem(self.now)
        app.extensions["vendors"].payments = self.creem
        app.config["PAYMENTS"] = "creem"
        self.ids = {
            name: int(self.call(self._create, name, number))
            for name, number in FREE_CREDITS.items()
        }
        self.spent = dict.fromkeys(FREE_CREDITS, 0)
        self.spends: dict[str, tuple[str, int]] = {}
        self.wanted: list[Wanted] = []
        self.known: dict[str, Known] = {}
        self.events: set[str] = set()
        self.entries: list[Any] = []
        self.surprises: list[str] = []

    def _create(self, name: str, number: int) -> int:
        return accounts.create_user(email_of(name), is_verified=True, credits=number).id

    def close(self) -> None:
        """Time goes on as usual."""
        self.clock.stop()

    def now(self) -> datetime:
        """A clock that only this shop moves."""
        return datetime.now(UTC)

    def pass_time(self, **time: float) -> None:
        self.traveller.shift(timedelta(**time))

    def call(self, verb: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """A verb in an app context of its own, a second after the one before."""
        self.pass_time(seconds=1)
        with self.app.app_context():
            return verb(*arguments, **options)

    def expect(self, what: str, is_true: bool) -> None:
        """Remember what the model did not foresee; `check` tells it after the invariants."""
        if not is_true:
            self.surprises.append(what)

    def refused(self, is_expected: bool | None, verb: Callable[..., Any], *args: Any) -> Any:
        """The verb's answer, or None where it was refused; None: either is right."""
        try:
            result = self.call(verb, *args)
        except UserError as error:
            self.expect(f"{verb.__name__} was refused: {error!r}", is_expected is not False)
            return None
        self.expect(f"{verb.__name__} was not refused: {result}", is_expected is not True)
        return result

    def rows(self, sql: str) -> list[Any]:
        """What the tables say."""
        with self.app.app_context(), db.engine.connect() as connection:
            return list(connection.execute(text(sql)))

    # Buying ---------------------------------------------------------------------------------------

    def find_open(self, name: str, pack: str) -> Wanted | None:
        """The purchase that a press of the button comes back to, after a look at its page."""
        fresh = self.now() + timedelta(seconds=1) - DAY
        for one in reversed(self.wanted):
            if (one.owner, one.pack, one.status) == (name, pack, "pending") and one.at > fresh:
                self.look(one)
                if one.status != "expired":
                    return one
        return None

    def begun_lately(self, name: str) -> int:
        hour_ago = self.now() + timedelta(seconds=1) - timedelta(hours=1)
        return sum(one.owner == name and one.at > hour_ago for one in self.wanted)

    def wanted_of(self, order: Order) -> Wanted | None:
        """The purchase that an order says it is for."""
        named = (order.page.request_id, order.page.metadata.get("purchase_id"))
        return next((one for one in self.wanted if one.id in named), None)

    def at(self, place: int) -> Known:
        """One of the orders."""
        return list(self.known.values())[place % len(self.known)]

    def paid(self, order: Order) -> Known:
        """Somebody paid; nobody told the app yet."""
        wanted = self.wanted_of(order)
        self.known[order.id] = known = Known(order, wanted.owner if wanted else None)
        return known

    # What the app is told -------------------------------------------------------------------------

    def deliver(self, message: Message, cut_at: str = "") -> None:
        """Post an event; `cut_at`: this process dies before that statement."""
        known, is_new = self.known[message.order.id], message.id not in self.events
        with power_cut(self.app, cut_at) as has_died:
            try:
                answer = self.call(payment_events.receive, message.headers, message.body)
            except PowerCut:
                answer = "cut"
        if has_died:
            self.expect(f"it died and answered {answer}", answer == "cut")
            return
        self.expect(f"{answer} to {message}", (answer == "again") is not is_new)
        if not is_new:
            return
        self.events.add(message.id)
        if message.kind == "paid":
            self.tell_paid(known, is_ours=message.is_ours)
        elif message.is_ours and message.refund:
            known.tell_refund(message.refund, message.status, message.total_cents)
        elif message.is_ours:
            known.is_disputed = True

    def tell_paid(
        self, known: Known, wanted: Wanted | None = None, *, is_ours: bool = True
    ) -> None:
        """Creem says that an order is paid: by an event, or because it was asked."""
        wanted = wanted or self.wanted_of(known.order)
        is_as_agreed = is_ours and not known.order.wrong
        if known.is_granted or known.is_waiting or known.is_parked:
            return
        if not is_as_agreed:
            known.is_parked = is_ours and wanted is not None
            if wanted and wanted.status in UNPAID and wanted.order is None:
                wanted.status, wanted.order, wanted.page = "parked", known.order, known.order.page
            return
        if wanted is None:
            known.is_waiting = True
            return
        known.is_granted, known.owner = True, wanted.owner
        if wanted.order is None:
            wanted.status, wanted.order, wanted.page = "completed", known.order, known.order.page

    def look(self, wanted: Wanted) -> None:
        """Creem is asked for a purchase's page."""
        page = wanted.page
        if page is None or self.creem.is_down:
            return
        if page.order:
            self.tell_paid(self.known[page.order.id])
        elif page.status == "expired" and wanted.status == "pending":
            wanted.status = "expired"

    def earlier_by_link(self, name: str, order: Order) -> Wanted | None:
        """What somebody wanted by a link of this product before this was paid."""
        if order.wrong == "product":
            return None
        mine = [
            one
            for one in self.wanted
            if (one.owner, one.road, one.pack) == (name, "link", order.page.pack)
            and one.status in ("pending", "expired")
            and order.at - DAY <= one.at <= order.at
        ]
        return mine[-1] if mine else None

    def attach(self, known: Known, mine: Wanted) -> None:
        """Who came back from a payment without a name has wanted just that."""
        if known.is_waiting:
            known.owner, known.is_granted, mine.status = mine.owner, True, "replaced"
        else:
            self.tell_paid(known, mine)

    def give_up_old(self, wanted: Wanted) -> None:
        is_silent = wanted.page is not None and self.creem.is_down
        if wanted.status == "pending" and wanted.at < self.now() - DAY and not is_silent:
            wanted.status = "expired"

    def asked(self) -> None:
        """Creem was asked for all that waits."""
        for one in [one for one in self.wanted if one.status == "pending"]:
            self.look(one)
            self.give_up_old(one)
        for known in self.known.values():
            if not self.creem.is_down:
                known.read_books(self.now())

    def spend(self, name: str, cost: int) -> None:
        """Use credits for something."""
        reference = f"direct-{next(self.numbers)}"
        with transactions.write_transaction() as connection:
            credits.spend(
                connection, self.ids[name], cost, key=f"spend:{reference}", reference=reference
            )
        self.spent[name] += cost
        self.spends[reference] = (name, cost)

    # Comparing ------------------------------------------------------------------------------------

    def balances(self) -> dict[str, int]:
        found = self.rows("SELECT user_id, total_credits - used_credits FROM credit_accounts")
        by_id = {row[0]: row[1] for row in found}
        return {name: by_id[user_id] for name, user_id in self.ids.items()}

    def check(self) -> None:
        """Invariants first, then the model against the tables."""
        found = broken(self.app, self.spends)
        assert not found, f"broken: {found}"
        self._check_entries()
        assert self._events() == self.events, "events that are kept"
        nets = self._nets()
        balances = self.balances()
        for name, free in FREE_CREDITS.items():
            bought = sum(net for owner, net in nets if owner == name)
            assert balances[name] == free + bought - self.spent[name], f"balance of {name}"
        assert balances["dave"] == FREE_CREDITS["dave"] - self.spent["dave"], "a stranger's balance"
        assert not self.surprises, f"not foreseen: {self.surprises}"

    def _check_entries(self) -> None:
        """The ledger only grows."""
        entries = self.rows("SELECT id, user_id, kind, amount, key FROM credit_entries ORDER BY id")
        assert entries[: len(self.entries)] == self.entries, "an entry was changed or is gone"
        self.entries = entries

    def _events(self) -> set[str]:
        return {row[0] for row in self.rows("SELECT event_id FROM payment_events")}

    def _nets(self) -> list[tuple[str, int]]:
        """Owner and net credits of each order, which are as they should be."""
        sql = """
            SELECT p.order_id, e.user_id, SUM(e.amount),
                SUM(CASE WHEN e.kind = 'purchase' THEN 1 ELSE 0 END)
            FROM credit_entries e LEFT JOIN purchases p ON p.id = e.reference
            WHERE e.kind IN ('purchase', 'clawback', 'reinstatement')
            GROUP BY p.order_id, e.user_id"""
        names = {user_id: name for name, user_id in self.ids.items()}
        rows = {row[0]: row for row in self.rows(sql)}
        assert len(rows) == len(self.rows(sql)), "an order's credits are with two people"
        granted = {id_ for id_, known in self.known.items() if known.is_granted}
        assert rows.keys() == granted, "not the granted orders"
        for order_id, (_, user_id, net, grants) in rows.items():
            known = self.known[order_id]
            least, most = known.net()
            assert names[user_id] == known.owner, f"owner of {order_id}"
            assert grants == 1, f"{order_id} was granted {grants} times"
            assert least <= net <= most, f"net of {order_id}: {net}, not {least} to {most}"
        return [(names[row[1]], int(row[2])) for row in rows.values()]
