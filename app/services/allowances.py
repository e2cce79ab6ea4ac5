"""What a person may ask for now: so many videos an hour, and one at the first-video price."""

from datetime import timedelta

from sqlalchemy import Connection, literal, select, update

from app import limits
from app.errors import TooMany, _l
from app.extensions import db
from app.models import Identity, User, Video, now
from app.services import pricing
from app.services.requests import VideoRequest


def check_hourly_limit(connection: Connection, user_id: int, count: int) -> None:
    """Raise TooMany where `count` more videos would pass the limit of an hour.

    Rows are counted under the account's lock, so that parallel forms cannot pass together.
    """
    hour_ago = now() - timedelta(hours=1)
    times = connection.scalars(
        select(Video.created_at)
        .where(Video.user_id == user_id, Video.created_at > hour_ago)
        .order_by(Video.created_at.desc())
        .limit(limits.VIDEOS_PER_HOUR)
    ).all()
    too_many = len(times) + count - limits.VIDEOS_PER_HOUR
    if too_many <= 0:
        return
    frees_at = times[len(times) - too_many] + timedelta(hours=1)
    wait_s = max(1, int((frees_at - now()).total_seconds()) + 1)
    raise TooMany(
        _l(
            "You can make %(most)d videos an hour. Nothing was charged; "
            "the next place is free in %(minutes)d min."
        ),
        retry_after_s=wait_s,
        most=limits.VIDEOS_PER_HOUR,
        minutes=-(-wait_s // 60),
    )


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
