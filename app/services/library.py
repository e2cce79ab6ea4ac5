"""A user's own videos: the newest for the studio, and pages of all of them for the library."""

from dataclasses import dataclass

from sqlalchemy import select

from app import catalogue, limits
from app.extensions import db
from app.models import LIVE, Video, is_id
from app.services import requests


def recent(user_id: int, size: int) -> list[Video]:
    """The user's newest videos, those being made first."""
    mine = select(Video).where(Video.user_id == user_id, Video.deleted_at.is_(None))
    live = db.session.scalars(mine.where(Video.status.in_(LIVE)).order_by(Video.id.desc()))
    ended = db.session.scalars(
        mine.where(Video.status.not_in(LIVE)).order_by(Video.id.desc()).limit(size)
    )
    return [*live, *ended]


@dataclass(frozen=True)
class Filters:
    """What a library page shows: text, type, state (all, ready, live, failed), favourites only."""

    q: str = ""
    type: str = ""
    state: str = "all"
    favourite: bool = False


_STATES = {"ready": ("completed",), "live": LIVE, "failed": ("failed", "cancelled")}


def page(
    user_id: int, filters: Filters, *, before: str = "", size: int = limits.LIBRARY_PAGE_VIDEOS
) -> tuple[list[Video], str | None]:
    """The user's videos, newest first, and the cursor of the next page (None on the last).

    Keyset paging: ids sort by time, so any depth costs the same.
    """
    query = select(Video).where(Video.user_id == user_id, Video.deleted_at.is_(None))
    if is_id(before):
        query = query.where(Video.id < before)
    if filters.q:
        wanted = "".join(filter(requests.is_text, filters.q))[: limits.SEARCH_MAX_CHARS]
        text = Video.title.icontains(wanted, autoescape=True)
        query = query.where(text | Video.prompt.icontains(wanted, autoescape=True))
    if catalogue.find_type(filters.type):
        query = query.where(Video.type == filters.type)
    if filters.state in _STATES:
        query = query.where(Video.status.in_(_STATES[filters.state]))
    if filters.favourite:
        query = query.where(Video.is_favourite.is_(True))
    rows = list(db.session.scalars(query.order_by(Video.id.desc()).limit(size + 1)))
    return rows[:size], rows[size - 1].id if len(rows) > size else None
