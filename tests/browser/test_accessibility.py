"""Every page, in both languages and themes, on phone and desk: axe finds nothing.

Beside that: no error of a script or of the policy (the visitor watches for those), the right
language, nothing to scroll sideways down to 360 px, and no movement for those who asked for none.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Visit
from tests.browser.servers import Site
from tests.browser.test_journey import sign_up
from tests.browser.visitor import DESK, PHONE, TABLET, Visitor

NARROW = {"width": 360, "height": 740}
LANGUAGES = {"en": "", "zh-Hans": "/zh"}
AXE = """async rules => {
  // Not while the price, which stays in sight, covers half of a field: to where it has its place.
  document.querySelector("#composer")?.scrollIntoView({block: "end"});
  return (await axe.run(document, {runOnly: rules, resultTypes: ["violations"]}))
  .violations.map(one => `${one.id}: ${one.help}: `
    + one.nodes.map(node => `${node.target} ${node.failureSummary}`).slice(0, 3).join(" | "));
}"""
STILL = """() => {  // or a new theme would be looked at while its colours still fade in
  const sheet = new CSSStyleSheet();
  sheet.replaceSync("*, ::before, ::after {transition: none !important}");
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
}"""
ALL = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OF_COLOUR = ["color-contrast", "link-in-text-block"]
"""What a theme can change: the rest was looked at in the other one."""
THEMES = {"light": ALL, "dark": OF_COLOUR}
MOVING = """document.getAnimations().filter(one => one.playState === "running"
  && one.effect.getComputedTiming().activeDuration > 5).length"""
SIDEWAYS = """() => {
  const wide = document.documentElement.scrollWidth - innerWidth;
  return wide <= 0 ? "" : `${wide} px: ` + [...document.querySelectorAll("body *")]
    .filter(one => one.getBoundingClientRect().right > innerWidth + 1)
    .slice(0, 3).map(one => one.outerHTML.slice(0, 80)).join(" | ");
}"""


@dataclass(frozen=True)
class Cast:
    """People and videos in every state that a page can show."""

    full: int
    clouded: int
    empty: int
    done: str
    made: str
    refused: str
    failed: str
    live: str
    verify: str


@pytest.fixture(scope="module")
def cast(still: Site, finished: str, chromium: Browser) -> Cast:
    full = still.make_person("full@example.org")
    still.copy_video(finished, full, aspect_ratio="9:16", sound_check="silent")
    failed = still.copy_video(
        finished,
        full,
        status="failed",
        error_code="permanent",
        error_text="The renderer stopped unexpectedly.",
        refunded_credits=5,
    )
    still.copy_video(finished, full, status="cancelled", refunded_credits=5)
    still.copy_video(finished, full, status="storing", progress=100)
    still.copy_video(finished, full, status="queued", queue_position=3, eta_low_s=40, eta_high_s=90)
    live = still.copy_video(
        finished, full, status="processing", progress=42, eta_low_s=20, eta_high_s=35, is_late=True
    )
    done = still.copy_video(finished, full, title="A title " + "that_is_very_long_" * 5)
    for number in range(9):
        still.copy_video(finished, full, title=f"Film {number}", is_favourite=number % 2 == 0)
    with Visitor(chromium, still) as visitor:
        page = visitor.page
        sign_up(page, "asked@example.org", confirm=False)
        verify = page.url.removeprefix(still.url)
    clouded, made, refused = add_clouds(still, finished)
    return Cast(
        full=full,
        clouded=clouded,
        made=made,
        refused=refused,
        empty=still.make_person("empty@example.org", credits=0),
        done=done,
        failed=failed,
        live=live,
        verify=verify,
    )


def add_clouds(still: Site, finished: str) -> tuple[int, str, str]:
    """A person with cloud videos in their states, a gift among them, and one that was refused."""
    person = still.make_person("clouded@example.org")

    def add(**values: Any) -> str:
        return still.copy_video(
            finished, person, **{"provider": "kie", "kind": "cloud", "scene": "", **values}
        )

    made = add(is_gift=True, refunded_credits=5)
    add(sound_check="silent", sound_refunded=True, refunded_credits=5)
    add(status="processing", eta_low_s=60, eta_high_s=90)
    add(status="queued", wait_reason="spend_cap")
    add(status="queued", wait_reason="provider_down", is_late=True)
    add(status="queued", sound_retried=True)
    refused = add(
        status="failed",
        error_code="content_rejected",
        error_text="flagged",
        refunded_credits=5,
        rendered_at=None,
    )
    return person, made, refused


PAGES = {  # name: address, whose, expected status
    "home": ("/", "nobody", 200),
    "sign-up": ("/sign-up", "nobody", 200),
    "sign-in": ("/sign-in?next=/studio", "nobody", 200),
    "check mail": ("/sign-up/sent", "nobody", 200),
    "verify": ("{verify}", "nobody", 200),
    "verify with a bad link": ("/verify/nothing", "nobody", 404),
    "studio, first time": ("/studio", "empty", 200),
    "studio at work": ("/studio", "full", 200),
    "studio with clouds": ("/studio", "clouded", 200),
    "library, empty": ("/videos", "empty", 200),
    "library, full": ("/videos", "full", 200),
    "library, no match": ("/videos?q=nothing-like-this", "full", 200),
    "video": ("/videos/{done}", "full", 200),
    "video that failed": ("/videos/{failed}", "full", 200),
    "video at work": ("/videos/{live}", "full", 200),
    "receipt": ("/videos/{done}/receipt", "full", 200),
    "credits": ("/credits", "full", 200),
    "credits, empty": ("/credits", "empty", 200),
    "not found": ("/nothing-here", "full", 404),
}


@pytest.fixture(scope="module")
def visitors(still: Site, cast: Cast, chromium: Browser) -> Iterator[dict[str, Visitor]]:
    """One visitor for each of the cast, with a warm cache: looking changes nothing."""
    with ExitStack() as stack:
        found = {
            name: stack.enter_context(Visitor(chromium, still))
            for name in ("nobody", "empty", "clouded", "full")
        }
        found["empty"].sign_in(cast.empty)
        found["full"].sign_in(cast.full)
        found["clouded"].sign_in(cast.clouded)
        for visitor in found.values():
            visitor.expected = {404}
        yield found


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_barrier(cast: Cast, visitors: dict[str, Visitor], name: str) -> None:
    address, whose, status = PAGES[name]
    visitor, found = visitors[whose], []
    for language, prefix in LANGUAGES.items():
        answer = visitor.page.goto(prefix + address.format_map(vars(cast)))
        assert answer is not None and answer.status == status
        found += barriers(visitor.page, language)
    assert found + visitor.trouble == []


def test_a_form_with_errors_has_no_barrier(still: Site, visit: Visit, cast: Cast) -> None:
    visitor = visit(still)
    visitor.expected = {422}
    page, found = visitor.page, []
    for language, prefix in LANGUAGES.items():
        page.goto(f"{prefix}/sign-up")
        page.locator("main form button").click()
        page.locator(".error").first.wait_for()
        found += barriers(page, language)
    visitor.sign_in(cast.empty)
    for language, prefix in LANGUAGES.items():
        page.goto(f"{prefix}/studio")
        page.locator("#prompt").fill(" ")
        page.locator("#seed").fill("x")
        page.locator("#make").click()
        page.locator("#prompt-error").wait_for()
        found += barriers(page, language)
    assert found == []


def test_an_open_menu_has_no_barrier(still: Site, visit: Visit, cast: Cast) -> None:
    page, found = visit(still, cast.full).page, []
    page.goto(f"/videos/{cast.done}")
    for summary in page.locator("details.menu > summary").all():
        summary.click()
        for theme, rules in THEMES.items():
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            found += violations(page, rules)
        page.keyboard.press("Escape")
    page.goto("/studio")
    page.get_by_text("Show all").click()
    found += violations(page, ALL)
    page.goto("/videos")
    page.get_by_role("link", name="Show more").click()
    page.locator(".page-of-videos").nth(1).wait_for()
    found += violations(page, ALL)
    assert found == []


def barriers(page: Page, language: str) -> list[str]:
    """What is wrong with the page as it stands: in both themes, at both sizes, and narrower."""
    found = []
    if (said := page.locator("html").get_attribute("lang")) != language:
        found.append(f"lang is {said}, not {language}")
    if moving := page.evaluate(MOVING):
        found.append(f"{moving} animations for somebody who asked for none")
    for size in (DESK, TABLET, PHONE, NARROW):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        if wide := page.evaluate(SIDEWAYS):
            found.append(f"scrolls sideways at {size['width']}: {wide}")
        for theme, rules in THEMES.items() if size in (DESK, PHONE) else ():
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            found += [f"{theme} {size['width']}: {one}" for one in violations(page, rules)]
    return [f"{language} {one}" for one in found]


def violations(page: Page, rules: list[str]) -> list[Any]:
    """What axe finds wrong on the page now."""
    if not page.evaluate("!!window.axe"):
        page.evaluate(AXE_SCRIPT)
        page.evaluate(STILL)
    found: list[Any] = page.evaluate(AXE, rules)
    return found
