"""The packs, an order, and the way to Creem, as pages and fragments."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import update

from app import limits
from app.extensions import db
from app.models import Purchase, now
from app.services import credits
from tests.blueprints import shop
from tests.blueprints.conftest import HTMX
from tests.blueprints.shop import AddPurchase, buy
from tests.cast import PASSWORD, Browser, Person
from tests.conftest import Call, Rows
from tests.simulators.creem import CreemHouse

app, creem, deliver, add_purchase = shop.app, shop.creem, shop.deliver, shop.add_purchase

STATUSES = "SELECT status, road, failure FROM purchases ORDER BY created_at"
PROCESSOR = "/payment-processor"


# Pricing -----------------------------------------------------------------------------------------


def test_everybody_sees_the_packs_with_what_they_make(client: Browser) -> None:
    page = client.get("/pricing").text
    for name, pack in limits.PACKS.items():
        assert f'id="pack-{name}"' in page
        assert f"<b>{pack.credits:,}</b> credits" in page
        assert f"{pack.credits // limits.PRICE_CREDITS} videos of 8 seconds" in page
        assert f'href="{PROCESSOR}?pack={name}"' in page
    assert [price in page for price in ("$9.90", "$30", "$99", "$0.86 a video")] == [True] * 4
    assert "It is easier to see 35 than to divide 355 by 10." in page
    assert "data-best" not in page and not re.search(r"\d ?% ?off", page)
    rows = re.findall(
        r'<th scope="row"[^>]*>([^<]*)</th><td[^>]*>([^<]*)</td>.*?<b>(\d+)</b>', page
    )
    assert ("8 seconds", "720p", "10") in rows and ("8 seconds", "1080p", "15") in rows


@pytest.mark.parametrize(("videos", "pack"), [(10, "starter"), (35, "standard"), (100, "premium")])
def test_a_pack_is_recommended_for_a_number_of_videos(
    client: Browser, videos: int, pack: str
) -> None:
    page = client.get(f"/pricing?videos={videos}").text
    assert re.findall(r'id="pack-(\w+)" data-best', page) == [pack]
    assert f"Enough for {videos} videos" in page


@pytest.mark.parametrize("videos", ["", "0", "-1", "11", "9" * 5000, "ten", "%00"])
def test_a_strange_number_of_videos_recommends_nothing(client: Browser, videos: str) -> None:
    answer = client.get(f"/pricing?videos={videos}")
    assert answer.status_code == 200 and "data-best" not in answer.text


def test_a_pack_is_recommended_by_use(alice: Person, alice_client: Browser, call: Call) -> None:
    assert "About how many videos?" in alice_client.get("/pricing").text

    call(_spend, alice.id)
    page = alice_client.get("/pricing").text
    assert re.findall(r'id="pack-(\w+)" data-best', page) == ["starter"]
    assert "Covers your last 30 days" in page and "About how many videos?" not in page


def _spend(user_id: int) -> None:
    """As much as four videos cost."""
    from app.services.transactions import write_transaction

    with write_transaction() as connection:
        credits.spend(connection, user_id, 40, key="spend:test", reference="test")


def test_buying_signed_out_comes_back_to_the_same_pack(client: Browser, alice: Person) -> None:
    address = f"{PROCESSOR}?pack=standard"
    door = client.get(address)
    assert (door.status_code, door.location) == (
        302,
        "/sign-in?next=/payment-processor?pack%3Dstandard",
    )
    signed_in = client.post(door.location, data={"email": alice.email, "password": PASSWORD})
    assert (signed_in.status_code, signed_in.location) == (303, address)
    assert "355 credits for $30.00" in client.get(address).text


def test_where_payments_are_off_nothing_can_be_pressed(make_app: Callable[..., Flask]) -> None:
    browser = Browser.of(make_app())
    page = browser.get("/pricing").text
    assert "payments are switched off" in page
    assert page.count(' disabled aria-describedby="not-on-sale"') == len(limits.PACKS)


# The order ---------------------------------------------------------------------------------------


def test_an_order_is_shown_before_anything_happens(
    alice_client: Browser, creem: CreemHouse, rows: Rows
) -> None:
    page = alice_client.get(f"{PROCESSOR}?pack=starter").text
    assert "115 credits for $9.90" in page and 'name="pack" value="starter"' in page
    assert ">215<" in page  # the balance afterwards
    assert rows(STATUSES) == [] and creem.requests == []


def test_an_order_of_nothing(alice_client: Browser) -> None:
    assert alice_client.get(PROCESSOR).location == "/pricing"
    assert alice_client.get(f"{PROCESSOR}?pack=huge").status_code == 404
    assert alice_client.post(PROCESSOR, data={"pack": "huge"}).status_code == 422
    assert alice_client.post(PROCESSOR).status_code == 422


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_another_method_is_not_taken(alice_client: Browser, method: str) -> None:
    for address in (PROCESSOR, "/pricing", "/payment/success", "/payment/cancel"):
        assert alice_client.open(address, method=method).status_code == 405


def test_the_buyer_is_sent_on_once_and_not_by_going_back(
    alice_client: Browser, creem: CreemHouse
) -> None:
    purchase_id = buy(alice_client)
    [checkout] = creem.checkouts.values()
    assert checkout.request_id == purchase_id and checkout.email == "alice@example.org"
    assert checkout.success_url == "http://127.0.0.1:8000/payment/success"
    address = f"{PROCESSOR}?purchase={purchase_id}"
    first = alice_client.get(address)
    assert first.headers["Refresh"] == f"1; url={creem.checkout_url(checkout.id)}"
    assert f'href="{creem.checkout_url(checkout.id)}"' in first.text
    assert "form-action 'self'" in first.headers["Content-Security-Policy"]
    again = alice_client.get(address)
    assert "Refresh" not in again.headers and "/checkout/" not in again.text
    assert "Continue to Creem" in again.text and f'action="{PROCESSOR}"' in again.text


def test_a_second_press_meanwhile_waits_and_goes_on(
    alice: Person, alice_client: Browser, add_purchase: AddPurchase, call: Call, creem: CreemHouse
) -> None:
    purchase_id = add_purchase(alice)  # another request is asking Creem for its page
    assert buy(alice_client) == purchase_id and creem.requests == []
    address = f"{PROCESSOR}?purchase={purchase_id}"
    for _ in range(2):
        page = alice_client.get(address)
        assert page.headers["Refresh"] == "2" and "page is being opened" in page.text
        assert "Open the payment page" in page.text and "Another pack" in page.text
    url = "https://creem.test/checkout/ch_1"
    call(_change, purchase_id, checkout_url=url)
    assert alice_client.get(address).headers["Refresh"] == f"1; url={url}"
    assert "Refresh" not in alice_client.get(address).headers


def test_where_nobody_opens_the_page_any_more_it_stands_still(
    alice: Person, alice_client: Browser, add_purchase: AddPurchase, call: Call, rows: Rows
) -> None:
    purchase_id = add_purchase(alice)
    buy(alice_client)
    call(_change, purchase_id, created_at=now() - timedelta(seconds=limits.OPENING_S + 1))
    page = alice_client.get(f"{PROCESSOR}?purchase={purchase_id}")
    assert "Refresh" not in page.headers and "Open the payment page" in page.text
    assert buy(alice_client) == purchase_id
    assert rows("SELECT checkout_url IS NOT NULL AS has_page FROM purchases") == [{"has_page": 1}]


def _change(purchase_id: str, **values: object) -> None:
    db.session.execute(update(Purchase).where(Purchase.id == purchase_id).values(**values))
    db.session.commit()


@pytest.mark.parametrize("address", [f"{PROCESSOR}?pack=starter", "/pricing"])
def test_the_price_that_was_shown_is_the_price(alice_client: Browser, address: str) -> None:
    assert 'name="price" value="990"' in alice_client.get(address).text


def test_at_another_price_nothing_is_bought_and_the_new_one_is_shown(
    alice_client: Browser, rows: Rows, creem: CreemHouse
) -> None:
    form = {"pack": "starter", "price": "890"}
    page = alice_client.post(PROCESSOR, data=form)
    assert page.status_code == 422 and "this is the new price" in page.text
    assert 'name="price" value="990"' in page.text and 'role="alert"' in page.text
    part = alice_client.post(PROCESSOR, data=form, headers=HTMX)
    assert (part.status_code, part.headers["HX-Redirect"]) == (204, f"{PROCESSOR}?pack=starter")
    assert "this is the new price" in alice_client.get(part.headers["HX-Redirect"]).text
    assert rows(STATUSES) == [] and creem.requests == []


@pytest.mark.parametrize("price", ["", "cheap", "9" * 5000, "9.90"])
def test_a_price_that_is_none_is_not_compared(alice_client: Browser, price: str) -> None:
    answer = alice_client.post(PROCESSOR, data={"pack": "starter", "price": price})
    assert answer.status_code == 303


@pytest.mark.parametrize("prefix", ["", "/zh"])
def test_pressing_buy_signed_out_comes_back_to_the_same_pack(
    client: Browser, rows: Rows, prefix: str
) -> None:
    address = f"{prefix}{PROCESSOR}"
    door = f"{prefix}/sign-in?next={address}?pack%3Dpremium"
    page = client.post(address, data={"pack": "premium"})
    assert (page.status_code, page.location) == (302, door)
    part = client.post(address, data={"pack": "premium"}, headers=HTMX)
    assert (part.status_code, part.headers["HX-Redirect"]) == (401, door)
    assert client.post(address, data={"pack": "huge"}).location.endswith("/studio")
    assert rows(STATUSES) == []


def test_the_page_after_buying_keeps_the_language(alice_client: Browser, creem: CreemHouse) -> None:
    answer = alice_client.post(f"/zh{PROCESSOR}", data={"pack": "starter"})
    assert answer.location.startswith(f"/zh{PROCESSOR}?purchase=")
    [checkout] = creem.checkouts.values()
    assert checkout.success_url == "http://127.0.0.1:8000/zh/payment/success"


def test_htmx_is_told_where_to_go(alice_client: Browser) -> None:
    answer = alice_client.post(PROCESSOR, data={"pack": "starter"}, headers=HTMX)
    assert answer.status_code == 204
    assert answer.headers["HX-Redirect"].startswith(f"{PROCESSOR}?purchase=")


def test_pressing_twice_is_one_purchase(alice_client: Browser, rows: Rows) -> None:
    assert buy(alice_client) == buy(alice_client)
    assert len(rows(STATUSES)) == 1


def test_the_second_road_is_taken_silently(
    alice_client: Browser, creem: CreemHouse, rows: Rows
) -> None:
    creem.fault("bad_key", where="checkouts.create")
    purchase_id = buy(alice_client)
    assert rows(STATUSES) == [{"status": "pending", "road": "link", "failure": "refused"}]
    link = creem.payment_link("prod_starter", purchase_id)
    page = alice_client.get(f"{PROCESSOR}?purchase={purchase_id}")
    assert page.headers["Refresh"] == f"1; url={link}"


@pytest.fixture
def linkless(make_app: Callable[..., Flask], creem: CreemHouse, alice: Person) -> Iterator[Browser]:
    """Alice at a site without static links, whose Creem refuses."""
    from app.services import sessions

    site = make_app(**shop.CREEM, CREEM_API_BASE_URL=creem.base_url)
    creem.fault("bad_key", where="checkouts.create", times=None)
    browser = Browser.of(site)
    with site.app_context():
        browser.set_cookie("session", sessions.start(alice.id, "test browser"))
    yield browser
    shop.hang_up(site)


def test_where_no_road_leads_the_order_says_so(linkless: Browser, rows: Rows) -> None:
    answer = linkless.post(PROCESSOR, data={"pack": "starter"})
    assert answer.status_code == 503
    assert "Nothing was charged" in answer.text and 'role="alert"' in answer.text
    assert 'name="pack" value="starter"' in answer.text  # it can be pressed again
    assert [row["status"] for row in rows(STATUSES)] == ["failed"]


def test_where_no_road_leads_htmx_shows_a_message(linkless: Browser) -> None:
    answer = linkless.post(PROCESSOR, data={"pack": "starter"}, headers=HTMX)
    assert (answer.status_code, answer.headers["HX-Reswap"]) == (503, "none")
    assert 'id="flash"' in answer.text and "Nothing was charged" in answer.text


def test_the_sixth_attempt_within_an_hour_waits(
    alice: Person, alice_client: Browser, add_purchase: AddPurchase
) -> None:
    for _ in range(limits.PAYMENTS_PER_HOUR):
        add_purchase(alice, status="failed")
    answer = alice_client.post(PROCESSOR, data={"pack": "starter"})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 3600
    assert 'role="alert"' in answer.text and "115 credits for $9.90" in answer.text


def test_without_a_token_nothing_is_bought(alice_client: Browser, rows: Rows) -> None:
    assert alice_client.post(PROCESSOR, data={"pack": "starter"}, csrf=False).status_code == 400
    assert rows(STATUSES) == []
