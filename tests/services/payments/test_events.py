"""Signed events: believed by their signature alone, kept once, done in the transaction that keeps
them.
"""

import json
from collections.abc import Callable

import pytest
from sqlalchemy import event as sqlalchemy_event

from app.errors import NotFound
from app.extensions import db
from app.payments import NotSigned
from app.services import checkouts, landings, payment_events
from tests.cast import Browser, Person
from tests.payments_settings import CREEM
from tests.services.payments.seller import HOOK, Seller, query_of
from tests.services.test_accounts import together
from tests.simulators.creem import Event
from tests.simulators.creem.signing import HEADER, signature_of

UNAUTHORIZED = "401 UNAUTHORIZED"


@pytest.fixture
def paid(seller: Seller, alice: Person) -> Event:
    """Alice paid for a starter pack; the event was not delivered yet."""
    return seller.pay(seller.buy(alice)).event


# Signatures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["wrong_signature", "unsigned", "altered", "reserialised"])
def test_what_creem_did_not_sign_is_refused_and_not_kept(
    seller: Seller, alice: Person, fault: str
) -> None:
    seller.house.fault(fault)
    paid = seller.pay(seller.buy(alice)).event
    assert seller.deliver(paid) == UNAUTHORIZED
    assert seller.rows("SELECT 1 FROM payment_events") == []
    assert (seller.gained(alice), seller.alerts()) == (0, [])
    with pytest.raises(NotSigned):
        seller.receive(paid)


@pytest.mark.parametrize(
    "told",
    [
        "",
        "0" * 64,
        "sha256=",
        CREEM["CREEM_WEBHOOK_SECRET"],
        "\xff" * 64,
        "x" * 100_000,
    ],
)
def test_no_other_signature_will_do(seller: Seller, alice: Person, paid: Event, told: str) -> None:
    with pytest.raises(NotSigned):
        seller.call(payment_events.receive, {HEADER: told}, paid.body)
    assert seller.gained(alice) == 0


@pytest.mark.parametrize("secret", [CREEM["CREEM_API_KEY"], "", "whsec_another_secret"])
def test_no_other_secret_will_do(seller: Seller, alice: Person, paid: Event, secret: str) -> None:
    assert seller.post({HEADER: signature_of(paid.body, secret)}, paid.body) == UNAUTHORIZED
    assert seller.gained(alice) == 0


@pytest.mark.parametrize("spell", [str.upper, str.lower, "sha256={}".format])
def test_a_signature_may_be_spelt_as_the_official_client_takes_it(
    seller: Seller, alice: Person, paid: Event, spell: Callable[[str], str]
) -> None:
    told = spell(signature_of(paid.body, seller.house.webhook_secret))
    assert seller.post({HEADER: told}, paid.body) == "done"
    assert seller.gained(alice) == 115


def test_the_published_vector_of_the_signature(seller: Seller) -> None:
    body = b'{"id":"evt_1","eventType":"checkout.completed","created_at":1767323045000,"object":{}}'
    seller.door(webhook_secret="whsec_EXAMPLE")
    signature = "042a318a98f182d982c802bf3553023bfb264bbf87bd8d7c055ff5596d5a5b7f"
    assert seller.post({HEADER: signature}, body) == "parked"
    assert seller.post({HEADER: signature}, body + b" ") == UNAUTHORIZED


def test_a_refusal_says_no_secret(seller: Seller, alice: Person, paid: Event) -> None:
    answer = Browser.of(seller.app).post(HOOK, data=paid.body, csrf=False)
    assert answer.status_code == 401
    for secret in (CREEM["CREEM_API_KEY"], CREEM["CREEM_WEBHOOK_SECRET"], alice.email):
        assert secret not in answer.get_data(as_text=True) + str(answer.headers)


def test_an_old_event_is_as_good_as_a_new_one(seller: Seller, alice: Person) -> None:
    """Somebody presses "resend" in the dashboard weeks later."""
    seller.house.fault("aged", 40 * 86400)
    assert seller.deliver(seller.pay(seller.buy(alice)).event) == "done"


def test_where_nothing_is_sold_no_event_is_read(seller: Seller, paid: Event) -> None:
    headers, body = seller.house.letter(paid.id)
    seller.app.extensions["vendors"].payments = None
    with pytest.raises(NotFound):
        seller.call(payment_events.receive, headers, body)
    assert seller.post(headers, body) == "404 NOT FOUND"
    seller.app.extensions["vendors"].__dict__.pop("payments")


# Once ---------------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_the_same_event_again_and_again_is_one_grant(
    seller: Seller, alice: Person, paid: Event
) -> None:
    assert [seller.deliver(paid) for _ in range(4)] == ["done", "again", "again", "again"]
    assert seller.entries(alice) == [("purchase", 115)]
    assert len(seller.rows("SELECT 1 FROM payment_events")) == 1


@pytest.mark.both_databases
def test_the_same_event_at_once_is_one_grant(seller: Seller, alice: Person, paid: Event) -> None:
    outcomes = together(seller.app, 8, lambda: seller.receive(paid))
    assert sorted(outcomes) == ["again"] * 7 + ["done"]
    assert seller.entries(alice) == [("purchase", 115)]


@pytest.mark.both_databases
def test_a_new_event_about_the_same_order_is_no_new_grant(
    seller: Seller, alice: Person, paid: Event
) -> None:
    assert seller.deliver(paid) == "done"
    assert [seller.tell(paid.checkout_id or "") for _ in range(3)] == ["ignored"] * 3
    assert seller.entries(alice) == [("purchase", 115)]
    assert seller.events() == [("done", "granted")] + [("ignored", "again")] * 3


@pytest.mark.both_databases
def test_new_events_about_the_same_order_at_once_are_one_grant(
    seller: Seller, alice: Person, paid: Event
) -> None:
    events = [paid, *(seller.write(paid.checkout_id or "") for _ in range(7))]
    waiting = list(events)
    outcomes = together(seller.app, 8, lambda: seller.receive(waiting.pop()))
    assert sorted(outcomes) == ["done"] + ["ignored"] * 7
    assert seller.entries(alice) == [("purchase", 115)]
    assert seller.alerts() == []


@pytest.mark.both_databases
def test_the_event_and_the_return_page_race_for_one_grant(seller: Seller, alice: Person) -> None:
    purchase_id = seller.buy(alice)
    payment = seller.pay(purchase_id)
    creem = seller.app.extensions["vendors"].payments
    verbs: list[Callable[[], object]] = [
        lambda: seller.receive(payment.event),
        lambda: landings.land(alice.id, query_of(payment)).status,
        lambda: checkouts.look(creem, purchase_id, payment.checkout.id).state,
    ]
    results = seller.at_once(*verbs * 3)
    assert set(results) <= {"done", "again", "ignored", "completed", "ended"}
    assert seller.entries(alice) == [("purchase", 115)]
    assert seller.alerts() == []


# Together with what it does -----------------------------------------------------------------------


class Crash(Exception):
    """The process dies here."""


def crash_at(seller: Seller, statement: str) -> Callable[[], None]:
    """From now on the first statement that begins so fails. Returns what ends that."""
    with seller.app.app_context():
        engine = db.engine

    def fail(_connection: object, _cursor: object, sql: str, *_: object) -> None:
        if sql.startswith(statement):
            raise Crash

    sqlalchemy_event.listen(engine, "before_cursor_execute", fail)
    return lambda: sqlalchemy_event.remove(engine, "before_cursor_execute", fail)


@pytest.mark.both_databases
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE purchases",  # between the event's row and the purchase
        "INSERT INTO credit_entries",  # between the purchase and the grant
        "UPDATE payment_events",  # after the grant
    ],
)
def test_a_crash_on_the_way_keeps_nothing_and_the_next_attempt_grants(
    seller: Seller, alice: Person, paid: Event, statement: str
) -> None:
    mend = crash_at(seller, statement)
    with pytest.raises(Crash):
        seller.receive(paid)
    mend()
    assert seller.rows("SELECT 1 FROM payment_events") == []
    assert (seller.entries(alice), seller.gained(alice)) == ([], 0)
    assert [seller.deliver(paid), seller.deliver(paid)] == ["done", "again"]
    assert seller.entries(alice) == [("purchase", 115)]


def test_our_own_fault_is_5xx_so_that_creem_tries_again(
    seller: Seller, alice: Person, paid: Event
) -> None:
    seller.app.testing = False
    mend = crash_at(seller, "UPDATE payment_events")
    assert seller.deliver(paid).startswith("500")
    mend()
    seller.app.testing = True
    assert seller.deliver(paid) == "done"
    assert seller.gained(alice) == 115


@pytest.mark.both_databases
def test_an_alert_is_kept_with_its_event_or_not_at_all(seller: Seller, alice: Person) -> None:
    seller.house.fault("units", 2)
    paid = seller.pay(seller.buy(alice)).event
    mend = crash_at(seller, "INSERT INTO alerts")
    with pytest.raises(Crash):
        seller.receive(paid)
    mend()
    assert seller.rows("SELECT 1 FROM payment_events") == []
    assert seller.alerts() == []
    assert seller.deliver(paid) == "parked"
    assert seller.alerts() == ["payment_parked"]


# What nobody expects ------------------------------------------------------------------------------


OTHERS = ("subscription.paid", "subscription.active", "credits.granted", "payment.succeeded")


@pytest.mark.both_databases
def test_an_event_that_is_not_ours_is_kept_and_answered(seller: Seller, alice: Person) -> None:
    purchase_id = seller.buy(alice)
    about = {"id": "sub_1", "object": "subscription", "metadata": {"purchase_id": purchase_id}}
    for kind in (*OTHERS, "x" * 300):
        event = seller.house.announce(kind, about)
        assert [seller.deliver(event), seller.deliver(event)] == ["ignored", "again"]
    found = seller.rows("SELECT type FROM payment_events ORDER BY id")
    assert [row["type"] for row in found] == [*OTHERS, "x" * 40]
    assert seller.events() == [("ignored", "unknown")] * 5
    assert (seller.gained(alice), seller.status(purchase_id)) == (0, "pending")


BROKEN = {
    "no JSON": b"{",
    "no object": b"[]",
    "nothing": b"",
    "no id": b'{"eventType":"checkout.completed","object":{"id":"ch_1"}}',
    "no type": b'{"id":"evt_1","object":{}}',
    "nothing about": b'{"id":"evt_1","eventType":"checkout.completed"}',
    "no checkout": b'{"id":"evt_1","eventType":"checkout.completed","object":{"id":7}}',
    "no refund": b'{"id":"evt_1","eventType":"refund.created","object":{"id":"ref_1"}}',
    "no transaction": b'{"id":"evt_1","eventType":"dispute.created","object":{"id":"disp_1",'
    b'"amount":5}}',
    "a NUL": b'{"id":"evt_\\u0000","eventType":"refund.created","object":{"id":"\\u0000"}}',
    "half a letter": b'{"id":"evt_1","eventType":"\\ud800","object":{"id":"\\ud800"}}',
}


@pytest.mark.both_databases
def test_signed_events_that_are_broken_wait_for_a_person(seller: Seller) -> None:
    for number, (name, text) in enumerate(BROKEN.items(), start=1):
        body = text.replace(b"evt_1", f"evt_{number}".encode())
        outcomes = [seller.post(seller.sign(body), body) for _ in range(2)]
        assert (name, outcomes) == (name, ["parked", "again"])
        assert len(seller.rows("SELECT 1 FROM payment_events")) == number
    assert seller.rows("SELECT 1 FROM purchases") == []


@pytest.mark.parametrize("name", ["no JSON", "no refund", "no transaction"])
def test_a_person_is_told_of_an_event_that_is_broken(seller: Seller, name: str) -> None:
    seller.post(seller.sign(BROKEN[name]), BROKEN[name])
    assert len(seller.alerts()) == 1


def test_what_is_kept_of_an_event_is_no_address_and_no_name(seller: Seller, alice: Person) -> None:
    payment = seller.pay(seller.buy(alice), email="payer@else.example")
    seller.house.customers[payment.customer.id].name = "Petra Payer"
    assert seller.tell(payment.checkout.id) == "done"
    [kept] = seller.rows("SELECT facts FROM payment_events")
    text = kept["facts"] if isinstance(kept["facts"], str) else json.dumps(kept["facts"])
    for secret in ("payer@else.example", "Petra", alice.email, CREEM["CREEM_API_KEY"]):
        assert secret not in text
    assert payment.order.id in text
