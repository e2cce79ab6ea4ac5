"""From sign-up to a playing video, as a newcomer walks it, on a small fast render."""

import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from app.providers.render_folder import PID
from tests.browser.conftest import Visit
from tests.browser.servers import Site
from tests.browser.visitor import PLAYBACK, RENDER_MS, Visitor
from tests.cast import PASSWORD

PROMPT = "slow slicing of a glass strawberry on a wooden board"

ESTIMATE = r"Ready in (\d+ to \d+ s|about \d+ s|a few seconds)"


def test_from_sign_up_to_a_playing_video(site: Site, visit: Visit) -> None:
    visitor = visit(site)
    page = visitor.page
    sign_up(page, "newcomer@example.org")
    assert page.locator("#balance").inner_text() == "8"
    expect(page.locator("#flash .toast")).to_contain_text("8 credits are yours")

    page.get_by_label("Prompt").fill(PROMPT)
    page.get_by_role("group", name="Length").get_by_text("8 s").click()
    expect(page.locator(".bill li")).to_have_text(["8 s 720p: 10", "first video: −2", "total: 8"])
    expect(page.locator(".drawn")).to_contain_text("will draw: a glass strawberry")
    page.evaluate("window.isSamePage = true")
    page.get_by_role("button", name="Generate · 8 credits (8 → 0)", exact=True).click()
    video_id = visitor.new_card()
    assert page.evaluate("window.isSamePage")
    expect(page.locator("#balance")).to_have_text("0")

    with unhurried(site.instance / "renders"):
        seen = watch_until(visitor, video_id, percents=2)
        page.reload()
        seen += watch_until(visitor, video_id, percents=1)
    page.close()
    page = visitor.new_page()
    page.goto("/studio")
    expect(visitor.card(video_id)).to_have_attribute("data-status", "completed", timeout=RENDER_MS)
    percents = [int(text) for line in seen for text in re.findall(r"^(\d+)%", line)]
    assert percents == sorted(percents) and percents[-1] > percents[0]
    assert any(re.search(ESTIMATE, text) for text in seen)

    visitor.card(video_id).get_by_role("link", name="slow slicing of a glass strawberry").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(PROMPT, ignore_case=True)
    expect(page.locator(".receipt")).to_contain_text("Settled")
    expect(page.get_by_text("Sound check passed")).to_be_visible()
    plays(visitor, page.locator(".player video"), duration_s=8)


def sign_up(page: Page, email: str, confirm: bool = True) -> None:
    """Make an account and confirm its address with the link that a page on this machine shows."""
    page.goto("/sign-up")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create the account").click()
    page.get_by_role("link", name="Open the link here").click()
    page.get_by_role("button", name="Confirm").wait_for()
    if not confirm:
        return
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_url("**/studio")


@contextmanager
def unhurried(folder: Path) -> Iterator[None]:
    """Renders there get a fifth of their time: a quick machine is done before a page asks twice."""
    is_over = threading.Event()

    def hold() -> None:
        while not is_over.wait(0.1):
            held = [pid for path in folder.glob(f"*/{PID}") if (pid := read_pid(path))]
            signal_all(held, signal.SIGSTOP)
            is_over.wait(0.4)
            signal_all(held, signal.SIGCONT)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def read_pid(path: Path) -> int | None:
    """The process that a pid file names, whose first word it is."""
    words = path.read_text().split() if path.exists() else []
    return int(words[0]) if words else None


def signal_all(pids: list[int], number: signal.Signals) -> None:
    """Tell those of them that are still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def watch_until(visitor: Visitor, video_id: str, percents: int) -> list[str]:
    """What a live card says, as it changes, until it has shown that many different percentages."""
    said: list[str] = []

    def look() -> bool:
        text = visitor.card(video_id).inner_text()
        if not said or said[-1] != text:
            said.append(text)
        return len({line.split("%")[0] for line in said if "%" in line[:4]}) >= percents

    visitor.wait_until(look, f"{percents} percentages", RENDER_MS / 1000)
    return said


def plays(visitor: Visitor, video: Locator, duration_s: float) -> None:
    """The visitor presses Play, and picture and sound go on."""
    visitor.page.locator(".player .start").click()
    visitor.wait_until(lambda: video.evaluate(PLAYBACK)["at"] > 0.5, "a playing video")
    first = video.evaluate(PLAYBACK)
    assert first["ready"] >= 3
    assert abs(first["duration"] - duration_s) < 0.25
    assert first["width"] > 0 and first["height"] > 0
    assert first["sound"] > 0
    visitor.wait_until(lambda: video.evaluate(PLAYBACK)["at"] > first["at"] + 0.5, "more of it")
    assert video.evaluate(PLAYBACK)["frames"] > first["frames"]
