"""kill -9 of the web while it takes an event of Creem: once it is back, each is done once.

A real process, a real database file, signed events over HTTP. Creem sends again what was not
answered; so does the test.
"""

from collections.abc import Callable
from itertools import count

import httpx
import pytest

from app.services import credits
from tests.faults.machine import Machine
from tests.faults.nursery import Part, nursery
from tests.money.invariants import broken
from tests.money.payments_books import KEY, PACKS, SECRET, Message
from tests.money.payments_desk import Desk
from tests.payments_settings import CREEM
from tests.waiting import wait_until

pytest_plugins = ["tests.faults.fixtures"]

SELLING = {
    **CREEM,
    "CREEM_API_BASE_URL": "http://127.0.0.1:9",  # nobody is asked: an event says it all
    "CREEM_API_KEY": KEY,
    "CREEM_WEBHOOK_SECRET": SECRET,
}
COMMIT = "commit:payment_events._receive"
PAID = ("event.keep.after", "give.before", "give.after", f"{COMMIT}.before", f"{COMMIT}.after")
RETURNED = (
    "event.keep.after",
    "settle.before",
    "settle.after",
    f"{COMMIT}.before",
    f"{COMMIT}.after",
)
CREDITS, PRICE = PACKS["starter"]


class Counter:
    """A machine that sells, its web, and Creem."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.numbers = machine, count()
        self.desk = Desk(machine.app, machine.call, machine.rows)
        self.creem = self.desk.creem
        self.http = machine.http()
        self.web: Part = machine.start_web()

    def post(self, message: Message) -> str:
        """What the web answers; "" when it died meanwhile."""
        try:
            answer = self.http.post(
                "/api/webhooks/creem", content=message.body, headers=message.headers
            )
        except httpx.TransportError:
            return ""
        assert answer.status_code == 200, answer.text
        return str(answer.json()["outcome"])

    def kill_at(self, moment: str, message: Message) -> None:
        """The web dies there, and is started again."""
        self.machine.arm(moment)
        assert self.post(message) == ""
        assert self.machine.is_hit, moment
        wait_until(lambda: not self.web.is_alive, 10, "the web is dead")
        self.web = self.machine.start_web()

    def somebody(self) -> int:
        return self.machine.add_person(f"person-{next(self.numbers)}@example.org", balance=0)

    def balance(self, user_id: int) -> int:
        return int(self.machine.call(credits.balance_of, user_id))

    def take_again(self, moment: str, message: Message) -> None:
        """Creem sends it until it is answered, and once more."""
        is_kept = moment == f"{COMMIT}.after"
        assert self.post(message) == ("again" if is_kept else "done"), moment
        assert self.post(message) == "again"
        assert self.post(self.creem.tell_again(message)) == "ignored"
        assert broken(self.machine.app) == {}


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_killed_while_an_event_is_taken_it_is_done_once(
    make_machine: Callable[..., Machine],
) -> None:
    with nursery() as start:
        counter = Counter(make_machine(start=start, **SELLING))
        for moment in PAID:
            buyer = counter.somebody()
            order = counter.desk.pays(counter.desk.wants(buyer))
            paid = counter.creem.tell_paid(order)
            counter.kill_at(moment, paid)
            is_kept = moment == f"{COMMIT}.after"
            assert counter.balance(buyer) == (CREDITS if is_kept else 0), moment
            counter.take_again(moment, paid)
            assert counter.balance(buyer) == CREDITS
        for moment in RETURNED:
            check_refund(counter, moment)


def check_refund(counter: Counter, moment: str) -> None:
    buyer = counter.somebody()
    order = counter.desk.buys(buyer)
    refund = counter.creem.tell_refund(counter.creem.give_back(order, PRICE // 3, "succeeded"))
    counter.kill_at(moment, refund)
    is_kept = moment == f"{COMMIT}.after"
    assert counter.balance(buyer) == (CREDITS - 38 if is_kept else CREDITS), moment
    counter.take_again(moment, refund)
    assert counter.balance(buyer) == CREDITS - 38
