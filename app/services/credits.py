"""Every change of a balance. These functions join the caller's write transaction, never commit.

Each verb names its event by a key: repeated, in parallel or years later, it changes nothing.
The balance is `total_credits - used_credits`; spend and refund move used_credits, every other kind
moves total_credits (money rules, docs/decisions/002).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from app.errors import NotEnoughCredits, _l
from app.extensions import db
from app.models import CreditAccount, CreditEntry, now
from app.services.transactions import Statement, write_transaction

_account = CreditAccount.__table__
_entries = CreditEntry.__table__
_balance = _account.c.total_credits - _account.c.used_credits
USED_KINDS = ("spend", "refund")
PACK_KINDS = ("purchase", "clawback", "reinstatement")


class AlreadySpent(RuntimeError):
    """This key was spent before; the transaction must be given up."""


_TAKE = Statement(
    update(_account)
    .where(_account.c.user_id == bindparam("user"), _balance >= bindparam("cost"))
    .values(used_credits=_account.c.used_credits + bindparam("cost"))
    .returning(_balance)
)
_LOCK = Statement(  # takes the row's lock before anything is read from it
    update(_account)
    .where(_account.c.user_id == bindparam("user"))
    .values(used_credits=_account.c.used_credits)
    .returning(_balance)
)
_GIVE_BACK = Statement(
    update(_account)
    .where(_account.c.user_id == bindparam("user"))
    .values(used_credits=_account.c.used_credits - bindparam("credits"))
)
_ADD = Statement(
    update(_account)
    .where(_account.c.user_id == bindparam("user"))
    .values(total_credits=_account.c.total_credits + bindparam("credits"))
)
_COLUMNS = (
    "user_id", "kind", "amount", "balance_after", "reason", "reference", "key", "created_at",
)  # fmt: skip


def _write_once(dialect: str) -> Statement:
    """INSERT unless the key is there; ON CONFLICT waits for a writer that is still under way."""
    insert_into = sqlite.insert if dialect == "sqlite" else postgresql.insert
    row = select(*(bindparam(name, type_=_entries.c[name].type) for name in _COLUMNS)).where(
        ~exists(select(literal(1)).where(_entries.c.key == bindparam("key")))
    )
    return Statement(
        insert_into(_entries)
        .from_select(_COLUMNS, row, include_defaults=False)
        .on_conflict_do_nothing(index_elements=[_entries.c.key])
    )


_WRITE_ONCE = {name: _write_once(name) for name in ("sqlite", "postgresql")}


def open_account(connection: Connection, user_id: int) -> None:
    """Give a new user an empty account."""
    connection.execute(insert(_account).values(user_id=user_id, total_credits=0, used_credits=0))


def lock(connection: Connection, user_id: int) -> int:
    """Hold the user's account until the transaction ends; returns the balance."""
    row = _LOCK(connection, user=user_id).first()
    if row is None:
        raise LookupError(f"user {user_id} has no credit account")
    return int(row[0])


def not_enough(cost_credits: int, balance: int) -> NotEnoughCredits:
    """The refusal that names both numbers."""
    return NotEnoughCredits(
        _l("You need %(cost)d credits and have %(have)d. Nothing was charged."),
        cost=cost_credits,
        have=balance,
    )


def spend(
    connection: Connection, user_id: int, cost_credits: int, *, key: str, reference: str
) -> int:
    """Take credits for a video and return the balance after, never below zero.

    Raises NotEnoughCredits, or AlreadySpent when the key was used: then nothing was taken.
    """
    if cost_credits <= 0:
        raise ValueError("a spend takes one credit or more")
    row = _TAKE(connection, user=user_id, cost=cost_credits).first()
    if row is None:
        if connection.scalar(select(_entries.c.id).where(_entries.c.key == key)):
            raise AlreadySpent(key)
        raise not_enough(cost_credits, balance_of(user_id, connection))
    written = _WRITE_ONCE[connection.dialect.name](
        connection,
        user_id=user_id,
        kind="spend",
        amount=-cost_credits,
        balance_after=row[0],
        reason="video",
        reference=reference,
        key=key,
        created_at=now(),
    )
    if written.rowcount != 1:
        raise AlreadySpent(key)  # rolls the caller's transaction back, the UPDATE included
    return int(row[0])


def refund(
    connection: Connection, user_id: int, credits: int, *, key: str, reason: str, reference: str
) -> bool:
    """Give spent credits back, once a key. Returns whether this call did it."""
    if credits <= 0:
        raise ValueError("a refund gives one credit or more")
    return _add_once(connection, user_id, credits, "refund", key, reason, reference)


def grant(
    connection: Connection,
    user_id: int,
    credits: int,
    *,
    kind: str,
    key: str,
    reason: str,
    reference: str | None = None,
) -> bool:
    """Add credits to (or, for an adjustment, take from) the total, once a key."""
    return _add_once(connection, user_id, credits, kind, key, reason, reference)


def _add_once(
    connection: Connection,
    user_id: int,
    credits: int,
    kind: str,
    key: str,
    reason: str,
    reference: str | None,
) -> bool:
    """The entry is written first: whoever writes it moves the balance, everyone else does nothing.

    The account's lock comes before, so that balance_after is exact under concurrency.
    """
    balance = lock(connection, user_id)
    written = _WRITE_ONCE[connection.dialect.name](
        connection,
        user_id=user_id,
        kind=kind,
        amount=credits,
        balance_after=balance + credits,
        reason=reason,
        reference=reference,
        key=key,
        created_at=now(),
    )
    if written.rowcount != 1:
        return False
    move = _GIVE_BACK if kind in USED_KINDS else _ADD
    move(connection, user=user_id, credits=credits)
    return True


def adjust(user_id: int, credits: int, *, key: str, reason: str) -> bool:
    """An operator's correction, in a transaction of its own. Returns whether this call did it."""
    with write_transaction() as connection:
        return grant(connection, user_id, credits, kind="adjustment", key=key, reason=reason)


def balance_of(user_id: int, connection: Connection | None = None) -> int:
    """The user's credits: below zero they are owed."""
    query = select(_balance).where(_account.c.user_id == user_id)
    return int((connection or db.session).scalar(query) or 0)


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
    from app.models import Video

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
    from app.models import PAID, Purchase

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
