"""What one does with videos: cancel, keep, name, delete, make another like it, find again."""

import re

from playwright.sync_api import Locator, Page, expect

from app.models import new_id
from tests.browser.conftest import Visit
from tests.browser.servers import Site
from tests.browser.test_composer import choose


def test_cancel_from_the_card_gives_the_credits_back(site: Site, visit: Visit) -> None:
    user_id = site.make_person("changed-mind@example.org")
    visitor = visit(site, user_id)
    page = visitor.page
    page.goto("/studio")
    choose(page, "Length", "30 s")
    choose(page, "Copies", "2")
    expect(page.locator(".bill li").last).to_have_text("total: 76")
    page.locator("#make").click()
    expect(page.locator("#live .card")).to_have_count(2)
    expect(page.locator("#balance")).to_have_text("24")
    waiting = page.locator("#live .card[data-status=queued]").first
    running = page.locator("#live .card[data-status=processing]")
    expect(running).to_have_count(1)
    waiting_id = waiting.get_attribute("id")
    waiting.get_by_role("button", name="Cancel").click()
    card = page.locator(f"#{waiting_id}")
    expect(card).to_have_attribute("data-status", "cancelled")
    expect(card).to_contain_text("38 credits came back")
    card = page.locator(f"#{running.get_attribute('id')}")
    running.get_by_role("button", name="Cancel").click()
    expect(card).to_have_attribute("data-status", "cancelled")
    expect(card).not_to_have_attribute("data-hx-trigger", re.compile("."))
    page.reload()
    expect(page.locator("#balance")).to_have_text("100")
    page.goto("/credits")
    expect(page.locator("#entries tbody tr")).to_have_count(5)


def test_a_favourite_is_one_press_and_stays(still: Site, visit: Visit, finished: str) -> None:
    user_id = still.make_person("fan@example.org")
    mine = still.copy_video(finished, user_id)
    still.copy_video(finished, user_id)
    visitor = visit(still, user_id)
    page = visitor.page
    page.goto("/videos")
    heart = visitor.card(mine).get_by_role("button", name="Favourite")
    heart.focus()
    page.keyboard.press("Enter")
    expect(heart).to_have_attribute("aria-pressed", "true")
    expect(heart).to_be_focused()
    page.get_by_text("Favourites", exact=True).click()
    expect(page.locator("#videos .card")).to_have_count(1)
    page.goto(f"/videos/{mine}")
    expect(heart_of(page)).to_have_attribute("aria-pressed", "true")
    heart_of(page).click()
    expect(heart_of(page)).to_have_attribute("aria-pressed", "false")
    page.reload()
    expect(heart_of(page)).to_have_attribute("aria-pressed", "false")


def heart_of(page: Page) -> Locator:
    return page.get_by_role("button", name="Favourite")


def test_a_title_is_changed_in_its_place(still: Site, visit: Visit, finished: str) -> None:
    user_id = still.make_person("namer@example.org")
    mine = still.copy_video(finished, user_id)
    visitor = visit(still, user_id)
    visitor.expected = {422}
    page = visitor.page
    page.goto(f"/videos/{mine}")
    page.evaluate("window.isSamePage = true")
    page.get_by_label("Rename").click()
    page.get_by_label("Title").fill("Strawberry, <b>No. 7</b> 🍓")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Strawberry, <b>No. 7</b> 🍓")
    expect(page.get_by_label("Title")).to_be_hidden()
    page.get_by_label("Rename").click()
    page.get_by_label("Title").fill("x" * 101)
    expect(page.locator("#title-count")).to_have_attribute("data-over", "")
    page.keyboard.press("Enter")
    expect(page.get_by_text("A title has 1 to 100 characters.")).to_be_visible()
    assert page.get_by_label("Title").input_value() == "x" * 101
    expect(page.get_by_role("heading", level=1)).to_have_text("Strawberry, <b>No. 7</b> 🍓")
    page.keyboard.press("Escape")
    expect(page.get_by_label("Title")).to_be_hidden()
    assert page.evaluate("window.isSamePage")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Strawberry, <b>No. 7</b> 🍓")


def test_delete_asks_first_and_is_for_good(still: Site, visit: Visit, finished: str) -> None:
    user_id = still.make_person("cleaner@example.org")
    mine = still.copy_video(finished, user_id, file_key=None, poster_key=None, thumbnail_key=None)
    visitor = visit(still, user_id)
    visitor.expected = {404}
    page = visitor.page
    page.goto(f"/videos/{mine}")
    page.get_by_label("Delete", exact=True).click()
    button = page.get_by_role("button", name="Delete for good")
    expect(button).to_be_visible()
    page.keyboard.press("Escape")
    expect(button).to_be_hidden()
    expect(page.get_by_label("Delete", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    button.click()
    page.wait_for_url("**/videos")
    expect(page.get_by_role("heading", name="Your library is empty")).to_be_visible()
    page.goto(f"/videos/{mine}")
    expect(page.get_by_role("heading", level=1)).to_have_text("That page is not here")


def test_another_like_it_brings_every_setting_back(
    still: Site, visit: Visit, finished: str
) -> None:
    user_id = still.make_person("remixer@example.org")
    prompt = "Rain on a window,\nthen a second line & <an> “odd” one"
    wanted = {
        "type": "rain-window",
        "prompt": prompt,
        "aspect_ratio": "9:16",
        "duration_s": 5,
        "resolution": "1080p",
        "seed": 4242424242,
    }
    mine = still.copy_video(finished, user_id, **wanted)
    page = visit(still, user_id).page
    page.goto(f"/videos/{mine}")
    page.get_by_role("link", name="Make another like it").click()
    page.wait_for_url("**/studio?again=*")
    assert page.get_by_label("Prompt").input_value() == prompt
    assert page.get_by_label("Seed").input_value() == "4242424242"
    for name, value in (
        ("type", "rain-window"),
        ("aspect_ratio", "9:16"),
        ("duration", "5"),
        ("resolution", "1080p"),
        ("count", "1"),
    ):
        assert page.locator(f"input[name={name}]:checked").input_value() == value
    chosen = page.locator(".types label:has(:checked)")
    expect(chosen).to_be_in_viewport()
    expect(page.locator(".bill li").last).to_have_text("total: 11")


def test_the_library_is_searched_filtered_and_gone_back_in(
    still: Site, visit: Visit, finished: str
) -> None:
    user_id = still.make_person("collector@example.org")
    for number in range(30):
        kind = "honey-drip" if number % 10 == 3 else "glass-fruit"
        still.copy_video(finished, user_id, id=new_id(), title=f"Film {number:02}", type=kind)
    still.copy_video(finished, user_id, title="It broke", status="failed", error_text="x")
    visitor = visit(still, user_id)
    page = visitor.page
    page.goto("/videos")
    cards = page.locator("#videos .card")
    expect(cards).to_have_count(12)
    expect(cards.first).to_contain_text("It broke")
    page.get_by_role("link", name="Show more").click()
    expect(cards).to_have_count(24)
    page.get_by_role("link", name="Show more").click()
    expect(cards).to_have_count(31)
    expect(page.get_by_role("link", name="Show more")).to_have_count(0)
    assert page.evaluate("document.activeElement !== document.body")  # the keyboard is not lost

    search = page.get_by_role("searchbox")
    search.fill("film 07")
    expect(cards).to_have_count(1)
    expect(search).to_be_focused()
    page.wait_for_url("**/videos?*q=film+07*")
    asked: list[str] = []  # by scripts: the browser may fetch its icon again at a new address
    page.on("request", lambda one: asked.append(one.url) if one.resource_type == "fetch" else None)
    search.fill("nothing like this")
    expect(page.get_by_role("heading", name="No video matches")).to_be_visible()
    assert "nothing+like+this" in asked[-1]
    asked.clear()
    search.blur()  # says "change", and nothing has: another answer would undo the next click
    page.get_by_role("heading", name="No video matches").click()
    assert asked == []
    page.get_by_role("link", name="Show all videos").click()
    expect(cards).to_have_count(12)
    page.get_by_text("Failed", exact=True).click()
    expect(cards).to_have_count(1)
    page.wait_for_url("**/videos?*state=failed*")
    page.get_by_text("Ready", exact=True).first.click()
    expect(cards).to_have_count(12)
    page.locator("select[name=type]").select_option(label="Honey")
    expect(cards).to_have_count(3)

    page.go_back()
    expect(cards).to_have_count(12)
    expect(page.locator("input[name=state]:checked")).to_have_value("ready")
    assert page.locator("select[name=type]").input_value() == ""
    page.go_back()
    expect(cards).to_have_count(1)
    expect(cards.first).to_contain_text("It broke")
    expect(page.locator("input[name=state]:checked")).to_have_value("failed")
    page.go_forward()
    expect(cards).to_have_count(12)
    cards.nth(1).get_by_role("link").first.click()
    page.wait_for_url("**/videos/*-*")
    page.go_back()
    expect(cards).to_have_count(12)
    expect(page.locator("input[name=state]:checked")).to_have_value("ready")
