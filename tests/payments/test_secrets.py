"""A canary: Creem's key and the webhook's secret come out nowhere, whatever goes wrong.

The vendor even says them back in its errors, as careless proxies do.
"""

import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import make_url
from werkzeug.test import TestResponse

from app.payments import PaymentError
from app.services import vendors
from tests.cast import Browser
from tests.conftest import Rows, settings
from tests.databases import free_port
from tests.payments.bodies import CHECKOUT, KEY, SECRET, bent, message, returned, signed
from tests.payments.conftest import Door
from tests.payments_settings import CREEM
from tests.providers.scripted import Reply, Server

ECHO = {"error": f"{KEY} {SECRET}", "message": [f"key {KEY}"], "checkout_url": f"http://{KEY}/"}
TROUBLES = {
    "refused": Reply(401, ECHO),
    "forbidden": Reply(403, f"<p>{KEY} may not</p>".encode()),
    "invalid": Reply(400, ECHO),
    "unknown": Reply(404, ECHO),
    "busy": Reply(429, ECHO, headers={"Retry-After": "0"}),
    "broken": Reply(500, ECHO),
    "cut": Reply(drops=True),
    "garbled": Reply(200, f"{KEY} {SECRET}".encode()),
    "useless": Reply(200, ECHO | {"id": "ch_1"}),
    "elsewhere": Reply(302, b"", headers={"Location": f"https://elsewhere.example/{KEY}"}),
    "down": None,
}
ASKED = (
    ("POST", "/v1/checkouts"),
    ("GET", "/v1/checkouts"),
    ("POST", "/v1/refunds"),
    ("POST", "/v1/customers/billing"),
    ("GET", "/v1/transactions"),
    ("GET", "/v1/transactions/search"),
)
FORM = {"pack": "starter"}
Look = Callable[..., None]


@pytest.fixture
def look(caplog: pytest.LogCaptureFixture) -> Iterator[Look]:
    """`look(text, response)`: neither secret is in it; at the end, nor in what was logged."""
    loudly, quietly = caplog.at_level(logging.DEBUG), caplog.at_level(logging.WARNING, "httpcore")
    with loudly, caplog.at_level(logging.DEBUG, "httpx"), quietly:  # the app keeps it so, always
        yield _look
    _look(caplog.text, *(repr(vars(record)) for record in caplog.records))


def _look(*shown: str | TestResponse) -> None:
    for each in shown:
        if isinstance(each, TestResponse):
            text = f"{each.status} {each.headers} {each.get_data(as_text=True)}"
        else:
            text = each
        for secret in (KEY, SECRET, KEY[12:], SECRET[6:]):
            assert secret not in text


@pytest.fixture
def say(server: Server) -> Callable[[Reply], None]:
    """From now on Creem answers everything so."""

    def say(reply: Reply) -> None:
        for method, path in ASKED:
            server.on(method, path, reply)

    return say


@pytest.fixture(params=TROUBLES)
def trouble(request: pytest.FixtureRequest) -> Any:
    """What goes wrong at Creem; None where nobody answers at all."""
    return TROUBLES[request.param]


@pytest.fixture
def app(make_app: Callable[..., Flask], server: Server, request: pytest.FixtureRequest) -> Flask:
    is_down = "trouble" in request.fixturenames and request.getfixturevalue("trouble") is None
    url = f"http://127.0.0.1:{free_port()}" if is_down else server.url
    mine = {"CREEM_API_KEY": KEY, "CREEM_WEBHOOK_SECRET": SECRET, "CREEM_API_BASE_URL": url}
    return make_app(**CREEM | mine)


def test_errors_of_the_vendor_module(
    door: Door, say: Callable[[Reply], None], trouble: Reply | None, look: Look
) -> None:
    creem = door() if trouble else door(base_url=f"http://127.0.0.1:{free_port()}")
    if trouble:
        say(trouble)
    calls: list[Callable[[], object]] = [
        lambda: creem.create_checkout(
            product_id="p", request_id="r", metadata={}, success_url="https://a.b/", email="a@b.c"
        ),
        lambda: creem.find_checkout("ch_2"),
        lambda: creem.find_transaction("tran_1"),
        lambda: creem.transactions(1),
        lambda: creem.refund("tran_1"),
        lambda: creem.portal_url("cust_1"),
    ]
    for ask in calls:
        with pytest.raises(PaymentError) as caught:
            ask()
        look(str(caught.value), repr(caught.value), *ours(caught.value, trouble))
    look(repr(creem), repr(creem.settings))


def ours(error: PaymentError, trouble: Reply | None) -> list[str]:
    """What a report of the error shows of our code.

    With its variables, unless an answer, which says the secrets back, is among them.
    """
    is_silent = trouble is None or trouble.drops
    told = traceback.TracebackException.from_exception(error, capture_locals=is_silent)
    told.stack = traceback.StackSummary.from_list(
        [frame for frame in told.stack if "/app/payments/" in frame.filename]
    )
    assert told.stack
    return list(told.format())


def test_pages_and_answers_when_nothing_works(
    alice_client: Browser, say: Callable[[Reply], None], trouble: Reply | None, look: Look
) -> None:
    if trouble:
        say(trouble)
    answers = [
        alice_client.post("/payment-processor", data=FORM),
        alice_client.post("/payment-processor", data=FORM, headers={"HX-Request": "true"}),
        alice_client.post("/api/payments/creem-advanced", json=FORM),
        alice_client.post("/api/payments/creem", json=FORM),
        alice_client.post("/profile/portal"),
        alice_client.post("/credits-recovery"),
        alice_client.post("/credits-recovery/claims", data={"order_id": "ord_1"}),
        alice_client.get("/profile"),
        alice_client.get("/credits-recovery"),
        alice_client.get("/pricing"),
    ]
    look(*answers)
    assert answers[0].status_code == answers[2].status_code == 503


@pytest.mark.parametrize(
    "headers",
    [{}, {"creem-signature": "0" * 64}, {"creem-signature": SECRET}, {"x-creem-signature": KEY}],
)
def test_an_event_that_nobody_signed(
    client: Browser, rows: Rows, headers: dict[str, str], look: Look
) -> None:
    answer = client.post("/api/webhooks/creem", data=b'{"id": "evt_1"}', headers=headers)
    assert answer.status_code == 401
    look(answer)
    assert rows("SELECT id FROM payment_events") == []


def test_a_return_address_that_nobody_signed(alice_client: Browser, look: Look) -> None:
    for query in ("order_id=o&signature=" + "0" * 64, returned("order_id=o", SECRET), "a|b", "%ff"):
        answer = alice_client.get(f"/payment/success?{query}")
        assert answer.status_code < 500
        look(answer)


def test_a_purchase_from_its_button_to_a_refused_refund(
    app: Flask, alice_client: Browser, server: Server, rows: Rows, look: Look
) -> None:
    opened = bent(CHECKOUT, status="pending", order=None, customer=None)
    server.on("POST", "/v1/checkouts", Reply(200, opened))
    look(alice_client.post("/payment-processor", data=FORM))
    [purchase] = rows("SELECT id FROM purchases")
    paid = bent(
        CHECKOUT, request_id=purchase["id"], product__id="prod_starter", order__product=None,
        metadata={"purchase_id": purchase["id"]},
    )  # fmt: skip
    body = message("checkout.completed", paid)
    look(alice_client.post("/api/webhooks/creem", data=body, headers=signed(body), csrf=False))
    assert [row["status"] for row in rows("SELECT status FROM purchases")] == ["completed"]
    runner = app.test_cli_runner()
    for reply in (Reply(400, ECHO), Reply(403, ECHO), Reply(500, ECHO), Reply(drops=True)):
        server.on("POST", "/v1/refunds", reply)
        told = runner.invoke(args=["payments", "refund", purchase["id"]])
        look(told.output, repr(told.exception))
    for command in (["parked"], ["show", "alice@example.org"], ["reconcile"]):
        told = runner.invoke(args=["payments", *command])
        look(told.output, repr(told.exception))
    for page in (f"/purchases/{purchase['id']}", "/profile", "/credits-recovery", "/credits"):
        look(alice_client.get(page))
    for table in ("purchases", "reversals", "payment_events", "alerts", "credit_entries"):
        look(repr(rows(f"SELECT * FROM {table}")))


def test_settings(app: Flask, tmp_path: Path) -> None:
    mine = {"CREEM_API_KEY": KEY, "CREEM_WEBHOOK_SECRET": SECRET}
    _look(repr(settings(make_url("sqlite:///none.sqlite"), tmp_path, **CREEM | mine)))
    with app.app_context():
        creem = vendors.current().payments
        assert creem is not None and creem.settings.api_key == KEY
        _look(repr(vendors.current()), repr(creem), repr(creem.settings), str(vars(creem)))
