"""Creem's entities as JSON, in the shape that its official client reads.

`object` and `mode` are everywhere, image_url is left out rather than null; transactions, refunds
and disputes have their times in milliseconds, everything else as ISO 8601 (sections 1, 2 and 4).
"""

from typing import TYPE_CHECKING, Any

from tests.simulators.creem.books import Checkout, Customer, Discount, Order, Product, Transaction
from tests.simulators.engine import utc

if TYPE_CHECKING:
    from tests.simulators.creem.house import CreemHouse

Body = dict[str, Any]


def iso(seconds: float) -> str:
    """2026-01-02T03:04:05.000Z"""
    return utc(seconds)[:-4] + "Z"


def ms(seconds: float) -> int:
    """Milliseconds since 1970."""
    return int(seconds * 1000)


class Printer:
    """Writes entities down; what `house.change` said about an id is said last."""

    def __init__(self, house: "CreemHouse") -> None:
        self.house = house

    def _body(self, kind: str, id: str, **fields: Any) -> Body:  # noqa: A002 - the wire's own word
        body = {"id": id, "mode": self.house.switches.mode, "object": kind, **fields}
        body |= self.house.changes.get(id, {})
        return {name: value for name, value in body.items() if value is not ...}

    def product(self, product: Product) -> Body:
        """A product that is bought once."""
        return self._body(
            "product",
            product.id,
            name=product.name,
            description=product.description,
            price=product.price_cents,
            currency=product.currency,
            billing_type="onetime",
            billing_period="once",
            status="active",
            tax_mode=product.tax_mode,
            tax_category="saas",
            product_url=f"{self.house.base_url}/payment/{product.id}",
            default_success_url=product.default_success_url,
            created_at=iso(product.created_at),
            updated_at=iso(product.created_at),
        )

    def customer(self, customer: Customer) -> Body:
        """Whoever paid."""
        return self._body(
            "customer",
            customer.id,
            email=customer.email,
            name=customer.name,
            country=customer.country,
            created_at=iso(customer.created_at),
            updated_at=iso(customer.created_at),
        )

    def discount(self, discount: Discount) -> Body:
        """A code."""
        return self._body(
            "discount",
            discount.id,
            status="active",
            name=discount.name or discount.code,
            code=discount.code,
            type="percentage",
            percentage=discount.percent,
            duration="once",
            applies_to_products=discount.products or list(self.house.products),
            redeem_count=discount.redeemed,
        )

    def order(self, order_id: str) -> Body:
        """No metadata and no request_id are on an order."""
        order = self.house.orders[order_id]
        return self._order(order, "paid", order.transaction_id, order.discount_id)

    def _unpaid_order(self, declined: Transaction) -> Body:
        """What a declined card may leave behind: nobody says whether Creem tells of it."""
        order = Order(
            declined.id.replace("tran_", "ord_"), declined.checkout_id, declined.product_id,
            declined.customer_id, declined.amounts, declined.currency, declined.created_at,
            declined.id,
        )  # fmt: skip
        return self._order(order, "pending", declined.id) | {"amount_paid": 0}

    def _order(
        self, order: Order, status: str, transaction_id: str | None, discount_id: str | None = None
    ) -> Body:
        amounts = order.amounts
        return self._body(
            "order",
            order.id,
            customer=order.customer_id,
            product=order.product_id,
            transaction=transaction_id,
            discount=discount_id,
            amount=amounts.price,
            sub_total=amounts.price,
            tax_amount=amounts.tax,
            discount_amount=amounts.discount,
            amount_due=amounts.paid,
            amount_paid=amounts.paid,
            currency=order.currency,
            fx_amount=None,
            fx_currency=None,
            fx_rate=None,
            status=status,
            type="onetime",
            affiliate=None,
            created_at=iso(order.created_at),
            updated_at=iso(order.created_at),
        )

    def transaction(self, transaction_id: str) -> Body:
        """One payment; `refunded_amount` is the sum of its succeeded refunds."""
        one = self.house.transactions[transaction_id]
        return self._body(
            "transaction",
            one.id,
            amount=one.amounts.price,
            amount_paid=one.amounts.paid if one.status != "declined" else 0,
            discount_amount=one.amounts.discount,
            currency=one.currency,
            type="payment",
            tax_country=one.country,
            tax_amount=one.amounts.tax,
            status=one.status,
            refunded_amount=one.refunded or None,
            order=one.order_id,
            customer=one.customer_id,
            description="Payment",
            created_at=ms(one.created_at),
        )

    def checkout(self, checkout: Checkout, product: str = "object") -> Body:
        """A checkout. `product` says how its product is told: object or id."""
        house = self.house
        sold = house.products[checkout.product_id]
        optional: Body = {}
        if checkout.request_id is not None:
            optional["request_id"] = checkout.request_id
        if checkout.custom_price is not None:
            optional["custom_price"] = checkout.custom_price
        if checkout.order_id:
            optional["order"] = self.order(checkout.order_id)
        elif checkout.declined_id and house.switches.declined_has_order:
            optional["order"] = self._unpaid_order(house.transactions[checkout.declined_id])
        if checkout.customer_id:
            optional["customer"] = self.customer(house.customers[checkout.customer_id])
        if checkout.metadata is not None:
            optional["metadata"] = checkout.metadata
        if checkout.success_url:
            optional["success_url"] = checkout.success_url
        return self._body(
            "checkout",
            checkout.id,
            status=checkout.status,
            product=self.product(sold) if product == "object" else sold.id,
            units=checkout.units,
            custom_fields=[],
            checkout_url=house.checkout_url(checkout.id),
            **optional,
        )

    def refund(self, refund_id: str) -> Body:
        """A refund with everything that it is about."""
        refund = self.house.refunds[refund_id]
        return self._body(
            "refund",
            refund.id,
            status=refund.status,
            refund_amount=refund.cents,
            refund_currency=self.house.transactions[refund.transaction_id].currency,
            reason=refund.reason,
            created_at=ms(refund.created_at),
            **self._about(refund.transaction_id),
        )

    def dispute(self, dispute_id: str) -> Body:
        """A dispute: no status and no outcome is ever told."""
        dispute = self.house.disputes[dispute_id]
        return self._body(
            "dispute",
            dispute.id,
            amount=dispute.cents,
            currency=self.house.transactions[dispute.transaction_id].currency,
            created_at=ms(dispute.created_at),
            **self._about(dispute.transaction_id),
        )

    def _about(self, transaction_id: str) -> Body:
        """The links of refunds and disputes; request_id and metadata are in the checkout."""
        transaction = self.house.transactions[transaction_id]
        checkout = self.house.checkouts[transaction.checkout_id]
        about = {
            "transaction": self.transaction(transaction_id),
            "checkout": self.checkout(checkout, "id"),
            "customer": self.customer(self.house.customers[transaction.customer_id]),
        }
        if transaction.order_id:
            about["order"] = self.order(transaction.order_id)
        for extra in ("order", "customer"):
            about["checkout"].pop(extra, None)
        return about
