"""What can go wrong at Creem, by name, and which of it is armed.

A fault of an answer strikes at a place of the API (`checkouts.create`, `refunds.create`, ...; no
place: any of them), a fault of an event strikes at a type (`checkout.completed`, ...; none: any).
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

PLACES = (
    "checkouts.create", "checkouts.get", "products.get", "products.search",
    "customers.get", "customers.list", "customers.orders", "customers.billing",
    "transactions.get", "transactions.search", "refunds.create", "moderation.prompt",
    "discounts.create", "discounts.get", "discounts.search", "discounts.delete",
)  # fmt: skip
EVENTS = ("checkout.completed", "refund.created", "dispute.created")


@dataclass(frozen=True)
class Kind:
    """One sort of fault. `is_event`: of an event, else of an answer."""

    name: str
    is_event: bool
    text: str
    default: Any = None
    place: str | None = None  # the only one where it makes sense


def _answers() -> Iterable[Kind]:
    for name, default, text in (
        ("delay", 1, "answers that many seconds late"),
        ("hang", 120, "nothing done, no answer"),
        ("reset", None, "nothing done, the connection is reset"),
        ("error", 500, "nothing done, that status with Creem's error body"),
        ("bare", 502, "nothing done, a proxy's page with that status"),
        ("limited", 3, "429 with Retry-After of that many seconds; an empty value: without"),
        ("limited_before", 3, "429 as the withdrawn page on rate limits had it"),
        ("bad_key", None, "the key is not good"),
        ("garbage", None, "200 without JSON"),
        ("empty", None, "200 without a body"),
        ("answer_without", "id", "done, and the answer lacks this field"),
        ("accept_then_hang", 120, "done, but the answer never comes"),
        ("accept_then_reset", None, "done, then the connection is reset"),
        ("accept_then_error", 500, "done, then that status with Creem's error body"),
    ):
        yield Kind(name, False, text, default)
    text = "the refund that is made is of this status"
    yield Kind("refund_status", False, text, "pending", "refunds.create")


def _events() -> Iterable[Kind]:
    for name, default, text in (
        ("never", None, "not sent; `send` still can"),
        ("twice", 1, "sent that many times more, one after the other"),
        ("at_once", 2, "so many copies of it at the same moment"),
        ("late", 60, "sent that many seconds later by Creem's clock"),
        ("before_return", None, "answered before the buyer is sent back"),
        ("after_return", None, "sent when the buyer was sent back"),
        ("out_of_order", None, "sent after the next event about the same payment"),
        ("unreachable", 1, "its first so many attempts reach nobody"),
        ("wrong_signature", None, "signed with another secret"),
        ("unsigned", None, "without a signature"),
        ("upper_case", None, "its signature is in upper case"),
        ("altered", None, "a figure in its body was changed after signing"),
        ("reserialised", None, "the same JSON in other bytes than those that were signed"),
        ("without", "request_id+metadata+order+customer", "these fields of its object are missing"),
        ("mode", "prod", "of this mode, everywhere in it"),
        ("event_type", "payment.succeeded", "of this type"),
        ("event_id", "evt_again", "with this id"),
        ("aged", 86400, "made that many seconds ago"),
        ("amount", 100, "another amount"),
        ("currency", "EUR", "another currency"),
        ("units", 2, "another number of units"),
        ("product", "prod_other", "another product"),
        ("request_id", "forged", "another request_id"),
        ("metadata", {}, "other metadata"),
        ("order_status", "pending", "an order of this status"),
        ("order_type", "recurring", "an order of this type"),
        ("chargeback", "chargeback", "its transaction spells its status so"),
        ("fields", {}, '{"order.amount": 1}: these fields of its object are so'),
    ):
        yield Kind(name, True, text, default)


KINDS = {kind.name: kind for kind in (*_answers(), *_events())}
MODIFIERS = {"delay", "refund_status"}  # they add to any other fault of the same answer


@dataclass
class Fault:
    """Armed: what, with which value, where, for how many answers or events (None: for ever)."""

    name: str
    value: Any = None
    where: str | None = None
    times: int | None = 1
    after: int = 0
    used: int = field(default=0, compare=False)

    @property
    def is_event(self) -> bool:
        return KINDS[self.name].is_event

    def told(self) -> dict[str, Any]:
        """For GET /_simulate."""
        names = ("name", "value", "where", "times", "used")
        return {name: getattr(self, name) for name in names}


def known(name: str, value: Any = None, where: str | None = None, **options: Any) -> Fault:
    """A fault of that name. Raises ValueError when there is none, or not at that place."""
    kind = KINDS.get(name)
    if kind is None:
        raise ValueError(f"Creem has no fault {name!r}")
    where = where or kind.place
    allowed = EVENTS if kind.is_event else PLACES
    if where not in (None, kind.place, *(() if kind.place else allowed)):
        raise ValueError(f"{name} is no fault of {where!r}")
    return Fault(name, kind.default if value is None else value, where, **options)


class Armoury:
    """The armed faults."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._lock = threading.Lock()

    def arm(self, fault: Fault) -> Fault:
        with self._lock:
            self.faults.append(fault)
        return fault

    def take_for_answer(self, place: str) -> list[Fault]:
        """What happens to this answer: all modifiers, and the first of the other faults."""
        taken: list[Fault] = []
        with self._lock:
            for fault in [fault for fault in self.faults if not fault.is_event]:
                is_full = any(one.name not in MODIFIERS for one in taken)
                if fault.name in MODIFIERS or not is_full:
                    taken += self._use(fault, place)
        return taken

    def take_for_event(self, type: str) -> list[Fault]:  # noqa: A002 - the wire's own word
        """What happens to this event: all of it."""
        with self._lock:
            faults = [fault for fault in self.faults if fault.is_event]
            return [one for fault in faults for one in self._use(fault, type)]

    def _use(self, fault: Fault, where: str) -> list[Fault]:
        if fault.where not in (None, where):
            return []
        if fault.after:
            fault.after -= 1
            return []
        fault.used += 1
        if fault.times is not None and fault.used >= fault.times:
            self.faults.remove(fault)
        return [fault]

    def clear(self) -> None:
        with self._lock:
            self.faults.clear()
