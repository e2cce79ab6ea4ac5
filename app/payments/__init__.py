"""Who takes the money: Creem, the merchant of record. Plain values in and out, or one error.

Amounts are cents of `currency`, times are aware UTC.  What a vendor may leave out is None or "".
Wire facts and their sources stand in docs/payments.md.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

Trouble = Literal["unavailable", "rate_limited", "refused", "not_found", "garbled"]
"""Why Creem did not do what was asked.

unavailable: no answer, or one of 5xx: whether it was done is not known; rate_limited; refused: a
clear no (key, product, body); not_found; garbled: an answer that says nothing we understand.
"""

Status = Literal["pending", "succeeded", "failed"]
"""Of a refund: pending also stands for requiresAction, failed also for canceled."""


class PaymentError(Exception):
    """Creem did not do it. The message holds no key and no personal data."""

    def __init__(
        self, trouble: Trouble, message: str, *, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.trouble, self.retry_after_s = trouble, retry_after_s


class NotSigned(Exception):
    """What came does not carry the signature of its sender: nothing of it is believed."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a buyer paid, as Creem's order and its transaction say."""

    id: str
    status: str  # pending, paid
    type: str  # onetime, recurring
    product_id: str
    currency: str
    amount_cents: int | None  # the price, before tax where tax comes on top
    discount_cents: int
    tax_cents: int | None
    paid_cents: int | None  # by the buyer, tax included; refunds are parts of it
    transaction_id: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class Checkout:
    """A payment page and what became of it."""

    id: str
    status: str  # pending, processing, completed, expired
    mode: str  # test, prod, or "" where it is neither
    url: str
    product_id: str
    units: int | None
    request_id: str  # ours, if it came through
    metadata: dict[str, str]  # ours
    order: Order | None
    customer_id: str
    email: str  # what the payer typed: never who the buyer is


@dataclass(frozen=True, slots=True)
class Transaction:
    """One payment as Creem's books have it."""

    id: str
    status: str  # pending, paid, refunded, partialRefund, chargedBack, declined, ...
    order_id: str
    currency: str
    paid_cents: int | None
    refunded_cents: int
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class Return:
    """Money that goes back: a refund or a dispute, as an event tells it."""

    id: str
    kind: Literal["refund", "dispute"]
    status: Status  # a dispute counts as succeeded: the money is gone while it lasts
    mode: str
    amount_cents: int
    currency: str
    reason: str
    transaction: Transaction
    order_id: str
    request_id: str  # of the checkout, where the event has one
    metadata: dict[str, str]
    checkout_id: str
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """A signed message. `about` is None for a type that we do not act on, and for a broken one."""

    id: str
    type: str
    created_at: datetime | None
    about: Checkout | Return | None
    problem: str = ""  # why `about` could not be read


@dataclass(frozen=True, slots=True)
class Landing:
    """The parameters of a signed return address."""

    checkout_id: str
    order_id: str
    customer_id: str
    product_id: str
    request_id: str


SIGNATURE_HEADER: Final = "creem-signature"


@dataclass(frozen=True, slots=True)
class Settings:
    """How Creem is reached, and what is sold there."""

    base_url: str
    api_key: str
    webhook_secret: str
    mode: str  # test, prod
    products: dict[str, str]  # pack -> product id
    links: dict[str, str]  # pack -> static payment link

    def __repr__(self) -> str:
        return f"Settings({self.base_url!r}, {self.mode!r})"
