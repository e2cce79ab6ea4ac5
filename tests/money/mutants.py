"""Money verbs with the mistakes that the machine and the races are there to find.

Each mutant is the mistake alone: transactions, guards and keys of everything else stay.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from flask import Flask
from sqlalchemy import (
    Connection,
    bindparam,
    exists,
    insert,
    inspect,
    literal,
    select,
    text,
    update,
)

from app.extensions import db
from app.models import CreditAccount, CreditEntry, now
from app.services import credits, transactions, videos
from app.services.transactions import Statement, write_transaction

_account = CreditAccount.__table__
_seen = threading.local()
"""What this thread read: {user id: [total credits, used credits]}."""
HAS_READ = "SELECT 'the accounts were read'"
"""What `read_then_write` says when it has read, and holds no lock: there a race may meet."""


def read_then_write(patch: pytest.MonkeyPatch) -> None:
    """A verb reads the accounts when it begins, decides on what it read, and writes that back."""
    for module in (transactions, videos):
        patch.setattr(module, "write_transaction", _after_reading)
    patch.setattr(credits, "spend", _spend_as_seen)
    as_videos_knows_it = SimpleNamespace(**{**vars(credits), "lock": _balance_seen})
    patch.setattr(videos, "credits", as_videos_knows_it)  # grants and refunds still lock


@contextmanager
def _after_reading() -> Iterator[Connection]:
    with db.engine.connect() as connection:
        _seen.accounts = {row[0]: list(row[1:]) for row in connection.execute(select(_account))}
        connection.execute(text(HAS_READ))
    with write_transaction() as connection:
        yield connection


def _balance_seen(_connection: Connection, user_id: int) -> int:
    total, used = _seen.accounts[user_id]
    return int(total - used)


def _spend_as_seen(
    connection: Connection, user_id: int, cost_credits: int, *, key: str, reference: str
) -> int:
    balance = _balance_seen(connection, user_id) - cost_credits
    if balance < 0:
        raise credits.not_enough(cost_credits, balance + cost_credits)
    if connection.scalar(select(CreditEntry.id).where(CreditEntry.key == key)):
        raise credits.AlreadySpent(key)
    _seen.accounts[user_id][1] += cost_credits
    connection.execute(
        update(_account)
        .where(_account.c.user_id == user_id)
        .values(used_credits=_seen.accounts[user_id][1])
    )
    _write(connection, user_id, "spend", -cost_credits, balance, "video", key, reference)
    return balance


def refund_without_unique_key(patch: pytest.MonkeyPatch) -> None:
    """A refund is written without a look at its key; for databases that `drop_unique_key` made."""
    patch.setattr(credits, "_WRITE_ONCE", dict.fromkeys(credits._WRITE_ONCE, _write_if_new()))
    patch.setattr(credits, "refund", _refund_again)


def drop_unique_key(app: Flask) -> None:
    """Make this app's database a scratch one: any number of entries may have the same key."""
    with app.app_context(), db.engine.begin() as connection:
        keys = inspect(connection).get_unique_constraints("credit_entries")
        if not keys:
            return
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("credit_entries") as table:
            table.drop_constraint("uq_credit_entries_key", type_="unique")


def _write_if_new() -> Statement:
    """What spends and grants make do with: ON CONFLICT wants the key that is not there."""
    entries = CreditEntry.__table__
    row = select(*(bindparam(name, type_=entries.c[name].type) for name in credits._COLUMNS)).where(
        ~exists(select(literal(1)).where(entries.c.key == bindparam("key")))
    )
    return Statement(insert(entries).from_select(credits._COLUMNS, row, include_defaults=False))


def _refund_again(
    connection: Connection, user_id: int, amount: int, *, key: str, reason: str, reference: str
) -> bool:
    balance = credits.lock(connection, user_id) + amount
    _write(connection, user_id, "refund", amount, balance, reason, key, reference)
    connection.execute(
        update(_account)
        .where(_account.c.user_id == user_id)
        .values(used_credits=_account.c.used_credits - amount)
    )
    return True


def _write(
    connection: Connection,
    user_id: int,
    kind: str,
    amount: int,
    balance_after: int,
    reason: str,
    key: str,
    reference: str,
) -> None:
    connection.execute(
        insert(CreditEntry).values(
            user_id=user_id, kind=kind, amount=amount, balance_after=balance_after, reason=reason,
            key=key, reference=reference, created_at=now(),
        )
    )  # fmt: skip
