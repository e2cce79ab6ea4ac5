"""Threads that meet between a read and a write, so that a race is lost every time, not sometimes.

Each thread is held once, right before the first statement that begins as told, until all are there.
Where a lock keeps the others out they never come: after a short while the one that waits goes on,
and nobody waits again.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from flask import Flask
from sqlalchemy import event

from app.errors import UserError
from app.extensions import db
from app.services.credits import AlreadySpent

MONEY = "UPDATE credit_accounts"
PATIENCE_S = 0.05
JOIN_S = 30


@dataclass(frozen=True)
class Race:
    """A result or a refusal for each verb, in order; and whether all stood there at once."""

    results: list[Any]
    has_met: bool

    def refusals(self) -> list[type[Exception]]:
        """The kinds of the refusals."""
        return [type(result) for result in self.results if isinstance(result, Exception)]

    def successes(self) -> list[Any]:
        """What the verbs returned that were not refused."""
        return [result for result in self.results if not isinstance(result, Exception)]


class Meeting:
    """Where threads wait for each other, as a listener of an engine's statements."""

    def __init__(self, parties: int, patience_s: float) -> None:
        self.has_met = False
        self._barrier = threading.Barrier(parties, self._meet, patience_s)
        self._places: dict[int, str] = {}

    @contextmanager
    def attended(self, place: str) -> Iterator[None]:
        """This thread will come; when it ends without having come, the others need not wait."""
        thread = threading.get_ident()
        self._places[thread] = place
        try:
            yield
        finally:
            if self._places.pop(thread, None):
                self._barrier.abort()

    def before_statement(
        self, _connection: object, _cursor: object, statement: str, *_: object
    ) -> None:
        """SQLAlchemy's `before_cursor_execute`."""
        place = self._places.get(threading.get_ident())
        if place and statement.startswith(place):
            del self._places[threading.get_ident()]
            with suppress(threading.BrokenBarrierError):
                self._barrier.wait()

    def _meet(self) -> None:
        self.has_met = True


def race(
    app: Flask,
    verbs: Sequence[Callable[[], Any]],
    *,
    before: str | Sequence[str] = MONEY,
    patience_s: float = PATIENCE_S,
) -> Race:
    """Run all verbs at once, each in a thread that is held before its statement `before`.

    Refusals are results; any other exception is raised here.
    """
    places = [before] * len(verbs) if isinstance(before, str) else before
    meeting = Meeting(len(verbs), patience_s)
    results: list[Any] = [None] * len(verbs)
    start = threading.Barrier(len(verbs))

    def run(number: int) -> None:
        with app.app_context(), meeting.attended(places[number]):
            start.wait(JOIN_S)
            try:
                results[number] = verbs[number]()
            except Exception as error:  # noqa: BLE001  raised below, in the test's own thread
                results[number] = error

    with _listening(app, meeting):
        threads = [threading.Thread(target=run, args=(number,)) for number in range(len(verbs))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(JOIN_S)
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, UserError | AlreadySpent):
            raise result
    return Race(results, meeting.has_met)


@contextmanager
def _listening(app: Flask, meeting: Meeting) -> Iterator[None]:
    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", meeting.before_statement)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", meeting.before_statement)
