"""How Creem may behave, where its sources leave it open."""

from dataclasses import dataclass

from tests.simulators.creem.signing import RETURN_ORDER


@dataclass
class Switches:
    """How Creem behaves where sources contradict each other, or a shop may have it either way."""

    mode: str = "test"  # test, prod, sandbox
    tax_percent: int = 0  # on top, or inside where a product's tax_mode is inclusive
    no_key_status: int = 401  # or 403: for a missing key; a wrong one is always 403
    links_carry_request_id: bool = True  # a static link hands on ?request_id=
    repeated_request_id: str = "new"  # or same (the checkout that there is), refuse (400)
    free_has_transaction: bool = True  # also an order of 0 cents has a transaction
    declined_has_order: bool = True  # a declined card leaves an unpaid order on its checkout
    signs_standard: bool = False  # events carry the headers of Standard Webhooks too
    return_order: tuple[str, ...] = RETURN_ORDER  # of the parameters of a return address
    return_nulls: tuple[str, ...] = ()  # parameters that are said to be null there, unsigned
    decision: str = "allow"  # or flag, deny: of prompts
