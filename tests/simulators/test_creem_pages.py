"""Creem's pay page as a buyer uses it, and the shop's dashboard."""

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from tests.simulators.creem import Checkout, CreemHouse, start_creem
from tests.simulators.creem.signing import return_signature

SUCCESS = "https://shop.example/payment/success"


@pytest.fixture
def creem() -> Iterator[CreemHouse]:
    with start_creem() as house:
        yield house


@pytest.fixture
def buyer(creem: CreemHouse) -> Iterator[httpx.Client]:
    """A browser that goes where it is sent, while that is here."""
    with httpx.Client(base_url=creem.base_url, trust_env=False, verify=False) as client:
        yield client


@pytest.fixture
def checkout(creem: CreemHouse) -> Checkout:
    return creem.open_checkout(
        "prod_starter", request_id="r-1", success_url=SUCCESS, email="alice@example.org"
    )


def send(buyer: httpx.Client, checkout: Checkout, **fields: str) -> httpx.Response:
    form = {"do": "pay", "email": "alice@example.org", "card": "ok", **fields}
    return buyer.post(f"/checkout/{checkout.id}", data=form)


def test_it_says_what_it_is_and_what_it_costs(buyer: httpx.Client, checkout: Checkout) -> None:
    page = buyer.get(f"/checkout/{checkout.id}").text
    assert "Simulated: no money moves" in page and "Pay 9.90 USD" in page
    assert 'value="alice@example.org"' in page
    assert re.findall(r'name="card" value="(\w+)"', page) == [
        "ok", "declined", "no_funds", "wrong_cvc", "expired",
    ]  # fmt: skip
    assert "<script" not in page and "http://" not in page


def test_paying_leads_back_with_a_signature(
    creem: CreemHouse, buyer: httpx.Client, checkout: Checkout
) -> None:
    answer = send(buyer, checkout, email="other@example.org")
    assert answer.status_code == 303
    there = urlsplit(answer.headers["location"])
    assert f"{there.scheme}://{there.netloc}{there.path}" == SUCCESS
    *pairs, (name, signature) = parse_qsl(there.query)
    assert [name for name, _ in pairs] == [
        "request_id", "checkout_id", "order_id", "customer_id", "product_id",
    ]  # fmt: skip
    assert (name, signature) == ("signature", return_signature(pairs, creem.api_key))
    [order] = creem.orders.values()
    [customer] = creem.customers.values()
    assert dict(pairs)["order_id"] == order.id and customer.email == "other@example.org"
    again = buyer.get(f"/checkout/{checkout.id}")
    assert "completed" in again.text and answer.headers["location"] in unescape(again.text)
    assert send(buyer, checkout).status_code == 200 and len(creem.orders) == 1


def test_the_way_back_may_look_otherwise(creem: CreemHouse, checkout: Checkout) -> None:
    creem.set(
        return_order=["product_id", "checkout_id", "request_id"], return_nulls=["subscription_id"]
    )
    back = creem.pay(checkout.id).return_url
    null, *pairs, (_, signature) = parse_qsl(urlsplit(back or "").query)
    assert null == ("subscription_id", "null")
    assert [name for name, _ in pairs] == ["product_id", "checkout_id", "request_id"]
    assert signature == return_signature(pairs, creem.api_key)


@pytest.mark.parametrize("card", ["declined", "no_funds", "wrong_cvc", "expired"])
def test_a_declined_card_says_so_and_can_be_tried_again(
    creem: CreemHouse, buyer: httpx.Client, checkout: Checkout, card: str
) -> None:
    answer = send(buyer, checkout, card=card)
    assert answer.status_code == 402
    assert "Nothing was paid; you can try again." in answer.text and "Pay 9.90 USD" in answer.text
    assert [one.status for one in creem.transactions.values()] == ["declined"]
    assert send(buyer, checkout).status_code == 303


def test_a_code_changes_the_price_before_it_is_paid(
    creem: CreemHouse, buyer: httpx.Client, checkout: Checkout
) -> None:
    answer = send(buyer, checkout, do="discount", discount="ten")
    page = buyer.get(answer.headers["location"]).text
    assert "Pay 8.91 USD" in page and "−0.99 USD" in page
    # typed, and paid without a look at the new price: shown first
    answer = send(buyer, checkout, discount="FREE", applied="ten")
    page = buyer.get(answer.headers["location"]).text
    assert "Pay 0.00 USD" in page and 'name="card"' not in page and not creem.orders
    assert send(buyer, checkout, discount="FREE", applied="FREE").status_code == 303
    [order] = creem.orders.values()
    assert (order.amounts.discount, order.amounts.paid) == (990, 0)


def test_a_code_that_does_not_exist(buyer: httpx.Client, checkout: Checkout) -> None:
    answer = send(buyer, checkout, discount="<b>", applied="<b>")
    assert answer.status_code == 402 and "The code &lt;b&gt; does not exist" in answer.text
    assert "<b>" not in answer.text and "Pay 9.90 USD" in answer.text


def test_leaving_tells_nobody(creem: CreemHouse, buyer: httpx.Client, checkout: Checkout) -> None:
    page = buyer.get(f"/checkout/{checkout.id}/leave").text
    assert "Nothing was paid" in page and 'href="https://shop.example/"' in page
    assert checkout.status == "pending" and not creem.events and not creem.transactions


def test_an_expired_checkout(creem: CreemHouse, buyer: httpx.Client, checkout: Checkout) -> None:
    creem.expire(checkout.id)
    assert buyer.get(f"/checkout/{checkout.id}").status_code == 410
    assert send(buyer, checkout).status_code == 410 and not creem.orders


@pytest.mark.parametrize("carries", [True, False])
def test_a_static_link_opens_a_checkout_each_time(
    creem: CreemHouse, buyer: httpx.Client, carries: bool
) -> None:
    creem.set(links_carry_request_id=carries)
    link = creem.payment_link("prod_standard", "r-7")
    pages = [buyer.get(link, follow_redirects=True) for _ in range(2)]
    assert all("Pay 30.00 USD" in page.text for page in pages)
    assert len({page.url for page in pages}) == len(creem.checkouts) == 2
    wanted = "r-7" if carries else None
    assert {one.request_id for one in creem.checkouts.values()} == {wanted}
    [first, _] = creem.checkouts.values()
    paid = creem.pay(first.id)
    assert paid.event.object.get("request_id") == wanted
    assert "metadata" not in paid.event.object and paid.return_url is None


def test_a_static_link_leads_where_the_product_says(creem: CreemHouse, buyer: httpx.Client) -> None:
    creem.products["prod_starter"].default_success_url = SUCCESS
    page = buyer.get(creem.payment_link("prod_starter"), follow_redirects=True)
    answer = buyer.post(page.url, data={"do": "pay", "email": "a@b.example"})
    assert answer.headers["location"].startswith(f"{SUCCESS}?checkout_id=ch_")


def test_the_dashboard_gives_money_back(
    creem: CreemHouse, buyer: httpx.Client, checkout: Checkout
) -> None:
    assert "Nobody has paid yet" in buyer.get("/").text
    payment = creem.pay(checkout.id)
    assert payment.transaction
    for wish, state in (("half", "partialRefund"), ("all", "refunded")):
        assert f'value="{wish}"' in buyer.get("/").text
        there = buyer.post(f"/merchant/{payment.transaction.id}", data={"do": wish})
        assert there.headers["location"] == "/" and state in buyer.get("/").text
    assert "<button" not in buyer.get("/").text
    assert [refund.cents for refund in creem.refunds.values()] == [495, 495]
    other = creem.pay(creem.open_checkout("prod_starter").id)
    assert other.transaction
    buyer.post(f"/merchant/{other.transaction.id}", data={"do": "dispute"})
    assert [event.type for event in creem.events.values()] == [
        "checkout.completed", "refund.created", "refund.created", "checkout.completed",
        "dispute.created",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "path", ["/nothing", "/checkout/ch_1", "/checkout/ch_1/leave", "/payment/prod_1", "/portal/c"]
)
def test_pages_that_do_not_exist(buyer: httpx.Client, path: str) -> None:
    assert buyer.get(path).status_code == 404


def test_forms_of_what_does_not_exist(buyer: httpx.Client) -> None:
    assert buyer.post("/checkout/ch_1", data={"do": "pay"}).status_code == 404
    assert buyer.post("/merchant/tran_1", data={"do": "all"}).status_code == 404
