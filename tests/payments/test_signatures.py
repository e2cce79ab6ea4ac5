"""Whose message it is, and whose return address."""

import json
from urllib.parse import quote

import pytest

from app.payments import Landing, NotSigned
from app.payments.creem import Creem
from app.payments.signatures import check_landing, check_message
from tests.payments.bodies import CHECKOUT, KEY, SECRET, message, returned, signed
from tests.payments.conftest import Door

BODY = message("checkout.completed", CHECKOUT)
HEX = signed(BODY)["creem-signature"]
# computed by hand from the descriptions, see docs/payments.md
VECTOR_SECRET = "whsec_EXAMPLE"
VECTOR_BODY = (
    b'{"id":"evt_1","eventType":"checkout.completed","created_at":1767323045000,"object":{}}'
)
VECTOR_HEX = "042a318a98f182d982c802bf3553023bfb264bbf87bd8d7c055ff5596d5a5b7f"
RETURN_KEY = "creem_test_EXAMPLEKEY"
RETURN_QUERY = (
    "request_id=ord-7f3&checkout_id=ch_1&order_id=ord_1&customer_id=cust_1&product_id=prod_1"
)
RETURN_HEX = "49fb3caf6be0db6928fe5ffe604d79495ce4f9db766fef740fac99e5da7e14ed"
QUERY = "checkout_id=ch_1&order_id=ord_1&customer_id=cust_1&product_id=prod_1&request_id=0197-a"


def test_the_vector_of_a_message() -> None:
    check_message({"creem-signature": VECTOR_HEX}, VECTOR_BODY, VECTOR_SECRET)


def test_the_vector_of_a_return_address() -> None:
    said = check_landing(f"{RETURN_QUERY}&signature={RETURN_HEX}", RETURN_KEY)
    assert "&".join(f"{name}={value}" for name, value in said.items()) == RETURN_QUERY


@pytest.mark.parametrize(
    "headers",
    [
        {"creem-signature": HEX},
        {"creem-signature": HEX.upper()},
        {"creem-signature": f"sha256={HEX}"},
        {"creem-signature": f" SHA256={HEX.upper()} "},
        {"x-creem-signature": HEX},
        {"creem-signature": "", "x-creem-signature": HEX},
    ],
)
def test_ways_to_sign(creem: Creem, headers: dict[str, str]) -> None:
    assert creem.read_event(headers, BODY).id == "evt_1"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"creem-signature": ""},
        {"creem-signature": "sha256="},
        {"creem-signature": HEX[:-1]},
        {"creem-signature": HEX[:-1] + "é"},
        {"creem-signature": "é" * 64},
        {"creem-signature": "\udcff"},
        {"creem-signature": "0" * 64},
        {"creem-signature": f"{HEX},{HEX}"},
        {"creem-signature": "0" * 64, "x-creem-signature": HEX},
        {"signature": HEX},
        signed(BODY, "whsec_of_somebody_else"),
        signed(BODY + b" "),
        signed(BODY, ""),
    ],
)
def test_nothing_is_believed_without_a_signature(creem: Creem, headers: dict[str, str]) -> None:
    with pytest.raises(NotSigned) as caught:
        creem.read_event(headers, BODY)
    assert SECRET not in str(caught.value) and HEX not in str(caught.value)


def test_a_message_written_anew_is_another(creem: Creem) -> None:
    again = json.dumps(json.loads(BODY), separators=(",", ":")).encode()
    with pytest.raises(NotSigned):
        creem.read_event(signed(BODY), again)


def test_under_no_secret_nobody_signs(door: Door) -> None:
    with pytest.raises(NotSigned):
        door(webhook_secret="").read_event(signed(BODY, ""), BODY)
    with pytest.raises(NotSigned):
        door(api_key="").read_landing(returned(QUERY, ""))


def test_a_return_address(creem: Creem) -> None:
    assert creem.read_landing(returned(QUERY)) == Landing(
        checkout_id="ch_1",
        order_id="ord_1",
        customer_id="cust_1",
        product_id="prod_1",
        request_id="0197-a",
    )


def test_its_signature_may_stand_anywhere_and_in_capitals(creem: Creem) -> None:
    query, _, signature = returned(QUERY).rpartition("&signature=")
    first, rest = query.split("&", 1)
    told = f"{first}&signature={signature.upper()}&{rest}"
    assert creem.read_landing(told).order_id == "ord_1"


def test_what_is_empty_or_null_takes_no_part(creem: Creem) -> None:
    told = returned(QUERY).replace("&customer_id", "&subscription_id=null&a=&&b&customer_id")
    assert creem.read_landing(told).order_id == "ord_1"
    assert creem.read_landing(returned("order_id=ord_1")) == Landing("", "ord_1", "", "", "")


def test_values_are_decoded_before_they_are_signed(creem: Creem) -> None:
    signature = returned("order_id=ord_1&request_id=a b+c")[-64:]
    told = f"order_id=ord%5F1&request_id=a+b%2Bc&signature={signature}"
    assert creem.read_landing(told).order_id == "ord_1"


def test_parameters_nobody_knows_take_part_as_they_arrive(creem: Creem) -> None:
    told = returned("from=mail&" + QUERY + "&affiliate=x")
    assert creem.read_landing(told).order_id == "ord_1"
    for other in (told.replace("mail", "post"), told.replace("from=mail&", "")):
        with pytest.raises(NotSigned):
            creem.read_landing(other)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "&&&",
        QUERY,
        f"{QUERY}&signature=",
        f"{QUERY}&signature=null",
        f"{QUERY}&signature={'0' * 64}",
        f"{QUERY}&signature=%C3%A9",
        f"{QUERY}&signature=\udcff",
        returned(QUERY, "creem_test_of_somebody_else"),
        returned(QUERY).replace("ord_1", "ord_2"),
        returned(QUERY) + "&extra=1",
        returned(QUERY) + "&order_id=ord_1",
        returned(QUERY) + "&signature=" + returned(QUERY)[-64:],
        "&".join(reversed(QUERY.split("&"))) + returned(QUERY)[-75:],
        returned(QUERY) + "&a=" + "b" * 8000,
    ],
)
def test_a_return_address_of_somebody_else(creem: Creem, query: str) -> None:
    with pytest.raises(NotSigned) as caught:
        creem.read_landing(query)
    assert KEY not in str(caught.value)


def test_borders_between_parameters_do_not_move(creem: Creem) -> None:
    """Whoever pays by a link of his own making chooses its request_id, and Creem signs it."""
    planted = "request_id=x|order_id=ord_victim&checkout_id=ch_1&order_id=ord_1"
    signature = returned(planted)[-64:]
    moved = (
        "request_id=x&order_id=ord_victim&checkout_id="
        + quote("ch_1|order_id=ord_1", safe="")
        + f"&signature={signature}"
    )
    for told in (returned(planted), moved):
        with pytest.raises(NotSigned):
            creem.read_landing(told)
    signature = returned("order_id=ord_1=2")[-64:]
    with pytest.raises(NotSigned):
        creem.read_landing(f"order_id%3Dord_1=2&signature={signature}")
