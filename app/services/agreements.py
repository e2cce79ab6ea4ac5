"""Whether a payment is what was agreed: the pack that was ordered, at the price that was shown."""

from dataclasses import dataclass

from app.payments import Checkout, Order
from app.services.matching import PurchaseRow


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a payment must be: of a purchase, or of a pack where no purchase is known."""

    product_id: str
    units: int
    currency: str
    price_cents: int
    mode: str


def of(purchase: PurchaseRow) -> Agreed:
    """What the purchase's row says, whatever the price list has become."""
    return Agreed(
        purchase.product_id, purchase.units, purchase.currency, purchase.price_cents, purchase.mode
    )


def find_problem(agreed: Agreed, checkout: Checkout, order: Order) -> str:
    """In what a payment is not what was agreed; "" when it is.

    The price is compared before tax.  A discount can only be of a code that the shop's owner made
    at Creem, so it is permitted; what was paid must be the price less that discount.
    """
    products = {checkout.product_id, order.product_id} - {""}
    if checkout.mode != agreed.mode:
        return "mode"
    if products != {agreed.product_id}:
        return "product"
    if order.type == "recurring":
        return "type"
    if checkout.units not in (None, agreed.units):
        return "units"
    if order.currency.upper() != agreed.currency:
        return "currency"
    return "" if _is_price(agreed.price_cents * agreed.units, order) else "amount"


def _is_price(price_cents: int, order: Order) -> bool:
    least = price_cents - order.discount_cents
    if order.discount_cents < 0 or least < 0:
        return False
    if order.amount_cents is None and order.paid_cents is None:
        return False
    is_amount = order.amount_cents in (None, price_cents, least)
    return is_amount and (order.paid_cents is None or order.paid_cents >= least)
