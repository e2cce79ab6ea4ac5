"""A small house with three people, and what each should own by a model that shares no code with it.

Alice and alias are two accounts of one person. The model is told what was asked for and what came
of it; `check` compares it with the tables.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

from flask import Flask
from sqlalchemy import text, update

from app.errors import NotEnoughCredits, TooMany, UserError
from app.extensions import db
from app.models import Attempt, Video, now
from app.services import accounts, requests, transactions, videos
from app.services.leases import Lease
from app.services.requests import VideoRequest
from app.services.videos import PriceChanged
from tests.fakes import FakeProvider
from tests.money.invariants import broken

# Money rules, "video price": credits by (seconds, resolution)
PRICES = {(4, "720p"): 5, (6, "720p"): 8, (8, "720p"): 10, (10, "720p"): 13, (8, "1080p"): 15}
FIRST_AT_MOST = 8  # credits: a person's first video of at most 8 s at 720p
HOURLY = 10
EMAILS = {
    "alice": ("alice@gmail.com", 45),
    "alias": ("a.lice+2@googlemail.com", 30),
    "bob": ("bob@example.org", 18),
}
PERSON = {"alice": "A", "alias": "A", "bob": "B"}

FREE = ("failed", "cancelled")
MOVES = {  # one sweep may take a video along two edges
    "queued": {"submitting", "processing", *FREE},
    "submitting": {"queued", "processing", *FREE},
    "processing": {"queued", "storing", *FREE},
    "storing": {"completed", *FREE},
    "completed": set(),
    "failed": set(),
    "cancelled": set(),
}


@dataclass
class Bought:
    """A video as the model knows it."""

    owner: str
    cost: int
    is_first: bool
    status: str = "queued"
    is_recent: bool = True


@dataclass(frozen=True)
class Form:
    """A form that was accepted."""

    owner: str
    wanted: VideoRequest
    token: str
    ids: tuple[str, ...]

    def id_at(self, place: int) -> str:
        """One of its videos."""
        return self.ids[place % len(self.ids)]


@dataclass
class House:
    """The app, its people, and the model."""

    app: Flask
    ids: dict[str, int] = field(default_factory=dict)
    balances: dict[str, int] = field(default_factory=dict)
    bought: dict[str, Bought] = field(default_factory=dict)
    without_video: dict[str, tuple[str, int]] = field(default_factory=dict)
    given_back: set[str] = field(default_factory=set)  # references of those
    unused_tokens: list[str] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    numbers: Any = field(default_factory=count)

    def __post_init__(self) -> None:
        for name, (email, credits) in EMAILS.items():
            user = self.call(accounts.create_user, email, is_verified=True, credits=credits)
            self.ids[name], self.balances[name] = user.id, credits

    @property
    def provider(self) -> FakeProvider:
        """Who makes the videos."""
        provider: FakeProvider = self.app.extensions["vendors"].providers["local"]
        return provider

    def call(self, verb: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """A verb in an app context of its own."""
        with self.app.app_context():
            return verb(*arguments, **options)

    def inside(self, verb: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """A verb that joins a money transaction; call it in an app context."""
        with transactions.write_transaction() as connection:
            return verb(connection, *arguments, **options)

    def expect(self, what: str, is_true: bool) -> None:
        """Remember what the model did not foresee; `check` tells it after the invariants."""
        if not is_true:
            self.surprises.append(what)

    # What the model foresees ---------------------------------------------------------------------

    def price_of(self, name: str, wanted: VideoRequest) -> int:
        """What the rules say this costs now."""
        return sum(self.costs(wanted, is_first=self.is_first(name, wanted)))

    def costs(self, wanted: VideoRequest, *, is_first: bool) -> list[int]:
        """What each of the videos costs."""
        one = PRICES[wanted.duration_s, wanted.resolution]
        return [min(one, FIRST_AT_MOST) if is_first else one] + [one] * (wanted.count - 1)

    def is_first(self, name: str, wanted: VideoRequest) -> bool:
        """Whether one of the videos would be the person's first short one."""
        is_taken = any(
            PERSON[video.owner] == PERSON[name] and video.is_first and video.status not in FREE
            for video in self.bought.values()
        )
        return wanted.duration_s <= 8 and wanted.resolution == "720p" and not is_taken

    def has_claimed(self, video_id: str) -> bool:
        """Which of two forms at once was the first, only the table knows."""
        query = text("SELECT 1 FROM identities WHERE first_video_id = :id")
        return self.call(lambda: db.session.scalar(query, {"id": video_id}) is not None)

    def is_allowed(self, name: str, wanted: VideoRequest) -> bool:
        """Whether the hour still has room."""
        recent = sum(v.owner == name and v.is_recent for v in self.bought.values())
        return recent + wanted.count <= HOURLY

    def refusals(self, name: str, wanted: VideoRequest, price: int) -> set[type[Exception]]:
        """Every reason there is to refuse this request."""
        fair = self.price_of(name, wanted)
        return {
            kind
            for kind, is_reason in (
                (TooMany, not self.is_allowed(name, wanted)),
                (PriceChanged, price != fair),
                (NotEnoughCredits, fair > self.balances[name]),
            )
            if is_reason
        }

    def is_open(self, video_id: str) -> bool:
        """Whether the video can still end."""
        return bool(MOVES[self.bought[video_id].status])

    # What people do ------------------------------------------------------------------------------

    def wanted(self, duration_s: int, resolution: str, number: int, prompt: str) -> VideoRequest:
        """A valid request."""
        form = {"type": "glass-fruit", "prompt": prompt, "count": str(number)}
        form |= {"duration": str(duration_s), "resolution": resolution}
        request: VideoRequest = self.call(requests.parse, form)
        return request

    def new_token(self) -> str:
        """One that was refused before, or a fresh one."""
        return self.unused_tokens.pop() if self.unused_tokens else f"token-{next(self.numbers)}"

    def request(self, name: str, wanted: VideoRequest, price: int) -> Form | None:
        """Send a form; the model says whether it must be taken."""
        token, reasons = self.new_token(), self.refusals(name, wanted, price)
        is_first = self.is_first(name, wanted)
        try:
            ids = self.call(
                videos.request_video, self.ids[name], wanted, token=token, price_credits=price
            )
        except UserError as error:
            self.unused_tokens.append(token)
            self.expect(f"refused: {error!r}, reasons {reasons}", type(error) in reasons)
            return None
        self.expect(f"taken, with reasons to refuse it: {reasons}", not reasons)
        return self.bought_by(name, wanted, token, ids, is_first)

    def bought_by(
        self, name: str, wanted: VideoRequest, token: str, ids: list[str], is_first: bool
    ) -> Form:
        """Tell the model of a form that was taken."""
        costs = self.costs(wanted, is_first=is_first)
        for video_id, cost in zip(ids, costs, strict=True):
            self.bought[video_id] = Bought(name, cost, is_first and video_id == ids[0])
            self.balances[name] -= cost
        return Form(name, wanted, token, tuple(ids))

    def an_hour_passes(self) -> None:
        """Every video becomes an hour older."""

        def age() -> None:
            an_hour_ago = now() - timedelta(minutes=61)
            db.session.execute(update(Video).values(created_at=an_hour_ago))
            db.session.commit()

        self.call(age)
        for video in self.bought.values():
            video.is_recent = False

    def old_lease(self, video_id: str) -> Lease:
        """What a worker holds that overslept: the newest attempt, an old token."""

        def newest() -> Any:
            attempts = db.select(Attempt.id).where(Attempt.video_id == video_id)
            return db.session.scalar(attempts.order_by(Attempt.id.desc()))

        return Lease(self.call(newest) or video_id, "an old token")

    # Comparing -----------------------------------------------------------------------------------

    def check(self) -> None:
        """Invariants first, then the model against the tables."""
        found = broken(self.app, self.without_video)
        assert not found, f"broken: {found}"
        self.look()
        with self.app.app_context():
            query = text("SELECT user_id, total_credits - used_credits FROM credit_accounts")
            balances = {row[0]: row[1] for row in db.session.execute(query)}
        assert {name: balances[self.ids[name]] for name in EMAILS} == self.balances
        assert self.surprises == []

    def look(self) -> None:
        """Where every video is now: it came by an edge of MOVES, and a free end gives credits."""
        with self.app.app_context():
            query = text("SELECT id, status, cost_credits FROM videos")
            states = db.session.execute(query).all()
        assert {row.id for row in states} == self.bought.keys()
        for row in states:
            self._move(row.id, row.status, row.cost_credits)

    def _move(self, video_id: str, status: str, cost: int) -> None:
        video = self.bought[video_id]
        assert cost == video.cost
        if status == video.status:
            return
        assert status in MOVES[video.status], f"{video.status} -> {status}"
        video.status = status
        if status in FREE:
            self.balances[video.owner] += video.cost
