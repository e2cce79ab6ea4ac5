"""Creem on loopback: its API, a pay page, signed events, and everything that can go wrong.

    from tests.simulators.creem import start_creem

    with start_creem(webhook_url=f"{site}/api/webhooks/creem") as creem:
        ...                                        # the shop, told creem.base_url, opens a checkout
        [checkout] = creem.checkouts.values()
        creem.fault("twice")                       # of the next event
        payment = creem.pay(checkout.id, email="someone@else.example")
        creem.refund(payment.transaction.id, 330)  # a part, as from the dashboard
        assert creem.asked("checkouts.create")[0].status == 200
        assert [sent.status for sent in creem.deliveries] == [200, 200, 200]

What can go wrong stands in `faults.KINDS`, how Creem may behave where its sources contradict each
other in `switches.Switches`; section numbers are those of docs/payments.md. In a terminal:
`python -m tests.simulators creem --port 9001`, and `GET /_simulate` says the rest. Nothing here
imports `app`: Creem's official client judges it instead (test_creem_judge.py).
"""

from typing import Any

from tests.simulators.creem.books import Checkout, Order, Product, Refund, Transaction
from tests.simulators.creem.events import Delivery, Event
from tests.simulators.creem.house import CreemHouse
from tests.simulators.creem.switches import Switches
from tests.simulators.creem.till import CARDS, NotPaid, Payment

__all__ = [
    "CARDS", "Checkout", "CreemHouse", "Delivery", "Event", "NotPaid", "Order", "Payment",
    "Product", "Refund", "Switches", "Transaction", "start_creem",
]  # fmt: skip


def start_creem(**options: Any) -> CreemHouse:
    """Creem, listening; close it, or use it as a context manager.

    port, api_key, webhook_secret, webhook_url (None: events are written, not sent), products,
    retry_waits_s, file (where its books are kept), and the switches of `Switches`.
    """
    return CreemHouse(**options)
