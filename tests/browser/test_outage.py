"""An open card outlives the web server, a playing film outlives the polls, and polls end."""

import time

from playwright.sync_api import expect

from app import limits
from tests.browser.conftest import Visit
from tests.browser.servers import Site
from tests.browser.test_composer import choose
from tests.browser.visitor import PLAYBACK, RENDER_MS

OUTAGE_S = 10.0
QUIET_S = 2.5 * limits.CARD_POLL_S

WATCH = """film => {
  window.stops = [];
  for (const name of ["pause", "emptied", "error"])
    film.addEventListener(name, () => window.stops.push(name));
}"""
LISTEN = """() => {
  window.heard = [];
  const spoken = document.querySelector("#announce");
  new MutationObserver(() => window.heard.push(spoken.textContent))
    .observe(spoken, {childList: true});
}"""


def test_a_card_outlives_a_web_server_that_stands_still(site: Site, visit: Visit) -> None:
    visitor = visit(site, site.make_person("frozen@example.org"))
    visitor.may_lose_answers = True
    page = visitor.page
    page.goto("/studio")
    page.get_by_label("Prompt").fill("Slow slicing of a glass strawberry")
    choose(page, "Length", "4 s")
    expect(page.locator(".bill li").last).to_have_text("total: 5")
    page.locator("#make").click()
    video_id = visitor.new_card()
    page.evaluate("window.isSamePage = true")
    visitor.wait_for_polls(video_id, 1)
    card = visitor.card(video_id)
    site.freeze_web()
    try:
        frozen_s = time.monotonic()
        visitor.wait_until(
            lambda: time.monotonic() - frozen_s > OUTAGE_S, "the outage", OUTAGE_S + 5
        )
        expect(card).to_have_attribute("data-hx-get", f"/videos/{video_id}")
        expect(card).to_contain_text("Slow slicing of a glass strawberry")
    finally:
        site.thaw_web()
    expect(card).to_have_attribute("data-status", "completed", timeout=RENDER_MS)
    assert page.evaluate("window.isSamePage")
    assert page.locator("#flash .toast[data-tone=danger]").count() == 0


def test_a_card_outlives_a_web_server_that_is_killed(
    still: Site, visit: Visit, finished: str
) -> None:
    user_id = still.make_person("killed@example.org")
    video_id = still.copy_video(finished, user_id, status="processing", progress=10, eta_low_s=5)
    visitor = visit(still, user_id)
    visitor.may_lose_answers = True
    page = visitor.page
    page.goto("/studio")
    page.evaluate("window.isSamePage = true")
    card = visitor.card(video_id)
    here = f"**/videos/{video_id}"
    page.route(here, lambda route: route.fulfill(status=502, body="<h1>Bad Gateway</h1>"))
    visitor.expected = {502}  # what a proxy says while the server behind it starts anew
    visitor.wait_for_polls(video_id, 1)
    page.unroute(here)
    still.kill_web()
    try:
        visitor.wait_for_polls(video_id, 1)
        expect(card).to_contain_text("10%")
        expect(page.get_by_text("Bad Gateway")).to_have_count(0)
        expect(card).to_have_attribute("data-hx-get", f"/videos/{video_id}")
        page.locator("#make").click()  # what the visitor does is answered, what polls do is not
        expect(page.locator("#flash .toast")).to_contain_text("server cannot be reached")
        expect(page.locator("#flash .toast")).to_have_count(1)
    finally:
        still.start_web()
    still.change_video(video_id, status="completed")
    expect(card).to_have_attribute("data-status", "completed")
    assert page.evaluate("window.isSamePage")


def test_a_film_plays_on_over_polls_that_end_with_the_card(
    still: Site, visit: Visit, finished: str
) -> None:
    user_id = still.make_person("watcher@example.org")
    done = still.copy_video(finished, user_id)
    live = still.copy_video(finished, user_id, status="queued", queue_position=1)
    visitor = visit(still, user_id, reduced_motion="no-preference")
    page = visitor.page
    page.goto("/studio")
    page.evaluate(LISTEN)
    visitor.card(done).hover()
    film = visitor.card(done).locator("video")
    film.wait_for()
    node = film.element_handle()
    node.evaluate(WATCH)
    seen = [node.evaluate(PLAYBACK)]
    for percent in (20, 40, 60):
        still.change_video(live, status="processing", progress=percent)
        expect(visitor.card(live)).to_contain_text(f"{percent}%")
        seen.append(node.evaluate(PLAYBACK))
    frames = [one["frames"] for one in seen]
    assert frames == sorted(set(frames))
    assert not any(one["paused"] for one in seen)
    assert page.evaluate("window.stops") == []
    assert film.evaluate("(film, node) => film === node", node)

    still.change_video(live, status="completed")
    expect(visitor.card(live)).to_have_attribute("data-status", "completed")
    assert visitor.card(live).get_attribute("data-hx-trigger") is None
    polls, ended_s = visitor.polls_of(live), time.monotonic()
    visitor.wait_until(lambda: time.monotonic() - ended_s > QUIET_S, "silence", QUIET_S + 5)
    assert visitor.polls_of(live) == polls
    assert visitor.polls_of(done) == 0
    # A screen reader heard of each step, once, and of no percentage.
    title = "Slow slicing of a glass strawberry on a wooden board"
    assert page.evaluate("window.heard") == [f"{title}: Rendering", f"{title}: Ready"]


def test_the_page_of_a_video_becomes_the_players_when_it_is_done(
    still: Site, visit: Visit, finished: str
) -> None:
    user_id = still.make_person("waiting@example.org")
    live = still.copy_video(finished, user_id, status="queued", queue_position=2)
    visitor = visit(still, user_id)
    page = visitor.page
    page.goto(f"/videos/{live}")
    expect(visitor.card(live)).to_contain_text("No. 2")
    still.change_video(live, status="completed")
    expect(page.locator(".player video")).to_be_visible()
    expect(visitor.card(live)).to_have_count(0)
