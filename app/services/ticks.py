"""Periodic work is claimed in the database, so that any number of workers do it once."""

from datetime import timedelta

from sqlalchemy import update
from sqlalchemy.dialects import postgresql, sqlite

from app.models import Tick, now
from app.services.transactions import write_transaction

CLOCK_SLACK_S = 60


def claim(name: str, every_s: float) -> bool:
    """Whether this caller may do `name` now; then nobody may again for `every_s` seconds.

    Huey repeats periodic tasks with each consumer and at every restart: this makes them one.
    """
    moment = now()
    next_at = moment + timedelta(seconds=every_s)
    # Due later than anybody could have written: the clock was set back since.  A minute is for the
    # workers that read their clocks at the same moment.
    too_far = next_at + timedelta(seconds=CLOCK_SLACK_S)
    is_due = (Tick.due_at <= moment) | (Tick.due_at > too_far)
    with write_transaction() as connection:
        claimed = connection.execute(
            update(Tick).where(Tick.name == name, is_due).values(due_at=next_at)
        )
        if claimed.rowcount:
            return True
        insert_into = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        written = connection.scalar(
            insert_into(Tick)
            .values(name=name, due_at=next_at)
            .on_conflict_do_nothing()
            .returning(Tick.name)
        )
    return written is not None


def make_due(name: str) -> None:
    """Let the next claim of `name` succeed at once: there is something new to do."""
    put_off(name, 0)


def put_off(name: str, seconds: float) -> None:
    """Let the next claim of `name` succeed in so many seconds."""
    due_at = now() + timedelta(seconds=seconds)
    with write_transaction() as connection:
        connection.execute(update(Tick).where(Tick.name == name).values(due_at=due_at))
