"""The README's pictures, taken from the real site with films that it rendered at full quality.

    python -m tests.browser.screenshots docs/screenshots

Takes some minutes (a quick try: LOCAL_RENDER_QUALITY=draft). Writes studio.webp (a video being
made), video.webp (a finished one, played) and phone.webp (the library on a phone, in Chinese).
"""

import argparse
import os
import secrets
import subprocess
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import make_url

from app.media.ffmpeg import find_ffmpeg
from app.services import requests, videos
from tests.browser.servers import Site
from tests.browser.visitor import PHONE, Visitor, launch
from tests.conftest import migrate
from tests.waiting import wait_until

MAX_BYTES = 200_000
RENDERS_S = 1800
COMPLETED = "SELECT id FROM videos WHERE status = 'completed' ORDER BY id DESC"
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
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("LOCAL_RENDER_QUALITY", "standard")
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        site = new_site(Path(temporary))
        browser = launch(playwright)
        try:
            user_id = site.make_person("demo@example.org", credits=200)
            make_films(site, user_id)
            for name, take in (("studio", studio), ("video", video), ("phone", phone)):
                png = Path(temporary) / f"{name}.png"
                take(browser, site, user_id, png)
                print(compress(png, folder / f"{name}.webp"))  # noqa: T201  a terminal program
        finally:
            browser.close()
            site.stop()


def new_site(folder: Path) -> Site:
    """A site with an empty database."""
    template = folder / "template"
    template.mkdir()
    migrate(make_url(f"sqlite:///{template}/app.sqlite"), template)
    site = Site(folder, template / "app.sqlite")
    site.start_worker()
    site.start_web()
    return site


def make_films(site: Site, user_id: int) -> None:
    """Ask for every film of FILMS and wait until the worker has made them."""
    for kind, prompt, ratio, seed in FILMS:
        site.call(ask, user_id, type=kind, prompt=prompt, aspect_ratio=ratio, seed=str(seed))
    wait_until(lambda: len(site.rows(COMPLETED)) == len(FILMS), RENDERS_S, "all films")


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
        visitor.wait_until(lambda: percent(card.inner_text()) >= 25, "a quarter", RENDERS_S / 10)
        page.locator("#flash").evaluate("flash => flash.replaceChildren()")
        page.mouse.move(0, 0)
        shoot(page, png)


def percent(text: str) -> int:
    """The percentage on a card, 0 when it has none."""
    number = text.partition("%")[0]
    return int(number) if number.isdigit() else 0


def video(browser: Browser, site: Site, user_id: int, png: Path) -> None:
    """The last of FILMS, played a little."""
    with Visitor(browser, site, color_scheme="light").sign_in(user_id) as visitor:
        page = visitor.page
        page.goto(f"/videos/{site.rows(COMPLETED)[0]['id']}")
        page.locator(".player .start").click()
        film = page.locator(".player video")
        visitor.wait_until(lambda: film.evaluate("film => film.currentTime") > 2.5, "a cut")
        film.evaluate("film => film.pause()")
        page.mouse.move(0, 0)
        page.evaluate("document.activeElement.blur()")
        shoot(page, png)


def phone(browser: Browser, site: Site, user_id: int, png: Path) -> None:
    """The library on a phone, in Chinese."""
    options = {"viewport": PHONE, "color_scheme": "light", "device_scale_factor": 2}
    with Visitor(browser, site, **options).sign_in(user_id) as visitor:
        visitor.page.goto("/zh/videos?state=ready")
        shoot(visitor.page, png)


def shoot(page: Page, png: Path) -> None:
    """Take what is in the window, once its pictures and fonts are there."""
    page.wait_for_load_state("networkidle")
    page.evaluate("document.fonts.ready.then(() => true)")
    page.screenshot(path=png)


def compress(png: Path, webp: Path) -> str:
    """Write the best webp below MAX_BYTES; returns a line about it."""
    for quality in range(90, 40, -5):
        command = [find_ffmpeg(), "-nostdin", "-v", "error", "-y", "-i", str(png)]
        command += ["-quality", str(quality), str(webp)]
        subprocess.run(command, check=True)
        if webp.stat().st_size <= MAX_BYTES:
            return f"{webp}: {webp.stat().st_size} bytes, quality {quality}"
    raise SystemExit(f"{webp} does not fit into {MAX_BYTES} bytes")


if __name__ == "__main__":
    main()
