"""/_simulate: what a test does in process, over HTTP for a simulator that runs by itself."""

import dataclasses
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.simulators.creem.faults import KINDS
from tests.simulators.creem.till import CARDS, NotPaid
from tests.simulators.wire import Answer, Request, json_answer

if TYPE_CHECKING:
    from tests.simulators.creem.house import CreemHouse

PATH = "/_simulate"
Wish = dict[str, Any]


def answer(house: "CreemHouse", request: Request) -> Answer:
    """GET: how things are. POST: do something. DELETE: nothing is armed or changed any more."""
    if request.method == "DELETE":
        house.clear()
    if request.method != "POST":
        return json_answer(state(house))
    try:
        return json_answer(_do(house, request.json()))
    except NotPaid as error:
        return json_answer({"error": error.reason}, 402)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return json_answer({"error": f"{type(error).__name__}: {error}"}, 400)


def state(house: "CreemHouse") -> Wish:
    """How things are, and what can be done."""
    books = dataclasses.asdict(house.books)
    return {
        "vendor": "creem",
        "base_url": house.base_url,
        "webhook_url": house.webhook_url,
        "switches": dataclasses.asdict(house.switches),
        "cards": {card.name: card.number for card in CARDS.values()},
        **{name: list(rows.values()) for name, rows in books.items()},
        "events": [
            {
                "id": event.id,
                "type": event.type,
                "transaction": event.transaction_id,
                "next_at": event.next_at,
                "answers": [one.status for one in house.deliveries if one.event_id == event.id],
            }
            for event in list(house.events.values())
        ],
        "faults": [fault.told() for fault in house.faults],
        "requests": len(house.requests),
        "verbs": VERBS,
        "known_faults": {
            kind.name: {
                "of": "an event" if kind.is_event else kind.place or "an answer",
                "text": kind.text,
                "value": kind.default,
            }
            for kind in KINDS.values()
        },
    }


VERBS: dict[str, Wish] = {
    "pay": {"pay": "ch_…", "email": "…", "card": "ok", "discount": "TEN", "country": "US"},
    "expire": {"expire": "ch_…"},
    "refund": {"refund": "tran_…", "cents": 100, "status": "succeeded"},
    "settle_refund": {"settle_refund": "ref_…", "status": "failed"},
    "dispute": {"dispute": "tran_…"},
    "win_dispute": {"win_dispute": "disp_…"},
    "send": {"send": "evt_…", "copies": 2, "at_once": True},
    "tell": {"tell": "ch_… or ref_… or disp_…"},
    "change": {"change": "any id", "fields": {"status": "processing"}},
    "fault": {"fault": "late", "value": 60, "where": "refund.created", "times": 1, "after": 0},
    "set": {"set": {"tax_percent": 21}},
    "advance": {"advance": 30},
    "down": {"down": 10},
    "clear": {"clear": True},
}


def _do(house: "CreemHouse", wish: Wish) -> Wish:
    verb = next((name for name in VERBS if name in wish), None)
    if verb is None or (unknown := wish.keys() - VERBS[verb].keys()):
        problem = f"not known of {verb}: {', '.join(unknown)}" if verb else "nothing known in it"
        raise ValueError(problem)
    value, options = wish[verb], {name: wish[name] for name in wish if name != verb}
    verbs: dict[str, Callable[[], Any]] = {
        "pay": lambda: _paid(house.pay(value, **options)),
        "expire": lambda: house.expire(value),
        "refund": lambda: house.refund(value, **options).id,
        "settle_refund": lambda: house.settle_refund(value, **options).status,
        "dispute": lambda: house.dispute(value).id,
        "win_dispute": lambda: house.win_dispute(value),
        "send": lambda: [one.status for one in house.send(value, **options)],
        "tell": lambda: house.tell(value).id,
        "change": lambda: house.change(value, **options["fields"]),
        "fault": lambda: house.fault(value, **options).told(),
        "set": lambda: house.set(**value),
        "advance": lambda: house.advance(float(value)),
        "down": lambda: _down_for(house, float(value)),
        "clear": house.clear,
    }
    return {"done": verb, "answer": verbs[verb]()}


def _paid(payment: Any) -> Wish:
    transaction = payment.transaction.id if payment.transaction else None
    return {
        "order": payment.order.id,
        "transaction": transaction,
        "event": payment.event.id,
        "return_url": payment.return_url,
    }


def _down_for(house: "CreemHouse", seconds: float) -> None:
    """Down a moment from now, so that this answer gets out; up again after `seconds`."""

    def outage() -> None:
        house.down()
        threading.Event().wait(seconds)
        if not house.is_closed:
            house.up()

    timer = threading.Timer(0.1, outage)
    timer.daemon = True
    timer.start()
