"""Build by parts in a real browser: choose, write, edit, take back; with and without JavaScript."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from app import catalogue
from app.services import prompting
from tests.browser.conftest import Visit
from tests.browser.servers import Site
from tests.browser.visitor import PHONE, Visitor

EDITED = "My own sentence about soap"


def studio(visitor: Visitor, address: str = "/studio") -> Page:
    visitor.page.goto(address)
    visitor.page.locator("#parts > summary").click()
    return visitor.page


def prompt_of(page: Page) -> str:
    return page.locator("#prompt").input_value()


def written_of(**parts: str) -> str:
    """What the first type's parts make, with these in their places."""
    return prompting.compose({**catalogue.start("glass-fruit", "en"), **parts}, "en")


def test_choose_write_edit_and_take_back(still: Site, visit: Visit) -> None:
    visitor = visit(still, still.make_person("parts@example.org"))
    page = studio(visitor)
    page.evaluate("window.isSamePage = true")
    expect(page.get_by_label("Subject")).to_have_value(
        "a red glass strawberry on a dark wooden board"
    )
    page.get_by_label("Lighting").fill("Moonlight through blinds")
    page.get_by_role("button", name="Write the prompt").click()
    expect(page.locator("#prompt")).to_have_value(written_of(light="Moonlight through blinds"))
    written = prompt_of(page)
    expect(page.locator("#prompt-count")).to_have_text(f"{len(written)} / 1000")
    expect(page.locator("#parts")).to_have_attribute("open", "")
    expect(page.get_by_label("Lighting")).to_have_value("Moonlight through blinds")

    page.locator("#prompt").fill(EDITED)
    page.get_by_role("button", name="Write the prompt").click()
    expect(page.locator("#part-note")).to_contain_text("You have edited the prompt")
    assert prompt_of(page) == EDITED
    page.get_by_role("button", name="Add below").click()
    expect(page.locator("#prompt")).to_have_value(f"{EDITED}\n{written}")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#prompt")).to_have_value(EDITED)
    page.get_by_role("button", name="Write the prompt").click()
    page.get_by_role("button", name="Replace the prompt").click()
    expect(page.locator("#prompt")).to_have_value(written)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#prompt")).to_have_value(EDITED)
    page.get_by_role("button", name="Redo").click()
    expect(page.locator("#prompt")).to_have_value(written)
    assert page.evaluate("window.isSamePage")


def test_the_parts_follow_the_type_and_the_price_the_prompt(still: Site, visit: Visit) -> None:
    page = studio(visit(still, still.make_person("follow@example.org")))
    page.get_by_label("Sound", exact=True).fill("Only one drop")
    page.get_by_text("Honey", exact=True).click()
    subject = page.get_by_label("Subject")
    expect(subject).to_have_value(catalogue.start("honey-drip", "en")["subject"])
    expect(page.get_by_label("Sound", exact=True)).to_have_value("Only one drop")
    expect(page.locator("#parts")).to_have_attribute("open", "")
    subject.fill("a clear block of ice")
    page.get_by_role("button", name="Write the prompt").click()
    expect(page.locator(".drawn")).to_contain_text("a clear block of ice, cut")


def test_by_keyboard_alone(still: Site, visit: Visit) -> None:
    user_id = still.make_person("keys@example.org")
    visitor = visit(still, user_id)
    page = visitor.page
    page.goto("/studio")
    page.locator("#prompt").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#parts > summary') !== null")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "part_subject"
    page.keyboard.type("a stack of wet leaves")  # over what stood there
    page.keyboard.press("Enter")
    expect(page.locator("#prompt")).to_have_value(written_of(subject="a stack of wet leaves"))
    assert page.evaluate("document.activeElement.id") == "part_subject"
    page.locator("#prompt").fill(EDITED)
    page.get_by_role("button", name="Write the prompt").focus()
    page.keyboard.press("Enter")
    replace = page.get_by_role("button", name="Replace the prompt")
    replace.focus()
    page.keyboard.press("Enter")
    expect(replace).to_have_count(0)
    assert page.evaluate("document.activeElement.id") == "part-note"
    assert still.count_videos(user_id) == 0  # nothing was bought on the way


def test_enter_in_another_field_still_makes_the_video(still: Site, visit: Visit) -> None:
    user_id = still.make_person("enter@example.org")
    visitor = visit(still, user_id)
    page = studio(visitor)
    page.get_by_label("Seed").fill("7")
    page.get_by_label("Seed").press("Enter")
    visitor.new_card()
    assert still.count_videos(user_id) == 1


def test_what_will_be_sent_stays_open_and_follows(still: Site, visit: Visit) -> None:
    page = visit(still, still.make_person("sent@example.org")).page
    page.goto("/studio")
    sent = page.locator("#sent")
    sent.locator("summary").click()
    expect(sent).to_contain_text("our local renderer, without AI")
    page.locator("#prompt").fill("Honey, very slowly")
    expect(sent.locator("dd").nth(1)).to_have_text("Honey, very slowly")
    page.get_by_label("Seed").fill("77")
    expect(sent).to_contain_text("77")
    expect(sent).to_have_attribute("open", "")


def test_without_javascript(still: Site, visit: Visit) -> None:
    user_id = still.make_person("noscript@example.org")
    page = studio(visit(still, user_id, java_script_enabled=False))
    page.get_by_label("Subject").fill("a lime")
    page.get_by_role("button", name="Write the prompt").click()
    page.wait_for_url("**/studio/prompt")
    expect(page.locator("#prompt")).to_have_value(written_of(subject="a lime"))
    page.locator("#prompt").fill(EDITED)
    page.get_by_role("button", name="Write the prompt").click()
    expect(page.locator("#prompt")).to_have_value(EDITED)
    page.get_by_role("button", name="Add below").click()
    expect(page.locator("#prompt")).to_have_value(f"{EDITED}\n{written_of(subject='a lime')}")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#prompt")).to_have_value(EDITED)
    page.get_by_label("Subject").press("Enter")  # asks for a price, and buys nothing
    page.wait_for_url("**/studio/quote")
    expect(page.get_by_label("Subject")).to_have_value("a lime")
    assert still.count_videos(user_id) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, None], ids=["phone", "desk"])
def test_it_fits_and_reads_well(still: Site, visit: Visit, scheme: str, viewport: object) -> None:
    options = {"color_scheme": scheme} | ({"viewport": viewport} if viewport else {})
    person = still.make_person(f"look-{scheme}-{'phone' if viewport else 'desk'}@example.org")
    page = studio(visit(still, person, **options), "/zh/studio?type=ice-cut")
    page.locator("#prompt").fill("我自己写的一句话")
    page.locator("#parts [value=write]").click()
    expect(page.locator("#part-note blockquote")).to_be_visible()
    page.locator("#sent summary").click()
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
    found = Axe().run(page, context="#composer").response["violations"]
    assert [(each["id"], each["nodes"][0]["html"][:120]) for each in found] == []
