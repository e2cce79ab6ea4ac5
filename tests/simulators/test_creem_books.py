"""Creem's books: money that goes back, lists, customers, codes."""

import httpx
import pytest

from tests.simulators.creem import CreemHouse, NotPaid


def test_a_refund_is_all_that_is_left(creem: CreemHouse, shop: httpx.Client) -> None:
    paid = creem.pay(creem.open_checkout("prod_standard").id)
    assert paid.transaction
    transaction_id = paid.transaction.id
    creem.refund(transaction_id, 1000)
    wish = {"transaction_id": transaction_id}
    assert shop.post("/v1/refunds", json=wish).json() == {"status": "succeeded"}
    [first, second] = creem.refunds.values()
    assert (first.cents, second.cents) == (1000, 2000)
    read = shop.get("/v1/transactions", params=wish).json()
    assert (read["status"], read["refunded_amount"]) == ("refunded", 3000)
    assert shop.post("/v1/refunds", json=wish).status_code == 400
    assert shop.post("/v1/refunds", json={"transaction_id": "tran_none"}).status_code == 404
    assert len(creem.refunds) == 2


def test_a_refund_that_takes_its_time(creem: CreemHouse, shop: httpx.Client) -> None:
    paid = creem.pay(creem.open_checkout("prod_starter").id)
    assert paid.transaction
    wish = {"transaction_id": paid.transaction.id}
    creem.fault("refund_status", "pending")
    assert shop.post("/v1/refunds", json=wish).json() == {"status": "pending"}
    [pending] = creem.refunds.values()
    assert shop.post("/v1/refunds", json=wish).status_code == 400  # all of it is on its way
    assert shop.get("/v1/transactions", params=wish).json()["status"] == "paid"
    creem.settle_refund(pending.id, "failed")
    assert shop.get("/v1/transactions", params=wish).json()["refunded_amount"] is None
    assert shop.post("/v1/refunds", json=wish).json() == {"status": "succeeded"}
    with pytest.raises(ValueError, match="failed"):
        creem.settle_refund(pending.id)
    again = creem.refund(paid.transaction.id, 1, status="requiresAction")
    creem.settle_refund(again.id)
    assert shop.get("/v1/transactions", params=wish).json()["refunded_amount"] == 991


def test_a_dispute_and_how_it_ends(creem: CreemHouse, shop: httpx.Client) -> None:
    paid = creem.pay(creem.open_checkout("prod_starter").id)
    assert paid.transaction
    wish = {"transaction_id": paid.transaction.id}
    dispute = creem.dispute(paid.transaction.id)
    assert shop.get("/v1/transactions", params=wish).json()["status"] == "chargedBack"
    creem.win_dispute(dispute.id)
    assert shop.get("/v1/transactions", params=wish).json()["status"] == "paid"


def test_transactions_come_in_pages_the_newest_first(creem: CreemHouse, shop: httpx.Client) -> None:
    paid = [creem.pay(creem.open_checkout("prod_starter").id) for _ in range(23)]
    newest = [one.transaction.id for one in reversed(paid) if one.transaction]
    found: list[str] = []
    page: int | None = 1
    while page:
        answer = shop.get("/v1/transactions/search", params={"page_number": page}).json()
        found += [item["id"] for item in answer["items"]]
        told = answer["pagination"]
        assert (told["total_records"], told["total_pages"]) == (23, 3)
        assert (told["current_page"], told["prev_page"]) == (page, page - 1 or None)
        page = told["next_page"]
    assert found == newest
    other = creem.pay(creem.open_checkout("prod_premium").id, email="other@example.org")
    for name, value in (
        ("order_id", other.order.id), ("customer_id", other.customer.id),
        ("product_id", "prod_premium"),
    ):  # fmt: skip
        answer = shop.get("/v1/transactions/search", params={name: value, "page_size": 50}).json()
        assert [item["order"] for item in answer["items"]] == [other.order.id]
    assert shop.get("/v1/transactions/search", params={"page_size": "many"}).status_code == 400


def test_products_customers_and_codes(creem: CreemHouse, shop: httpx.Client) -> None:
    by_query = shop.get("/v1/products", params={"product_id": "prod_starter"}).json()
    assert by_query == shop.get("/v1/products/prod_starter").json()
    assert by_query["price"] == 990 and "image_url" not in by_query
    paid = creem.pay(creem.open_checkout("prod_starter").id, email="Alice@example.org")
    again = creem.pay(creem.open_checkout("prod_starter").id, email="alice@example.org")
    assert paid.customer.id == again.customer.id
    orders = shop.get(f"/v1/customers/{paid.customer.id}/orders").json()["items"]
    assert [order["id"] for order in orders] == [again.order.id, paid.order.id]
    link = shop.post("/v1/customers/billing", json={"customer_id": paid.customer.id}).json()
    assert "alice@example.org" in httpx.get(link["customer_portal_link"]).text.lower()
    wish = {"name": "Half", "code": "HALF", "type": "percentage", "percentage": 50}
    code = shop.post("/v1/discounts", json={**wish, "applies_to_products": ["prod_premium"]}).json()
    with pytest.raises(NotPaid):
        creem.pay(creem.open_checkout("prod_starter").id, discount="HALF")
    assert creem.pay(creem.open_checkout("prod_premium").id, discount="half").order.amounts.paid
    assert shop.delete(f"/v1/discounts/{code['id']}/delete").is_success
    assert shop.get("/v1/discounts", params={"discount_code": "HALF"}).status_code == 404


@pytest.mark.parametrize("decision", ["allow", "flag", "deny"])
def test_prompts_are_screened(creem: CreemHouse, shop: httpx.Client, decision: str) -> None:
    creem.set(decision=decision)
    answer = shop.post("/v1/moderation/prompt", json={"prompt": "soap", "external_id": "7"}).json()
    assert (answer["decision"], answer["prompt"], answer["external_id"]) == (decision, "soap", "7")


def test_a_switch_that_does_not_exist(creem: CreemHouse) -> None:
    with pytest.raises(TypeError):
        creem.set(colour="red")
