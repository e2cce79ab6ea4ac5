"""Browser tests: two sites, one Chromium. Each test is a visitor with a profile of its own.

`site` has web and worker and really makes videos. `still` has only the web server: its videos stay
as a test writes them, for everything that looks at a state rather than at the way there.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from app.extensions import db
from app.models import ENDED, Video
from app.services import attempts, requests, sweeps, videos
from tests import needs
from tests.browser.servers import Site
from tests.browser.visitor import RENDER_MS, Visitor, launch
from tests.waiting import wait_until

FORM = {
    "type": "glass-fruit",
    "prompt": "Slow slicing of a glass strawberry on a wooden board",
    "aspect_ratio": "16:9",
    "duration": "4",
    "resolution": "720p",
    "count": "1",
    "seed": "7",
}

Visit = Callable[..., Visitor]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder drives a browser; a render may take its time on a busy machine."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests."""
    needs.chromium()
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(
    chromium: Browser, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Web and worker."""
    one = Site(tmp_path_factory.mktemp("site"), sqlite_template)
    try:
        one.start_worker()
        one.start_web()
        yield one
    finally:
        one.stop()


@pytest.fixture(scope="session")
def still(
    chromium: Browser, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Web without a worker: live videos stand still."""
    one = Site(tmp_path_factory.mktemp("still"), sqlite_template)
    try:
        one.start_web()
        yield one
    finally:
        one.stop()


@pytest.fixture(scope="session")
def finished(still: Site) -> str:
    """A really rendered video of somebody's on the `still` site; `copy_video` shares its files."""
    return still.call(make_video, still.make_person("maker@example.org"), **FORM)


def make_video(user_id: int, **fields: str) -> str:
    """Ask for a video and be the worker that makes it."""
    wanted = requests.parse(fields)
    price = videos.quote(user_id, wanted).price.total
    token = secrets.token_urlsafe()
    video_id = videos.request_video(user_id, wanted, token=token, price_credits=price)[0]

    def step() -> bool:
        attempts.submit(video_id)
        sweeps.refresh_due()
        attempts.store(video_id)
        video = db.session.get_one(Video, video_id, populate_existing=True)
        return video.status in ENDED

    wait_until(step, RENDER_MS / 1000, "a video")
    assert db.session.get_one(Video, video_id).status == "completed"
    return video_id


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Visit]:
    """`visit(site, user_id, viewport=PHONE)`: a visitor; without an id nobody's.

    After the test each visitor's page must have been without trouble.
    """
    with ExitStack() as stack:

        def enter(site: Site, user_id: int | None = None, **options: Any) -> Visitor:
            visitor = stack.enter_context(Visitor(chromium, site, **options))
            return visitor if user_id is None else visitor.sign_in(user_id)

        yield enter
