"""Attempts whose next question is due: claimed in a batch, and when they are due again."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Select, exists, select, update
from sqlalchemy.orm import aliased

from app import limits
from app.extensions import db
from app.models import Attempt, Callback, Video, new_id, now
from app.providers import Capabilities, Provider, ProviderError, Report
from app.services import keys, leases, vendors
from app.services.leases import Lease
from app.services.transactions import write_transaction

MAX_POLL_S = 2 * limits.GIFT_POLL_S
EARLY_S = 1.5
"""Sweeps are two to three seconds apart: rather asked half of that early than all of it late."""
ASKED = ("processing", "late")


class Claimed(NamedTuple):
    """What is needed of an attempt to ask about it: ten thousand whole rows would cost more."""

    id: str
    video_id: str
    provider: str
    provider_key: str
    worker: str
    remote_id: str | None
    state: str
    expected_s: float | None
    created_at: datetime
    accepted_at: datetime | None
    next_poll_at: datetime


_COLUMNS = [getattr(Attempt, name) for name in Claimed._fields]


@dataclass(frozen=True)
class Due:
    """A claimed attempt, with what is needed of its video, of its provider and of its key."""

    lease: Lease
    attempt: Claimed
    duration_s: int
    status: str
    cancel_requested: bool
    provider: Provider | None
    can: Capabilities | None  # of the provider: asked for once a batch
    secret: str
    told_id: str | None  # a callback named this task while we have no handle

    @property
    def elapsed_s(self) -> float:
        """Seconds since the provider accepted it."""
        return (now() - (self.attempt.accepted_at or self.attempt.created_at)).total_seconds()


@dataclass(frozen=True)
class Answer:
    """What came of asking. `stopped`: it is certain that no result comes any more."""

    due: Due
    report: Report | None = None
    error: ProviderError | None = None
    stopped: bool = False
    was_asked: bool = True  # whether the provider was asked at all
    handle: str | None = None  # found out by a callback


def claim(*, is_first: bool = True) -> list[Due]:
    """Lease a batch of attempts whose next question is due, in one short transaction.

    The first batch of a sweep also takes what is asked about whatever its time.
    """
    moment, token = now(), new_id()
    wanted = [_whose_time_has_come(moment)]
    if is_first:
        wanted.append(_out_of_turn(moment))
    with write_transaction() as connection:
        ids = [found for query in wanted for found in connection.scalars(query)]
        if not ids:
            return []
        connection.execute(
            update(Attempt).where(Attempt.id.in_(ids)).values(**leases.values(Lease("", token)))
        )
    rows = db.session.execute(
        select(*_COLUMNS, Video.duration_s, Video.status, Video.cancel_requested)
        .join(Video, Video.id == Attempt.video_id)
        .where(Attempt.id.in_(ids), Attempt.lease_token == token)
    ).all()
    found = [(Claimed(*row[:-3]), *row[-3:]) for row in rows]
    who = {(attempt.provider, attempt.provider_key) for attempt, *_ in found}
    makers = {one: _maker(*one) for one in who}
    told = {one.id: told_id(one.id) for one, *_ in found if not one.remote_id}
    db.session.rollback()  # no transaction is open while the providers are asked
    return [
        Due(
            Lease(attempt.id, token),
            attempt,
            duration_s,
            status,
            cancel,
            *makers[attempt.provider, attempt.provider_key],
            told.get(attempt.id),
        )
        for attempt, duration_s, status, cancel in found
    ]


def _whose_time_has_come(moment: datetime) -> Select[str]:
    soon = moment + timedelta(seconds=EARLY_S)
    return _free(moment).where(Attempt.next_poll_at <= soon).order_by(Attempt.next_poll_at)


def _out_of_turn(moment: datetime) -> Select[str]:
    """Asked to stop, or with a time that was written before the clock was set back.

    A question of its own: with a join or an OR all that is in flight is looked at for each batch.
    """
    stops = db.session.scalars(
        select(Attempt.id)
        .join(Video, Video.id == Attempt.video_id)
        .where(
            Video.status == "processing",
            Video.cancel_requested,
            Attempt.state == "processing",
            Attempt.next_poll_at > moment,
        )
        .limit(limits.ASK_BATCH)
    ).all()
    is_too_far = Attempt.next_poll_at > moment + timedelta(seconds=MAX_POLL_S)
    return _free(moment).where(is_too_far | Attempt.id.in_(stops) if stops else is_too_far)


def _free(moment: datetime) -> Select[str]:
    return (
        select(Attempt.id)
        .where(Attempt.state.in_(ASKED), leases.is_free(moment))
        .limit(limits.ASK_BATCH)
        .with_for_update(skip_locked=True)
    )


def _maker(provider: str, print_: str) -> tuple[Provider | None, Capabilities | None, str]:
    """Who has the attempts of this key, what it can do, and the key."""
    configured = vendors.current().providers.get(provider)
    key = keys.find(provider, print_) if print_ else None
    return configured, configured.capabilities if configured else None, key.secret if key else ""


def told_id(attempt_id: str) -> str | None:
    """The task that a callback named for this attempt, unless another attempt has that one."""
    other = aliased(Attempt)
    is_anothers = exists().where(
        other.provider == Callback.provider,
        other.callback_id == Callback.remote_id,
        other.id != attempt_id,
    )
    query = select(Callback.remote_id).where(Callback.attempt_id == attempt_id, ~is_anothers)
    return db.session.scalars(query.order_by(Callback.id.desc()).limit(1)).first()


def next_poll_at(due: Due) -> datetime:
    """At the provider's pace; faster near the expected end, slower for late ones."""
    can = due.can
    pace_s = can.poll_every_s if can else float(limits.POLL_PROVIDER_S)
    if can is None or can.kind == "cloud":
        pace_s *= _factor(due, can.expected_s if can else limits.FIRST_ANSWER_S)
    if due.attempt.state == "late":
        pace_s = limits.GIFT_POLL_S
    return now() + timedelta(seconds=pace_s)


def _factor(due: Due, expected_s: float) -> float:
    elapsed_s = due.elapsed_s
    for after_s, factor in limits.LATE_FACTORS:
        if elapsed_s > after_s:
            return factor
    is_near = 0.8 * expected_s <= elapsed_s <= 1.5 * expected_s
    return limits.SOON_FACTOR if is_near else 1.0
