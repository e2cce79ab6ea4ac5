"""Huey declarations, a few lines each: the doorbells of work that the tables remember."""

from app.tasks import accounts, mail, payments, videos

__all__ = ["accounts", "mail", "payments", "videos"]


def on_start() -> None:
    """What a worker does before its first task."""
    videos.wake_up()
