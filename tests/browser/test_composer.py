"""The composer: its price follows the form, a refusal keeps what was typed, a press is a video."""

import pytest
from playwright.sync_api import Page, expect

from app import limits
from tests.browser.conftest import Visit
from tests.browser.servers import Site
from tests.browser.visitor import LYING, PHONE, Visitor

FOCUS = """() => ({
  id: document.activeElement.id, name: document.activeElement.name,
  from: document.activeElement.selectionStart, to: document.activeElement.selectionEnd,
})"""


def studio(visitor: Visitor) -> Page:
    visitor.page.goto("/studio")
    return visitor.page


def choose(page: Page, group: str, value: str) -> None:
    """Press one of the choices in a row of them."""
    page.get_by_role("group", name=group, exact=True).get_by_text(value, exact=True).click()


def test_the_price_follows_the_form_and_typing_goes_on(still: Site, visit: Visit) -> None:
    visitor = visit(still, still.make_person("price@example.org"))
    page = studio(visitor)
    quotes = lambda: visitor.requests.count("POST /studio/quote fragment")  # noqa: E731
    prompt = page.get_by_label("Prompt")
    prompt.fill("Honey on a spoon")
    expect(page.locator(".drawn")).to_contain_text("honey, poured")
    node = prompt.element_handle()
    page.keyboard.press("ArrowLeft")
    for _ in range(4):
        page.keyboard.press("Shift+ArrowLeft")
    before = page.evaluate(FOCUS)
    asked = quotes()
    page.get_by_role("radio", name="1080p").evaluate("radio => radio.click()")  # focus stays
    expect(page.locator(".bill li").first).to_have_text("8 s 1080p: 15")
    assert quotes() > asked
    assert before == {"id": "prompt", "name": "prompt", "from": 11, "to": 15}
    assert page.evaluate(FOCUS) == before
    assert prompt.input_value() == "Honey on a spoon"
    assert page.evaluate("node => node === document.activeElement", node)

    page.keyboard.press("End")
    page.keyboard.type(", then one hundred and fifty letters go on", delay=12)  # over a swap or two
    expect(page.locator("#prompt-count")).to_have_text("58 / 1000")
    assert prompt.input_value() == "Honey on a spoon, then one hundred and fifty letters go on"
    choose(page, "Length", "4 s")
    choose(page, "Copies", "3")
    choose(page, "Picture", "720p")
    expect(page.locator(".bill li").last).to_have_text("total: 15")
    expect(page.get_by_role("button", name="Generate · 15 credits (100 → 85)")).to_be_visible()
    focused = page.evaluate(FOCUS)
    assert focused["name"] == "resolution"


def test_the_counter_counts_characters_as_people_do(still: Site, visit: Visit) -> None:
    visitor = visit(still, still.make_person("counter@example.org"))
    visitor.expected = {422}
    page = studio(visitor)
    counter = page.locator("#prompt-count")
    page.get_by_label("Prompt").fill("🍓" * 7)
    expect(counter).to_have_text("7 / 1000")
    page.get_by_label("Prompt").fill("🍓" * 1000)
    expect(counter).to_have_text("1000 / 1000")
    expect(counter).not_to_have_attribute("data-over", "")
    page.get_by_label("Prompt").fill("🍓" * 1001)
    expect(counter).to_have_attribute("data-over", "")
    page.locator("#make").click()
    expect(page.locator("#prompt-error")).to_be_visible()
    assert page.get_by_label("Prompt").input_value() == "🍓" * 1001
    assert still.rows("SELECT count(*) AS n FROM videos WHERE title LIKE '🍓%'")[0]["n"] == 0


def test_a_refused_form_keeps_its_values_and_goes_to_the_marked_field(
    still: Site, visit: Visit
) -> None:
    user_id = still.make_person("refused@example.org")
    visitor = visit(still, user_id)
    visitor.expected = {422}
    page = studio(visitor)
    page.evaluate("window.isSamePage = true")
    page.get_by_label("Prompt").fill("   ")
    page.get_by_label("Seed").fill("-3")
    choose(page, "Shape", "9:16")
    choose(page, "Length", "5 s")
    page.get_by_text("Honey", exact=True).click()
    page.get_by_label("Prompt").fill("   ")
    page.locator("#make").click()
    expect(page.locator("#prompt-error")).to_be_visible()
    expect(page.locator("#seed-error")).to_be_visible()
    expect(page.get_by_label("Prompt")).to_be_focused()
    expect(page.get_by_label("Prompt")).to_have_attribute("aria-invalid", "true")
    described = page.get_by_label("Prompt").get_attribute("aria-describedby") or ""
    assert "prompt-error" in described.split()
    assert page.get_by_label("Seed").input_value() == "-3"
    assert page.locator("input[name=aspect_ratio]:checked").input_value() == "9:16"
    assert page.locator("input[name=duration]:checked").input_value() == "5"
    assert page.locator("input[name=type]:checked").input_value() == "honey-drip"
    assert page.evaluate("window.isSamePage")

    page.get_by_label("Prompt").fill("Honey")
    page.get_by_label("Seed").fill("3")
    page.locator("#make").click()
    visitor.new_card()
    expect(page.locator(".error")).to_have_count(0)
    assert made(still, user_id) == 1


def test_too_few_credits_are_said_in_place(still: Site, visit: Visit) -> None:
    user_id = still.make_person("poor@example.org", credits=8)
    visitor = visit(still, user_id)
    visitor.expected = {402}
    page = studio(visitor)
    choose(page, "Length", "30 s")
    expect(page.locator("#short")).to_contain_text("You have 8 credits")
    page.evaluate("window.isSamePage = true")
    page.locator("#make").click()
    expect(page.locator("#composer [role=alert]")).to_be_visible()
    assert page.locator("input[name=duration]:checked").input_value() == "30"
    assert page.evaluate("window.isSamePage")
    expect(page.locator("#balance")).to_have_text("8")
    assert made(still, user_id) == 0
    assert still.count_videos(user_id) == 0


def test_a_double_click_makes_one_video(still: Site, visit: Visit) -> None:
    user_id = still.make_person("hasty@example.org")
    visitor = visit(still, user_id)
    page = studio(visitor)
    page.locator("#make").dblclick()
    visitor.new_card()
    page.locator("#make").evaluate("button => { button.click(); button.click(); button.click(); }")
    expect(page.locator("#live .card")).to_have_count(2)
    expect(page.locator("#balance")).to_have_text("82")  # 8 for the first, 10 for the second
    assert made(still, user_id) == 2


def test_more_than_the_hours_videos_is_said_in_place(still: Site, visit: Visit) -> None:
    user_id = still.make_person("eager@example.org")
    for _ in range(limits.VIDEOS_PER_HOUR - 1):
        still.add_video(user_id, status="cancelled")
    visitor = visit(still, user_id)
    visitor.expected = {429}
    page = studio(visitor)
    choose(page, "Copies", "2")
    choose(page, "Length", "4 s")
    expect(page.locator(".bill li").last).to_have_text("total: 10")
    page.locator("#make").click()
    expect(page.locator("#composer [role=alert]")).to_contain_text("10 videos an hour")
    assert page.locator("input[name=count]:checked").input_value() == "2"


def test_a_type_brings_its_example_unless_something_was_written(still: Site, visit: Visit) -> None:
    visitor = visit(still, still.make_person("types@example.org"))
    page = studio(visitor)
    page.get_by_text("Honey", exact=True).click()
    example = page.get_by_label("Prompt").input_value()
    assert "honey" in example.lower()
    expect(page.locator(".drawn")).to_contain_text("honey, poured")
    page.get_by_label("Prompt").fill("My own sentence about soap")
    page.get_by_text("Kinetic sand", exact=True).click()
    assert page.get_by_label("Prompt").input_value() == "My own sentence about soap"
    page.get_by_label("Prompt").fill("Something that no scene knows: zzz")
    page.get_by_text("Show all").click()
    page.locator("label[data-plain]").first.click()
    expect(page.locator(".drawn")).to_contain_text("no scene of its own for this")


@pytest.mark.parametrize(("viewport", "is_seen"), [(PHONE, True), (LYING, False)])
def test_the_price_stays_in_sight_where_there_is_room(
    still: Site, visit: Visit, viewport: dict[str, int], is_seen: bool
) -> None:
    person = still.make_person(f"room{viewport['width']}@example.org")
    page = studio(visit(still, person, viewport=viewport))
    in_sight = "button => button.getBoundingClientRect().bottom <= innerHeight"
    assert page.locator("#make").evaluate(in_sight) == is_seen
    page.locator("#make").scroll_into_view_if_needed()
    expect(page.locator("#make")).to_be_in_viewport()


def made(site: Site, user_id: int) -> int:
    """How many videos this person was charged for."""
    sql = "SELECT count(*) AS n FROM credit_entries WHERE user_id = :id AND kind = 'spend'"
    return int(site.rows(sql, id=user_id)[0]["n"])
