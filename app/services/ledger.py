"""Reading the ledger: pages, totals and what an entry was for. Nothing here writes."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row, case, func, select

from app import limits
from app.extensions import db
from app.models import Attempt, CreditEntry, Purchase, Video


def _with_titles(user_id: int):  # type: ignore[no-untyped-def]
    """A user's entries, newest first, each with the video or the purchase it is about."""
    return (
        select(
            CreditEntry.id,
            CreditEntry.created_at,
            CreditEntry.kind,
            CreditEntry.amount,
            CreditEntry.balance_after,
            CreditEntry.reason,
            CreditEntry.reference,
            case((Video.deleted_at.is_(None), Video.id), else_=None).label("video_id"),
            func.coalesce(Video.title, "").label("title"),
            Purchase.id.label("purchase_id"),
            Purchase.pack,
        )
        .outerjoin(Video, Video.id == CreditEntry.reference)
        .outerjoin(Purchase, Purchase.id == CreditEntry.reference)
        .where(CreditEntry.user_id == user_id)
        .order_by(CreditEntry.id.desc())
    )


def page(
    user_id: int, before: int | None = None, size: int = limits.CREDITS_PAGE_ENTRIES
) -> tuple[list[Row[Any]], int | None]:
    """One keyset page of a user's entries, and the cursor of the next (None on the last)."""
    query = _with_titles(user_id)
    if before is not None:
        query = query.where(CreditEntry.id < before)
    rows = list(db.session.execute(query.limit(size + 1)))
    return rows[:size], rows[size - 1].id if len(rows) > size else None


def every(user_id: int) -> Iterator[Row[Any]]:
    """All entries of a user, newest first, fetched a thousand at a time."""
    yield from db.session.execute(_with_titles(user_id).execution_options(yield_per=1000))


def totals(user_id: int) -> dict[str, int]:
    """Credits ever granted, taken back, spent and returned: the balance, in four sums."""

    def sum_of(condition: Any) -> Any:
        return func.coalesce(func.sum(case((condition, CreditEntry.amount), else_=0)), 0)

    is_of_videos = CreditEntry.kind.in_(("spend", "refund"))
    row = db.session.execute(
        select(
            sum_of(~is_of_videos & (CreditEntry.amount > 0)),
            -sum_of(~is_of_videos & (CreditEntry.amount < 0)),
            -sum_of(CreditEntry.kind == "spend"),
            sum_of(CreditEntry.kind == "refund"),
        ).where(CreditEntry.user_id == user_id)
    ).one()
    return dict(zip(("granted", "taken", "spent", "returned"), map(int, row), strict=True))


def returned(user_id: int, size: int = 5) -> list[Row[Any]]:
    """The newest entries by which a video's credits came back, of videos that are still there."""
    came_back = _with_titles(user_id).where(
        CreditEntry.kind == "refund", Video.id.is_not(None), Video.deleted_at.is_(None)
    )
    return list(db.session.execute(came_back.limit(size)))


def of_video(video_id: str) -> list[CreditEntry]:
    """The entries of one video, oldest first."""
    return list(
        db.session.scalars(
            select(CreditEntry).where(CreditEntry.reference == video_id).order_by(CreditEntry.id)
        )
    )


def attempts_of(video_id: str) -> list[Attempt]:
    """The submissions of one video, oldest first."""
    return list(
        db.session.scalars(
            select(Attempt).where(Attempt.video_id == video_id).order_by(Attempt.number)
        )
    )
