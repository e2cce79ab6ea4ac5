"""What a person may ask for now: videos and payments an hour, one at the first-video price."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Select, literal, select, update

from app import limits
from app.errors import TooMany, _l
from app.extensions import db
from app.models import Identity, Purchase, User, Video, now
from app.services import pricing
from app.services.requests import VideoRequest

HOUR = timedelta(hours=1)


def check_hourly_limit(connection: Connection, user_id: int, count: int) -> None:
    """Raise TooMany where `count` more videos would pass the limit of an hour."""
    wait_s = _wait_s(
        connection,
        select(Video.created_at).where(Video.user_id == user_id),
        Video.created_at,
        limits.VIDEOS_PER_HOUR,
        count,
    )
    if wait_s:
        raise TooMany(
            _l(
                "You can make %(most)d videos an hour. Nothing was charged; "
                "the next place is free in %(minutes)d min."
            ),
            retry_after_s=wait_s,
            most=limits.VIDEOS_PER_HOUR,
            minutes=-(-wait_s // 60),
        )


def check_payments(connection: Connection, user_id: int) -> None:
    """Raise TooMany where one more purchase would pass the limit of an hour."""
    wait_s = _wait_s(
        connection,
        select(Purchase.created_at).where(
            Purchase.user_id == user_id, Purchase.road.in_(("api", "link"))
        ),
        Purchase.created_at,
        limits.PAYMENTS_PER_HOUR,
        1,
    )
    if wait_s:
        raise TooMany(
            _l(
                "You can begin %(most)d payments an hour. Nothing was charged; "
                "you can begin the next one in %(minutes)d min."
            ),
            retry_after_s=wait_s,
            most=limits.PAYMENTS_PER_HOUR,
            minutes=-(-wait_s // 60),
        )


def _wait_s(connection: Connection, times: Select[Any], column: Any, most: int, count: int) -> int:
    """Seconds until `count` more fit into an hour of at most `most`; 0: they do now.

    Rows are counted under the account's lock, so that parallel forms cannot pass together.
    """
    query = times.where(column > now() - HOUR).order_by(column.desc()).limit(most)
    known = connection.scalars(query).all()
    too_many = len(known) + count - most
    if too_many <= 0:
        return 0
    frees_at = known[len(known) - too_many] + HOUR
    return max(1, int((frees_at - now()).total_seconds()) + 1)


def has_first_video(user_id: int) -> bool:
    """Whether the first-video price is still open to this person."""
    is_open = (
        select(literal(1))
        .select_from(User)
        .join(Identity, Identity.key == User.identity_key)
        .where(User.id == user_id, Identity.first_video_id.is_(None))
    )
    return db.session.scalar(is_open) is not None


def claim_first_video(
    connection: Connection, user_id: int, video_id: str, request: VideoRequest
) -> bool:
    """Take the first-video price for `video_id`, where the request is one that it is for.

    A short one that costs less anyway takes it too: it was the first.
    """
    if not pricing.has_first_video_price(request.duration_s, request.resolution):
        return False
    key = select(User.identity_key).where(User.id == user_id).scalar_subquery()
    claimed = connection.execute(
        update(Identity)
        .where(Identity.key == key, Identity.first_video_id.is_(None))
        .values(first_video_id=video_id)
    )
    return claimed.rowcount == 1
