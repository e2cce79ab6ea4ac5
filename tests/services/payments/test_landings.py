"""Coming back from Creem: a signed address shows the owner a state, and gives nothing by itself."""

from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode

import pytest

from app.errors import NotFound
from app.payments import NotSigned
from app.services import landings
from tests.cast import Person
from tests.services.payments.seller import Seller, query_of, signed
from tests.services.test_accounts import together
from tests.simulators.creem.signing import return_signature


def signed_pairs(seller: Seller, pairs: list[tuple[str, str]]) -> str:
    """The same, with pairs in any order."""
    return urlencode([*pairs, ("signature", return_signature(pairs, seller.house.api_key))])


# The accelerator ----------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_who_comes_back_before_the_event_has_the_credits_already(
    seller: Seller, alice: Person
) -> None:
    purchase_id = seller.buy(alice)
    payment = seller.pay(purchase_id, email="payer@else.example")
    assert seller.land(alice, query_of(payment)) == purchase_id
    assert (seller.status(purchase_id), seller.gained(alice)) == ("completed", 115)
    assert seller.deliver(payment.event) == "ignored"
    assert seller.land(alice, query_of(payment)) == purchase_id
    assert seller.entries(alice) == [("purchase", 115)]


@pytest.mark.both_databases
def test_who_comes_back_while_creem_is_down_waits_for_the_event(
    seller: Seller, alice: Person
) -> None:
    purchase_id = seller.buy(alice)
    payment = seller.pay(purchase_id)
    with seller.house.outage():
        assert seller.land(alice, query_of(payment)) == purchase_id
    assert (seller.status(purchase_id), seller.gained(alice)) == ("pending", 0)
    assert seller.deliver(payment.event) == "done"


def test_after_the_event_creem_is_not_asked_again(seller: Seller, alice: Person) -> None:
    payment = seller.credit(alice)
    before = len(seller.house.requests)
    assert seller.land(alice, query_of(payment)) == seller.of_order(payment)["id"]
    assert len(seller.house.requests) == before


def test_nothing_is_granted_from_the_parameters(seller: Seller, alice: Person) -> None:
    """A signed address whose checkout nobody paid: the API key's holder could not do more."""
    purchase_id = seller.buy(alice)
    query = signed(
        seller.house,
        request_id=purchase_id,
        checkout_id=seller.page(purchase_id).id,
        order_id="ord_made_up",
        product_id="prod_starter",
    )
    assert seller.land(alice, query) == purchase_id
    assert (seller.status(purchase_id), seller.gained(alice)) == ("pending", 0)


def test_without_parameters_nobody_has_signed(seller: Seller, alice: Person) -> None:
    seller.buy(alice)
    assert seller.turned_away(alice, "") is NotSigned


def test_what_is_not_as_agreed_is_shown_as_parked(seller: Seller, alice: Person) -> None:
    purchase_id = seller.buy(alice)
    payment = seller.pay(purchase_id)
    seller.house.change(payment.order.id, amount=100, amount_paid=100)
    assert seller.land(alice, query_of(payment)) == purchase_id
    assert (seller.status(purchase_id), seller.gained(alice)) == ("parked", 0)
    assert seller.alerts() == ["payment_parked"]


@pytest.mark.both_databases
def test_who_comes_back_often_and_at_once_has_the_credits_once(
    seller: Seller, alice: Person
) -> None:
    payment = seller.pay(seller.buy(alice))
    states = together(seller.app, 6, lambda: landings.land(alice.id, query_of(payment)).status)
    assert states == ["completed"] * 6
    assert seller.entries(alice) == [("purchase", 115)]


# Signatures ---------------------------------------------------------------------------------------


def _pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True)


FORGERIES: dict[str, Callable[[str], str]] = {
    "no signature": lambda query: query.partition("&signature=")[0],
    "an empty signature": lambda query: query.partition("&signature=")[0] + "&signature=",
    "another signature": lambda query: query[:-64] + "0" * 64,
    "another order": lambda query: query.replace("order_id=ord_", "order_id=ord_x"),
    "reordered": lambda query: urlencode(sorted(_pairs(query)[:-1]) + _pairs(query)[-1:]),
    "one parameter more": lambda query: "surprise=1&" + query,
    "one parameter less": lambda query: urlencode(_pairs(query)[1:]),
    "a parameter twice": lambda query: query + "&" + query.partition("&")[0],
    "the order twice": lambda query: query.replace("&customer_id", "&order_id=ord_x&customer_id"),
    "a smuggled border": lambda query: query.replace("&order_id=", "%7Corder_id%3D"),
    "another encoding of the key": lambda query: query.replace("&signature", "&salt=x&signature"),
    "only a signature": lambda query: "signature=" + query[-64:],
    "noise": lambda _: "%ff%fe=&&==&\x00",
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_address_is_not_believed(seller: Seller, alice: Person, name: str) -> None:
    purchase_id = seller.buy(alice)
    payment = seller.pay(purchase_id)
    forged = FORGERIES[name](query_of(payment))
    assert forged != query_of(payment)
    assert seller.turned_away(alice, forged) is NotSigned
    assert (seller.status(purchase_id), seller.gained(alice)) == ("pending", 0)


def test_null_and_empty_parameters_are_not_part_of_the_signature(
    seller: Seller, alice: Person
) -> None:
    purchase_id = seller.buy(alice)
    query = query_of(seller.pay(purchase_id))
    for extra in ("subscription_id=null&", "subscription_id=&", "license=&"):
        assert seller.land(alice, extra + query) == purchase_id


def test_the_order_in_which_they_arrive_is_the_one_that_is_signed(
    seller: Seller, alice: Person
) -> None:
    purchase_id = seller.buy(alice)
    pairs = _pairs(query_of(seller.pay(purchase_id)))[:-1]
    for order in (sorted(pairs), sorted(pairs, reverse=True), [*pairs, ("extra", "of theirs")]):
        assert seller.land(alice, signed_pairs(seller, order)) == purchase_id


def test_the_published_vector_of_the_return_signature(seller: Seller, alice: Person) -> None:
    seller.door(api_key="creem_test_EXAMPLEKEY")
    seller.buy(alice, road="link")
    query = (
        "request_id=ord-7f3&checkout_id=ch_1&order_id=ord_1&customer_id=cust_1&product_id=prod_1"
        "&signature=49fb3caf6be0db6928fe5ffe604d79495ce4f9db766fef740fac99e5da7e14ed"
    )
    assert seller.turned_away(alice, query) is NotFound  # signed, and nobody's
    assert seller.turned_away(alice, query.replace("cust_1", "cust_2")) is NotSigned


def test_the_webhooks_secret_signs_no_address(seller: Seller, alice: Person) -> None:
    purchase_id = seller.buy(alice)
    pairs = [("request_id", purchase_id)]
    told = return_signature(pairs, seller.house.webhook_secret)
    assert seller.turned_away(alice, urlencode([*pairs, ("signature", told)])) is NotSigned


# Somebody else's ----------------------------------------------------------------------------------


@pytest.mark.both_databases
@pytest.mark.parametrize("is_granted", [True, False])
def test_another_users_address_shows_and_gives_nothing(
    seller: Seller, alice: Person, bob: Person, is_granted: bool
) -> None:
    purchase_id = seller.buy(alice)
    payment = seller.pay(purchase_id, email=bob.email)
    if is_granted:
        seller.deliver(payment.event)
    seller.buy(bob)
    seller.buy(bob, road="link")
    for _ in range(2):
        assert seller.turned_away(bob, query_of(payment)) is NotFound
    assert (seller.gained(bob), seller.entries(bob)) == (0, [])
    assert seller.gained(alice) == (115 if is_granted else 0)
    assert seller.row(purchase_id)["user_id"] == alice.id


def test_another_users_order_is_found_and_not_given(
    seller: Seller, alice: Person, bob: Person
) -> None:
    """Without a request_id it is looked for by order and checkout: whoever owns it keeps it."""
    payment = seller.credit(alice)
    seller.buy(bob, road="link")
    for names in ({"order_id": payment.order.id}, {"checkout_id": payment.checkout.id}):
        assert seller.turned_away(bob, signed(seller.house, **names)) is NotFound
        assert seller.land(alice, signed(seller.house, **names)) == seller.of_order(payment)["id"]
    assert seller.gained(bob) == 0
