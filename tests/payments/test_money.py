"""Transactions, refunds and the portal, through real HTTP."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from app.payments import Transaction
from app.payments.creem import Creem
from tests.databases import free_port
from tests.payments.bodies import TRANSACTION, bent
from tests.payments.conftest import Door, trouble
from tests.providers.scripted import Reply, Server

ONE = "/v1/transactions"
BOOKS = "/v1/transactions/search"
REFUNDS = "/v1/refunds"
PORTAL = "/v1/customers/billing"


def test_a_transaction_of_the_books(creem: Creem, server: Server) -> None:
    server.on("GET", ONE, Reply(200, TRANSACTION))
    assert creem.find_transaction("tran_1") == Transaction(
        id="tran_1",
        status="paid",
        order_id="ord_1",
        currency="USD",
        paid_cents=1198,
        refunded_cents=0,
        created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )
    assert server.asked[0].query == {"transaction_id": "tran_1"}
    assert trouble(lambda: creem.find_transaction("tran_2")).trouble == "garbled"
    server.on("GET", ONE, Reply(200, {}))
    assert trouble(lambda: creem.find_transaction("tran_1")).trouble == "garbled"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("chargeback", "chargedBack"),
        ("chargedBack", "chargedBack"),
        ("charged_back", "chargedBack"),
        ("partialRefund", "partialRefund"),
        ("partially_refunded", "partialRefund"),
        ("refunded", "refunded"),
        ("of next year", "of next year"),
    ],
)
def test_a_status_has_one_spelling(creem: Creem, server: Server, said: str, meant: str) -> None:
    server.on("GET", ONE, Reply(200, bent(TRANSACTION, status=said)))
    assert creem.find_transaction("tran_1").status == meant


@pytest.mark.parametrize(
    ("status", "said", "meant"),
    [("paid", None, 0), ("partialRefund", 599.0, 599), ("refunded", None, 1198),
     ("refunded", 1198, 1198), ("chargedBack", None, 0)],
)  # fmt: skip
def test_what_of_it_went_back(
    creem: Creem, server: Server, status: str, said: object, meant: int
) -> None:
    server.on("GET", ONE, Reply(200, bent(TRANSACTION, status=status, refunded_amount=said)))
    assert creem.find_transaction("tran_1").refunded_cents == meant


@pytest.mark.parametrize("said", ["599", -1, 599.5, True, [], 2**31])
def test_what_went_back_is_not_guessed(creem: Creem, server: Server, said: object) -> None:
    server.on("GET", ONE, Reply(200, bent(TRANSACTION, refunded_amount=said)))
    assert trouble(lambda: creem.find_transaction("tran_1")).trouble == "garbled"


def test_the_books_page_by_page(creem: Creem, server: Server) -> None:
    items = [TRANSACTION, {"object": "transaction"}, "tran_9", None]
    paging = {"total_records": 51, "current_page": 1, "next_page": 2, "prev_page": None}
    server.on("GET", BOOKS, Reply(200, {"items": items, "pagination": paging}))
    found, following = creem.transactions(1)
    assert [each.id for each in found] == ["tran_1", "tran_9"]
    assert following == 2
    assert server.asked[0].query == {"page_number": "1", "page_size": "50"}


@pytest.mark.parametrize(
    "paging",
    [None, {}, {"next_page": None}, {"next_page": 1}, {"next_page": 2}, {"next_page": "3"}],
)
def test_the_last_page_is_the_last(creem: Creem, server: Server, paging: object) -> None:
    server.on("GET", BOOKS, Reply(200, {"items": [], "pagination": paging}))
    assert creem.transactions(2) == ([], None)


def test_books_without_a_list_are_none(creem: Creem, server: Server) -> None:
    server.on("GET", BOOKS, Reply(200, {"items": {}}))
    assert trouble(lambda: creem.transactions(1)).trouble == "garbled"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("succeeded", "succeeded"),
        ("pending", "pending"),
        ("requiresAction", "pending"),
        ("requires_action", "pending"),
        ("failed", "failed"),
        ("canceled", "failed"),
    ],
)
def test_what_becomes_of_a_refund(creem: Creem, server: Server, said: str, meant: str) -> None:
    server.on("POST", REFUNDS, Reply(201, {"status": said}))
    assert creem.refund("tran_1") == meant
    assert server.asked[0].json == {"transaction_id": "tran_1"}


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(400, {"message": ["already refunded"]}), "refused"),
        (Reply(403, {}), "refused"),
        (Reply(404, {"error": "Bad Request"}), "not_found"),
        (Reply(429, {}), "rate_limited"),
        (Reply(500, {}), "unavailable"),
        (Reply(502, b"<html>"), "unavailable"),
        (Reply(408, {}), "unavailable"),
        (Reply(drops=True), "unavailable"),
        (Reply(hangs=True), "unavailable"),
        (Reply(404, b"no route"), "garbled"),
        (Reply(303, b""), "garbled"),
        (Reply(200, b""), "garbled"),
        (Reply(200, {}), "garbled"),
        (Reply(200, {"status": "perhaps"}), "garbled"),
        (Reply(200, {"status": ["succeeded"]}), "garbled"),
    ],
)
def test_a_refund_is_asked_for_once_ever(
    door: Door, server: Server, waits: list[float], reply: Reply, kind: str
) -> None:
    server.on("POST", REFUNDS, reply)
    creem = door(try_s=0.5)
    assert trouble(lambda: creem.refund("tran_1")).trouble == kind
    assert len(server.asked) == 1
    assert waits == []


def test_not_even_where_no_connection_came_about(door: Door, waits: list[float]) -> None:
    creem = door(base_url=f"http://127.0.0.1:{free_port()}")
    assert trouble(lambda: creem.refund("tran_1")).trouble == "unavailable"
    assert waits == []


def test_the_portal(creem: Creem, server: Server) -> None:
    link = "https://creem.io/my-orders/login/abc"
    server.on("POST", PORTAL, Reply(200, {"customer_portal_link": link}))
    assert creem.portal_url("cust_1") == link
    assert server.asked[0].json == {"customer_id": "cust_1"}


@pytest.mark.parametrize("link", [None, 7, "", "javascript:alert(1)", "//elsewhere", "http://a.b/"])
def test_a_portal_nobody_is_sent_to(creem: Creem, server: Server, link: object) -> None:
    server.on("POST", PORTAL, Reply(200, {"customer_portal_link": link}))
    assert trouble(lambda: creem.portal_url("cust_1")).trouble == "garbled"


def test_any_thread_may_call(creem: Creem, server: Server) -> None:
    server.on("GET", ONE, Reply(200, TRANSACTION))
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(creem.find_transaction, ["tran_1"] * 64))
    assert {each.paid_cents for each in found} == {1198}
    assert len(server.asked) == 64
