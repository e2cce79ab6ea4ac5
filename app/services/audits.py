"""Recomputing every balance, and the net of every video and purchase, from the ledger's entries."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import and_, case, func, select, union_all

from app.extensions import db
from app.models import PAID, CreditAccount, CreditEntry, Purchase, Video
from app.services.credits import PACK_KINDS, USED_KINDS

_account = CreditAccount.__table__
_entries = CreditEntry.__table__


@dataclass(frozen=True)
class Difference:
    """A row that does not add up: what the table says and what the entries say."""

    what: str
    stored: int
    recomputed: int


def verify_ledger() -> Iterator[Difference]:
    """Recompute every balance, and the net of videos and purchases; yield what differs."""
    yield from _accounts_that_differ()
    yield from _running_balances_that_differ()
    yield from _videos_that_differ()
    yield from _purchases_that_differ()


def _accounts_that_differ() -> Iterator[Difference]:
    """total_credits and used_credits against the sums of their kinds."""
    used = func.coalesce(
        func.sum(case((_entries.c.kind.in_(USED_KINDS), -_entries.c.amount), else_=0)), 0
    )
    total = func.coalesce(
        func.sum(case((_entries.c.kind.in_(USED_KINDS), 0), else_=_entries.c.amount)), 0
    )
    sums = (
        select(_entries.c.user_id, used.label("used"), total.label("total"))
        .group_by(_entries.c.user_id)
        .subquery()
    )
    columns = (
        func.coalesce(_account.c.total_credits, 0),
        func.coalesce(sums.c.total, 0),
        func.coalesce(_account.c.used_credits, 0),
        func.coalesce(sums.c.used, 0),
    )
    is_same_user = _account.c.user_id == sums.c.user_id  # SQLite before 3.39 has no FULL JOIN
    with_account = select(_account.c.user_id, *columns).join_from(
        _account, sums, is_same_user, isouter=True
    )
    without = select(sums.c.user_id, *columns).join_from(sums, _account, is_same_user, isouter=True)
    without = without.where(_account.c.user_id.is_(None))
    for user_id, total, total_sum, used_now, used_sum in db.session.execute(
        union_all(with_account, without).execution_options(yield_per=1000)
    ):
        if total != total_sum:
            yield Difference(f"user {user_id} total_credits", total, int(total_sum))
        if used_now != used_sum:
            yield Difference(f"user {user_id} used_credits", used_now, int(used_sum))


def _running_balances_that_differ() -> Iterator[Difference]:
    """balance_after of every entry against the sum of the entries up to it."""
    running = (
        func.sum(_entries.c.amount)
        .over(partition_by=_entries.c.user_id, order_by=_entries.c.id)
        .label("running")
    )
    lines = select(_entries.c.id, _entries.c.balance_after, running).subquery()
    rows = db.session.execute(select(lines).where(lines.c.balance_after != lines.c.running))
    for entry_id, stored, recomputed in rows:
        yield Difference(f"entry {entry_id} balance_after", stored, int(recomputed))


def _videos_that_differ() -> Iterator[Difference]:
    """A video's net is its cost, or 0 when failed, cancelled, a gift or refunded for its sound."""
    video = Video.__table__
    sums = (
        select(_entries.c.reference, func.sum(-_entries.c.amount).label("net"))
        .where(_entries.c.kind.in_(USED_KINDS))
        .group_by(_entries.c.reference)
        .subquery()
    )
    is_free = video.c.status.in_(("failed", "cancelled")) | video.c.is_gift | video.c.sound_refunded
    expected = case((is_free, 0), else_=video.c.cost_credits)
    net = func.coalesce(sums.c.net, 0)
    rows = db.session.execute(
        select(video.c.id, net, expected)
        .select_from(video.outerjoin(sums, and_(sums.c.reference == video.c.id)))
        .where(net != expected)
    )
    for video_id, stored, should_be in rows:
        yield Difference(f"video {video_id} net", int(stored), int(should_be))
    orphans = db.session.execute(
        select(sums.c.reference, sums.c.net)
        .select_from(sums.outerjoin(video, sums.c.reference == video.c.id))
        .where(video.c.id.is_(None))
    )
    for reference, net_value in orphans:
        yield Difference(f"entries of unknown video {reference}", int(net_value), 0)


def _purchases_that_differ() -> Iterator[Difference]:
    """A purchase's net is its credits less what was taken back, or 0 while it is not paid."""
    purchase = Purchase.__table__
    sums = (
        select(_entries.c.reference, func.sum(_entries.c.amount).label("net"))
        .where(_entries.c.kind.in_(PACK_KINDS))
        .group_by(_entries.c.reference)
        .subquery()
    )
    expected = case(
        (purchase.c.status.in_(PAID), purchase.c.credits - purchase.c.clawed_credits), else_=0
    )
    net = func.coalesce(sums.c.net, 0)
    rows = db.session.execute(
        select(purchase.c.id, net, expected)
        .select_from(purchase.outerjoin(sums, sums.c.reference == purchase.c.id))
        .where(net != expected)
    )
    for purchase_id, stored, should_be in rows:
        yield Difference(f"purchase {purchase_id} net", int(stored), int(should_be))
    strange = _entries.c.reference.is_not(None) & (
        purchase.c.id.is_(None) | purchase.c.user_id.is_distinct_from(_entries.c.user_id)
    )
    rows = db.session.execute(
        select(_entries.c.id, _entries.c.amount)
        .select_from(_entries.outerjoin(purchase, purchase.c.id == _entries.c.reference))
        .where(_entries.c.kind.in_(PACK_KINDS), strange)
    )
    for entry_id, amount in rows:
        yield Difference(f"entry {entry_id} of a purchase of nobody's or another's", amount, 0)
