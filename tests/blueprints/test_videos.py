"""A video's addresses: page, card, file, and every verb on it; and none of them for Bob."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from app.extensions import db
from tests.blueprints.conftest import HTMX, PROMPT
from tests.cast import Browser
from tests.conftest import Call, Person, Rows
from tests.fakes import FakeProvider

Order = Callable[..., str]
Make = Callable[[str], None]
GHOST = "01a20e1a-0000-7000-8000-000000000000"


@pytest.fixture
def video_id(alice_client: FlaskClient, order: Order) -> str:
    return order(alice_client)


def status_of(rows: Rows, video_id: str) -> str:
    return str(rows("SELECT status FROM videos WHERE id = :id", id=video_id)[0]["status"])


# Page and card -----------------------------------------------------------------------------------


def test_the_page_holds_player_prompt_sound_check_and_receipt(
    alice_client: FlaskClient, video_id: str, make: Make
) -> None:
    make(video_id)
    page = alice_client.get(f"/videos/{video_id}").text
    assert f'src="/videos/{video_id}/file"' in page and PROMPT in page
    assert "Sound check" in page and "first video" in page and "not AI" in page


def test_a_live_card_asks_again_and_a_finished_one_does_not(
    alice_client: FlaskClient, video_id: str, make: Make
) -> None:
    card = alice_client.get(f"/videos/{video_id}", headers=HTMX)
    assert f'id="video-{video_id}" data-status="queued"' in card.text
    assert 'data-hx-trigger="every 2s"' in card.text and "<!doctype" not in card.text.lower()
    assert "HX-Request" in card.headers["Vary"] and card.headers["Cache-Control"] == "no-store"
    make(video_id)
    card = alice_client.get(f"/videos/{video_id}", headers=HTMX)
    assert 'data-status="completed"' in card.text and "data-hx-trigger" not in card.text


def test_the_page_includes_the_same_card(alice_client: FlaskClient, video_id: str) -> None:
    opening = f'<article class="card" id="video-{video_id}" data-status="queued"'
    assert opening in alice_client.get("/studio").text
    assert opening in alice_client.get("/videos").text


@pytest.mark.both_databases
def test_a_card_costs_one_statement(app: Flask, alice_client: FlaskClient, video_id: str) -> None:
    alice_client.get(f"/videos/{video_id}", headers=HTMX)
    seen: list[str] = []
    with app.app_context():
        for engine in db.engines.values():
            event.listen(engine, "before_cursor_execute", lambda _c, _u, sql, *_: seen.append(sql))
    assert alice_client.get(f"/videos/{video_id}", headers=HTMX).status_code == 200
    assert len(seen) == 1, seen


def test_a_history_restore_wants_the_page(alice_client: FlaskClient, video_id: str) -> None:
    headers = {**HTMX, "HX-History-Restore-Request": "true"}
    assert "<!doctype" in alice_client.get(f"/videos/{video_id}", headers=headers).text.lower()


# Not Bob's ---------------------------------------------------------------------------------------

VERBS = [
    ("GET", ""),
    ("GET", "/file"),
    ("GET", "/poster"),
    ("GET", "/thumbnail"),
    ("GET", "/receipt"),
    ("POST", "/title"),
    ("POST", "/favourite"),
    ("DELETE", "/favourite"),
    ("POST", "/cancellation"),
    ("DELETE", ""),
]


@pytest.mark.parametrize(("method", "suffix"), VERBS)
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "fragment"])
def test_another_users_video_is_not_there(
    alice_client: FlaskClient, bob_client: FlaskClient, video_id: str, rows: Rows,
    method: str, suffix: str, headers: dict[str, str],
) -> None:  # fmt: skip
    before = rows("SELECT * FROM videos")
    for identifier in (video_id, GHOST):
        answer = bob_client.open(f"/videos/{identifier}{suffix}", method=method, headers=headers)
        assert answer.status_code == 404
        assert PROMPT not in answer.text
    assert rows("SELECT * FROM videos") == before


@pytest.mark.parametrize(("method", "suffix"), VERBS)
def test_signed_out_is_sent_to_the_form(
    client: FlaskClient, alice_client: FlaskClient, video_id: str, method: str, suffix: str
) -> None:
    assert client.open(f"/videos/{video_id}{suffix}", method=method).status_code == 302
    answer = client.open(f"/videos/{video_id}{suffix}", method=method, headers=HTMX)
    assert answer.status_code == 401 and "/sign-in" in answer.headers["HX-Redirect"]


def test_remix_of_another_users_video_is_not_there(
    bob_client: FlaskClient, alice_client: FlaskClient, video_id: str
) -> None:
    assert bob_client.get(f"/studio?again={video_id}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/videos"), ("DELETE", "/videos"), ("POST", "/studio"), ("PATCH", "/credits")],
)
def test_a_method_that_is_not_allowed(alice_client: FlaskClient, method: str, path: str) -> None:
    answer = alice_client.open(path, method=method)
    assert answer.status_code == 405 and "GET" in answer.headers["Allow"]
    assert "Nothing was charged" in answer.text


def test_an_error_leaves_the_target_of_a_fragment_alone(alice_client: FlaskClient) -> None:
    answer = alice_client.get(f"/videos/{GHOST}", headers=HTMX)
    assert answer.headers["HX-Reswap"] == "none" and 'id="flash"' in answer.text


# Verbs -------------------------------------------------------------------------------------------


def test_title_is_edited_in_place(alice_client: FlaskClient, video_id: str, rows: Rows) -> None:
    answer = alice_client.post(
        f"/videos/{video_id}/title", data={"title": " <b>草莓</b>  🍓 "}, headers=HTMX
    )
    assert answer.status_code == 200 and "&lt;b&gt;草莓" in answer.text
    assert rows("SELECT title FROM videos")[0]["title"] == "<b>草莓</b> 🍓"
    refused = alice_client.post(
        f"/videos/{video_id}/title", data={"title": "x" * 101}, headers=HTMX
    )
    assert refused.status_code == 422 and 'aria-invalid="true"' in refused.text
    assert "A title has 1 to 100 characters." in refused.text and "x" * 101 in refused.text
    for wrong in ("", " ", "x" * 101, "a\x00b"):
        assert (
            alice_client.post(f"/videos/{video_id}/title", data={"title": wrong}).status_code == 422
        )


def test_favourite_on_and_off_by_forms_too(
    alice_client: FlaskClient, video_id: str, rows: Rows
) -> None:
    address = f"/videos/{video_id}/favourite"
    assert 'aria-pressed="true"' in alice_client.post(address, headers=HTMX).text
    assert len(alice_client.get("/videos?favourite=1").text.split(f"video-{video_id}")) > 1
    assert isinstance(alice_client, Browser)
    form = {"_method": "DELETE", "csrf_token": alice_client.csrf_token()}
    answer = alice_client.post(address, data=form, csrf=False)
    assert answer.status_code == 303
    assert not rows("SELECT is_favourite FROM videos")[0]["is_favourite"]


def test_cancelling_in_the_queue_gives_the_credits_back_at_once(
    alice_client: FlaskClient, video_id: str, rows: Rows
) -> None:
    card = alice_client.post(f"/videos/{video_id}/cancellation", headers=HTMX)
    assert card.status_code == 200 and 'data-status="cancelled"' in card.text
    assert "8 credits came back" in card.text
    again = alice_client.post(f"/videos/{video_id}/cancellation")
    assert again.status_code == 422 and "no longer be cancelled" in again.text
    kinds = [
        (row["kind"], row["amount"]) for row in rows("SELECT * FROM credit_entries ORDER BY id")
    ]
    assert kinds == [("adjustment", 100), ("spend", -8), ("refund", 8)]


def test_a_completed_video_cannot_be_cancelled(
    alice_client: FlaskClient, video_id: str, make: Make, rows: Rows
) -> None:
    make(video_id)
    assert alice_client.post(f"/videos/{video_id}/cancellation").status_code == 422
    assert status_of(rows, video_id) == "completed"


def test_deleting_removes_the_file_and_keeps_the_ledger(
    app: Flask, alice_client: FlaskClient, video_id: str, make: Make, rows: Rows
) -> None:
    make(video_id)
    folder = app.extensions["vendors"].storage.path(f"videos/{video_id}/video.mp4").parent
    assert sorted(path.name for path in folder.iterdir()) == [
        "poster.jpg", "thumbnail.jpg", "video.mp4",
    ]  # fmt: skip
    answer = alice_client.delete(f"/videos/{video_id}", headers=HTMX)
    assert answer.headers["HX-Redirect"] == "/videos"
    assert not folder.exists()
    assert alice_client.get(f"/videos/{video_id}").status_code == 404
    (video,) = rows("SELECT prompt, title, deleted_at FROM videos")
    assert (video["prompt"], video["title"]) == ("", "") and video["deleted_at"]
    assert "−8" in alice_client.get("/credits").text


# Files -------------------------------------------------------------------------------------------


def test_the_file_is_served_whole_and_in_ranges(
    alice_client: FlaskClient, video_id: str, make: Make
) -> None:
    assert alice_client.get(f"/videos/{video_id}/file").status_code == 404
    make(video_id)
    whole = alice_client.get(f"/videos/{video_id}/file", buffered=True)
    assert (whole.status_code, whole.mimetype) == (200, "video/mp4")
    assert whole.headers["Accept-Ranges"] == "bytes" and b"ftyp" in whole.data[:12]
    assert "private" in whole.headers["Cache-Control"]
    part = alice_client.get(
        f"/videos/{video_id}/file", headers={"Range": "bytes=4-7"}, buffered=True
    )
    assert (part.status_code, part.data) == (206, b"ftyp")
    beyond = alice_client.get(f"/videos/{video_id}/file", headers={"Range": "bytes=99999999-"})
    assert beyond.status_code == 416
    for still in ("poster", "thumbnail"):
        picture = alice_client.get(f"/videos/{video_id}/{still}", buffered=True)
        assert picture.data[:3] == b"\xff\xd8\xff"


def test_a_download_is_named_after_its_title(
    alice_client: FlaskClient, video_id: str, make: Make
) -> None:
    make(video_id)
    alice_client.post(f"/videos/{video_id}/title", data={"title": '玻璃/草莓"\r\nX: y'})
    answer = alice_client.get(f"/videos/{video_id}/file?download=1", buffered=True)
    disposition = answer.headers["Content-Disposition"]
    assert disposition.startswith("attachment") and ".mp4" in disposition
    assert "X" not in answer.headers and "%E7%8E%BB%E7%92%83" in disposition


# Remix, receipt, library -------------------------------------------------------------------------


def test_remix_brings_every_setting_back(alice_client: FlaskClient, order: Order) -> None:
    video_id = order(
        alice_client, prompt="冰块 <1>", type="ice-cut", aspect_ratio="9:16", duration="10",
        resolution="1080p", seed="77",
    )  # fmt: skip
    page = alice_client.get(f"/studio?again={video_id}").text
    assert "冰块 &lt;1&gt;" in page and re.search(r'name="seed" value="77"', page)
    for name, value in (
        ("type", "ice-cut"), ("aspect_ratio", "9:16"), ("duration", "10"), ("resolution", "1080p"),
    ):  # fmt: skip
        assert re.search(rf'name="{name}" value="{value}"[^>]* checked', page), name


def test_the_receipt_says_what_was_charged_and_why_it_came_back(
    alice_client: FlaskClient, video_id: str
) -> None:
    page = alice_client.get(f"/videos/{video_id}/receipt").text
    assert "8 s 720p" in page and "first video" in page and "Local renderer" not in page
    alice_client.post(f"/videos/{video_id}/cancellation")
    page = alice_client.get(f"/videos/{video_id}/receipt").text
    assert "You cancelled in time." in page


def test_the_library_searches_and_pages_without_loss(
    app: Flask, alice: Person, alice_client: FlaskClient, call: Call, order: Order, rows: Rows
) -> None:
    wanted = {order(alice_client, prompt=f"strawberry 100% no. {number}") for number in range(3)}
    other = order(alice_client, prompt="melting ice")

    def fill() -> None:
        (pattern,) = rows("SELECT * FROM videos WHERE id = :id", id=other)
        from app.models import Video, new_id

        for _ in range(20):
            db.session.add(Video(**{**pattern, "id": new_id(), "created_at": db.func.now()}))
        db.session.commit()

    call(fill)
    assert (
        set(re.findall(r'id="video-([0-9a-f-]{36})"', alice_client.get("/videos?q=100%25").text))
        == wanted
    )
    seen: list[str] = []
    address: str | None = "/videos?q=ice"
    while address:
        text = alice_client.get(address, headers=HTMX).text
        seen += re.findall(r'id="video-([0-9a-f-]{36})"', text)
        more = re.search(r'href="(/videos\?[^"]*before=[^"]*)"', text)
        address = more[1].replace("&amp;", "&") if more else None
    assert len(seen) == len(set(seen)) == 21 and seen == sorted(seen, reverse=True)


def test_a_strange_cursor_or_filter_is_no_error(alice_client: FlaskClient, video_id: str) -> None:
    for query in ("before=zzz", "before=%00", "state=nonsense", "type=nonsense", "q=%00%25_"):
        assert alice_client.get(f"/videos?{query}").status_code == 200


def test_unfinished_but_gone_provider_says_so(
    alice_client: FlaskClient, studio: FakeProvider, video_id: str
) -> None:
    studio.cancel_rule = "never"
    assert alice_client.get("/studio").status_code == 200
