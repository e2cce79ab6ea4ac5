"""What Creem writes down: products, checkouts, orders, transactions, and the money that goes back.

Amounts are cents, times are seconds since 1970. Where no public source says how something is
reckoned, it stands here in one place: `reckon`.
"""

import secrets
import string
from dataclasses import dataclass, field
from typing import Any

LETTERS = string.ascii_letters + string.digits


@dataclass
class Product:
    """Something to buy once. With tax_mode exclusive, tax comes on top of the price."""

    id: str
    name: str
    price_cents: int
    currency: str = "USD"
    tax_mode: str = "exclusive"
    description: str = "Credits, bought once. They do not expire."
    default_success_url: str | None = None
    created_at: float = 1767225600.0


@dataclass
class Discount:
    """A code that takes a share off. `products` empty: off everything."""

    id: str
    code: str
    percent: int
    name: str = ""
    products: list[str] = field(default_factory=list)
    redeemed: int = 0


@dataclass
class Customer:
    """Whoever paid, known by the address that was typed on the pay page."""

    id: str
    email: str
    country: str
    created_at: float
    name: str | None = None


@dataclass
class Checkout:
    """A pay page. `email` and `discount_code` are what it is filled in with."""

    id: str
    product_id: str
    created_at: float
    units: int = 1
    request_id: str | None = None
    metadata: dict[str, Any] | None = None
    success_url: str | None = None
    email: str = ""
    custom_price: int | None = None
    discount_code: str | None = None
    status: str = "pending"  # pending, processing, completed, expired
    order_id: str | None = None
    customer_id: str | None = None
    declined_id: str | None = None  # the last transaction that a card was declined for


@dataclass
class Amounts:
    """What a checkout comes to."""

    price: int
    discount: int
    tax: int
    paid: int


@dataclass
class Order:
    """A checkout that was paid."""

    id: str
    checkout_id: str
    product_id: str
    customer_id: str
    amounts: Amounts
    currency: str
    created_at: float
    transaction_id: str | None
    discount_id: str | None = None


@dataclass
class Transaction:
    """One attempt to take money: paid or declined."""

    id: str
    checkout_id: str
    product_id: str
    customer_id: str
    amounts: Amounts
    currency: str
    created_at: float
    country: str
    status: str = "paid"  # paid, declined, partialRefund, refunded, chargedBack
    order_id: str | None = None
    refunded: int = 0  # cents that went back, all refunds together
    is_disputed: bool = False


@dataclass
class Refund:
    """Money on its way back. Only a succeeded one counts in its transaction."""

    id: str
    transaction_id: str
    cents: int
    status: str  # pending, requiresAction, succeeded, failed, canceled
    reason: str
    created_at: float


@dataclass
class Dispute:
    """A buyer's bank took the money back."""

    id: str
    transaction_id: str
    cents: int
    created_at: float


@dataclass
class Books:
    """All of it, by id."""

    products: dict[str, Product] = field(default_factory=dict)
    discounts: dict[str, Discount] = field(default_factory=dict)
    customers: dict[str, Customer] = field(default_factory=dict)
    checkouts: dict[str, Checkout] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    transactions: dict[str, Transaction] = field(default_factory=dict)
    refunds: dict[str, Refund] = field(default_factory=dict)
    disputes: dict[str, Dispute] = field(default_factory=dict)


def new_id(prefix: str) -> str:
    """As Creem's look: ch_4l0N34kxo16AhRKUHFUuXr. Random, so that two runs never share one."""
    return prefix + "_" + "".join(secrets.choice(LETTERS) for _ in range(22))


def reckon(
    product: Product, checkout: Checkout, discount: Discount | None, tax_percent: int
) -> Amounts:
    """What is to be paid: the discount off the price, tax on the rest, half a cent rounded up."""
    price = product.price_cents if checkout.custom_price is None else checkout.custom_price
    price *= checkout.units
    off = _share(price, discount.percent, 100) if discount else 0
    rest = price - off
    if product.tax_mode == "inclusive":
        return Amounts(price, off, _share(rest, tax_percent, 100 + tax_percent), rest)
    tax = _share(rest, tax_percent, 100)
    return Amounts(price, off, tax, rest + tax)


def _share(cents: int, part: int, whole: int) -> int:
    return (2 * cents * part + whole) // (2 * whole)
