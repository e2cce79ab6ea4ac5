"""A person at a browser: a page of one site, and everything that went wrong on it."""

from types import TracebackType
from typing import Any

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Playwright,
    Request,
    Response,
    expect,
)

from tests import needs
from tests.browser.servers import Site
from tests.waiting import wait_until

# The last keeps the browser from reaching anything but this machine: a page that needs a CDN fails.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
PATIENCE_MS = 20_000
RENDER_MS = 240_000
PHONE = {"width": 390, "height": 844}
LYING = {"width": 740, "height": 360}
TABLET = {"width": 820, "height": 1180}
DESK = {"width": 1440, "height": 900}

PLAYBACK = """video => ({
  ready: video.readyState, duration: video.duration, at: video.currentTime, paused: video.paused,
  width: video.videoWidth, height: video.videoHeight, sound: video.webkitAudioDecodedByteCount,
  frames: video.getVideoPlaybackQuality().totalVideoFrames,
})"""


def launch(playwright: Playwright) -> Browser:
    """The system's Chromium, without a window."""
    expect.set_options(timeout=PATIENCE_MS)
    return playwright.chromium.launch(executable_path=needs.chromium(), args=list(FLAGS))


class Visitor:
    """One browser profile. `trouble` lists errors of scripts, of the policy and of the server.

    Answers of 400 and above are trouble unless `expected` names their status; requests that were
    not answered at all are trouble unless `may_lose_answers` is set; other sites are trouble, but
    for addresses that begin as one of `may_visit` does.
    """

    def __init__(self, browser: Browser, site: Site, **options: Any) -> None:
        options = {"viewport": DESK, "reduced_motion": "reduce", **options}
        self.site = site
        self.context = browser.new_context(base_url=site.url, **options)
        self.context.set_default_timeout(PATIENCE_MS)
        self.expected: set[int] = set()
        self.may_lose_answers = False
        self.may_visit: tuple[str, ...] = ()
        self.trouble: list[str] = []
        self.requests: list[str] = []
        self.page = self.new_page()

    def __enter__(self) -> "Visitor":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.context.close()
        if error is None:
            assert self.trouble == []

    def new_page(self) -> Page:
        """Another tab; from now on `page` is this one."""
        page = self.page = self.context.new_page()
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.trouble.append(f"script: {error}"))
        page.on("request", self._on_request)
        page.on("response", self._on_response)
        return page

    def sign_in(self, user_id: int) -> "Visitor":
        """Be that person, by a session of one's own."""
        token = self.site.session_of(user_id)
        self.context.add_cookies([{"name": "session", "value": token, "url": self.site.url}])
        return self

    def card(self, video_id: str) -> Locator:
        """The card of a video."""
        return self.page.locator(f"#video-{video_id}")

    def new_card(self) -> str:
        """Wait for a live card in the studio and return its video's id."""
        card = self.page.locator("#live .card[data-hx-get]").first
        card.wait_for()
        return (card.get_attribute("id") or "").removeprefix("video-")

    def polls_of(self, video_id: str) -> int:
        """How often the card of a video has asked for itself."""
        return self.requests.count(f"GET /videos/{video_id} fragment")

    def wait_for_polls(self, video_id: str, number: int) -> None:
        """Until the card has asked `number` times more."""
        wanted = self.polls_of(video_id) + number
        self.wait_until(lambda: self.polls_of(video_id) >= wanted, f"{number} polls of a card")

    def wait_until(self, condition: Any, what: str, deadline_s: float = PATIENCE_MS / 1000) -> Any:
        """`tests.waiting.wait_until`, with the browser's events coming in meanwhile."""

        def look() -> Any:
            self.page.evaluate("1")  # lets playwright hand out events
            return condition()

        return wait_until(look, deadline_s, what)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if "Failed to load resource: the server responded" in message.text:
            return  # _on_response knows the status
        if self.may_lose_answers and "Content Security Policy" not in message.text:
            return
        self.trouble.append(f"console: {message.text}")

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((self.site.url, "blob:", "data:", *self.may_visit)):
            self.trouble.append(f"leaves the site: {request.url}")
        kind = "fragment" if "hx-request" in request.headers else request.resource_type
        self.requests.append(f"{request.method} {request.url.removeprefix(self.site.url)} {kind}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self.expected:
            self.trouble.append(f"{response.status} {response.request.method} {response.url}")
