"""What Creem has: pages, orders, refunds, and the events it signed of them. Nothing of the app."""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from app.payments import Settings, Status

SECRET = "whsec_of_the_machine"
KEY = "creem_test_of_the_machine"
PACKS = {"starter": (115, 990), "standard": (355, 3000), "premium": (1450, 9900)}
"""Credits and cents, as decisions.md has them."""
SETTINGS = Settings(
    base_url="http://127.0.0.1:9",
    api_key=KEY,
    webhook_secret=SECRET,
    mode="test",
    products={pack: f"prod_{pack}" for pack in PACKS},
    links={pack: f"http://127.0.0.1:9/payment/prod_{pack}" for pack in PACKS},
)
Answer = Literal["succeeded", "pending", "failed", "refused", "lost", "unheard", "cut", "cut late"]
"""To a refund of ours. lost: no answer, not done; unheard: no answer, done; cut: we die before it
is done; cut late: we die after."""


@dataclass
class Page:
    """A checkout."""

    id: str
    pack: str
    request_id: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    status: str = "pending"
    order: "Order | None" = None


@dataclass
class Order:
    """What was really paid, and what really went back."""

    id: str
    page: Page
    email: str
    paid_cents: int
    at: datetime
    wrong: str = ""  # in what it is not as agreed
    refunds: list["Refund"] = field(default_factory=list)
    disputed_at: datetime | None = None
    disputed_cents: int = 0
    is_won: bool = False

    @property
    def transaction_id(self) -> str:
        return self.id.replace("ord", "tran")

    @property
    def refunded_cents(self) -> int:
        return sum(one.cents for one in self.refunds if one.status == "succeeded")

    @property
    def left_cents(self) -> int:
        """What Creem could still refund."""
        return self.paid_cents - sum(one.cents for one in self.refunds if one.status != "failed")


@dataclass
class Refund:
    """One of a payment."""

    id: str
    order: Order
    cents: int
    status: Status
    at: datetime


@dataclass(frozen=True)
class Message:
    """A signed event, and what it says in short."""

    id: str
    kind: Literal["paid", "refund", "dispute"]
    order: Order
    body: bytes
    refund: Refund | None = None
    status: str = ""
    total_cents: int = 0
    is_ours: bool = True  # of our world: test, not prod

    @property
    def headers(self) -> dict[str, str]:
        """As its sender signs it."""
        return {"creem-signature": hmac.new(SECRET.encode(), self.body, hashlib.sha256).hexdigest()}
