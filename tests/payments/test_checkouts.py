"""Payment pages: what is asked, what is read, and when it is asked again.  Through real HTTP."""

import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.payments import Checkout, Order, line
from app.payments.creem import Creem
from app.payments.line import Patience
from tests.databases import free_port
from tests.payments.bodies import CHECKOUT, KEY, bent
from tests.payments.conftest import Door, trouble
from tests.providers.network import make_certificate
from tests.providers.scripted import Reply, Server, served

CHECKOUTS = "/v1/checkouts"
OPEN = bent(CHECKOUT, status="pending", order=None, customer=None)
WANTED: dict[str, Any] = {
    "product_id": "prod_1",
    "request_id": "0197-purchase",
    "metadata": {"purchase_id": "0197-purchase", "user_id": "7", "schema": "1"},
    "success_url": "https://site.example/payment/success",
    "email": "alice@example.org",
}


def test_what_is_asked_for_a_payment_page(creem: Creem, server: Server) -> None:
    server.on("POST", CHECKOUTS, Reply(200, OPEN))
    found = creem.create_checkout(**WANTED)
    assert (found.id, found.status, found.url) == ("ch_1", "pending", CHECKOUT["checkout_url"])
    assert found.order is None
    [asked] = server.asked
    assert asked.json == {
        "product_id": "prod_1",
        "request_id": "0197-purchase",
        "units": 1,
        "customer": {"email": "alice@example.org"},
        "success_url": "https://site.example/payment/success",
        "metadata": {"purchase_id": "0197-purchase", "user_id": "7", "schema": "1"},
    }
    assert asked.headers["x-api-key"] == KEY
    assert asked.headers["user-agent"] == "CuttingASMR/1.0"
    assert "cookie" not in asked.headers


def test_a_paid_page_is_read_whole(creem: Creem, server: Server) -> None:
    server.on("GET", CHECKOUTS, Reply(200, CHECKOUT))
    assert creem.find_checkout("ch_1") == Checkout(
        id="ch_1",
        status="completed",
        mode="test",
        url="https://checkout.creem.io/ch_1",
        product_id="prod_1",
        units=1,
        request_id="0197-purchase",
        metadata={"purchase_id": "0197-purchase", "user_id": "7", "schema": "1"},
        order=Order(
            id="ord_1",
            status="paid",
            type="onetime",
            product_id="prod_1",
            currency="USD",
            amount_cents=990,
            discount_cents=0,
            tax_cents=208,
            paid_cents=1198,
            transaction_id="tran_1",
            created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        ),
        customer_id="cust_1",
        email="payer@example.org",
    )
    assert server.asked[0].query == {"checkout_id": "ch_1"}


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_passing_trouble_is_tried_three_times(
    creem: Creem, server: Server, waits: list[float], status: int
) -> None:
    server.on("POST", CHECKOUTS, Reply(status, {}), Reply(status, {}), Reply(200, OPEN))
    assert creem.create_checkout(**WANTED).id == "ch_1"
    assert len(server.asked) == 3
    assert waits == [0.2, 0.4]
    server.on("POST", CHECKOUTS, Reply(status, {}))
    kind = "rate_limited" if status == 429 else "unavailable"
    assert trouble(lambda: creem.create_checkout(**WANTED)).trouble == kind
    assert len(server.asked) == 6


def test_a_cut_line_is_tried_again(creem: Creem, server: Server) -> None:
    server.on("POST", CHECKOUTS, Reply(drops=True), Reply(200, OPEN))
    assert creem.create_checkout(**WANTED).id == "ch_1"


def test_no_answer_is_tried_again(door: Door, server: Server) -> None:
    server.on("POST", CHECKOUTS, Reply(hangs=True), Reply(200, OPEN))
    assert door(try_s=0.4).create_checkout(**WANTED).id == "ch_1"
    assert len(server.asked) == 2


def test_nobody_there_is_tried_again(door: Door, waits: list[float]) -> None:
    creem = door(base_url=f"http://127.0.0.1:{free_port()}")
    error = trouble(lambda: creem.create_checkout(**WANTED))
    assert error.trouble == "unavailable" and "ConnectError" in str(error)
    assert waits == [0.2, 0.4]


@pytest.mark.parametrize(
    ("asked", "waited_s"), [("1", 1.0), ("2", 2.0), ("60", 2.0), ("0", 0.2), ("soon", 0.2)]
)
def test_a_busy_creem_is_left_alone_for_two_seconds_at_most(
    creem: Creem, server: Server, waits: list[float], asked: str, waited_s: float
) -> None:
    busy = Reply(429, {"status": 429}, headers={"Retry-After": asked})
    server.on("POST", CHECKOUTS, busy, Reply(200, OPEN))
    creem.create_checkout(**WANTED)
    assert waits == [waited_s]


def test_a_busy_creem_says_how_long(creem: Creem, server: Server) -> None:
    server.on("POST", CHECKOUTS, Reply(429, {}, headers={"Retry-After": "120"}))
    assert trouble(lambda: creem.create_checkout(**WANTED)).retry_after_s == 120
    old_form = {"error": {"code": "rate_limit", "message": "slow", "retry_after": 30}}
    server.on("POST", CHECKOUTS, Reply(429, old_form))
    assert trouble(lambda: creem.create_checkout(**WANTED)).retry_after_s == 30


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(400, {"status": 400, "message": ["already exists"]}), "refused"),
        (Reply(401, {"status": 401}), "refused"),
        (Reply(403, b"<html>error code: 1010</html>"), "refused"),
        (Reply(404, {"status": 404, "error": "Bad Request"}), "not_found"),
        (Reply(404, b"no route"), "garbled"),
        (Reply(302, b"", headers={"Location": "https://elsewhere.example/"}), "garbled"),
        (Reply(204, b""), "garbled"),
        (Reply(200, b""), "garbled"),
        (Reply(200, b"<html>"), "garbled"),
        (Reply(200, [OPEN]), "garbled"),
        (Reply(200, b"\xff\xfe\x00"), "garbled"),
        (Reply(200, b"[" * 200_000), "garbled"),
        (Reply(200, bent(OPEN, id=None)), "garbled"),
        (Reply(200, bent(OPEN, checkout_url=None)), "garbled"),
        (Reply(200, bent(OPEN, checkout_url="http://checkout.creem.io/ch_1")), "garbled"),
    ],
)
def test_a_clear_answer_is_not_asked_for_again(
    creem: Creem, server: Server, reply: Reply, kind: str
) -> None:
    server.on("POST", CHECKOUTS, reply)
    assert trouble(lambda: creem.create_checkout(**WANTED)).trouble == kind.replace(
        "garbled", "garbled"
    )
    assert len(server.asked) == 1


def test_an_answer_beyond_the_cap_is_none(creem: Creem, server: Server) -> None:
    whole = json.dumps(OPEN).encode()
    server.on("POST", CHECKOUTS, Reply(200, whole + b" " * (line.MAX_BYTES - len(whole))))
    assert creem.create_checkout(**WANTED).id == "ch_1"
    server.on("POST", CHECKOUTS, Reply(200, whole + b" " * line.MAX_BYTES))
    assert trouble(lambda: creem.create_checkout(**WANTED)).trouble == "garbled"


def test_the_wait_for_an_answer_has_an_end_in_all() -> None:
    patience = Patience()
    assert (patience.connect_s, patience.try_s) == (3.0, 5.0)
    assert patience.backoffs_s == (0.2, 0.4)
    assert patience.retry_after_max_s == 2.0


@pytest.mark.parametrize("is_begun", [False, True])
def test_an_answer_that_trickles_holds_nobody(
    door: Door, server: Server, *, is_begun: bool
) -> None:
    def trickle(write: Any) -> None:
        while not server.over.wait(0.05):
            write(b" ")

    server.on("GET", CHECKOUTS, Reply(200, b"{", stream=trickle) if is_begun else Reply(hangs=True))
    started = datetime.now(UTC)
    error = trouble(lambda: door(try_s=0.5).find_checkout("ch_1"))
    assert error.trouble == "unavailable"
    assert (datetime.now(UTC) - started).total_seconds() < 3
    assert len(server.asked) == 1  # a question that may have arrived is not put twice


def test_a_question_is_put_once_more_where_no_connection_came_about(
    door: Door, waits: list[float]
) -> None:
    creem = door(base_url=f"http://127.0.0.1:{free_port()}")
    assert trouble(lambda: creem.find_checkout("ch_1")).trouble == "unavailable"
    assert waits == [0.2]


def test_another_checkout_than_asked_for_is_no_answer(creem: Creem, server: Server) -> None:
    server.on("GET", CHECKOUTS, Reply(200, CHECKOUT))
    assert trouble(lambda: creem.find_checkout("ch_2")).trouble == "garbled"


def test_cookies_and_redirects_are_not_taken(creem: Creem, server: Server) -> None:
    server.on("GET", CHECKOUTS, Reply(200, CHECKOUT, headers={"Set-Cookie": "a=b; Path=/"}))
    creem.find_checkout("ch_1")
    server.on("GET", CHECKOUTS, Reply(307, b"", headers={"Location": "/v1/elsewhere"}))
    assert trouble(lambda: creem.find_checkout("ch_1")).trouble == "garbled"
    assert [asked.path for asked in server.asked] == [CHECKOUTS, CHECKOUTS]
    assert "cookie" not in server.asked[1].headers


def test_a_proxy_of_the_environment_is_not_taken(
    creem: Creem, door: Door, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    server.on("GET", CHECKOUTS, Reply(200, CHECKOUT))
    assert door().find_checkout("ch_1").id == "ch_1"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Server]:
    """A server that speaks TLS, with a certificate that signed itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(tmp_path))
    yield from served(Server(context))


def test_over_tls_too(
    door: Door, guarded: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))
    monkeypatch.setattr(line, "_trusted", lambda: trusted)
    creem = door(base_url=guarded.url, try_s=1.0)
    guarded.on("GET", CHECKOUTS, Reply(200, CHECKOUT), Reply(hangs=True))
    assert creem.find_checkout("ch_1").id == "ch_1"
    assert trouble(lambda: creem.find_checkout("ch_1")).trouble == "unavailable"
    assert len(guarded.asked) == 2


def test_nobody_is_asked_who_cannot_show_who_he_is(door: Door, guarded: Server) -> None:
    creem = door(base_url=guarded.url)
    assert "ConnectError" in str(trouble(lambda: creem.find_checkout("ch_1")))
    assert guarded.asked == []
