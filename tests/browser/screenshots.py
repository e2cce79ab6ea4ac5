"""The README's pictures, taken from the real site with films that it rendered at full quality.

    python -m tests.browser.screenshots docs/screenshots [--site FOLDER]

Takes some minutes, and fewer with a FOLDER that keeps the films for the next time. Writes
studio.webp (a video being made), video.webp (a finished one) and library.webp (the library on a
desk, and on a phone).
"""

import argparse
import os
import secrets
import subprocess
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright
from sqlalchemy import make_url

from app.media.ffmpeg import find_ffmpeg
from app.services import requests, videos
from tests.browser.servers import Site
from tests.browser.visitor import DESK, PHONE, Visitor, launch
from tests.conftest import migrate
from tests.waiting import wait_until

MAX_BYTES = 200_000
RENDERS_S = 1800
WIDTH_PX = 1440
IS_READY = """document.fonts.status === "loaded" && [...document.images].every(one =>
  one.complete || one.getBoundingClientRect().top > innerHeight)"""
EMAIL = "demo@example.org"
COMPLETED = "FROM videos WHERE status = 'completed' AND deleted_at IS NULL"
FILMS = (
    ("planet-cut", "A small planet is cut open to its glowing core", "16:9", 5),
    ("soap-layers", "A blade slices a layered bar of soap into slabs", "16:9", 3),
    ("rain-window", "Rain runs down a dark window, a candle behind it", "16:9", 9),
    ("kinetic-sand", "A knife goes slowly through layered kinetic sand", "1:1", 3),
    ("honey-drip", "Thick amber honey folds into itself, warm light behind it", "9:16", 23),
    ("glass-fruit", "Slow slicing of a glass strawberry on a wooden board", "16:9", 7),
)


def main() -> None:
    """Start a site, make the films, take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--site", type=Path, help="where the site with its films is kept")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["LOCAL_RENDER_QUALITY"] = "standard"
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        site = open_site(arguments.site or Path(temporary))
        browser = launch(playwright)
        try:
            user_id = site.find_user(EMAIL) or site.make_person(EMAIL, credits=200)
            make_films(site, user_id)
            for name, take in (("studio", studio), ("video", video), ("library", library)):
                png = Path(temporary) / f"{name}.png"
                take(browser, site, user_id, png)
                print(compress(png, folder / f"{name}.webp"))  # noqa: T201  a terminal program
        finally:
            browser.close()
            site.stop()


def open_site(folder: Path) -> Site:
    """The site in a folder; a new one, with an empty database, where there is none."""
    database = folder / "app.sqlite"
    if not database.exists():
        template = folder / "template"
        template.mkdir(parents=True, exist_ok=True)
        database = template / "app.sqlite"
        migrate(make_url(f"sqlite:///{database}"), template)
    site = Site(folder, database)
    site.start_worker()
    site.start_web()
    return site


def make_films(site: Site, user_id: int) -> None:
    """Ask for the films of FILMS that are not there, and wait until the worker has made them."""
    made = {row["type"] for row in site.rows(f"SELECT type {COMPLETED}")}
    for kind, prompt, ratio, seed in FILMS:
        if kind not in made:
            site.call(ask, user_id, type=kind, prompt=prompt, aspect_ratio=ratio, seed=str(seed))
    wait_until(
        lambda: len(site.rows(f"SELECT DISTINCT type {COMPLETED}")) >= len(FILMS),
        RENDERS_S,
        "all films",
    )


def ask(user_id: int, **fields: str) -> None:
    wanted = requests.parse({"duration": "4", "resolution": "720p", "count": "1", **fields})
    price = videos.quote(user_id, wanted).price.total
    videos.request_video(user_id, wanted, token=secrets.token_urlsafe(), price_credits=price)


def studio(browser: Browser, site: Site, user_id: int, png: Path) -> None:
    """Dark, with a video being made, some way along."""
    with Visitor(browser, site, color_scheme="dark").sign_in(user_id) as visitor:
        page = visitor.page
        page.goto("/studio?type=ice-cut")
        page.locator("#make").click()
        card = visitor.card(visitor.new_card())
        visitor.wait_until(lambda: 30 <= percent(card.inner_text()) < 80, "a third", RENDERS_S)
        page.locator("#flash").evaluate("flash => flash.replaceChildren()")
        page.mouse.move(0, 0)
        shoot(page, png)
        card.get_by_role("button", name="Cancel").click()
        expect(card).to_have_attribute("data-status", "cancelled")


def percent(text: str) -> int:
    """The percentage on a card, 0 when it has none."""
    number = text.partition("%")[0]
    return int(number) if number.isdigit() else 0


def video(browser: Browser, site: Site, user_id: int, png: Path) -> None:
    """A finished film, played a little."""
    sql = f"SELECT id {COMPLETED} AND type = 'glass-fruit'"
    with Visitor(browser, site, color_scheme="light").sign_in(user_id) as visitor:
        page = visitor.page
        page.goto(f"/videos/{site.rows(sql)[0]['id']}")
        page.locator(".player .start").click()
        film = page.locator(".player video")
        visitor.wait_until(lambda: film.evaluate("film => film.currentTime") > 2, "a cut")
        film.evaluate("film => film.pause()")
        page.mouse.move(0, 0)
        page.evaluate("document.activeElement.blur()")
        shoot(page, png)


def library(browser: Browser, site: Site, user_id: int, png: Path) -> None:
    """Desk and phone side by side, put together by a page of its own."""
    parts = []
    for size, theme in ((DESK, "light"), (PHONE, "dark")):
        options = {"viewport": size, "color_scheme": theme, "device_scale_factor": 2}
        with Visitor(browser, site, **options).sign_in(user_id) as visitor:
            visitor.page.goto("/videos?state=ready")
            part = png.with_name(f"{png.stem}-{size['width']}.png")
            shoot(visitor.page, part)
            parts.append(part)
    page = browser.new_page(viewport={"width": WIDTH_PX, "height": 900})
    page.goto(parts[0].parent.as_uri())  # so that a page may show files
    page.set_content(
        f"""<style>body {{margin: 0; height: 900px; background: #dfe7e6; overflow: hidden}}
        img {{position: absolute; border-radius: 14px; box-shadow: 0 20px 60px #0f1c1d55}}
        .desk {{left: 40px; top: 60px; width: 1180px}}
        .phone {{right: 40px; top: 110px; width: 330px; border-radius: 26px;
          border: 6px solid #090e0f}}</style>
        <img class="desk" src="{parts[0].as_uri()}"><img class="phone" src="{parts[1].as_uri()}">"""
    )
    page.wait_for_function("[...document.images].every(one => one.complete)")
    page.screenshot(path=png)
    page.close()


def shoot(page: Page, png: Path) -> None:
    """Take what is in the window, once its pictures and fonts are there."""
    page.wait_for_function(IS_READY)
    page.screenshot(path=png)


def compress(png: Path, webp: Path) -> str:
    """Write the best webp below MAX_BYTES; returns a line about it."""
    for quality in range(90, 40, -5):
        command = [find_ffmpeg(), "-nostdin", "-v", "error", "-y", "-i", str(png)]
        command += ["-vf", f"scale={WIDTH_PX}:-2", "-quality", str(quality), str(webp)]
        subprocess.run(command, check=True)
        if webp.stat().st_size <= MAX_BYTES:
            return f"{webp}: {webp.stat().st_size} bytes, quality {quality}"
    raise SystemExit(f"{webp} does not fit into {MAX_BYTES} bytes")


if __name__ == "__main__":
    main()
