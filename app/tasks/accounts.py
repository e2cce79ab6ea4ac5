"""Accounts in the background: welcome credits that the daily cap put off, sessions that ended."""

from huey import crontab

from app.extensions import huey, in_app_context
from app.services import identities, sessions, ticks

HOUR_S = 3600
DAY_S = 24 * HOUR_S
SLACK_S = 30
"""Huey looks once a minute: a tick is due a little before the look that wants it."""


@huey.periodic_task(crontab(minute="*"))
@in_app_context
def grant_due_welcomes() -> None:
    """Each hour, whatever the minute the worker started at."""
    if ticks.claim("welcomes", HOUR_S - SLACK_S):
        identities.grant_due_welcomes()


@huey.periodic_task(crontab(minute="*"))
@in_app_context
def delete_ended_sessions() -> None:
    """Each day."""
    if ticks.claim("sessions", DAY_S - SLACK_S):
        sessions.delete_ended()
