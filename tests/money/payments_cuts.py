"""A process that dies between two statements, as far as its database can tell."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from flask import Flask
from sqlalchemy import event

from app.extensions import db


class PowerCut(Exception):
    """This process is gone: nothing after it is done."""


@contextmanager
def power_cut(app: Flask, at: str) -> Iterator[list[str]]:
    """Die before the first statement that begins so, or the nth ("3"); the list holds it then.

    With "" nobody dies.
    """
    has_died: list[str] = []
    numbers = count(1)

    def before_statement(_one: object, _two: object, statement: str, *_: object) -> None:
        if not at or has_died or statement.startswith("BEGIN"):
            return
        number = str(next(numbers))
        if number == at or statement.startswith(at):
            has_died.append(statement)
            raise PowerCut(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", before_statement)
    try:
        yield has_died
    finally:
        event.remove(engine, "before_cursor_execute", before_statement)
