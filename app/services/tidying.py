"""Leftovers: of processes that died, of videos that nobody will see, of forms long sent."""

import contextlib
from datetime import timedelta

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import aliased

from app import media
from app.extensions import db
from app.models import Attempt, Callback, FormToken, Mail, Screening, Video, now
from app.services import endings, vendors
from app.services.transactions import write_transaction


def tidy() -> None:
    """Remove what nobody needs: leftovers of processes that died, old form tokens and sent mails.

    Looks at the disks for a day; each step may be repeated.
    """
    day_ago = now() - timedelta(days=1)
    ended = db.session.execute(
        select(Attempt.id, Attempt.provider, Attempt.remote_id).where(Attempt.ended_at > day_ago)
    ).all()
    for attempt in ended:
        provider = vendors.current().providers.get(attempt.provider)
        if provider is not None:
            provider.forget(attempt.remote_id or attempt.id)
    other = aliased(Attempt)
    may_come = exists().where(other.video_id == Video.id, other.state.in_(("late", "ready")))
    unpaid = (
        select(Video.id)
        .join(Attempt, Attempt.video_id == Video.id)
        .where(Attempt.ended_at > day_ago, Video.status.in_(("failed", "cancelled")), ~may_come)
    )
    deleted = select(Video.id).where(Video.deleted_at > day_ago)
    for video_id in {*db.session.scalars(unpaid), *db.session.scalars(deleted)}:
        with contextlib.suppress(media.MediaError):  # one folder must not keep the others
            vendors.current().storage.delete_all(endings.folder(video_id))
    month_ago, year_ago = now() - timedelta(days=30), now() - timedelta(days=365)
    with write_transaction() as connection:
        connection.execute(delete(FormToken).where(FormToken.created_at < month_ago))
        connection.execute(delete(Mail).where(Mail.sent_at < month_ago))
        connection.execute(delete(Callback).where(Callback.received_at < month_ago))
        connection.execute(delete(Screening).where(Screening.created_at < year_ago))
