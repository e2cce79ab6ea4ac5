"""The client against the simulator: both speak the wire, and neither was made from the other."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import httpx
import pytest

from app.payments import Checkout, Event, NotSigned, Return, Settings
from app.payments.creem import Creem
from tests.payments.bodies import KEY, SECRET
from tests.payments.conftest import trouble
from tests.providers.scripted import Asked, Reply, Server
from tests.simulators.creem import CreemHouse, Payment, start_creem
from tests.waiting import wait_until

SITE = "https://site.example/payment/success"


@pytest.fixture
def inbox(server: Server) -> Server:
    """Where its events arrive."""
    server.on("POST", "/events", Reply(200, b""))
    return server


@pytest.fixture
def house(inbox: Server) -> Iterator[CreemHouse]:
    with start_creem(
        api_key=KEY, webhook_secret=SECRET, webhook_url=f"{inbox.url}/events", tax_percent=21
    ) as house:
        yield house


@pytest.fixture
def creem(house: CreemHouse) -> Iterator[Creem]:
    link = f"{house.base_url}/payment/prod_starter"
    door = Creem(Settings(house.base_url, KEY, SECRET, "test", {}, {"starter": link}))
    yield door
    door.close()


def open_page(creem: Creem) -> Checkout:
    return creem.create_checkout(
        product_id="prod_starter",
        request_id="0197-purchase",
        metadata={"purchase_id": "0197-purchase", "user_id": "7", "schema": "1"},
        success_url=SITE,
        email="alice@example.org",
    )


def read(creem: Creem) -> Callable[[Asked], Event]:
    """Reads what arrived, through its signature."""
    return lambda asked: creem.read_event(asked.headers, asked.body)


@pytest.fixture
def opened(creem: Creem) -> Checkout:
    return open_page(creem)


@pytest.fixture
def payment(house: CreemHouse, opened: Checkout) -> Payment:
    return house.pay(opened.id, email="payer@example.org")


@pytest.fixture
def paid_by(payment: Payment) -> str:
    """The id of its transaction."""
    assert payment.transaction is not None
    return payment.transaction.id


def test_a_page_is_opened_and_found_again(creem: Creem, opened: Checkout) -> None:
    found = creem.find_checkout(opened.id)
    assert (found.status, found.mode, found.order) == ("pending", "test", None)
    assert (found.product_id, found.units) == ("prod_starter", 1)
    assert found.request_id == found.metadata["purchase_id"] == "0197-purchase"
    assert httpx.get(opened.url, trust_env=False).status_code == 200


def test_a_paid_one_with_tax_on_top(creem: Creem, opened: Checkout, paid_by: str) -> None:
    found = creem.find_checkout(opened.id)
    assert (found.status, found.email) == ("completed", "payer@example.org")
    order = found.order
    assert order is not None
    assert (order.status, order.type, order.currency) == ("paid", "onetime", "USD")
    assert (order.amount_cents, order.tax_cents, order.paid_cents) == (990, 208, 1198)
    assert order.transaction_id == paid_by
    books = creem.find_transaction(order.transaction_id)
    assert (books.status, books.paid_cents, books.refunded_cents) == ("paid", 1198, 0)
    assert books.order_id == order.id
    assert creem.transactions(1) == ([books], None)


def test_what_is_given_back(creem: Creem, house: CreemHouse, paid_by: str) -> None:
    assert creem.refund(paid_by) in ("succeeded", "pending")
    again = trouble(lambda: creem.refund(paid_by))
    assert again.trouble == "refused"
    assert trouble(lambda: creem.refund("tran_none")).trouble == "not_found"
    assert trouble(lambda: creem.find_transaction("tran_none")).trouble == "not_found"


def test_what_nobody_sells_is_refused(creem: Creem) -> None:
    def ask() -> object:
        return creem.create_checkout(
            product_id="prod_none", request_id="a", metadata={}, success_url=SITE, email="a@b.c"
        )

    assert trouble(ask).trouble in ("refused", "not_found")


def test_a_wrong_key_is_refused(house: CreemHouse) -> None:
    door = Creem(Settings(house.base_url, "creem_test_wrong", SECRET, "test", {}, {}))
    assert trouble(lambda: door.find_checkout("ch_1")).trouble == "refused"
    door.close()


def test_the_portal_of_a_buyer(creem: Creem, opened: Checkout, payment: Payment) -> None:
    customer_id = creem.find_checkout(opened.id).customer_id
    assert creem.portal_url(customer_id).startswith("http")


def test_a_static_link_opens_a_page(creem: Creem, house: CreemHouse) -> None:
    link = creem.payment_link("starter", "0197-purchase")
    assert link is not None
    answer = httpx.get(link, trust_env=False, follow_redirects=True)
    assert answer.status_code == 200
    [page] = house.checkouts
    assert creem.find_checkout(page).request_id == "0197-purchase"


@pytest.mark.parametrize(
    "kind", ["error", "bare", "limited", "reset", "accept_then_reset", "accept_then_error"]
)
def test_a_page_in_spite_of_a_bad_start(creem: Creem, house: CreemHouse, kind: str) -> None:
    house.fault(kind, 0 if kind == "limited" else None, where="checkouts.create")
    assert open_page(creem).url
    assert len(house.asked("checkouts.create")) == 2


@pytest.mark.parametrize(
    ("kind", "trouble_of_it"),
    [("garbage", "garbled"), ("empty", "garbled"), ("bad_key", "refused"), ("bare", "unavailable"),
     ("accept_then_error", "unavailable"), ("accept_then_reset", "unavailable"),
     ("limited_before", "rate_limited")],
)  # fmt: skip
def test_a_refund_that_nobody_saw_is_not_asked_for_again(
    creem: Creem, house: CreemHouse, paid_by: str, kind: str, trouble_of_it: str
) -> None:
    house.fault(kind, where="refunds.create")
    assert trouble(lambda: creem.refund(paid_by)).trouble == trouble_of_it
    assert len(house.asked("refunds.create")) == 1


def test_its_events_as_they_arrive(
    creem: Creem, house: CreemHouse, inbox: Server, paid_by: str
) -> None:
    refund = house.refund(paid_by, 599)
    house.dispute(paid_by)
    house.announce("subscription.paused", {"id": "sub_1"})
    wait_until(lambda: len(inbox.asked) == 4)
    events = {event.type: event for event in map(read(creem), inbox.asked)}
    paid = events["checkout.completed"].about
    assert isinstance(paid, Checkout) and paid.order
    assert paid == replace(creem.find_checkout(paid.id), url="")
    assert (paid.request_id, paid.email) == ("0197-purchase", "payer@example.org")
    back = events["refund.created"].about
    assert isinstance(back, Return)
    assert (back.id, back.amount_cents, back.status) == (refund.id, 599, "succeeded")
    assert (back.transaction.refunded_cents, back.transaction.paid_cents) == (599, 1198)
    assert (back.order_id, back.request_id) == (paid.order.id, "0197-purchase")
    dispute = events["dispute.created"].about
    assert isinstance(dispute, Return) and dispute.kind == "dispute"
    assert dispute.transaction.id == paid_by
    assert events["subscription.paused"].about is None
    assert not any(event.problem for event in events.values())


@pytest.mark.parametrize("kind", ["wrong_signature", "unsigned", "altered", "reserialised"])
def test_an_event_that_is_not_its_own(
    creem: Creem, house: CreemHouse, inbox: Server, opened: Checkout, kind: str
) -> None:
    house.fault(kind)
    house.pay(opened.id)
    wait_until(lambda: inbox.asked)
    with pytest.raises(NotSigned):
        read(creem)(inbox.asked[0])


def test_where_the_buyer_comes_back(creem: Creem, payment: Payment) -> None:
    assert payment.return_url is not None
    address, _, query = payment.return_url.partition("?")
    landing = creem.read_landing(query)
    assert address == SITE
    assert landing.request_id == "0197-purchase"
    assert landing.order_id == payment.order.id
    found = creem.find_checkout(landing.checkout_id)
    assert found.order is not None and found.order.id == landing.order_id
    with pytest.raises(NotSigned):
        creem.read_landing(query.replace(landing.order_id, "ord_other"))
