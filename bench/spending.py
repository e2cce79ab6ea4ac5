"""One debit as the site does it: guarded UPDATE, entry, video row, in one transaction.

Also the accounts to take credits from, the statements that went to the driver, and the check that
nothing was lost on the way.
"""

import random
from dataclasses import dataclass
from typing import Any

from flask import Flask
from sqlalchemy import Engine, event, func, insert, select

from app.extensions import db
from app.models import CreditAccount, CreditEntry, User, new_id, now
from app.services import credits
from app.services.transactions import write_transaction
from app.services.videos import _INSERT

ACCOUNTS = 1000
COST_CREDITS = 8


def debit(user_id: int, video_id: str) -> None:
    """What `request_video` does with the money of one video, and nothing around it."""
    with write_transaction() as connection:
        credits.spend(
            connection, user_id, COST_CREDITS, key=f"spend:{video_id}", reference=video_id
        )
        _INSERT(
            connection,
            id=video_id,
            user_id=user_id,
            type="glass-fruit",
            title="slow slicing of a glass strawberry",
            prompt="slow slicing of a glass strawberry on a wooden board",
            aspect_ratio="16:9",
            duration_s=8,
            resolution="720p",
            seed=1,
            provider="local",
            kind="local",
            image_id=None,
            scene="fruit",
            scene_recognised=True,
            request_token="b" * 32,
            cost_credits=COST_CREDITS,
            discount_credits=2,
            created_at=now(),
        )


@dataclass(frozen=True)
class Recorded:
    """The statements of one debit, with the values they carried."""

    statements: list[tuple[str, Any]]
    user_id: int
    video_id: str

    def role(self, value: object) -> str:
        """Which values change from debit to debit: `user`, `video`, `key`, or '' for the rest."""
        roles = {self.user_id: "user", self.video_id: "video", f"spend:{self.video_id}": "key"}
        return roles.get(value, "") if isinstance(value, int | str) else ""


def record(app: Flask) -> Recorded:
    """Run one debit and write down what goes to the driver."""
    heard: list[tuple[str, Any]] = []

    def hear(_connection: Any, _cursor: Any, sql: str, values: Any, *_: Any) -> None:
        if not sql.startswith("BEGIN"):
            heard.append((sql, values))

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        with app.app_context():
            # no other value of the statements is this number
            user_id, video_id = ACCOUNTS, new_id()
            debit(user_id, video_id)
    finally:
        event.remove(Engine, "before_cursor_execute", hear)
    return Recorded(heard, user_id, video_id)


def fill(app: Flask) -> None:
    """Accounts 1 to ACCOUNTS, rich enough never to be refused."""
    ids = range(1, ACCOUNTS + 1)
    with app.app_context():
        db.session.execute(
            insert(User),
            [
                {"id": i, "email": f"{i}@example.org", "is_admin": False, "locale": "en"}
                for i in ids
            ],
        )
        db.session.execute(
            insert(CreditAccount),
            [{"user_id": i, "total_credits": 10**9, "used_credits": 0} for i in ids],
        )
        db.session.execute(  # the entries the balances come from
            insert(CreditEntry),
            [
                {
                    "user_id": i, "kind": "adjustment", "amount": 10**9, "balance_after": 10**9,
                    "reason": "bench", "key": f"bench:{i}",
                }
                for i in ids
            ],
        )  # fmt: skip
        db.session.commit()


def check(app: Flask) -> None:
    """Balances are the sums of entries, else the fast debit has lost credits."""
    with app.app_context():
        balance = CreditAccount.total_credits - CreditAccount.used_credits
        balances = db.session.scalar(select(func.sum(balance)))
        entries = db.session.scalar(select(func.sum(CreditEntry.amount)))
    assert balances == entries, f"balances {balances}, entries {entries}"


def anyone() -> int:
    """Some account."""
    return random.randrange(1, ACCOUNTS + 1)
