"""Buying by the document's own addresses, and Creem's events: JSON in, JSON or a problem out."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app import limits
from app.extensions import db
from tests.blueprints import shop
from tests.blueprints.shop import WEBHOOK, AddPurchase, Deliver, buy, pay
from tests.cast import Browser, Person
from tests.conftest import Rows
from tests.simulators.creem import CreemHouse

app, creem, deliver, add_purchase = shop.app, shop.creem, shop.deliver, shop.add_purchase

ADVANCED, PLAIN = "/api/payments/creem-advanced", "/api/payments/creem"
STATUSES = "SELECT status, road FROM purchases"
EVENTS = "SELECT outcome FROM payment_events"


def is_problem(answer: Any, status: int) -> bool:
    return (
        answer.status_code == status
        and answer.mimetype == "application/problem+json"
        and answer.json["status"] == status
    )


# Buying ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [{"json": {"pack": "starter"}}, {"data": {"pack": "starter"}},
                                  {"json": {"planType": "starter"}}])  # fmt: skip
def test_a_purchase_and_where_to_pay_it(
    alice_client: Browser, creem: CreemHouse, body: dict[str, Any]
) -> None:
    answer: Any = alice_client.post(ADVANCED, **body)
    assert answer.status_code == 201
    [checkout] = creem.checkouts.values()
    purchase_id = checkout.request_id
    assert answer.json == {
        "purchase": {
            "id": purchase_id,
            "status": "pending",
            "pack": "starter",
            "credits": 115,
            "price_cents": 990,
            "currency": "USD",
            "road": "api",
        },
        "checkout_url": creem.checkout_url(checkout.id),
        "status_url": f"/purchases/{purchase_id}",
    }
    assert answer.headers["Location"] == f"/purchases/{purchase_id}"


def test_the_plain_address_takes_the_link_and_asks_creem_nothing(
    alice_client: Browser, creem: CreemHouse
) -> None:
    answer: Any = alice_client.post(PLAIN, json={"pack": "premium"})
    assert answer.status_code == 201
    purchase = answer.json["purchase"]
    assert (purchase["road"], purchase["credits"]) == ("link", 1450)
    assert answer.json["checkout_url"] == creem.payment_link("prod_premium", purchase["id"])
    assert creem.requests == []


def test_the_advanced_address_falls_back_to_the_link(
    alice_client: Browser, creem: CreemHouse
) -> None:
    creem.fault("bad_key", where="checkouts.create")
    answer: Any = alice_client.post(ADVANCED, json={"pack": "starter"})
    assert answer.status_code == 201 and answer.json["purchase"]["road"] == "link"


@pytest.mark.parametrize("address", [ADVANCED, PLAIN])
@pytest.mark.parametrize(
    "body",
    [
        {"json": {"pack": "huge"}}, {"json": {"pack": None}}, {"json": {"pack": ["starter"]}},
        {"json": ["starter"]}, {"json": "starter"}, {"json": {}}, {"data": {}},
    ],
)  # fmt: skip
def test_what_is_no_pack_is_a_problem_of_that_field(
    alice_client: Browser, rows: Rows, address: str, body: dict[str, Any]
) -> None:
    answer: Any = alice_client.post(address, **body)
    assert is_problem(answer, 422)
    assert [error["path"] for error in answer.json["errors"]] == ["pack"]
    assert rows(STATUSES) == []


def test_a_body_that_is_no_json_is_a_bad_request(alice_client: Browser) -> None:
    answer: Any = alice_client.post(ADVANCED, data=b"{", content_type="application/json")
    assert is_problem(answer, 400)


@pytest.mark.parametrize("address", [ADVANCED, PLAIN])
def test_who_is_not_signed_in_is_told_how(client: Browser, rows: Rows, address: str) -> None:
    answer = client.post(address, json={"pack": "starter"})
    assert is_problem(answer, 401)
    wanted = answer.headers["WWW-Authenticate"]
    assert wanted.lower().startswith("cookie ") and "/sign-in" in wanted
    assert rows(STATUSES) == []


@pytest.mark.parametrize("address", [ADVANCED, PLAIN])
def test_a_session_without_a_token_buys_nothing(
    alice_client: Browser, rows: Rows, address: str
) -> None:
    assert is_problem(alice_client.post(address, json={"pack": "starter"}, csrf=False), 400)
    assert rows(STATUSES) == []


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_another_method_is_not_taken(alice_client: Browser, method: str) -> None:
    for address in (ADVANCED, PLAIN, WEBHOOK):
        assert is_problem(alice_client.open(address, method=method), 405)


def test_the_sixth_attempt_is_told_when_to_come_back(
    alice: Person, alice_client: Browser, add_purchase: AddPurchase
) -> None:
    for _ in range(limits.PAYMENTS_PER_HOUR):
        add_purchase(alice, status="failed")
    answer: Any = alice_client.post(ADVANCED, json={"pack": "starter"})
    assert is_problem(answer, 429) and 0 < int(answer.headers["Retry-After"]) <= 3600


@pytest.mark.parametrize("address", [ADVANCED, PLAIN])
def test_where_nothing_is_sold_it_is_not_available(
    make_app: Callable[..., Flask], alice: Person, address: str
) -> None:
    from app.services import sessions

    site = make_app()
    browser = Browser.of(site)
    with site.app_context():
        browser.set_cookie("session", sessions.start(alice.id, "test browser"))
    answer: Any = browser.post(address, json={"pack": "starter"})
    assert is_problem(answer, 503) and "Nothing was charged" in answer.json["detail"]


# Creem's events ----------------------------------------------------------------------------------


def test_an_event_is_done_once_and_the_same_again_is_fine(
    alice_client: Browser, creem: CreemHouse, deliver: Deliver, rows: Rows
) -> None:
    payment = pay(creem, buy(alice_client))
    answers = [deliver(payment.event) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert [answer.json["outcome"] for answer in answers] == ["done", "again", "again"]
    assert "Set-Cookie" not in answers[0].headers
    assert rows(EVENTS) == [{"outcome": "done"}]
    assert rows("SELECT amount FROM credit_entries WHERE kind = 'purchase'") == [{"amount": 115}]


def test_an_unknown_event_is_kept(creem: CreemHouse, deliver: Deliver, rows: Rows) -> None:
    event = creem.announce("payment.succeeded", {"object": "payment"})
    assert deliver(event).json == {"outcome": "ignored"}
    assert rows(EVENTS) == [{"outcome": "ignored"}]


@pytest.mark.parametrize(
    "change",
    [
        lambda headers, body: ({}, body),
        lambda headers, body: ({**headers, "creem-signature": "0" * 64}, body),
        lambda headers, body: (headers, body + b" "),
        lambda headers, body: (headers, body.replace(b"990", b"991")),
        lambda headers, body: (headers, b""),
    ],
    ids=["unsigned", "wrong", "longer", "altered", "empty"],
)
def test_an_event_that_creem_did_not_sign_is_refused_and_not_kept(
    alice_client: Browser,
    client: Browser,
    creem: CreemHouse,
    rows: Rows,
    change: Callable[..., Any],
) -> None:
    headers, body = change(*creem.letter(pay(creem, buy(alice_client)).event.id))
    answer = client.post(WEBHOOK, data=body, headers=headers, csrf=False)
    assert is_problem(answer, 401)
    assert rows(EVENTS) == []


def test_where_nothing_is_sold_events_go_nowhere(make_app: Callable[..., Flask]) -> None:
    assert is_problem(Browser.of(make_app()).post(WEBHOOK, data=b"{}", csrf=False), 404)


def test_a_body_above_the_limit_is_not_read(client: Browser) -> None:
    assert client.post(WEBHOOK, data=b"x" * (1024 * 1024 + 1), csrf=False).status_code == 413


def test_a_fault_of_ours_asks_creem_to_come_again(
    app: Flask, alice_client: Browser, creem: CreemHouse, deliver: Deliver, rows: Rows
) -> None:
    payment = pay(creem, buy(alice_client))

    def rename(old: str, new: str) -> None:
        with app.app_context(), db.engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))

    rename("payment_events", "away")
    assert is_problem(deliver(payment.event), 500)
    assert rows("SELECT amount FROM credit_entries WHERE kind = 'purchase'") == []
    rename("away", "payment_events")
    assert deliver(payment.event).json == {"outcome": "done"}
    assert rows("SELECT amount FROM credit_entries WHERE kind = 'purchase'") == [{"amount": 115}]


def test_without_session_and_token_a_program_hears_that_it_has_no_session(
    client: Browser,
) -> None:
    answer = client.post("/api/payments/creem-advanced", json={"pack": "starter"}, csrf=False)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Cookie ")
    assert answer.content_type == "application/problem+json"


def test_what_is_nested_too_deep_is_the_programs_mistake(alice_client: Browser) -> None:
    body = "[" * 100_000
    answer = alice_client.post("/api/payments/creem", data=body, content_type="application/json")
    assert answer.status_code == 400
