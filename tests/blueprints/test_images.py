"""The picture's address: sent, refused in place, and shown to nobody but its owner."""

import re
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from app import limits
from app.models import StartImage
from app.services.transactions import write_transaction
from tests.blueprints.conftest import HTMX, form_of
from tests.conftest import Call, Person, Rows
from tests.fakes import FakeProvider

NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"
SHOWN = re.compile(r'<img src="/studio/image/([0-9a-f-]{36})"')


def picture(size: tuple[int, int] = (400, 300), kind: str = "PNG") -> bytes:
    out = BytesIO()
    Image.new("RGB", size, (200, 60, 30)).save(out, kind)
    return out.getvalue()


def body(content: bytes | None = None, **more: str) -> dict[str, Any]:
    """A multipart request with a file called as no picture is.

    Encoded here: the client would keep what is large in a file, and never close it.
    """
    file = FileStorage(BytesIO(picture() if content is None else content), "notes.txt", "image")
    file.headers["Content-Type"] = "text/plain"
    boundary, encoded = encode_multipart({**more, "image": file})
    return {"data": encoded, "content_type": f"multipart/form-data; boundary={boundary}"}


@pytest.fixture
def send(alice_client: FlaskClient) -> Callable[..., str]:
    """Alice sends a picture, as the page's script does. Returns its id."""

    def send(content: bytes | None = None) -> str:
        answer = alice_client.post("/studio/image", **body(content), headers=HTMX)
        assert answer.status_code == 201, answer.text
        found = SHOWN.search(answer.text)
        assert found is not None
        return found[1]

    return send


def test_it_comes_back_as_its_preview(alice_client: FlaskClient, rows: Rows) -> None:
    answer = alice_client.post("/studio/image", **body(picture((3000, 2000))), headers=HTMX)
    assert answer.status_code == 201 and "<!doctype" not in answer.text.lower()
    (row,) = rows("SELECT * FROM start_images")
    assert answer.text.count('id="start-image"') == 1
    assert f'name="image_id" value="{row["id"]}" checked' in answer.text
    assert "1920 × 1280" in answer.text and 'aria-invalid="true"' not in answer.text
    shown = alice_client.get(f"/studio/image/{row['id']}")
    assert (shown.status_code, shown.mimetype) == (200, "image/jpeg")
    assert shown.headers["Cache-Control"] == "private, no-cache"
    with Image.open(BytesIO(shown.data)) as kept:
        assert kept.size == (1920, 1280)
    again = {"If-None-Match": shown.headers["ETag"]}
    unchanged = alice_client.get(f"/studio/image/{row['id']}", headers=again)
    assert unchanged.status_code == 304
    for answer in (shown, unchanged):
        answer.close()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "This file is empty"),
        (b"GIF89a and so on", "not a JPEG, PNG or WebP"),
        (picture()[:300], "damaged"),
        (picture((255, 400)), "at least 256 pixels"),
        (b"x" * (limits.IMAGE_MAX_BYTES + 1), "larger than 8 MB"),
    ],
)
def test_what_is_wrong_stands_beside_the_field(
    alice_client: FlaskClient, rows: Rows, content: bytes, words: str
) -> None:
    answer = alice_client.post("/studio/image", **body(content), headers=HTMX)
    assert answer.status_code == 422 and words in answer.text
    assert 'aria-invalid="true" aria-describedby="image-help image-error"' in answer.text
    assert rows("SELECT 1 FROM start_images") == []


def test_a_refused_one_leaves_the_one_before(
    alice_client: FlaskClient, send: Callable[..., str]
) -> None:
    image_id = send()
    sent = body(b"no picture", image_id=image_id)
    answer = alice_client.post("/studio/image", **sent, headers=HTMX)
    assert answer.status_code == 422 and image_id in answer.text


@pytest.mark.parametrize("data", [{}, {"image": "text"}, {"image": (BytesIO(b""), "")}])
def test_without_a_file_it_asks_for_one(alice_client: FlaskClient, data: dict[str, Any]) -> None:
    answer = alice_client.post(
        "/studio/image", data=data, headers=HTMX, content_type="multipart/form-data"
    )
    assert answer.status_code == 422 and "Choose a picture first" in answer.text


def test_in_chinese_the_addresses_keep_their_prefix(alice_client: FlaskClient) -> None:
    answer = alice_client.post("/zh/studio/image", **body(), headers=HTMX)
    assert answer.status_code == 201
    assert '"/zh/studio/image/' in answer.text and 'data-address="/zh/studio/image"' in answer.text


def test_a_picture_is_its_owners(
    alice_client: FlaskClient,
    bob_client: FlaskClient,
    client: FlaskClient,
    send: Callable[..., str],
) -> None:
    image_id = send()
    assert bob_client.get(f"/studio/image/{image_id}").status_code == 404
    assert alice_client.get(f"/studio/image/{NOBODY}").status_code == 404
    assert alice_client.get("/studio/image/../../secrets").status_code == 404
    assert client.get(f"/studio/image/{image_id}").status_code == 302
    sent = body(b"no picture", image_id=image_id)
    answer = bob_client.post("/studio/image", **sent, headers=HTMX)
    assert answer.status_code == 422 and image_id not in answer.text


def test_a_stranger_and_a_forged_form_send_nothing(
    alice_client: FlaskClient, client: FlaskClient, rows: Rows
) -> None:
    assert client.post("/studio/image", **body(), headers=HTMX).status_code == 401
    assert client.post("/studio/image", **body()).status_code == 302
    assert alice_client.post("/studio/image", **body(), csrf=False).status_code == 400
    assert alice_client.put("/studio/image", **body()).status_code == 405
    assert rows("SELECT 1 FROM start_images") == []


def test_above_the_hours_pictures_it_says_when(
    alice_client: FlaskClient, alice: Person, call: Call
) -> None:
    def fill() -> None:
        with write_transaction() as connection:
            for number in range(limits.IMAGES_PER_HOUR):
                row = {"user_id": alice.id, "file_key": f"images/{number}.jpg"}
                row |= {"digest": str(number), "width": 300, "height": 300, "size_bytes": 1}
                connection.execute(StartImage.__table__.insert().values(row))

    call(fill)
    answer = alice_client.post("/studio/image", **body(), headers=HTMX)
    assert answer.status_code == 429 and "60 pictures an hour" in answer.text
    assert 3500 < int(answer.headers["Retry-After"]) <= 3601
    assert 'aria-describedby="image-help image-error"' in answer.text


# How much may be sent ----------------------------------------------------------------------------


def test_a_body_above_the_limit_is_refused_in_words(alice_client: FlaskClient, rows: Rows) -> None:
    too_much = b"x" * limits.IMAGE_BODY_MAX_BYTES
    answer = alice_client.post("/studio/image", **body(too_much), headers=HTMX)
    assert answer.status_code == 413 and "larger than 8 MB" in answer.text
    assert 'id="start-image"' in answer.text
    answer = alice_client.post("/studio/image", **body(too_much))
    assert answer.status_code == 413 and "Nothing was charged" in answer.text
    assert rows("SELECT 1 FROM start_images") == []


@pytest.mark.parametrize("address", ["/videos", "/studio/quote", "/studio/image"])
def test_more_than_a_megabyte_is_taken_only_as_a_multipart_form(
    alice_client: FlaskClient, studio: FakeProvider, address: str
) -> None:
    many = b"x" * (limits.BODY_MAX_BYTES + 1)
    assert alice_client.post(address, **body(many)).status_code == 422 or (
        address == "/studio/quote"
    )
    assert alice_client.post(address, data={"prompt": many.decode()}).status_code == 413


@pytest.mark.parametrize("address", ["/preferences", "/sign-in"])
def test_other_addresses_take_a_megabyte(alice_client: FlaskClient, address: str) -> None:
    many = b"x" * (limits.BODY_MAX_BYTES + 1)
    assert alice_client.post(address, **body(many)).status_code == 413


# Without a script --------------------------------------------------------------------------------


def test_a_plain_form_gets_the_studio_with_all_that_was_typed(
    alice_client: FlaskClient, studio: FakeProvider, rows: Rows
) -> None:
    form = form_of(alice_client, prompt="Honey, very slowly", seed="77")
    answer = alice_client.post("/studio/image", **body(picture(), **form))
    assert answer.status_code == 201 and "<!doctype html>" in answer.text.lower()
    assert "Honey, very slowly" in answer.text and 'value="77"' in answer.text
    found = SHOWN.search(answer.text)
    assert found and rows("SELECT id FROM start_images") == [{"id": found[1]}]
    refused = alice_client.post("/studio/image", **body(b"none", **form))
    assert refused.status_code == 422 and "Honey, very slowly" in refused.text
    assert "not a JPEG, PNG or WebP" in refused.text
