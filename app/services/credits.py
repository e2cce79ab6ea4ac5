"""Every change of a balance. These functions join the caller's write transaction, never commit.

Each verb names its event by a key: repeated, in parallel or years later, it changes nothing.
The balance is `total_credits - used_credits`; spend and refund move used_credits, every other kind
moves total_credits (money rules, docs/decisions/002).
"""

from sqlalchemy import (
    Connection,
    bindparam,
    exists,
    insert,
    literal,
    select,
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
