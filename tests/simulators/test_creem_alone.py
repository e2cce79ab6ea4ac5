"""Creem's simulator as a program: its admin path, its memory, beside a site."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from config import ROOT
from tests.simulators.creem import CreemHouse, start_creem
from tests.simulators.inbox import Inbox
from tests.waiting import wait_until


def do(creem: CreemHouse, **wish: Any) -> Any:
    answer = httpx.post(f"{creem.base_url}/_simulate", json=wish)
    assert answer.is_success, answer.text
    return answer.json()["answer"]


def test_everything_by_the_admin_path(creem: CreemHouse) -> None:
    with Inbox(500, 200) as box:
        creem.webhook_url = box.url
        checkout = creem.open_checkout("prod_standard")
        do(creem, fault="never", where="checkout.completed")
        do(creem, set={"tax_percent": 10})
        paid = do(creem, pay=checkout.id, email="a@b.example", discount="TEN")
        assert do(creem, send=paid["event"], copies=2) == [500, 200]
        transaction = paid["transaction"]
        refund = do(creem, refund=transaction, cents=100, status="pending")
        assert do(creem, settle_refund=refund, status="succeeded") == "succeeded"
        dispute = do(creem, dispute=transaction)
        do(creem, win_dispute=dispute)
        do(creem, tell=checkout.id)
        do(creem, advance=60)
        do(creem, change=paid["order"], fields={"status": "pending"})
        do(creem, expire=creem.open_checkout("prod_starter").id)
        wait_until(lambda: len(creem.deliveries) == 5)
    state = httpx.get(f"{creem.base_url}/_simulate").json()
    assert state["vendor"] == "creem" and state["switches"]["tax_percent"] == 10
    assert [one["status"] for one in state["checkouts"]] == ["completed", "expired"]
    assert [one["refunded"] for one in state["transactions"]] == [100]
    assert [one["answers"] for one in state["events"]] == [[500, 200], [200], [200], [200]]
    assert state["known_faults"].keys() >= {"hang", "twice", "refund_status"}
    assert creem.api_key not in str(state) and creem.webhook_secret not in str(state)
    assert creem.printer.order(paid["order"])["status"] == "pending"
    do(creem, fault="error", value=503, times=None)
    assert httpx.delete(f"{creem.base_url}/_simulate").json()["faults"] == []
    assert creem.printer.order(paid["order"])["status"] == "paid"


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"fault": "nothing"}, 400),
        ({"fault": "late", "where": "refunds.create"}, 400),
        ({"fault": "late", "colour": "red"}, 400),
        ({"pay": "ch_none"}, 400),
        ({"refund": "tran_none"}, 400),
        ({"set": {"colour": "red"}}, 400),
        ({"send": "evt_none"}, 400),
        ({}, 400),
    ],
)
def test_wishes_that_make_no_sense(creem: CreemHouse, wish: dict[str, Any], status: int) -> None:
    answer = httpx.post(f"{creem.base_url}/_simulate", json=wish)
    assert answer.status_code == status and answer.json()["error"]


def test_a_card_that_does_not_pay_by_the_admin_path(creem: CreemHouse) -> None:
    wish = {"pay": creem.open_checkout("prod_starter").id, "card": "declined"}
    answer = httpx.post(f"{creem.base_url}/_simulate", json=wish)
    assert (answer.status_code, answer.json()) == (402, {"error": "The card was declined."})


def test_down_for_a_while(creem: CreemHouse) -> None:
    do(creem, down=1.5)

    def is_up() -> bool:
        try:
            return httpx.get(creem.base_url).is_success
        except httpx.TransportError:
            return False

    wait_until(lambda: not is_up())
    wait_until(is_up)


def test_its_books_outlive_it(tmp_path: Path) -> None:
    file = tmp_path / "books.json"
    with start_creem(file=file) as creem:
        paid = creem.pay(creem.open_checkout("prod_starter", request_id="r").id, discount="TEN")
        still_open = creem.open_checkout("prod_premium", metadata={"user_id": "7"}).id
        assert paid.transaction
        creem.refund(paid.transaction.id, 100, status="pending")
        creem.dispute(paid.transaction.id)
        before = creem.books
    with start_creem(file=file) as creem:
        assert creem.books == before
        creem.settle_refund(next(iter(creem.refunds)))
        assert creem.pay(still_open).event.object["metadata"] == {"user_id": "7"}
    file.write_text('{"orders": {"ord_1": {"what": 1}}}')
    with start_creem(file=file) as creem:
        assert not creem.orders and creem.pay(creem.open_checkout("prod_starter").id)


def test_closing_leaves_no_thread(creem: CreemHouse) -> None:
    creem.fault("late", 1000)
    creem.pay(creem.open_checkout("prod_starter").id)
    creem.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(creem.base_url)
    creem.close()


# As a program ------------------------------------------------------------------------------------


def test_by_hand() -> None:
    command = [sys.executable, "-m", "tests.simulators", "creem"]
    command += ["--webhook-url", "http://127.0.0.1:9/hook"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            name, url = process.stdout.readline().split()
            settings = dict(word.split("=", 1) for word in process.stdout.readline().split())
            assert name == "creem" and settings["CREEM_API_BASE_URL"] == url
            assert settings["CREEM_PAYMENT_LINK_PREMIUM"] == f"{url}/payment/prod_premium"
            state = httpx.get(f"{url}/_simulate").json()
            assert state["webhook_url"] == "http://127.0.0.1:9/hook"
            headers = {"x-api-key": settings["CREEM_API_KEY"]}
            assert httpx.get(f"{url}/v1/products/prod_starter", headers=headers).is_success
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()
