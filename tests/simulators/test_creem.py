"""Creem's wire, as docs/payments.md has it: what a shop asks and what it is told."""

import threading
from typing import Any

import httpx
import pytest

from tests.simulators.creem import CreemHouse, NotPaid, Product, start_creem
from tests.simulators.creem.signing import return_signature, return_url, signature_of

ORDER: dict[str, Any] = {
    "product_id": "prod_starter",
    "request_id": "ord-7f3",
    "metadata": {"purchase_id": "ord-7f3", "user_id": "7", "schema": "1"},
    "success_url": "https://shop.example/payment/success",
    "customer": {"email": "alice@example.org"},
}


# Signatures --------------------------------------------------------------------------------------


def test_the_signature_of_an_event() -> None:
    body = b'{"id":"evt_1","eventType":"checkout.completed","created_at":1767323045000,"object":{}}'
    assert signature_of(body, "whsec_EXAMPLE") == (
        "042a318a98f182d982c802bf3553023bfb264bbf87bd8d7c055ff5596d5a5b7f"
    )


def test_the_signature_of_a_return_address() -> None:
    pairs = [
        ("request_id", "ord-7f3"), ("checkout_id", "ch_1"), ("order_id", "ord_1"),
        ("customer_id", "cust_1"), ("product_id", "prod_1"),
    ]  # fmt: skip
    signature = "49fb3caf6be0db6928fe5ffe604d79495ce4f9db766fef740fac99e5da7e14ed"
    assert return_signature(pairs, "creem_test_EXAMPLEKEY") == signature
    values: dict[str, str | None] = {**dict(reversed(pairs)), "subscription_id": None}
    assert return_url("https://shop.example/ok", values, "creem_test_EXAMPLEKEY") == (
        "https://shop.example/ok?request_id=ord-7f3&checkout_id=ch_1&order_id=ord_1"
        f"&customer_id=cust_1&product_id=prod_1&signature={signature}"
    )


# Who may ask -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
def test_a_missing_key_and_a_wrong_one(creem: CreemHouse, shop: httpx.Client, status: int) -> None:
    creem.set(no_key_status=status)
    del shop.headers["x-api-key"]
    answer = shop.get("/v1/products/search")
    assert answer.status_code == status
    body = answer.json()
    assert body.keys() >= {"trace_id", "status", "error", "timestamp"} and body["status"] == status
    assert ("message" in body) == (status == 401)
    shop.headers["x-api-key"] = "another"
    assert shop.get("/v1/products/search").status_code == 403


def test_what_is_not_there(shop: httpx.Client) -> None:
    for path in (
        "/v1/checkouts?checkout_id=ch_none", "/v1/products/prod_none", "/v1/nothing",
        "/v1/products?product_id=prod_none", "/v1/transactions?transaction_id=tran_none",
        "/v1/customers?email=nobody@example.org", "/v1/customers/cust_none/orders",
        "/v1/discounts?discount_code=NONE",
    ):  # fmt: skip
        answer = shop.get(path)
        assert answer.status_code == 404, path
        assert answer.json()["error"] == "Bad Request" and answer.json()["message"]


# Checkouts ---------------------------------------------------------------------------------------


def test_from_checkout_to_order(creem: CreemHouse, shop: httpx.Client) -> None:
    made = shop.post("/v1/checkouts", json=ORDER).json()
    assert made["status"] == "pending" and made["product"] == "prod_starter"
    assert made["request_id"] == "ord-7f3" and made["metadata"] == ORDER["metadata"]
    assert made["checkout_url"] == creem.checkout_url(made["id"]) and "order" not in made
    assert creem.checkouts[made["id"]].email == "alice@example.org"
    paid = creem.pay(made["id"], email="other@example.org")
    read = shop.get("/v1/checkouts", params={"checkout_id": made["id"]}).json()
    assert read["status"] == "completed" and read["product"]["id"] == "prod_starter"
    assert read["customer"]["email"] == "other@example.org"
    order = read["order"]
    assert order["id"] == paid.order.id and order["status"] == "paid"
    assert not {"metadata", "request_id"} & order.keys()
    assert (order["amount"], order["tax_amount"], order["amount_paid"]) == (990, 0, 990)
    assert creem.asked("checkouts.create")[0].json() == ORDER


@pytest.mark.parametrize(
    ("wish", "status", "message"),
    [
        ({"product_id": None}, 400, "product_id must be a string"),
        ({"product_id": "prod_none"}, 404, "Product not found"),
        ({"colour": "red"}, 400, "property colour should not exist"),
        ({"units": "2"}, 400, "units must be a number"),
        ({"units": 0}, 400, "units must not be less than 1"),
        ({"custom_price": 99}, 400, "custom_price must be between"),
        ({"success_url": "/payment/success"}, 400, "success_url must be a URL address"),
        ({"metadata": []}, 400, "metadata must be a object"),
        ({"customer": {"id": "cust_1", "email": "a@b.example"}}, 400, "only specify one"),
        ({"customer": {"email": "nobody"}}, 400, "customer.email must be an email"),
    ],
)
def test_a_checkout_that_makes_no_sense(
    creem: CreemHouse, shop: httpx.Client, wish: dict[str, Any], status: int, message: str
) -> None:
    answer = shop.post("/v1/checkouts", json={**ORDER, **wish})
    assert answer.status_code == status
    assert message in answer.json()["message"][0]
    assert not creem.checkouts


def test_a_repeated_request_id(creem: CreemHouse, shop: httpx.Client) -> None:
    first = shop.post("/v1/checkouts", json=ORDER).json()["id"]
    assert shop.post("/v1/checkouts", json=ORDER).json()["id"] != first
    creem.set(repeated_request_id="same")
    assert shop.post("/v1/checkouts", json=ORDER).json()["id"] == first
    creem.set(repeated_request_id="refuse")
    assert shop.post("/v1/checkouts", json=ORDER).status_code == 400
    assert len(creem.checkouts) == 2


@pytest.mark.parametrize(
    ("mode", "discount", "units", "amounts"),
    [
        # price, discount, tax, paid
        ("exclusive", None, 1, (1000, 0, 210, 1210)),  # as in the official sample
        ("exclusive", "TEN", 1, (1000, 100, 189, 1089)),
        ("exclusive", "FREE", 1, (1000, 1000, 0, 0)),
        ("exclusive", None, 3, (3000, 0, 630, 3630)),
        ("inclusive", None, 1, (1000, 0, 174, 1000)),
    ],
)
def test_what_there_is_to_pay(
    mode: str, discount: str | None, units: int, amounts: tuple[int, ...]
) -> None:
    product = Product("prod_1", "One", 1000, tax_mode=mode)
    with start_creem(products=[product], tax_percent=21) as creem:
        paid = creem.pay(creem.open_checkout("prod_1", units=units).id, discount=discount)
        order = creem.printer.order(paid.order.id)
        assert paid.transaction is not None
        transaction = creem.printer.transaction(paid.transaction.id)
    names = ("amount", "discount_amount", "tax_amount", "amount_paid")
    assert tuple(order[name] for name in names) == amounts
    assert tuple(transaction[name] for name in names) == amounts


def test_an_order_of_nothing_may_have_no_transaction(creem: CreemHouse) -> None:
    creem.set(free_has_transaction=False)
    paid = creem.pay(creem.open_checkout("prod_starter").id, discount="FREE")
    assert paid.transaction is None and not creem.transactions
    assert paid.event.object["order"]["transaction"] is None


@pytest.mark.parametrize("card", ["4000 0000 0000 0002", "no_funds", "wrong_cvc", "expired"])
def test_a_card_that_does_not_pay(creem: CreemHouse, shop: httpx.Client, card: str) -> None:
    checkout = creem.open_checkout("prod_starter")
    declined = creem.decline(checkout.id, card)
    read = shop.get("/v1/transactions", params={"transaction_id": declined.id}).json()
    assert (read["status"], read["amount_paid"], read["order"]) == ("declined", 0, None)
    assert checkout.status == "pending" and not creem.orders and not creem.events
    assert creem.pay(checkout.id).order.id in creem.orders


def test_what_cannot_be_paid(creem: CreemHouse) -> None:
    checkout = creem.open_checkout("prod_starter")
    for wish in ({"card": "1234"}, {"email": "nobody"}, {"discount": "NONE"}):
        with pytest.raises(NotPaid):
            creem.pay(checkout.id, **wish)
    creem.expire(checkout.id)
    with pytest.raises(NotPaid, match="expired"):
        creem.pay(checkout.id)
    assert not creem.transactions


def test_many_who_pay_one_checkout_make_one_order(creem: CreemHouse) -> None:
    checkout = creem.open_checkout("prod_starter")
    answers: list[int] = []
    gate = threading.Barrier(16)

    def pay() -> None:
        data = {"do": "pay", "email": "a@b.example", "card": "ok"}
        gate.wait()
        answers.append(httpx.post(creem.checkout_url(checkout.id), data=data).status_code)

    threads = [threading.Thread(target=pay) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == [200] * 16  # nobody said where to send the buyer back to
    assert len(creem.orders) == len(creem.transactions) == len(creem.events) == 1
