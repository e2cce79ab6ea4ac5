"""The cloud road: who makes it is said first, every ending is told, and nothing is charged for no.

One site of kie and our local renderer, web and worker, with kie's API on loopback.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from app import limits
from app.models import now
from app.services import keys
from tests.browser.conftest import Visit
from tests.browser.servers import Site
from tests.browser.test_accessibility import THEMES, violations
from tests.browser.test_composer import choose, made
from tests.browser.test_journey import plays
from tests.browser.test_start_image import pick, png
from tests.browser.visitor import PHONE, RENDER_MS, Visitor
from tests.simulators import Simulator, Task, start

KEY = "test-kie-key-0001"
CLIP_S = 2.0
MAKER = "Veo 3.1 Fast by kie.ai"
AI = f"An AI model makes this: {MAKER}."
SENTENCE = "Slow slicing of a glass strawberry on a wooden board"


def clouds(kie: Simulator, *others: str) -> dict[str, str]:
    """Settings of a site where kie makes videos, and then the others."""
    return {
        "VIDEO_PROVIDERS": ",".join(("kie", *others)),
        "VEO3_API_KEY": KEY,
        "VEO3_API_BASE_URL": kie.base_url,
        "VEO3_UPLOAD_BASE_URL": kie.base_url,
    }


@pytest.fixture(scope="module")
def kie() -> Iterator[Simulator]:
    """kie's API; a video is done when the test says so."""
    with start("kie", keys={KEY: "ok"}, takes_s=None, clip_s=CLIP_S) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def cloudy(
    kie: Simulator,
    chromium: Browser,
    sqlite_template: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """Web and worker of a site that kie makes videos for."""
    one = Site(tmp_path_factory.mktemp("cloudy"), sqlite_template, **clouds(kie, "local"))
    try:
        one.start_worker()
        one.start_web()
        yield one
    finally:
        one.stop()


def studio(visitor: Visitor, prompt: str = SENTENCE) -> Page:
    """The studio with that prompt, and the price of it."""
    page = visitor.page
    page.goto("/studio")
    page.get_by_label("Prompt").fill(prompt)
    return page


def press(visitor: Visitor) -> Locator:
    """Generate; the live card that comes."""
    visitor.page.locator("#make").click()
    return visitor.card(visitor.new_card())


def taken(visitor: Visitor, kie: Simulator, before: int) -> Task:
    """The task that kie has after `before` others."""
    visitor.wait_until(lambda: len(kie.tasks) > before, "an order at kie")
    return list(kie.tasks.values())[before]


def ends(card: Locator, status: str) -> None:
    expect(card).to_have_attribute("data-status", status, timeout=RENDER_MS)


def id_of(card: Locator) -> str:
    return (card.get_attribute("id") or "").removeprefix("video-")


def wait_long(site: Site, card: Locator) -> None:
    """Let the video of a card have been in line for a quarter of an hour."""
    since = now() - timedelta(seconds=limits.QUEUE_EXPLAIN_S + 60)
    site.change_video(id_of(card), created_at=since)
    expect(card).to_have_attribute("data-late", "")


def test_a_cloud_video_from_the_price_to_its_sound(
    cloudy: Site, kie: Simulator, visit: Visit
) -> None:
    user_id = cloudy.make_person("cloud@example.org")
    visitor = visit(cloudy, user_id)
    before = len(kie.tasks)
    page = studio(visitor)
    expect(page.locator(".quote .drawn")).to_have_text([AI])
    expect(page.get_by_role("button", name="Generate · 8 credits (100 → 92)")).to_be_visible()
    card = press(visitor)
    task = taken(visitor, kie, before)
    assert task.request["prompt"].startswith(SENTENCE)
    assert task.request["model"] == "veo3_fast"
    expect(card).to_contain_text("Rendering")
    expect(card).to_contain_text("Ready in")
    # The cloud tells no percentage, so none is shown, and what cannot be stopped has no button.
    assert card.locator(".big").count() == 0
    assert card.locator("progress").get_attribute("value") is None
    expect(card.get_by_role("button", name="Cancel")).to_have_count(0)
    told = visitor.context.request.get(f"/videos/{id_of(card)}").text()
    assert "It can no longer be stopped" in told  # where it can be deleted
    kie.finish(task.id)
    ends(card, "completed")

    card.get_by_role("link", name=SENTENCE).click()
    expect(page.get_by_text("Made by AI")).to_be_visible()
    expect(page.get_by_text(f"Picture and sound come from {MAKER}.")).to_be_visible()
    expect(page.get_by_text("Sound check passed")).to_be_visible()
    receipt = page.locator(".receipt")
    expect(receipt).to_contain_text("Settled")
    expect(receipt.locator(".total dd")).to_have_text("8 credits")
    expect(page.locator("#making")).to_contain_text(f"Made by{MAKER}")
    plays(visitor, page.locator(".player video"), duration_s=CLIP_S)


def test_who_makes_it_is_said_when_the_settings_change_it(cloudy: Site, visit: Visit) -> None:
    page = studio(visit(cloudy, cloudy.make_person("chooser@example.org"), viewport=PHONE))
    said, spoken = page.locator(".quote .drawn"), page.locator("#announce")
    expect(said).to_have_text([AI])
    drawn = (
        "No AI model here makes these settings. "
        "Our local renderer will draw: a glass strawberry, cut in slices."
    )
    choose(page, "Length", "10 s")
    expect(said).to_have_text([drawn])
    expect(said).to_be_in_viewport()
    expect(spoken).to_have_text(drawn)
    choose(page, "Length", "8 s")
    expect(said).to_have_text([AI])
    expect(spoken).to_have_text(AI)
    choose(page, "Picture", "1080p")  # kie upgrades what is wide, and nothing that is tall
    expect(page.locator(".bill li").first).to_have_text("8 s 1080p: 15")
    expect(said).to_have_text([AI])
    choose(page, "Shape", "9:16")
    expect(said).to_have_text([drawn])
    assert page.locator("input[name=kind]").input_value() == "local"
    for theme, rules in THEMES.items():
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        assert violations(page, rules) == []


def test_without_a_script_the_change_is_said_too(cloudy: Site, visit: Visit) -> None:
    user_id = cloudy.make_person("reader@example.org")
    page = studio(visit(cloudy, user_id, java_script_enabled=False))
    choose(page, "Length", "10 s")
    page.locator(".quote").get_by_role("button", name="Update the price").click()
    expect(page.locator(".quote .drawn")).to_contain_text("No AI model here makes these settings.")
    page.locator("#make").click()
    card = page.locator("#live .card")
    expect(card).to_have_count(1)
    expect(card).to_contain_text("10 s")
    assert cloudy.rows("SELECT kind FROM videos WHERE user_id = :id", id=user_id) == [
        {"kind": "local"}
    ]
    card.get_by_role("button", name="Cancel").click()
    expect(card.get_by_role("button", name="Cancel")).to_have_count(0)


def test_another_maker_than_the_one_named_is_not_charged(cloudy: Site, visit: Visit) -> None:
    user_id = cloudy.make_person("misled@example.org")
    visitor = visit(cloudy, user_id)
    visitor.expected = {422}
    page = studio(visitor)
    expect(page.locator(".quote .drawn")).to_have_text([AI])
    # In one go: a price that is still on its way would put the field right again.
    page.locator("input[name=kind]").evaluate(
        "field => { field.value = 'local'; document.getElementById('make').click() }"
    )
    expect(page.locator("#composer-error")).to_contain_text("Nothing was charged")
    assert made(cloudy, user_id) == 0


def test_what_the_provider_refuses_costs_nothing(
    cloudy: Site, kie: Simulator, visit: Visit
) -> None:
    user_id = cloudy.make_person("refused@example.org", credits=8)
    visitor = visit(cloudy, user_id)
    before = len(kie.tasks)
    page = studio(visitor)
    card = press(visitor)
    reason = "Your prompt was flagged by Website as violating content policies."
    kie.fail(taken(visitor, kie, before).id, "content", reason)
    ends(card, "failed")
    expect(card).to_contain_text(f"The provider refused this prompt: {reason}")
    expect(card).to_contain_text("Nothing charged")
    expect(page.locator("#balance")).to_have_text("8")
    card.get_by_role("link", name="Change the prompt").click()
    assert page.get_by_label("Prompt").input_value() == SENTENCE
    page.get_by_role("link", name=SENTENCE).click()
    expect(page.locator(".receipt .total dd")).to_have_text("0 credits")
    assert len(kie.tasks) == before + 1  # a refusal for content is not carried elsewhere


def test_a_prompt_that_we_refuse_is_not_charged(cloudy: Site, kie: Simulator, visit: Visit) -> None:
    user_id = cloudy.make_person("screened@example.org")
    visitor = visit(cloudy, user_id)
    visitor.expected = {422}
    before = len(kie.tasks)
    page = studio(visitor, "A nude woman cuts soap")
    page.locator("#make").click()
    expect(page.locator("#prompt-error")).to_contain_text("nobody naked. Nothing was charged.")
    expect(page.get_by_label("Prompt")).to_be_focused()
    assert page.get_by_label("Prompt").input_value() == "A nude woman cuts soap"
    expect(page.locator("#balance")).to_have_text("100")
    assert (made(cloudy, user_id), len(kie.tasks)) == (0, before)


def test_a_picture_goes_along_to_the_provider(cloudy: Site, kie: Simulator, visit: Visit) -> None:
    visitor = visit(cloudy, cloudy.make_person("pictured@example.org"))
    before = len(kie.tasks)
    page = studio(visitor)
    pick(page, png())
    expect(page.locator("#start-image .kept")).to_be_visible()
    expect(page.locator(".quote .drawn")).to_have_text([AI])
    card = press(visitor)
    task = taken(visitor, kie, before)
    [address] = task.request["imageUrls"]
    assert address.startswith(kie.base_url)
    assert task.extra["unknown_fields"] == []
    kie.finish(task.id)
    ends(card, "completed")


def test_what_no_cloud_takes_may_be_drawn_locally(
    cloudy: Site, kie: Simulator, visit: Visit
) -> None:
    user_id = cloudy.make_person("patient@example.org")
    visitor = visit(cloudy, user_id)
    plain = visit(cloudy, user_id, java_script_enabled=False)
    with kie.outage():
        page = studio(visitor)
        first = press(visitor)
        expect(first).to_contain_text("The cloud provider does not answer right now")
        expect(first.get_by_role("button", name="Cancel")).to_be_visible()
        expect(page.get_by_role("button", name="Draw it locally")).to_have_count(0)
        page.locator("#make").click()
        expect(page.locator("#live .card")).to_have_count(2)
        second = page.locator("#live .card").first
        for card in (first, second):
            wait_long(cloudy, card)
            expect(card).to_contain_text("you can cancel and get every credit back.")
            expect(card).to_contain_text("the same price, and no AI.")

        video_id = id_of(first)
        plain.page.goto("/studio")
        plain.card(video_id).get_by_role("button", name="Draw it locally").click()
        expect(plain.card(video_id).get_by_role("button", name="Draw it locally")).to_have_count(0)
        second.get_by_role("button", name="Draw it locally").click()
        expect(second.get_by_role("button", name="Draw it locally")).to_have_count(0)
        second.get_by_role("button", name="Cancel").click()
        ends(second, "cancelled")
        ends(first, "completed")
    cloudy.call(keys.revive, "kie")  # what did not answer three times is left alone for a while
    page.goto(f"/videos/{video_id}")
    expect(page.get_by_text("Drawn by our local renderer, not AI")).to_be_visible()
    expect(page.get_by_text("Made by AI")).to_have_count(0)
    expect(page.locator(".receipt .total dd")).to_have_text("8 credits")
    expect(page.locator("#balance")).to_have_text("92")


def test_what_nobody_makes_is_refused_in_words(
    kie: Simulator, sqlite_template: Path, tmp_path: Path, visit: Visit
) -> None:
    site = Site(tmp_path, sqlite_template, **clouds(kie))
    try:
        site.start_web()
        user_id = site.make_person("wanting@example.org")
        visitor = visit(site, user_id)
        visitor.expected = {422}
        page = studio(visitor)
        expect(page.get_by_role("group", name="Length").get_by_role("radio")).to_have_count(1)
        choose(page, "Picture", "1080p")
        choose(page, "Shape", "9:16")
        words = "8 s, 1080p and 9:16 are not made together. Change one of them."
        expect(page.locator(".quote #short")).to_have_text(words)
        page.locator("#make").click()
        expect(page.locator("#duration-error")).to_have_text(words)
        expect(page.locator("#balance")).to_have_text("100")
        assert site.count_videos(user_id) == 0
    finally:
        site.stop()
