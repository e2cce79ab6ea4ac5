"""What moves money: paying, being declined, refunds, disputes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.simulators.creem.books import (
    Amounts,
    Checkout,
    Customer,
    Discount,
    Dispute,
    Order,
    Refund,
    Transaction,
    new_id,
    reckon,
)
from tests.simulators.creem.events import Event
from tests.simulators.creem.signing import return_url

if TYPE_CHECKING:
    from tests.simulators.creem.house import CreemHouse


@dataclass(frozen=True)
class Card:
    """One of Creem's five test cards; any future date and any CVC go with it."""

    name: str
    number: str
    label: str
    refusal: str = ""


CARDS = {
    card.name: card
    for card in (
        Card("ok", "4242424242424242", "Pays"),
        Card("declined", "4000000000000002", "Declined", "The card was declined."),
        Card("no_funds", "4000000000009995", "No funds", "The card has not enough money on it."),
        Card("wrong_cvc", "4000000000000127", "Wrong CVC", "The card's security code is wrong."),
        Card("expired", "4000000000000069", "Expired", "The card has expired."),
    )
}


class NotPaid(Exception):
    """No money was taken. `transaction`: the declined one, where a card was tried."""

    def __init__(self, reason: str, transaction: Transaction | None = None) -> None:
        super().__init__(reason)
        self.reason, self.transaction = reason, transaction


@dataclass(frozen=True)
class Payment:
    """What a payment made: look at any part of it. `transaction` None: nothing was to be paid."""

    checkout: Checkout
    order: Order
    transaction: Transaction | None
    customer: Customer
    event: Event
    return_url: str | None


class Till:
    """Keeps the house's books of money. Nothing here sends anything."""

    def __init__(self, house: "CreemHouse") -> None:
        self.house = house

    def card(self, text: str) -> Card:
        """By name or number. Raises NotPaid for any other."""
        digits = "".join(text.split())
        found = [card for card in CARDS.values() if text == card.name or digits == card.number]
        if not found:
            raise NotPaid("Only the five test cards work here: no money moves.")
        return found[0]

    def discount(self, code: str | None, product_id: str) -> Discount | None:
        """The discount of a code. Raises NotPaid for one that does not exist or does not fit."""
        if not code:
            return None
        for discount in self.house.discounts.values():
            if discount.code.lower() == code.strip().lower():
                if discount.products and product_id not in discount.products:
                    break
                return discount
        raise NotPaid(f"The code {code.strip()} does not exist, or not for this.")

    def amounts(self, checkout: Checkout, discount: Discount | None) -> Amounts:
        """What there is to pay."""
        product = self.house.products[checkout.product_id]
        return reckon(product, checkout, discount, self.house.switches.tax_percent)

    def charge(
        self, checkout_id: str, *, email: str, card: str, code: str | None, country: str
    ) -> Payment:
        """Take the money. Raises NotPaid; the checkout stays open then, unless it was not."""
        house = self.house
        with house.lock:
            checkout = house.checkouts[checkout_id]
            if checkout.status != "pending":
                raise NotPaid(f"This checkout is {checkout.status}.")
            if "@" not in email:
                raise NotPaid("An e-mail address is needed.")
            discount = self.discount(code, checkout.product_id)
            amounts = self.amounts(checkout, discount)
            customer = self._customer(email, country)
            transaction = None
            if amounts.paid or house.switches.free_has_transaction:
                transaction = self._transaction(checkout, customer, amounts)
            if amounts.paid and transaction and (refusal := self.card(card).refusal):
                transaction.status, checkout.declined_id = "declined", transaction.id
                house.transactions[transaction.id] = transaction
                raise NotPaid(refusal, transaction)
            order = self._order(checkout, customer, transaction, amounts, discount)
            house.remember()
        return self._payment(checkout, order, transaction, customer)

    def _customer(self, email: str, country: str) -> Customer:
        """The paying address says who the customer is, whoever the shop thought it would be."""
        for customer in self.house.customers.values():
            if customer.email.lower() == email.lower():
                return customer
        customer = Customer(new_id("cust"), email, country, self.house.clock.now())
        self.house.customers[customer.id] = customer
        return customer

    def _transaction(self, checkout: Checkout, customer: Customer, amounts: Amounts) -> Transaction:
        return Transaction(
            new_id("tran"),
            checkout.id,
            checkout.product_id,
            customer.id,
            amounts,
            self.house.products[checkout.product_id].currency,
            self.house.clock.now(),
            customer.country,
        )

    def _order(
        self,
        checkout: Checkout,
        customer: Customer,
        transaction: Transaction | None,
        amounts: Amounts,
        discount: Discount | None,
    ) -> Order:
        order = Order(
            new_id("ord"),
            checkout.id,
            checkout.product_id,
            customer.id,
            amounts,
            self.house.products[checkout.product_id].currency,
            self.house.clock.now(),
            transaction.id if transaction else None,
            discount.id if discount else None,
        )
        if transaction:
            transaction.order_id = order.id
            self.house.transactions[transaction.id] = transaction
        if discount:
            discount.redeemed += 1
        self.house.orders[order.id] = order
        checkout.status, checkout.order_id, checkout.customer_id = (
            "completed",
            order.id,
            customer.id,
        )
        return order

    def _payment(
        self, checkout: Checkout, order: Order, transaction: Transaction | None, customer: Customer
    ) -> Payment:
        event = self.house.post.write(
            "checkout.completed",
            self.house.printer.checkout(checkout),
            checkout_id=checkout.id,
            transaction_id=transaction.id if transaction else None,
        )
        back = self.return_url(checkout)
        return Payment(checkout, order, transaction, customer, event, back)

    def return_url(self, checkout: Checkout) -> str | None:
        """Where a paid checkout sends its buyer; None where nobody said."""
        there = checkout.success_url or self.house.products[checkout.product_id].default_success_url
        if not there or not checkout.order_id:
            return None
        values = {
            "request_id": checkout.request_id,
            "checkout_id": checkout.id,
            "order_id": checkout.order_id,
            "customer_id": checkout.customer_id,
            "product_id": checkout.product_id,
        }
        return return_url(
            there,
            values,
            self.house.api_key,
            order=self.house.switches.return_order,
            nulls=self.house.switches.return_nulls,
        )

    # Money that goes back -------------------------------------------------------------------------

    def refundable(self, transaction: Transaction) -> int:
        """Cents that were paid and are neither back nor on their way back."""
        if transaction.status == "declined":
            return 0
        on_their_way = sum(
            refund.cents
            for refund in self.house.refunds.values()
            if refund.transaction_id == transaction.id and refund.status in OPEN
        )
        return transaction.amounts.paid - transaction.refunded - on_their_way

    def refund(self, transaction_id: str, cents: int | None, status: str, reason: str) -> Refund:
        """A refund of any amount, of all that is left without one."""
        if status not in (*OPEN, *SETTLED):
            raise ValueError(f"no such status of a refund: {status!r}")
        with self.house.lock:
            transaction = self.house.transactions[transaction_id]
            amount = self.refundable(transaction) if cents is None else cents
            now = self.house.clock.now()
            refund = Refund(new_id("ref"), transaction_id, amount, status, reason, now)
            self.house.refunds[refund.id] = refund
            self._count(refund)
            self.house.remember()
        return refund

    def settle(self, refund_id: str, status: str) -> Refund:
        """What became of one that was pending. No event tells it: transactions must be read."""
        if status not in SETTLED:
            raise ValueError(f"a refund ends as one of {', '.join(SETTLED)}")
        with self.house.lock:
            refund = self.house.refunds[refund_id]
            if refund.status not in OPEN:
                raise ValueError(f"this refund is {refund.status}")
            refund.status = status
            self._count(refund)
            self.house.remember()
        return refund

    def _count(self, refund: Refund) -> None:
        if refund.status != "succeeded":
            return
        transaction = self.house.transactions[refund.transaction_id]
        transaction.refunded += refund.cents
        is_all = transaction.refunded >= transaction.amounts.paid
        transaction.status = "refunded" if is_all else "partialRefund"

    def dispute(self, transaction_id: str, cents: int | None) -> Dispute:
        """The buyer's bank takes money back, all of it without an amount."""
        with self.house.lock:
            transaction = self.house.transactions[transaction_id]
            amount = transaction.amounts.paid if cents is None else cents
            dispute = Dispute(new_id("disp"), transaction_id, amount, self.house.clock.now())
            self.house.disputes[dispute.id] = dispute
            transaction.status, transaction.is_disputed = "chargedBack", True
            self.house.remember()
        return dispute

    def win(self, dispute_id: str) -> None:
        """The dispute ended well. No event tells it."""
        with self.house.lock:
            dispute = self.house.disputes[dispute_id]
            self.house.transactions[dispute.transaction_id].status = "paid"
            self.house.remember()


OPEN = ("pending", "requiresAction")
SETTLED = ("succeeded", "failed", "canceled")
