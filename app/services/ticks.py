"""Periodic work is claimed in the database, so that any number of workers do it once."""

from datetime import timedelta

from sqlalchemy import insert, select, update

from app.extensions import db
from app.models import Tick, now
from app.services.transactions import money_transaction


def claim(name: str, every_s: float) -> bool:
    """Whether this caller may do `name` now; then nobody may again for `every_s` seconds.

    Huey repeats periodic tasks with each consumer and at every restart: this makes them one.
    """
    moment = now()
    due = db.session.scalar(select(Tick.due_at).where(Tick.name == name))
    if due is not None and due > moment:
        return False
    with money_transaction() as connection:
        claimed = connection.execute(
            update(Tick)
            .where(Tick.name == name, Tick.due_at <= moment)
            .values(due_at=moment + timedelta(seconds=every_s))
        )
        if claimed.rowcount:
            return True
        if due is not None:
            return False
        connection.execute(
            insert(Tick).values(name=name, due_at=moment + timedelta(seconds=every_s))
        )
    return True


def make_due(name: str) -> None:
    """Let the next claim of `name` succeed at once: there is something new to do."""
    with money_transaction() as connection:
        connection.execute(update(Tick).where(Tick.name == name).values(due_at=now()))
