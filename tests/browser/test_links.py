"""Every address that a page names is there, in its own language; downloads are named files."""

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import Download, Page

from tests.browser.conftest import Visit
from tests.browser.servers import Site
from tests.browser.visitor import Visitor

ADDRESSES = """() => [...document.querySelectorAll("[href], [src], [poster], [data-hx-get]")]
  .flatMap(one => ["href", "src", "poster", "data-hx-get"]
    .map(name => [one.getAttribute(name), one.hasAttribute("hreflang")]))
  .filter(([address]) => address && !/^(#|mailto:)/.test(address))"""


@pytest.mark.parametrize("prefix", ["", "/zh"], ids=["en", "zh"])
def test_every_address_on_every_page_is_there(
    still: Site, visit: Visit, finished: str, prefix: str
) -> None:
    user_id = still.make_person(f"walker{prefix.strip('/')}@example.org")
    done = still.copy_video(finished, user_id)
    live = still.copy_video(finished, user_id, status="processing", progress=5)
    failed = still.copy_video(finished, user_id, status="failed", error_text="x")
    visitor = visit(still, user_id, java_script_enabled=False)  # with what stands in <noscript>
    pages = ["/studio", "/videos", "/credits", "/pricing", "/profile", "/credits-recovery"]
    pages += [f"/videos/{done}/receipt", "/payment-processor?pack=starter"]
    pages += [f"/videos/{one}" for one in (done, live, failed)]
    found = addresses(visitor, [prefix + page for page in pages])
    visitor.context.clear_cookies()
    found |= addresses(visitor, [prefix + page for page in ("/", "/sign-up", "/sign-in")])
    visitor.sign_in(user_id)
    lost = {
        path: answer.status
        for path in sorted(found)
        if (answer := visitor.page.request.get(path, max_redirects=0)).status not in (200, 302)
    }
    assert lost == {}
    assert any("/file?download=1" in path for path in found)


def addresses(visitor: Visitor, pages: Iterable[str]) -> set[str]:
    """Where these pages lead to, and what they load, on this site."""
    found = set()
    for page in pages:
        visitor.page.goto(page)
        for address, is_switch in visitor.page.evaluate(ADDRESSES):
            parts = urlsplit(urljoin(visitor.site.url + page, address))
            assert f"{parts.scheme}://{parts.netloc}" == visitor.site.url, address
            found.add(parts.path + (f"?{parts.query}" if parts.query else ""))
            if not is_switch and not parts.path.startswith("/static/"):  # a link keeps the language
                assert parts.path.startswith("/zh") == page.startswith("/zh"), (page, address)
    return found


def test_a_download_is_a_file_named_after_its_title(
    still: Site, visit: Visit, finished: str
) -> None:
    user_id = still.make_person("keeper@example.org")
    mine = still.copy_video(finished, user_id, title="草莓 / “one” & two.mp4?")
    page = visit(still, user_id).page
    page.goto(f"/videos/{mine}")
    first = download(page)
    page.goto("/videos")
    second = download(page)
    assert first == second
    assert first[0].endswith(".mp4") and "草莓" in first[0] and "/" not in first[0]
    assert first[1][4:8] == b"ftyp" and len(first[1]) > 10_000


def download(page: Page) -> tuple[str, bytes]:
    """Press Download; name and content of what comes."""
    with page.expect_download() as coming:
        page.get_by_role("link", name="Download").click()
    came: Download = coming.value
    return came.suggested_filename, Path(came.path()).read_bytes()
