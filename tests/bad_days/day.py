"""A bad day: vendors that go wrong on loopback, the app at a port of its own, a clock to move.

A day is a `Making` without a provider in memory: its worker talks to simulators over real sockets,
and they call the app back over real ones. `check` says what every bad day must end with.
"""

import html
import logging
import re
import threading
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from werkzeug.serving import make_server

from app.extensions import db
from app.models import ENDED
from app.providers.download import Downloads
from app.services import accounts, key_status, sessions, sweeps
from tests.cast import PASSWORD, Browser, Person
from tests.faults.making import Making
from tests.simulators import Request, Simulator, Task
from tests.waiting import wait_until

MOST_TURNS = 100
TURN_S = 10.0
"""How far the clock goes between two rounds of a worker."""
SWALLOWED = ("the sweep could not deal with", "the adapter failed", "a lease was not renewed")
"""How the log begins when our own code went wrong and somebody caught it."""


class Site:
    """The app behind a real port, for the vendors' callbacks."""

    def __init__(self, app: Flask, port: int) -> None:
        self._server = make_server("127.0.0.1", port, app, threaded=True)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Nobody is answered any more."""
        self._server.shutdown()
        self._thread.join(5.0)
        self._server.server_close()


@dataclass
class Day(Making):
    """Alice's videos, real vendors to ask, and everything that must be true in the evening."""

    app: Flask = field(kw_only=True)
    simulators: dict[str, Simulator] = field(kw_only=True)
    clock: time_machine.Traveller = field(kw_only=True)
    log: pytest.LogCaptureFixture = field(kw_only=True)
    secrets: tuple[str, ...] = field(kw_only=True)

    def __getitem__(self, vendor: str) -> Simulator:
        return self.simulators[vendor]

    # Asking and working ---------------------------------------------------------------------------

    def ask_for(self, **fields: str) -> list[str]:
        """What every vendor makes: 8 s, wide, 720p; `fields` say otherwise."""
        usual = {"duration": "8", "aspect_ratio": "16:9"}
        return super().ask_for(**{**usual, **fields})

    def ask_as(self, name: str, count: int) -> list[str]:
        """`count` videos of another person, since nobody gets more than ten an hour."""

        def join() -> int:
            email = f"{name}@example.org"
            return int(accounts.create_user(email, PASSWORD, is_verified=True, credits=500).id)

        other = replace(self, person=Person(self.call(join), f"{name}@example.org"))
        return [one for _ in range(count) for one in other.ask_for()]

    def pass_time(self, **delta: float) -> None:
        """The clock goes on, ours and the vendors': `pass_time(minutes=31)`."""
        self.clock.shift(timedelta(**delta))
        for simulator in self.simulators.values():
            simulator.timers.look()

    def turn(self) -> sweeps.Swept:
        """One round of a worker: ask, store what is ready, hand over what waits."""
        swept = self.sweep()
        for video_id in swept.to_store:
            self.store(video_id)
        for video_id in swept.to_submit:
            self.submit(video_id)
        return swept

    def work(self, *video_ids: str, turn_s: float = TURN_S, until: str = "") -> list[str]:
        """Rounds, and time between them, until all have ended (or are `until`). How they are."""
        wanted = (until,) if until else ENDED
        for _ in range(MOST_TURNS):
            self.turn()
            if all(self.status(one) in wanted for one in video_ids):
                return [self.status(one) for one in video_ids]
            self.pass_time(seconds=turn_s)
        told = [(self.status(one), self.attempts(one)) for one in video_ids]
        raise AssertionError(f"not {wanted} after {MOST_TURNS} rounds: {told}")

    def draw(self, video_id: str) -> None:
        """Rounds without moving the clock: a renderer of ours really works meanwhile."""

        def has_ended() -> bool:
            self.pass_time(seconds=1)
            self.turn()
            return self.status(video_id) in ENDED

        wait_until(has_ended, 60, "it is drawn")

    def check_keys(self) -> None:
        """What a worker does each minute."""
        self.call(key_status.check)

    def keys(self, provider: str = "kie") -> list[Any]:
        """The pool's rows, in the order of the settings."""
        sql = "SELECT * FROM provider_keys WHERE provider = :name ORDER BY id"
        return list(self.rows(sql, name=provider))

    def alerts(self, *, is_open: bool = True) -> set[tuple[str, str]]:
        """Kind and subject of the alerts that stand, or of those that are over."""
        which = "IS NULL" if is_open else "IS NOT NULL"
        rows = self.rows(f"SELECT kind, subject FROM alerts WHERE resolved_at {which}")
        return {(row["kind"], row["subject"]) for row in rows}

    def impatient(self, vendor: str, *, stall_s: float = 0.3, deadline_s: float = 20.0) -> None:
        """Downloads from a vendor give up soon: sockets do not follow the clock that is moved."""
        provider = self.app.extensions["vendors"].providers[vendor]
        provider._downloads = Downloads(
            self.app.config["INSTANCE_DIR"] / "downloads",
            self[vendor].base_url,
            provider._model.result_hosts,
            redirects=provider.redirects,
            stall_s=stall_s,
            deadline_s=deadline_s,
        )

    # Looking --------------------------------------------------------------------------------------

    def card(self, video_id: str) -> str:
        """What Alice's browser shows of a video, as she reads it."""
        browser = Browser.of(self.app)
        browser.set_cookie("session", self.call(sessions.start, self.person.id, "a browser"))
        answer = browser.get(f"/videos/{video_id}")
        assert answer.status_code == 200
        return html.unescape(" ".join(re.sub(r"<[^>]*>", " ", answer.text).split()))

    def tasks(self, vendor: str = "kie") -> list[Task]:
        """What the vendor was made to make."""
        return list(self[vendor].tasks.values())

    def requests(self, where: str, vendor: str = "kie") -> list[Request]:
        """The requests at one place of a vendor."""
        return self[vendor].asked(where)

    def last(self, video_id: str) -> Any:
        """The newest attempt."""
        return self.attempts(video_id)[-1]

    def called_back(self, count: int = 1, vendor: str = "kie") -> list[int | None]:
        """What the site said to that many callbacks, once they were sent."""
        wait_until(lambda: len(self[vendor].callbacks) >= count, 10, f"{count} callbacks")
        return [delivery.status for delivery in self[vendor].callbacks]

    def is_charged(self, video_id: str) -> bool:
        """Spent once and not given back."""
        return self.entries(video_id) == [("spend", -self.video(video_id)["cost_credits"])]

    def is_refunded(self, video_id: str) -> bool:
        """Spent once, given back once."""
        cost = self.video(video_id)["cost_credits"]
        return self.entries(video_id) == [("spend", -cost), ("refund", cost)]

    # In the evening -------------------------------------------------------------------------------

    def check(self) -> None:
        """Whatever went wrong: nobody paid twice or for nothing, nothing is open, nothing told."""
        self.check_books()
        for row in self.rows("SELECT * FROM videos"):
            self._check_video(row)
        self._check_vendors()
        self._check_secrets()
        swallowed = [one for one in self.log.messages if one.startswith(SWALLOWED)]
        swallowed += [one for one in self.log.messages if one.endswith("the adapter failed")]
        assert swallowed == []
        assert [one for one in self.log.records if one.levelno >= logging.ERROR] == []

    def _check_video(self, row: Any) -> None:
        """Ended, and its net is what its end says."""
        assert row["status"] in ENDED, (row["status"], row["wait_reason"])
        is_free = row["is_gift"] or row["sound_refunded"] or row["status"] != "completed"
        assert self.is_refunded(row["id"]) if is_free else self.is_charged(row["id"]), row["status"]
        if row["status"] == "completed":
            assert bool(row["file_key"]) == (row["deleted_at"] is None)

    def _check_vendors(self) -> None:
        """No attempt was placed twice, nobody was asked faster than allowed."""
        for name, simulator in self.simulators.items():
            placed = [task.callback_url for task in simulator.tasks.values() if task.callback_url]
            assert len(placed) == len(set(placed)), f"{name}: an attempt was placed twice"
            assert simulator.violations == []
        sent = sum(len(simulator.tasks) for simulator in self.simulators.values())
        (tried,) = self.rows("SELECT count(*) AS n FROM attempts")
        assert sent <= tried["n"], "a task without an attempt"

    def _check_secrets(self) -> None:
        """No key in a line of the log, in a row of any table."""
        told = [self.log.text]

        def read() -> None:
            told.extend(
                str(row)
                for table in db.metadata.sorted_tables
                for row in db.session.execute(select(table))
            )

        self.call(read)
        text = "\n".join(told)
        assert [secret for secret in self.secrets if secret in text] == []


def waits_for(day: Day, video_id: str) -> str | None:
    """Why a queued video waits."""
    assert day.status(video_id) == "queued"
    reason: str | None = day.video(video_id)["wait_reason"]
    return reason
