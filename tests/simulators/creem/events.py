"""Signed events on their way to the shop, the retry clock, and how they go wrong."""

import contextlib
import copy
import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.simulators.creem.bodies import Body, ms
from tests.simulators.creem.books import new_id
from tests.simulators.creem.changes import changed
from tests.simulators.creem.faults import Fault
from tests.simulators.creem.signing import HEADER, signature_of, standard_headers
from tests.simulators.sending import Line

if TYPE_CHECKING:
    from tests.simulators.creem.house import CreemHouse

RETRY_WAITS_S = (30.0, 300.0, 1800.0, 21600.0)
"""After the attempt before; that they do not count from the first one is not confirmed."""
AMOUNT = re.compile(rb'(amount":)\d+')
SENDERS = 8


@dataclass
class Event:
    """One signed message. `body` are the bytes that were signed; `faults` what befalls it."""

    id: str
    type: str
    body: bytes
    checkout_id: str | None
    transaction_id: str | None
    faults: dict[str, Any] = field(default_factory=dict)
    attempts: int = 0
    next_at: float | None = None  # when it is tried again

    @property
    def object(self) -> Any:
        return json.loads(self.body)["object"]


@dataclass
class Delivery:
    """One POST of an event; `status` None: nobody answered."""

    event_id: str
    type: str
    url: str
    headers: dict[str, str]
    body: bytes
    status: int | None
    at: float

    @property
    def is_done(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Post:
    """Makes events and sends them, from threads of its own."""

    def __init__(self, house: "CreemHouse", retry_waits_s: tuple[float, ...]) -> None:
        self.house, self.retry_waits_s = house, retry_waits_s
        self.events: dict[str, Event] = {}
        self.sent: list[Delivery] = []
        self._waiting: dict[str | None, list[Event]] = {}  # out of order, by transaction
        self.line = Line()
        self._senders = ThreadPoolExecutor(SENDERS, "simulator-event")

    def write(
        self,
        type: str,  # noqa: A002 - the wire's own word
        about: Body,
        *,
        checkout_id: str | None = None,
        transaction_id: str | None = None,
    ) -> Event:
        """An event that is not sent yet; armed faults have changed it already."""
        faults = self._take(type)
        now = self.house.clock.now() - float(faults.get("aged", 0))
        envelope = {
            "id": faults.get("event_id") or new_id("evt"),
            "eventType": faults.get("event_type", type),
            "created_at": ms(now),
            "object": changed(type, copy.deepcopy(about), faults),
        }
        body = json.dumps(envelope, separators=(",", ":"), ensure_ascii=False).encode()
        event = Event(
            envelope["id"], envelope["eventType"], body, checkout_id, transaction_id, faults
        )
        self.events[event.id] = event
        return event

    def _take(self, type: str) -> dict[str, Any]:  # noqa: A002
        faults: list[Fault] = self.house.armoury.take_for_event(type)
        return {fault.name: fault.value for fault in faults}

    def leave(self, event: Event) -> None:
        """It goes on its way, as its faults want it."""
        if "never" in event.faults or not self.house.webhook_url:
            return
        if "out_of_order" in event.faults:
            self._waiting.setdefault(event.transaction_id, []).append(event)
        elif "late" in event.faults:
            when = self.house.clock.now() + float(event.faults["late"])
            self.house.timers.at(when, lambda: self._soon(event))
        elif "before_return" in event.faults:
            self._deliver(event)
        else:
            self._soon(event)

    def send(self, event: Event, copies: int = 1, *, at_once: bool = False) -> list[Delivery]:
        """Send copies of it now, wait for their answers, and do not try again."""
        if not at_once:
            return [self._attempt(event) for _ in range(copies)]
        gate, answers = threading.Barrier(copies), []

        def one() -> None:
            gate.wait()
            answers.append(self._attempt(event))

        threads = [threading.Thread(target=one, name="simulator-copy") for _ in range(copies)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers

    def letter(self, event: Event) -> tuple[dict[str, str], bytes]:
        """Headers and body as they go out."""
        secret, body, faults = self.house.webhook_secret, event.body, event.faults
        signature = signature_of(body, secret + "x" if "wrong_signature" in faults else secret)
        headers = {"Content-Type": "application/json", HEADER: signature}
        if "upper_case" in faults:
            headers[HEADER] = signature.upper()
        if "unsigned" in faults:
            del headers[HEADER]
        elif self.house.switches.signs_standard:
            at = int(self.house.clock.now())
            headers |= standard_headers(event.id, at, body, secret)
        if "altered" in faults:
            body = AMOUNT.sub(rb"\g<1>1", body, count=1) + b" "
        if "reserialised" in faults:
            body = json.dumps(json.loads(body), indent=1).encode()
        return headers, body

    def close(self) -> None:
        """Nothing more is sent, and who waits for an answer stops."""
        self.line.hang_up()
        self._senders.shutdown(cancel_futures=True)

    def _soon(self, event: Event) -> None:
        with contextlib.suppress(RuntimeError):  # closed meanwhile
            self._senders.submit(self._guarded, lambda: self._deliver(event))

    def _guarded(self, job: Callable[[], None]) -> None:
        try:
            job()
        except Exception as error:  # noqa: BLE001 - told to the test when the simulator closes
            self.house.errors.append(repr(error))

    def _deliver(self, event: Event) -> None:
        faults = event.faults
        if "at_once" in faults and event.attempts == 0:
            done = self.send(event, int(faults["at_once"]), at_once=True)
        else:
            copies = 1 + int(faults.get("twice", 0)) if event.attempts == 0 else 1
            done = self.send(event, copies)
        for one in self._waiting.pop(event.transaction_id, []):
            self._soon(one)
        event.attempts += 1
        left = self.retry_waits_s[event.attempts - 1 :]
        event.next_at = None
        if left and not any(one.is_done for one in done) and not self.house.is_closed:
            event.next_at = self.house.clock.now() + left[0]
            self.house.timers.at(event.next_at, lambda: self._soon(event))

    def _attempt(self, event: Event) -> Delivery:
        headers, body = self.letter(event)
        url = self.house.webhook_url or ""
        is_lost = event.attempts < int(event.faults.get("unreachable", 0))
        status = None if is_lost else self.line.post(url, headers, body)
        now = self.house.clock.now()
        done = Delivery(event.id, event.type, url, headers, body, status, now)
        self.sent.append(done)
        return done
