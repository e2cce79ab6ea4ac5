"""What a terminal hears: a rule that says no, an account that is not there."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import click

from app.errors import UserError
from app.models import User
from app.services import accounts

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


def get_user(email: str) -> User:
    """The account of an address; without one the command ends."""
    user = accounts.find(email)
    if user is None:
        raise click.ClickException(f"{email} has no account")
    return user
