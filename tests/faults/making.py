"""Videos on their way, in tests: ask for one, be its worker step by step, look at what it cost."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import time_machine
from sqlalchemy import update

from app.extensions import db
from app.models import ENDED, Attempt, Video, now
from app.services import attempts, audits, credits, requests, sweeps, videos
from tests.cast import Person
from tests.conftest import Call, Rows

FORM = {
    "type": "glass-fruit",
    "prompt": "Slow slicing of a glass strawberry",
    "aspect_ratio": "16:9",
    "duration": "4",
    "resolution": "720p",
    "count": "1",
}
COST_CREDITS = 5  # 4 s at 720p, as the first-video price changes nothing here
STEPS_AT_MOST = 20


@dataclass
class Making:
    """Alice's videos, the provider that makes them, and a worker that does one step at a time."""

    call: Call
    rows: Rows
    provider: Any  # a FakeProvider, unless the test works with a real one
    person: Person
    asked: list[str] = field(default_factory=list)

    def ask(self, **fields: str) -> str:
        """Charge for one video and queue it. Returns its id."""
        return self.ask_for(**fields)[0]

    def ask_for(self, **fields: str) -> list[str]:
        """The same for several at once (`count="3"`)."""

        def request() -> list[str]:
            wanted = requests.parse({**FORM, **fields})
            price = videos.quote(self.person.id, wanted).price.total
            return videos.request_video(
                self.person.id, wanted, token=secrets.token_urlsafe(), price_credits=price
            )

        ids: list[str] = self.call(request)
        self.asked += ids
        return ids

    def submit(self, video_id: str) -> bool:
        return bool(self.call(attempts.submit, video_id))

    def sweep(self) -> sweeps.Swept:
        swept: sweeps.Swept = self.call(sweeps.refresh_due)
        return swept

    def store(self, video_id: str) -> bool:
        return bool(self.call(attempts.store, video_id))

    def step(self, video_id: str) -> str:
        """What a worker would do next: submit, sweep, store. Returns the status after it."""
        self.submit(video_id)
        for ready in self.sweep().to_store:
            self.store(ready)
        return self.status(video_id)

    def make(self, video_id: str) -> str:
        """Work until the video has ended. Returns how."""
        for _ in range(STEPS_AT_MOST):
            if self.step(video_id) in ENDED:
                break
        return self.status(video_id)

    def finish_render(self, video_id: str) -> None:
        """Work until the result is there and waits to be stored."""
        self.submit(video_id)
        for _ in range(STEPS_AT_MOST):
            self.sweep()
            if self.status(video_id) == "storing":
                return
        raise AssertionError(f"the render never ended: {self.status(video_id)}")

    def cancel(self, video_id: str) -> None:
        self.call(videos.cancel, self.person.id, video_id)

    def delete(self, video_id: str) -> None:
        self.call(videos.delete, self.person.id, video_id)

    def video(self, video_id: str) -> Any:
        return self.rows("SELECT * FROM videos WHERE id = :id", id=video_id)[0]

    def status(self, video_id: str) -> str:
        return str(self.video(video_id)["status"])

    def attempts(self, video_id: str) -> list[Any]:
        sql = "SELECT * FROM attempts WHERE video_id = :id ORDER BY number"
        return list(self.rows(sql, id=video_id))

    def balance(self) -> int:
        return int(self.call(credits.balance_of, self.person.id))

    def entries(self, video_id: str) -> list[tuple[str, int]]:
        """Kind and amount of the video's ledger entries, oldest first."""
        sql = "SELECT kind, amount FROM credit_entries WHERE reference = :id ORDER BY id"
        return [(row["kind"], row["amount"]) for row in self.rows(sql, id=video_id)]

    def is_charged(self, video_id: str) -> bool:
        """Spent once and not given back."""
        return self.entries(video_id) == [("spend", -COST_CREDITS)]

    def is_refunded(self, video_id: str) -> bool:
        """Spent once, given back once."""
        return self.entries(video_id) == [("spend", -COST_CREDITS), ("refund", COST_CREDITS)]

    def end_leases(self) -> None:
        """As if every worker had died or slept for longer than a lease."""

        def end() -> None:
            past = now() - timedelta(seconds=1)
            held = Attempt.lease_until.is_not(None)
            db.session.execute(update(Attempt).where(held).values(lease_until=past))
            db.session.commit()

        self.call(end)

    def set_video(self, video_id: str, **values: Any) -> None:
        """Write a row directly: what only years or another worker could bring about."""

        def write() -> None:
            db.session.execute(update(Video).where(Video.id == video_id).values(**values))
            db.session.commit()

        self.call(write)

    def check_books(self) -> None:
        """The ledger adds up, and an ended video has nobody at work on it."""
        assert list(self.call(lambda: list(audits.verify_ledger()))) == []
        left = self.rows(
            "SELECT a.state, v.status FROM attempts a JOIN videos v ON v.id = a.video_id"
            " WHERE v.status IN ('completed', 'failed', 'cancelled')"
            " AND a.state IN ('submitting', 'processing', 'ready')"
        )
        assert left == []


@contextmanager
def later(**delta: float) -> Iterator[None]:
    """The clock of this process moved, and standing there: `with later(minutes=31):`.

    It stands so that a slow machine sees the same as a quick one; one inside another adds up.
    """
    with time_machine.travel(now() + timedelta(**delta), tick=False):
        yield
