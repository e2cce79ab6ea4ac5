"""What a rule says when it says no. Plain exceptions, no Flask.

A message is an English sentence known to the translations and marked by `_l`; the edge that shows
it translates it with its `values`.
"""

from typing import Any


def _l(message: str) -> str:
    """Mark a message for extraction; it is translated where it is shown."""
    return message


class UserError(Exception):
    """A rule said no; the message is fit for the visitor to read."""

    status = 422

    def __init__(self, message: str, *, field: str = "", **values: Any) -> None:
        super().__init__(message % values if values else message)
        self.message, self.field, self.values_ = message, field, values


class NotEnoughCredits(UserError):
    """The balance does not cover the price. Nothing was charged."""

    status = 402


class TooMany(UserError):
    """A limit on how often was reached; `retry_after_s` says when it frees."""

    status = 429

    def __init__(self, message: str, *, retry_after_s: int, **values: Any) -> None:
        super().__init__(message, **values)
        self.retry_after_s = retry_after_s


class NotFound(UserError):
    """Not there, or not yours: the visitor cannot tell which."""

    status = 404


class InvalidForm(UserError):
    """Several fields are wrong: `errors` maps a field to (message, values)."""

    def __init__(self, errors: dict[str, tuple[str, dict[str, Any]]]) -> None:
        super().__init__(_l("Please look at the marked fields."))
        self.errors = errors
