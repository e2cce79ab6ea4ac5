"""A rule that says no, as a terminal hears it."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import click

from app.errors import UserError

Command = TypeVar("Command", bound=Callable[..., Any])


def says_no(command: Command) -> Command:
    """Turn a rule's refusal into one line on standard error and status 1."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except UserError as error:
            raise click.ClickException(str(error)) from error

    return cast(Command, wrapped)
