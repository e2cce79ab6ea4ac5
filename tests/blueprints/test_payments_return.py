"""Back from Creem, and payments that got lost: nothing is believed but signatures and owners."""

import re

import pytest

from tests.blueprints import shop
from tests.blueprints.conftest import HTMX
from tests.blueprints.shop import AddPurchase, Deliver, buy, pay, way_back
from tests.cast import Browser, Person
from tests.conftest import Call, Rows
from tests.faults.making import Making
from tests.simulators.creem import CreemHouse

app, creem, deliver, add_purchase = shop.app, shop.creem, shop.deliver, shop.add_purchase

pytest_plugins = ["tests.faults.fixtures"]

GRANTED = "SELECT user_id, amount FROM credit_entries WHERE kind = 'purchase'"
SUCCESS = "/payment/success"
CANCEL = "/payment/cancel"
RECOVERY = "/credits-recovery"
CLAIMS = f"{RECOVERY}/claims"


# Success and cancel ------------------------------------------------------------------------------


def test_coming_back_is_as_good_as_the_event(
    alice: Person, alice_client: Browser, creem: CreemHouse, deliver: Deliver, rows: Rows
) -> None:
    payment = pay(creem, buy(alice_client))
    page = alice_client.get(way_back(payment)).text
    assert "115 credits added" in page and "Your balance is 215 credits now" in page
    assert "data-hx-trigger" not in page
    assert deliver(payment.event).status_code == 200
    alice_client.get(way_back(payment))
    assert rows(GRANTED) == [{"user_id": alice.id, "amount": 115}]


def test_while_creem_does_not_answer_the_page_waits(
    alice_client: Browser, creem: CreemHouse, deliver: Deliver
) -> None:
    purchase_id = buy(alice_client)
    payment = pay(creem, purchase_id)
    creem.fault("bad_key", where="checkouts.get")
    page = alice_client.get(way_back(payment)).text
    assert "Waiting for Creem" in page and "Continue to Creem" not in page
    assert f'data-hx-get="/purchases/{purchase_id}"' in page
    query = way_back(payment).partition("?")[2].replace("&", "&amp;")
    assert f'<noscript><p><a class="btn" href="{SUCCESS}?{query}">' in page
    deliver(payment.event)
    card = alice_client.get(f"/purchases/{purchase_id}", headers=HTMX).text
    assert "115 credits added" in card


@pytest.mark.parametrize(
    ("what", "instead"),
    [
        (r"signature=\w{8}", "signature=00000000"),
        (r"&signature=\w+", ""),
        (r"order_id=\w+", "order_id=ord_other"),
        (r"^(/payment/success\?)", r"\1checkout_id=ch_1&"),
        (r"^.*$", f"{SUCCESS}?anything"),
        (r"^.*$", f"{SUCCESS}?%00=%ff&signature=%zz"),
    ],
)
def test_an_address_that_creem_did_not_sign_leads_nowhere(
    alice_client: Browser, creem: CreemHouse, rows: Rows, what: str, instead: str
) -> None:
    payment = pay(creem, buy(alice_client))
    answer = alice_client.get(re.sub(what, instead, way_back(payment)))
    assert answer.status_code == 404
    told = answer.text.partition("<main")[2]  # the links to other languages repeat the address
    assert "signature" not in told and "ord_" not in told and "Creem" not in told
    assert "Which payment was it?" in told and "charged" not in told
    assert 'href="/profile"' in told and f'href="{RECOVERY}"' in told
    assert rows(GRANTED) == []


def test_anothers_way_back_is_not_there(
    alice_client: Browser, bob_client: Browser, creem: CreemHouse, rows: Rows
) -> None:
    address = way_back(pay(creem, buy(alice_client)))
    answer = bob_client.get(address)
    assert answer.status_code == 404 and "alice" not in answer.text
    assert "another than this one" in answer.text and "charged" not in answer.text
    assert rows(GRANTED) == []


def test_signed_out_the_way_back_survives_the_sign_in(
    alice_client: Browser, client: Browser, creem: CreemHouse, alice: Person
) -> None:
    address = way_back(pay(creem, buy(alice_client)))
    door = client.get(address)
    assert door.status_code == 302
    form = {"email": alice.email, "password": alice.password}
    assert client.post(door.location, data=form).location == address


def test_without_a_query_the_newest_purchase_is_shown(
    alice: Person, alice_client: Browser, add_purchase: AddPurchase
) -> None:
    assert alice_client.get(SUCCESS).location == "/pricing"
    add_purchase(alice, status="expired")
    newest = add_purchase(alice)
    page = alice_client.get(SUCCESS).text
    assert f'id="purchase-{newest}"' in page
    assert "Waiting for your payment" in page and "Waiting for Creem" not in page


def test_coming_back_without_having_paid(
    client: Browser, alice_client: Browser, creem: CreemHouse, deliver: Deliver
) -> None:
    for stranger in (client, alice_client):
        page = stranger.get(CANCEL).text
        assert "No order to show" in page and "charged" not in page and 'href="/pricing"' in page
    purchase_id = buy(alice_client)
    page = alice_client.get(CANCEL).text
    assert f'id="purchase-{purchase_id}" data-status="pending"' in page
    assert "Continue to Creem" in page and "charged" not in page
    deliver(pay(creem, purchase_id).event)
    assert "115 credits added" in alice_client.get(CANCEL).text
    assert "No order to show" in client.get(CANCEL).text


# Finding a payment -------------------------------------------------------------------------------


def test_what_is_open_is_listed(
    alice: Person, alice_client: Browser, bob: Person, add_purchase: AddPurchase
) -> None:
    assert "Nothing is open" in alice_client.get(RECOVERY).text
    mine = add_purchase(alice, status="parked")
    add_purchase(alice, status="completed")
    strange = add_purchase(bob)
    page = alice_client.get(RECOVERY).text
    assert re.findall(r'href="/purchases/([^"]+)"', page) == [mine]
    assert "Being checked" in page and strange not in page


def test_what_was_never_paid_stands_below_what_is_open(
    alice: Person, alice_client: Browser, add_purchase: AddPurchase
) -> None:
    never = [add_purchase(alice, status=status) for status in ("failed", "expired")]
    page = alice_client.get(RECOVERY).text
    above, _, below = page.partition('<details id="never-paid">')
    assert "Nothing is open" in above and "Never paid (2)" in below and "Check again" in above
    assert re.findall(r'href="/purchases/([^"]+)"', below) == never[::-1]


def test_checking_again_says_when_nobody_can_be_asked(
    alice: Person, alice_client: Browser, add_purchase: AddPurchase, creem: CreemHouse
) -> None:
    add_purchase(alice, road="link")
    alice_client.post(RECOVERY)
    page = alice_client.get(RECOVERY).text
    assert "Creem was not asked" in page and "No payment was found" not in page
    assert creem.requests == []


def test_checking_again_finds_a_payment_whose_event_was_lost(
    alice: Person, alice_client: Browser, creem: CreemHouse, rows: Rows
) -> None:
    pay(creem, buy(alice_client))
    answer = alice_client.post(RECOVERY)
    assert (answer.status_code, answer.location) == (303, RECOVERY)
    page = alice_client.get(RECOVERY).text
    assert "115 credits are on your balance now" in page and "Nothing is open" in page
    assert rows(GRANTED) == [{"user_id": alice.id, "amount": 115}]


def test_checking_again_says_when_there_is_nothing_and_when_creem_is_silent(
    alice_client: Browser, creem: CreemHouse
) -> None:
    buy(alice_client)
    answer = alice_client.post(RECOVERY, headers=HTMX)
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, RECOVERY)
    assert "No payment was found" in alice_client.get(RECOVERY).text
    creem.fault("bad_key", where="checkouts.get")
    alice_client.post(RECOVERY)
    assert "Creem does not answer" in alice_client.get(RECOVERY).text


def test_videos_that_failed_are_named_with_their_receipts(
    making: Making, client_of: shop.Callable[..., Browser], call: Call
) -> None:
    from app.services import endings

    failed, _kept = making.ask_for(count="2")
    call(endings.fail, failed, "deadline", "")
    page = client_of(making.person).get(RECOVERY).text
    assert re.findall(r'href="/videos/([^"]+)/receipt"', page) == [failed]


@pytest.fixture
def unmatched(alice: Person, creem: CreemHouse, deliver: Deliver) -> str:
    """The order number of a payment from alice's address that says nothing of us."""
    checkout = creem.open_checkout("prod_standard")
    payment = creem.pay(checkout.id, email=alice.email)
    assert deliver(payment.event).status_code == 200
    return payment.order.id


def test_a_payment_without_an_owner_is_claimed_by_its_payer_once(
    alice: Person,
    alice_client: Browser,
    bob_client: Browser,
    unmatched: str,
    rows: Rows,
) -> None:
    assert bob_client.post(CLAIMS, data={"order_id": unmatched}).status_code == 422
    answer = alice_client.post(CLAIMS, data={"order_id": f" {unmatched} "})
    assert answer.status_code == 303
    assert "355 credits are on your balance now" in alice_client.get(answer.location).text
    assert alice_client.post(CLAIMS, data={"order_id": unmatched}).status_code == 422
    assert rows(GRANTED) == [{"user_id": alice.id, "amount": 355}]


@pytest.mark.parametrize("order_id", ["", "ord_unknown", "\x00", "x" * 5000, "<b>"])
def test_a_claim_that_nothing_proves_comes_back_in_its_form(
    alice_client: Browser, order_id: str, rows: Rows
) -> None:
    page = alice_client.post(CLAIMS, data={"order_id": order_id})
    part = alice_client.post(CLAIMS, data={"order_id": order_id}, headers=HTMX)
    for answer in (page, part):
        assert answer.status_code == 422
        assert 'id="order_id-error"' in answer.text and 'aria-invalid="true"' in answer.text
        assert "<b>" not in answer.text.split('id="order_id"')[1][:300]
    assert "<h1>Find a payment</h1>" in page.text
    assert part.text.strip().startswith('<form class="stack"') and "csrf_token" not in part.text
    assert rows(GRANTED) == []


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "fragment"])
def test_finding_payments_wants_a_sign_in(client: Browser, headers: dict[str, str]) -> None:
    status = 401 if headers else 302
    for method, address in (
        ("GET", SUCCESS), ("GET", RECOVERY), ("POST", RECOVERY), ("POST", CLAIMS),
    ):  # fmt: skip
        assert client.open(address, method=method, headers=headers).status_code == status


@pytest.mark.parametrize("address", [RECOVERY, CLAIMS])
def test_without_a_token_nothing_is_asked(
    alice_client: Browser, creem: CreemHouse, address: str
) -> None:
    assert alice_client.post(address, csrf=False).status_code == 400
    assert alice_client.open(address, method="DELETE").status_code == 405
    assert creem.requests == []
