"""What became of a message about a payment, as plain values."""

from dataclasses import dataclass
from typing import Literal, NamedTuple


class Alert(NamedTuple):
    """Something that a person should look at, to be written with what it is about."""

    kind: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """done, ignored (nothing to do here), parked (a person decides), and why."""

    outcome: Literal["done", "ignored", "parked"]
    reason: str
    purchase_id: str | None = None
    alerts: tuple[Alert, ...] = ()
