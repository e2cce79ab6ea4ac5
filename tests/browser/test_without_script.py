"""JavaScript off: the same journey by plain forms and reload."""

from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.servers import Site
from tests.browser.test_composer import choose
from tests.browser.test_journey import sign_up
from tests.browser.visitor import RENDER_MS


def test_the_whole_journey_without_javascript(site: Site, visit: Visit) -> None:
    visitor = visit(site, java_script_enabled=False)
    visitor.expected = {422}
    page = visitor.page
    sign_up(page, "plain@example.org")
    expect(page.locator("#balance")).to_have_text("8")
    page.get_by_label("Prompt").fill("  ")
    page.get_by_label("Seed").fill("9")
    page.locator("#make").click()
    expect(page.locator("#prompt-error")).to_be_visible()
    expect(page.get_by_label("Seed")).to_have_value("9")
    page.get_by_label("Prompt").fill("slow slicing of a glass lemon")
    choose(page, "Length", "4 s")
    page.get_by_role("button", name="Update the price").click()
    expect(page.locator(".bill li")).to_have_text(["4 s 720p: 5", "total: 5"])
    expect(page.get_by_label("Prompt")).to_have_value("slow slicing of a glass lemon")
    page.get_by_role("button", name="Generate · 5 credits (8 → 3)").click()
    page.wait_for_url("**/studio#live-h")
    expect(page.locator("#balance")).to_have_text("3")
    card = page.locator("#live .card")
    expect(card).to_have_count(1)

    def refresh() -> bool:
        page.get_by_role("link", name="Refresh").click()
        return page.locator("#live .card[data-status=completed]").count() == 1

    visitor.wait_until(refresh, "a finished video", RENDER_MS / 1000)
    card.get_by_role("link").first.click()
    film = page.locator("video[controls]")
    expect(film).to_be_visible()
    answer = page.request.get(film.get_attribute("src") or "")
    assert answer.ok and answer.headers["content-type"] == "video/mp4"
    assert len(answer.body()) > 10_000
    expect(page.locator(".player .bar")).to_be_hidden()


def test_every_act_on_a_video_without_javascript(still: Site, visit: Visit, finished: str) -> None:
    user_id = still.make_person("plainer@example.org")
    mine = still.copy_video(finished, user_id, file_key=None)
    for number in range(13):
        still.copy_video(finished, user_id, title=f"Film {number}", id=f"{mine[:-2]}{number:02}")
    waiting = still.copy_video(finished, user_id, status="queued", file_key=None)
    visitor = visit(still, user_id, java_script_enabled=False)
    visitor.expected = {404}
    page = visitor.page
    page.goto("/videos")
    visitor.card(waiting).get_by_role("button", name="Cancel").click()
    expect(visitor.card(waiting)).to_have_attribute("data-status", "cancelled")
    page.get_by_role("link", name="Show more").click()
    page.wait_for_url("**/videos?*before=*")
    assert 1 <= page.locator("#videos .card").count() < 12
    page.get_by_role("link", name="Back to the newest").click()
    page.get_by_role("searchbox").fill("film 3")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#videos .card")).to_have_count(1)

    page.goto(f"/videos/{mine}")
    page.get_by_role("button", name="Favourite").click()
    expect(page.get_by_role("button", name="Favourite")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Favourite").click()
    expect(page.get_by_role("button", name="Favourite")).to_have_attribute("aria-pressed", "false")
    page.get_by_label("Rename").click()
    page.get_by_label("Title").fill("Named without a script")
    page.get_by_role("button", name="Save the title").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Named without a script")
    page.get_by_label("Delete", exact=True).click()
    page.get_by_role("button", name="Delete for good").click()
    page.wait_for_url("**/videos")
    expect(visitor.card(mine)).to_have_count(0)

    page.get_by_label("Menu").click()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_label("Menu").click()
    page.get_by_role("button", name="Sign out").click()
    page.goto("/studio")
    page.wait_for_url("**/sign-in?next=**")
