"""Events as Creem itself sends them, to a site that listens: twice, late, out of order, again."""

import logging
import threading
from collections.abc import Iterator

import pytest
from werkzeug.serving import make_server

from app.payments import NotSigned
from app.services import landings
from tests.cast import Person
from tests.payments_settings import CREEM
from tests.services.payments.seller import HOOK, Seller, paid_by, query_of
from tests.simulators.creem import CreemHouse
from tests.waiting import wait_until


@pytest.fixture
def open_site(seller: Seller) -> Iterator[None]:
    """The site listens, and Creem knows where."""
    server = make_server("127.0.0.1", 0, seller.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, name="site")
    thread.start()
    seller.house.webhook_url = f"http://127.0.0.1:{server.server_port}{HOOK}"
    yield
    seller.house.webhook_url = None
    server.shutdown()
    thread.join()
    server.server_close()


def wait_for(house: CreemHouse, number: int) -> None:
    """Until so many were answered."""
    wait_until(lambda: len(house.deliveries) == number)


def statuses(house: CreemHouse) -> list[int | None]:
    """What Creem was answered, in order."""
    return [one.status for one in house.deliveries]


@pytest.mark.both_databases
@pytest.mark.usefixtures("open_site")
@pytest.mark.parametrize(
    ("fault", "value", "answers"), [("twice", 2, 3), ("at_once", 8, 8), ("before_return", None, 1)]
)
def test_however_often_it_is_sent_it_is_one_grant(
    seller: Seller, alice: Person, fault: str, value: int | None, answers: int
) -> None:
    seller.house.fault(fault, value)
    seller.pay(seller.buy(alice))
    wait_for(seller.house, answers)
    assert statuses(seller.house) == [200] * answers
    assert seller.entries(alice) == [("purchase", 115)]


@pytest.mark.usefixtures("open_site")
def test_a_late_one_comes_late_and_counts(seller: Seller, alice: Person) -> None:
    seller.house.fault("late", 3600)
    purchase_id = seller.buy(alice)
    payment = seller.pay(purchase_id)
    seller.call(landings.land, alice.id, query_of(payment))
    assert seller.gained(alice) == 115
    seller.house.advance(3601)
    wait_for(seller.house, 1)
    assert seller.events() == [("ignored", "again")]
    assert seller.gained(alice) == 115


@pytest.mark.both_databases
@pytest.mark.usefixtures("open_site")
def test_a_refund_that_overtakes_its_payment_nets_to_nothing(seller: Seller, alice: Person) -> None:
    seller.house.fault("out_of_order", where="checkout.completed")
    payment = seller.pay(seller.buy(alice))
    seller.house.refund(paid_by(payment))
    wait_for(seller.house, 2)
    assert [one.type for one in seller.house.deliveries] == ["refund.created", "checkout.completed"]
    assert seller.entries(alice) == [("purchase", 115), ("clawback", -115)]


@pytest.mark.usefixtures("open_site")
def test_one_that_reached_nobody_is_sent_again_by_creems_clock(
    seller: Seller, alice: Person
) -> None:
    seller.house.fault("unreachable", 3)
    seller.pay(seller.buy(alice))
    for attempts, wait_s in ((1, 30), (2, 300), (3, 1800)):
        wait_for(seller.house, attempts)
        assert seller.gained(alice) == 0
        seller.house.advance(wait_s + 1)
    wait_for(seller.house, 4)
    assert statuses(seller.house) == [None, None, None, 200]
    assert seller.entries(alice) == [("purchase", 115)]


@pytest.mark.usefixtures("open_site")
def test_one_that_we_could_not_keep_is_sent_again(
    seller: Seller, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object) -> None:
        raise OSError("the disk is full")

    seller.app.testing = False
    with monkeypatch.context() as patch:
        patch.setattr("app.services.credits.grant", break_down)
        seller.pay(seller.buy(alice))
        wait_for(seller.house, 1)
    assert (statuses(seller.house), seller.events()) == ([500], [])
    seller.house.advance(31)
    wait_for(seller.house, 2)
    seller.app.testing = True
    assert statuses(seller.house) == [500, 200]
    assert seller.entries(alice) == [("purchase", 115)]


@pytest.mark.usefixtures("open_site")
def test_a_forged_one_is_answered_401_each_time(seller: Seller, alice: Person) -> None:
    seller.house.fault("wrong_signature")
    payment = seller.pay(seller.buy(alice))
    wait_for(seller.house, 1)
    seller.house.send(payment.event.id)
    assert (statuses(seller.house), seller.gained(alice)) == ([401, 401], 0)


@pytest.mark.usefixtures("open_site")
def test_no_secret_and_no_address_is_ever_logged(
    seller: Seller, alice: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    seller.house.fault("error", where="checkouts.create", times=None)
    seller.buy(alice)
    seller.house.clear()
    payment = seller.pay(seller.buy(alice, "standard"), email="payer@else.example")
    with pytest.raises(NotSigned):
        seller.call(landings.land, alice.id, query_of(payment)[:-1])
    seller.call(landings.land, alice.id, query_of(payment))
    seller.house.fault("bad_key", where="customers.billing")
    seller.pay_unowned(email="payer@else.example")
    seller.house.fault("wrong_signature")
    seller.house.refund(paid_by(payment), 330)
    seller.house.fault("error", where="refunds.create")
    seller.give_back(payment)
    wait_for(seller.house, 3)
    assert "both roads" not in caplog.text and "no checkout" in caplog.text
    secrets = [CREEM["CREEM_API_KEY"], CREEM["CREEM_WEBHOOK_SECRET"]]
    for secret in (*secrets, alice.email, "payer@else.example", query_of(payment)[-64:]):
        assert secret not in caplog.text
