"""The picture to start with: picked, pasted or dropped, with its progress, its preview, its end."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from PIL import Image
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Visit
from tests.browser.servers import Site
from tests.browser.test_accessibility import ALL, AXE, SIDEWAYS, STILL
from tests.browser.visitor import PHONE, Visitor

# Hands a file to the page as a paste or a drop would: `how` is the event, `at` the element.
TRANSFER = """([bytes, how, at, text]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], "picture.png", { type: "image/png" }));
  if (text) transfer.setData("text/plain", text);
  const options = { bubbles: true, cancelable: true };
  const event = how === "paste"
    ? new ClipboardEvent("paste", { ...options, clipboardData: transfer })
    : new DragEvent(how, { ...options, dataTransfer: transfer });
  return document.querySelector(at).dispatchEvent(event);
}"""


def png(size: tuple[int, int] = (900, 600)) -> bytes:
    """A sunset, more or less: something to recognise."""
    picture = Image.merge(
        "RGB",
        [
            Image.linear_gradient("L").resize(size),
            Image.radial_gradient("L").resize(size),
            Image.new("L", size, 120),
        ],
    )
    out = BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def heavy() -> bytes:
    """Some megabytes, so that its way takes a moment."""
    out = BytesIO()
    Image.effect_noise((1500, 1300), 90).convert("RGB").save(out, "PNG", compress_level=0)
    return out.getvalue()


def studio(visitor: Visitor) -> Page:
    visitor.page.goto("/studio")
    return visitor.page


def pick(page: Page, content: bytes, name: str = "picture.png") -> None:
    file: Any = {"name": name, "mimeType": "image/png", "buffer": content}
    page.locator("#image").set_input_files(file)


def hold(_: Route) -> None:
    """Neither answer nor send on: it is on its way for ever."""


def is_shown(page: Page) -> bool:
    """Whether the preview has really been decoded by the browser."""
    look = "img => img.complete && img.naturalWidth > 0"
    return bool(page.locator("#start-image .kept img").evaluate(look))


def test_a_picked_picture_is_shown_and_removed(still: Site, visit: Visit) -> None:
    user_id = still.make_person("picker@example.org")
    visitor = visit(still, user_id)
    page = studio(visitor)
    page.get_by_label("Prompt").fill("Honey over a sunset")
    page.evaluate("document.addEventListener('change', event => { window.last = event.target.id })")
    pick(page, png())
    expect(page.locator("#start-image .kept")).to_contain_text("900 × 600")
    visitor.wait_until(lambda: is_shown(page), "a preview")
    expect(page.locator("#announce")).to_have_text("The picture is here.")
    assert page.evaluate("window.last") == "start-image"  # the price heard of it
    (row,) = still.rows("SELECT id FROM start_images WHERE user_id = :id", id=user_id)
    held = "form => new FormData(form).get('image_id')"
    assert page.locator("#composer").evaluate(held) == row["id"]
    assert page.locator("#composer").evaluate("form => form.elements.image.files.length") == 0

    page.get_by_role("button", name="Remove the picture").click()
    expect(page.locator("#start-image .kept")).to_have_count(0)
    assert page.locator("#composer").evaluate(held) is None
    expect(page.locator("#image")).to_be_focused()
    assert page.get_by_label("Prompt").input_value() == "Honey over a sunset"


def test_a_pasted_picture_goes_too_and_text_stays_text(still: Site, visit: Visit) -> None:
    page = studio(visit(still, still.make_person("paster@example.org")))
    assert page.evaluate(TRANSFER, [list(png()), "paste", "#prompt", "words of a document"])
    expect(page.locator("#start-image .sending")).to_be_hidden()
    page.locator("#prompt").focus()
    assert not page.evaluate(TRANSFER, [list(png()), "paste", "#prompt", ""])
    expect(page.locator("#start-image .kept")).to_be_visible()
    expect(page.locator("#prompt")).to_be_focused()


def test_a_dropped_picture_is_taken_on_the_composer_only(still: Site, visit: Visit) -> None:
    page = studio(visit(still, still.make_person("dropper@example.org")))
    for how in ("dragover", "drop"):  # beside it: neither taken nor opened in place of the page
        assert not page.evaluate(TRANSFER, [list(png()), how, "#live-h", ""])
    expect(page.locator("#start-image .sending")).to_be_hidden()
    page.evaluate(TRANSFER, [list(png()), "dragover", "#prompt", ""])
    expect(page.locator("#composer")).to_have_attribute("data-drop", "")
    page.evaluate(TRANSFER, [list(png()), "drop", "#prompt", ""])
    expect(page.locator("#composer")).not_to_have_attribute("data-drop", "")
    expect(page.locator("#start-image .kept")).to_be_visible()


def test_its_progress_is_seen_and_it_can_be_stopped(still: Site, visit: Visit) -> None:
    user_id = still.make_person("patient@example.org")
    visitor = visit(still, user_id)
    visitor.may_lose_answers = True
    page = studio(visitor)
    page.route("**/studio/image", hold)
    page.locator("#image").focus()
    pick(page, heavy())
    box = page.locator("#start-image .sending")
    expect(box).to_be_visible()
    expect(page.locator("#start-image .drop")).to_be_hidden()
    expect(page.get_by_role("button", name="Stop sending")).to_be_focused()
    drawn = "canvas => canvas.getContext('2d').getImageData(40, 40, 1, 1).data[3]"
    visitor.wait_until(lambda: box.locator("canvas").evaluate(drawn) == 255, "a first preview")

    page.locator("#make").click()  # nothing is ordered meanwhile
    expect(page.locator("#image-error")).to_contain_text("still on its way")
    page.get_by_role("radio", name="1080p").evaluate("radio => radio.click()")
    expect(page.locator(".bill li").first).to_have_text("8 s 1080p: 15")
    expect(box).to_be_visible()  # over a swap of the price

    page.get_by_role("button", name="Stop sending").click()
    expect(box).to_be_hidden()
    expect(page.locator("#announce")).to_have_text("The picture was not sent.")
    expect(page.locator("#image")).to_be_focused()
    assert still.count_videos(user_id) == 0

    page.unroute("**/studio/image")
    seen = page.evaluate_handle(
        """() => {
          const seen = [], bar = document.querySelector("#start-image progress");
          new MutationObserver(() => seen.push(bar.value)).observe(bar, { attributes: true });
          return seen;
        }"""
    )
    pick(page, heavy())
    expect(page.locator("#start-image .kept")).to_contain_text("1500 × 1300")
    assert max(seen.json_value()) > 0


@pytest.mark.parametrize("size", [(200, 300), (4000, 300)])
def test_what_is_wrong_is_said_beside_the_field(
    still: Site, visit: Visit, size: tuple[int, int]
) -> None:
    visitor = visit(still, still.make_person(f"small{size[0]}@example.org"))
    visitor.expected = {422}
    page = studio(visitor)
    pick(page, png(size))
    error = page.locator("#image-error")
    expect(error).to_contain_text("at least 256 pixels" if size[0] < 256 else "at most 7 to 1")
    field = page.locator("#image")
    expect(field).to_have_attribute("aria-invalid", "true")
    assert "image-error" in (field.get_attribute("aria-describedby") or "").split()
    expect(page.locator("#announce")).to_have_text(error.inner_text())
    pick(page, png())
    expect(page.locator("#start-image .kept")).to_be_visible()
    expect(error).to_have_count(0)


def test_too_many_megabytes_are_not_even_sent(still: Site, visit: Visit) -> None:
    visitor = visit(still, still.make_person("weighty@example.org"))
    page = studio(visitor)
    pick(page, bytes(9 * 1024 * 1024))
    expect(page.locator("#image-error")).to_contain_text("larger than 8 MB")
    assert "POST /studio/image xhr" not in visitor.requests


def test_a_lost_connection_is_told(still: Site, visit: Visit) -> None:
    visitor = visit(still, still.make_person("tunnel@example.org"))
    visitor.may_lose_answers = True
    page = studio(visitor)
    page.route("**/studio/image", lambda route: route.abort())
    pick(page, png())
    expect(page.locator("#image-error")).to_contain_text("did not arrive")
    expect(page.locator("#start-image .drop")).to_be_visible()


def test_the_picture_outlives_a_refused_form(still: Site, visit: Visit) -> None:
    visitor = visit(still, still.make_person("careful@example.org"))
    visitor.expected = {422}
    page = studio(visitor)
    pick(page, png())
    expect(page.locator("#start-image .kept")).to_be_visible()
    page.get_by_label("Prompt").fill("  ")
    page.locator("#make").click()
    expect(page.locator("#prompt-error")).to_be_visible()
    visitor.wait_until(lambda: is_shown(page), "the preview again")
    page.get_by_role("button", name="Remove the picture").click()
    expect(page.locator("#start-image .kept")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_any_state(still: Site, visit: Visit, theme: str) -> None:
    person = still.make_person(f"axe{theme}@example.org")
    visitor = visit(still, person, viewport=PHONE, color_scheme=theme)
    visitor.expected, visitor.may_lose_answers = {422}, True
    page = studio(visitor)
    page.evaluate(AXE_SCRIPT)
    page.evaluate(STILL)

    def look() -> None:
        assert page.evaluate(AXE, ALL) == []
        assert page.evaluate(SIDEWAYS) == ""

    page.route("**/studio/image", hold)
    pick(page, png())
    expect(page.locator("#start-image .sending")).to_be_visible()
    look()
    page.get_by_role("button", name="Stop sending").click()
    page.unroute("**/studio/image")
    pick(page, png())
    expect(page.locator("#start-image .kept")).to_be_visible()
    pick(page, png((200, 200)))  # refused, and the one before stays
    expect(page.locator("#image-error")).to_be_visible()
    expect(page.locator("#start-image .kept")).to_be_visible()
    look()


def test_without_a_script_it_goes_along_with_the_form(
    still: Site, visit: Visit, tmp_path: Path
) -> None:
    visitor = visit(still, still.make_person("plain@example.org"), java_script_enabled=False)
    visitor.expected = {422}
    page = studio(visitor)
    file = tmp_path / "sunset.png"
    file.write_bytes(png())
    page.locator("#image").set_input_files(file)
    page.get_by_label("Prompt").fill("  ")
    page.locator("#make").click()
    expect(page.locator("#prompt-error")).to_be_visible()
    box = page.get_by_label("Use this picture")
    expect(box).to_be_checked()
    box.uncheck()
    page.locator("#make").click()
    expect(page.locator("#prompt-error")).to_be_visible()
    expect(page.get_by_label("Use this picture")).to_have_count(0)
