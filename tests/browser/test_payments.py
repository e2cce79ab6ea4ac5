"""Buying credits in a browser, through the pay page of a Creem on this machine."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import insert

from app.extensions import db
from app.models import Purchase, new_id
from tests.browser.conftest import Visit
from tests.browser.servers import Site
from tests.browser.test_accessibility import LANGUAGES, barriers
from tests.browser.test_composer import choose
from tests.browser.visitor import RENDER_MS, Visitor
from tests.payments_settings import CREEM
from tests.simulators.creem import CreemHouse, start_creem

BUY = "Buy Starter"
STATES = (
    "pending", "completed", "failed", "expired", "parked", "partly_refunded", "refunded",
    "disputed",
)  # fmt: skip
AT_THE_END = """addEventListener("resize",
  () => scrollTo(0, innerWidth < 768 ? document.body.scrollHeight : 0))"""
"""Where the dock, or without one the header, covers half of nothing: axe measures what is seen."""


@pytest.fixture(scope="module")
def house() -> Iterator[CreemHouse]:
    """Creem."""
    with start_creem() as house:
        yield house


@pytest.fixture(scope="module")
def shop(
    chromium: Browser,
    house: CreemHouse,
    sqlite_template: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """A site that sells through it, with web and worker."""
    settings = {**CREEM, "CREEM_API_BASE_URL": house.base_url}
    one = Site(tmp_path_factory.mktemp("shop"), sqlite_template, **settings)
    house.webhook_url = f"{one.url}/api/webhooks/creem"
    with ExitStack() as stack:
        stack.callback(one.stop)
        one.start_worker()
        one.start_web()
        yield one


@pytest.fixture
def buyer(shop: Site, house: CreemHouse, visit: Visit, request: pytest.FixtureRequest) -> Visitor:
    """Somebody with 3 credits, who may go to Creem."""
    house.clear()
    name = re.sub(r"\W|_", "-", request.node.name)[:50].strip("-")
    options = getattr(request, "param", {})
    visitor = visit(shop, shop.make_person(f"{name}@example.org", credits=3), **options)
    visitor.may_visit = (house.base_url,)
    return visitor


def press_buy(page: Page, house: CreemHouse) -> None:
    """From the prices to Creem's pay page."""
    page.goto("/pricing")
    page.get_by_role("button", name=BUY).click()
    page.wait_for_url(f"{house.base_url}/checkout/**")


def test_credits_arrive_without_a_reload_and_make_a_video(
    buyer: Visitor, house: CreemHouse
) -> None:
    page = buyer.page
    page.goto("/studio?type=glass-fruit")
    page.locator("#short").get_by_role("link", name="Get credits").click()
    expect(page.locator("h1")).to_have_text("Pay for films, not for months.")
    page.get_by_role("button", name=BUY).click()
    page.wait_for_url(f"{house.base_url}/checkout/**")

    house.fault("late", 60)  # the buyer is back before the event, and Creem answers no question
    house.fault("bad_key", where="checkouts.get", times=None)
    page.get_by_role("button", name="Pay 9.90 USD").last.click()
    card = page.locator(".paid")
    expect(card).to_have_attribute("data-status", "pending")
    expect(card).to_contain_text("Waiting for Creem")
    expect(page.locator("#balance")).to_have_text("3")
    page.evaluate("window.isSamePage = true")
    house.advance(60)
    expect(card).to_have_attribute("data-status", "completed")
    expect(card.get_by_role("heading")).to_have_text("115 credits added")
    expect(page.locator("#balance")).to_have_text("118")
    assert page.evaluate("window.isSamePage")
    polls = [one for one in buyer.requests if one.startswith("GET /purchases/")]

    card.get_by_role("link", name="To the studio").click()
    choose(page, "Length", "4 s")
    page.get_by_role("button", name="Generate · 5 credits (118 → 113)", exact=True).click()
    video = buyer.card(buyer.new_card())
    expect(video).to_have_attribute("data-status", "completed", timeout=RENDER_MS)
    expect(page.locator("#balance")).to_have_text("113")
    assert [one for one in buyer.requests if one.startswith("GET /purchases/")] == polls

    page.goto("/credits")
    page.get_by_role("link", name="Starter pack").click()
    expect(page.locator(".receipt")).to_contain_text("$9.90 USD")


def test_a_card_that_is_declined_costs_nothing_and_may_be_tried_again(
    buyer: Visitor, house: CreemHouse
) -> None:
    buyer.expected = {402}  # of Creem's page
    page = buyer.page
    press_buy(page, house)
    page.get_by_label("Declined").check()
    page.get_by_role("button", name="Pay 9.90 USD").last.click()
    expect(page.get_by_role("alert")).to_contain_text("declined")

    page.goto("/profile")
    expect(page.locator("#purchases .badge")).to_have_text(["Not paid yet"])
    expect(page.locator("#balance")).to_have_text("3")
    page.locator("#purchases").get_by_role("link", name="Starter").click()
    page.get_by_role("button", name="Continue to Creem").click()
    page.get_by_role("button", name="Pay 9.90 USD").last.click()
    expect(page.locator(".paid")).to_contain_text("115 credits added")
    expect(page.locator("#balance")).to_have_text("118")


def test_back_from_the_pay_page_leads_to_the_prices_and_not_to_creem_again(
    buyer: Visitor, house: CreemHouse
) -> None:
    page = buyer.page
    press_buy(page, house)
    page.go_back()
    page.wait_for_url(f"{buyer.site.url}/**")
    sent = len(buyer.requests)
    page.goto(f"/purchases/{next(reversed(house.checkouts.values())).request_id}")
    expect(page.get_by_role("button", name="Continue to Creem")).to_be_visible()
    buyer.wait_until(
        lambda: any("fragment" in one for one in buyer.requests[sent:]), "a poll of the card"
    )
    assert not [one for one in buyer.requests[sent:] if "/checkout/" in one]


def test_an_open_receipt_is_whole_once_it_is_paid_in_another_tab(
    buyer: Visitor, house: CreemHouse
) -> None:
    page = buyer.page
    press_buy(page, house)
    checkout = page.url.rpartition("/")[2]
    page.goto(f"/purchases/{house.checkouts[checkout].request_id}")
    receipt = page.locator("#receipt")
    expect(receipt.locator(".badge")).to_have_text("Not paid yet")
    house.pay(checkout)
    expect(receipt.locator(".badge")).to_have_text("Paid")
    expect(receipt).to_contain_text("balance 118")
    expect(page.locator(".paid")).to_have_count(0)
    expect(page.locator("#balance")).to_have_text("118")


def test_a_closed_tab_and_a_lost_event_are_found_by_checking_again(
    buyer: Visitor, house: CreemHouse
) -> None:
    page = buyer.page
    press_buy(page, house)
    house.fault("never")
    house.pay(page.url.rpartition("/")[2])
    page.goto("/pricing")
    page.get_by_label("Menu").click()
    page.get_by_role("link", name="Find a payment").click()
    expect(page.locator("#unfinished .badge")).to_have_text(["Not paid yet"])
    page.get_by_role("button", name="Check again").click()
    expect(page.locator("#flash")).to_contain_text("Found: 115 credits are on your balance now.")
    expect(page.locator("#unfinished")).to_contain_text("Nothing is open")
    expect(page.locator("#balance")).to_have_text("118")


def test_while_creem_thinks_the_button_is_busy_and_takes_no_second_press(
    buyer: Visitor, house: CreemHouse
) -> None:
    page, before = buyer.page, len(house.checkouts)
    house.fault("delay", 2, where="checkouts.create")
    page.goto("/payment-processor?pack=starter")
    button = page.locator("main form button")
    button.click()
    expect(button).to_contain_class("htmx-request")
    button.dispatch_event("click")
    page.wait_for_url(f"{house.base_url}/checkout/**")
    assert len(house.checkouts) == before + 1
    assert len([one for one in buyer.requests if one.startswith("POST /payment-processor")]) == 1


def test_where_no_road_leads_the_buyer_is_told(buyer: Visitor, house: CreemHouse) -> None:
    buyer.expected = {503}
    page = buyer.page
    house.fault("bad_key", where="checkouts.create", times=None)
    page.goto("/pricing")
    page.get_by_role("button", name=BUY).click()
    expect(page.locator("#flash [data-tone=danger]")).to_contain_text("Nothing was charged")
    expect(page.get_by_role("button", name=BUY)).to_be_enabled()


def test_a_claim_that_nothing_proves_is_said_in_its_field(buyer: Visitor) -> None:
    buyer.expected = {422}
    page = buyer.page
    page.goto("/credits-recovery")
    page.get_by_label("Creem's order number").fill("ord_nothing")
    page.get_by_role("button", name="Claim this payment").click()
    expect(page.locator("#order_id-error")).to_be_visible()
    expect(page.get_by_label("Creem's order number")).to_be_focused()
    expect(page.get_by_label("Creem's order number")).to_have_value("ord_nothing")


@pytest.mark.parametrize("buyer", [{"java_script_enabled": False}], indirect=True)
def test_the_whole_way_without_a_script(buyer: Visitor, house: CreemHouse) -> None:
    page = buyer.page
    press_buy(page, house)
    page.get_by_role("button", name="Pay 9.90 USD").last.click()
    expect(page.locator(".paid")).to_contain_text("115 credits added")
    expect(page.locator("#balance")).to_have_text("118")
    page.goto("/profile")
    page.get_by_role("button", name="Customer portal at Creem").click()
    page.wait_for_url(f"{house.base_url}/portal/**")


def test_no_page_of_payments_has_a_barrier(shop: Site, visit: Visit) -> None:
    person = shop.make_person("looker@example.org", credits=-40)
    ids = [add(shop, person, status) for status in STATES]
    pages = ["/pricing", "/pricing?videos=35", "/payment-processor?pack=premium", "/profile"]
    pages += ["/payment/success", "/payment/cancel", "/credits-recovery", "/credits"]
    pages += [f"/purchases/{one}" for one in ids]
    visitor, found = visit(shop, person), []
    visitor.page.add_init_script(AT_THE_END)
    for address, (language, prefix) in zip(pages, cycle(LANGUAGES.items()), strict=False):
        visitor.page.goto(prefix + address)  # the languages take turns: axe looks four times
        found += [f"{address}: {one}" for one in barriers(visitor.page, language)]
    visitor.context.clear_cookies()
    visitor.page.goto("/pricing")
    found += barriers(visitor.page, "en")
    assert found == []


def add(shop: Site, user_id: int, status: str) -> str:
    """A purchase in that state, without a ledger entry."""
    is_paid = status in ("completed", "partly_refunded", "refunded", "disputed")
    row = {
        "id": new_id(), "user_id": user_id, "status": status, "road": "api", "pack": "premium",
        "product_id": "prod_premium", "credits": 1450, "price_cents": 9900, "currency": "USD",
        "mode": "test", "returned_cents": 4950, "clawed_credits": 725,
        "order_id": f"ord_{status}" if is_paid else None, "paid_cents": 9900 if is_paid else None,
    }  # fmt: skip

    def write() -> str:
        db.session.execute(insert(Purchase).values(row))
        db.session.commit()
        return str(row["id"])

    return str(shop.call(write))
