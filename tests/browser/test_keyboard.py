"""Without a mouse: everything can be reached, is seen when it has the focus, and can be left."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.servers import Site
from tests.browser.visitor import DESK, LYING, PHONE, PLAYBACK
from tests.waiting import wait_until

MOST_STOPS = 150

# Where the focus is, whether its ring is drawn, and whether something lies over it.
FOCUS = """() => {
  const node = document.activeElement;
  if (node === document.body) return null;
  const name = node.getAttribute("aria-label") || node.labels?.[0]?.textContent || node.textContent;
  const drawn = node.closest("label, .seek") ?? node;
  const rings = [node, drawn].some((one) => {
    const style = getComputedStyle(one);
    const hasOutline = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    return hasOutline || (one === node && node.matches(".control") && style.boxShadow !== "none");
  });
  const box = drawn.getBoundingClientRect();
  const spots = [[.5, .5], [.1, .5], [.9, .5], [.5, .1], [.5, .9]].map(([x, y]) =>
    document.elementFromPoint(box.x + box.width * x, box.y + box.height * y));
  const isSeen = spots.some((spot) => spot && (drawn.contains(spot) || spot.contains(drawn)
    || spot.closest("label")?.contains(node)));
  return {tag: node.localName, name: name.trim().replace(/\\s+/g, " ").slice(0, 50), rings, isSeen};
}"""


def stops(page: Page) -> list[dict[str, Any]]:
    """Press Tab from the top of the page to its end; what each stop looks like."""
    found: list[dict[str, Any]] = []
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUS)
        if stop is None:
            return found
        found.append(stop)
    raise AssertionError(f"the page does not end after {MOST_STOPS} stops")


@pytest.mark.parametrize("viewport", [DESK, PHONE, LYING], ids=["desk", "phone", "lying phone"])
def test_the_focus_is_always_seen(
    still: Site, visit: Visit, finished: str, viewport: dict[str, int]
) -> None:
    user_id = still.make_person(f"tabber-{viewport['width']}@example.org")
    mine = still.copy_video(finished, user_id)
    still.copy_video(finished, user_id, status="processing", progress=40)
    visitor = visit(still, user_id, viewport=viewport)
    page = visitor.page
    unseen = []
    for address in ("/studio", "/videos", f"/videos/{mine}", "/credits"):
        page.goto(address)
        found = stops(page)
        assert found[0]["name"] == "Skip to the content"
        assert len(found) > 5
        unseen += [(address, stop) for stop in found if not (stop["rings"] and stop["isSeen"])]
    assert unseen == []
    visitor.context.clear_cookies()
    for address in ("/", "/sign-up", "/sign-in"):
        page.goto(address)
        unseen += [(address, one) for one in stops(page) if not (one["rings"] and one["isSeen"])]
    assert unseen == []


def test_a_video_is_asked_for_by_keyboard(still: Site, visit: Visit) -> None:
    visitor = visit(still, still.make_person("typist@example.org"))
    page = visitor.page
    page.goto("/studio")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("!!document.activeElement.closest('#main')")
    tab_to(page, "input[name=type]")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".drawn")).not_to_contain_text("fruit")
    tab_to(page, "#prompt")
    page.keyboard.press("Control+a")
    page.keyboard.type("Honey on warm bread")
    tab_to(page, "input[name=duration]")
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(page.locator(".bill li").last).to_have_text("total: 5")
    assert page.evaluate("document.activeElement.value") == "4"
    tab_to(page, "#make")
    page.keyboard.press("Enter")
    video_id = visitor.new_card()
    expect(page.locator("#make")).to_be_focused()
    expect(visitor.card(video_id)).to_contain_text("Honey on warm bread")
    cancel = visitor.card(video_id).get_by_role("button", name="Cancel")
    cancel.focus()
    still.change_video(video_id, queue_position=7)
    expect(visitor.card(video_id)).to_contain_text("No. 7")  # the card has come anew under it
    expect(cancel).to_be_focused()
    page.keyboard.press("Enter")
    expect(visitor.card(video_id)).to_have_attribute("data-status", "cancelled")


def test_the_composer_is_walked_in_its_order(still: Site, visit: Visit) -> None:
    page = visit(still, still.make_person("orderly@example.org"), viewport=PHONE).page
    page.goto("/studio")
    where = """() => {
      const node = document.activeElement;
      return node.closest("#composer") && (node.name || node.closest("[id]").id);
    }"""
    walked = []
    tab_to(page, "#composer summary")
    while name := page.evaluate(where):
        walked.append(name)
        page.keyboard.press("Tab")
    settings = ["aspect_ratio", "duration", "resolution", "count", "seed"]
    assert walked == ["type", "type", "prompt", "parts", "image", *settings, "make", "sent"]


def test_the_player_is_worked_by_keyboard(still: Site, visit: Visit, finished: str) -> None:
    user_id = still.make_person("player@example.org")
    mine = still.copy_video(finished, user_id)
    page = visit(still, user_id).page
    page.goto(f"/videos/{mine}")
    film = page.locator(".player video")
    tab_to(page, ".player .start")
    page.keyboard.press("Enter")
    play = page.locator(".player .bar [data-do=play]")
    expect(play).to_be_focused()
    expect(page.locator(".player")).to_have_attribute("data-playing", "")
    page.keyboard.press("Space")
    expect(page.locator(".player")).not_to_have_attribute("data-playing", "")
    tab_to(page, ".player input[type=range]")
    page.keyboard.press("Home")
    for _ in range(4):
        page.keyboard.press("PageUp")
    assert film.evaluate(PLAYBACK)["at"] == pytest.approx(1.6, abs=0.2)
    line = page.locator(".player input[type=range]")
    expect(line).to_have_attribute("aria-valuetext", "0:01 / 0:04")  # said once the film has moved
    tab_to(page, ".player [data-do=mute]")
    page.keyboard.press("Space")
    assert film.evaluate("film => film.muted")
    page.keyboard.press("m")
    assert not film.evaluate("film => film.muted")
    page.keyboard.press("k")
    expect(page.locator(".player")).to_have_attribute("data-playing", "")
    page.keyboard.press("l")
    assert not film.evaluate("film => film.loop")
    page.keyboard.press("f")
    wait_until(lambda: page.evaluate("!!document.fullscreenElement"))
    page.keyboard.press("f")
    wait_until(lambda: page.evaluate("!document.fullscreenElement"))


def test_escape_closes_menus_and_gives_the_focus_back(
    still: Site, visit: Visit, finished: str
) -> None:
    user_id = still.make_person("escaper@example.org")
    mine = still.copy_video(finished, user_id)
    page = visit(still, user_id).page
    page.goto(f"/videos/{mine}")
    menus = {"Menu": "Sign out", "Rename": "Save the title", "Delete": "Delete for good"}
    for name, inside in menus.items():
        opener = page.locator("summary").and_(page.get_by_label(name))
        opener.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name=inside)).to_be_visible()
        page.keyboard.press("Tab")
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name=inside)).to_be_hidden()
        expect(opener).to_be_focused()
    page.get_by_label("Menu").press("Enter")
    page.get_by_role("button", name="Dark").press("Enter")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until an element that fits has the focus."""
    for _ in range(MOST_STOPS):
        if page.evaluate("wanted => document.activeElement.matches(wanted)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never comes to {selector}")
