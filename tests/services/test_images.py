"""Pictures to start with: whose they are, how many an hour, and when they go."""

import hashlib
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from PIL import Image
from sqlalchemy import update

from app import limits, media
from app.errors import NotFound, TooMany, UserError
from app.models import StartImage, Video, now
from app.services import images
from app.services.transactions import write_transaction
from tests.conftest import Call, Person, Rows
from tests.faults.making import Making, later

HOUR_S = 3600
DAY_S = limits.IMAGE_UNUSED_H * HOUR_S


def png(red: int = 6, size: tuple[int, int] = (400, 300)) -> bytes:
    out = BytesIO()
    Image.new("RGB", size, (20 * red % 256, 60, 30)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def keep(call: Call, alice: Person) -> Callable[..., str]:
    """`keep(7)`: alice sends a picture of one colour, which that number names. Returns its id."""

    def keep(red: int = 6, person: Person = alice) -> str:
        return str(call(lambda: images.keep(person.id, png(red)).id))

    return keep


@pytest.fixture
def files(app: Flask) -> Callable[[], set[str]]:
    """The names of the pictures on the disk."""
    folder = Path(app.config["INSTANCE_DIR"]) / "media" / "images"
    return lambda: {path.stem for path in folder.glob("*")}


def use(call: Call, video_id: str, image_id: str, person: Person) -> None:
    """Let the video start with the picture, as its request does."""

    def write() -> None:
        with write_transaction() as connection:
            images.hold(connection, person.id, image_id)
            connection.execute(update(Video).where(Video.id == video_id).values(image_id=image_id))

    call(write)


def test_what_is_kept_is_a_row_and_its_file(
    call: Call, keep: Callable[..., str], alice: Person, rows: Rows, files: Callable[[], set[str]]
) -> None:
    image_id = keep()
    (row,) = rows("SELECT * FROM start_images")
    assert (row["id"], row["user_id"]) == (image_id, alice.id)
    assert (row["width"], row["height"]) == (400, 300)
    assert files() == {image_id}
    path = call(images.path_of, image_id)
    assert path.stat().st_size == row["size_bytes"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == row["digest"]
    with Image.open(path) as kept:
        assert (kept.format, kept.size) == ("JPEG", (400, 300))


def test_the_same_picture_again_is_the_same_row(
    call: Call, keep: Callable[..., str], bob: Person, rows: Rows
) -> None:
    image_id = keep()
    assert keep() == image_id
    assert keep(person=bob) != image_id
    assert len(rows("SELECT 1 FROM start_images")) == 2
    call(images.path_of, image_id).unlink()
    assert keep() == image_id  # the file was lost: it is written again
    assert call(images.path_of, image_id).is_file()


def test_anothers_picture_is_not_there(
    call: Call, keep: Callable[..., str], bob: Person, alice: Person
) -> None:
    image_id = keep()
    assert call(lambda: images.get_owned(alice.id, image_id).id) == image_id
    for user_id, asked in ((bob.id, image_id), (alice.id, bob.email), (alice.id, "")):
        assert call(images.find_owned, user_id, asked) is None
        with pytest.raises(NotFound):
            call(images.get_owned, user_id, asked)
    with pytest.raises(NotFound):
        call(images.path_of, "01890a5d-ac96-774b-bcce-b302099a8057")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"GIF89a and so on", "not a JPEG, PNG or WebP"),
        (png()[:200], "damaged"),
        (bytes(limits.IMAGE_MAX_BYTES + 1), "larger than 8 MB"),
        (png(size=(100, 100)), "at least 256 pixels"),
        (png(size=(4000, 300)), "at most 7 to 1"),
    ],
)
def test_what_cannot_be_used_is_said_and_leaves_nothing(
    call: Call,
    alice: Person,
    rows: Rows,
    files: Callable[[], set[str]],
    content: bytes,
    words: str,
) -> None:
    with pytest.raises(UserError, match=words) as caught:
        call(images.keep, alice.id, content)
    assert (caught.value.field, caught.value.status) == ("image", 422)
    assert rows("SELECT 1 FROM start_images") == [] and files() == set()


def test_a_disk_that_takes_nothing_leaves_no_row(
    app: Flask, call: Call, alice: Person, rows: Rows
) -> None:
    (Path(app.config["INSTANCE_DIR"]) / "media").write_text("a file where the folder should be")
    with pytest.raises(images.NotKept) as caught:
        call(images.keep, alice.id, png())
    assert (caught.value.field, caught.value.status) == ("image", 503)
    assert rows("SELECT 1 FROM start_images") == []


def fill_the_hour(call: Call, keep: Callable[..., str], user_id: int) -> None:
    """All but one of the hour's pictures, as rows."""
    keep()

    def copy(number: int) -> None:
        with write_transaction() as connection:
            connection.execute(
                StartImage.__table__.insert().values(
                    user_id=user_id, file_key=f"images/{number}.jpg", digest=str(number),
                    width=300, height=300, size_bytes=1,
                )
            )  # fmt: skip

    for number in range(limits.IMAGES_PER_HOUR - 2):
        call(copy, number)


@pytest.mark.both_databases
def test_the_hours_last_place_is_taken_once(
    call: Call, keep: Callable[..., str], alice: Person, bob: Person, rows: Rows
) -> None:
    fill_the_hour(call, keep, alice.id)
    start, outcomes = threading.Barrier(3), []

    def send(red: int) -> None:
        start.wait(10)
        try:
            keep(red)
            outcomes.append("kept")
        except TooMany as error:
            outcomes.append(f"{error.field}: wait {error.retry_after_s > HOUR_S - 100}")

    threads = [threading.Thread(target=send, args=(red,)) for red in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["image: wait True", "image: wait True", "kept"]
    assert keep(6)  # one that is here already takes no place
    assert keep(5, person=bob)
    mine = "SELECT count(*) AS n FROM start_images WHERE user_id = :id"
    assert rows(mine, id=alice.id)[0]["n"] == limits.IMAGES_PER_HOUR
    with later(seconds=HOUR_S + 5):
        keep(4)


@pytest.mark.both_databases
def test_what_nobody_uses_goes_after_a_day(
    call: Call, keep: Callable[..., str], rows: Rows, files: Callable[[], set[str]]
) -> None:
    old = keep(1)
    with later(seconds=DAY_S - 60):
        young, again = keep(2), keep(1)
        assert again == old and call(images.tidy) == 0  # sent again, it has its day again
    with later(seconds=DAY_S + 60):
        assert call(images.tidy) == 0
    with later(days=2):
        assert call(images.tidy) == 2 and call(images.tidy) == 0
    assert young and rows("SELECT 1 FROM start_images") == [] and files() == set()


@pytest.mark.both_databases
def test_a_picture_lives_as_long_as_its_video(
    call: Call,
    keep: Callable[..., str],
    making: Making,
    rows: Rows,
    files: Callable[[], set[str]],
) -> None:
    image_id, video_id = keep(), making.ask()
    use(call, video_id, image_id, making.person)
    with later(days=3):
        assert call(images.tidy) == 0  # it waits in line

    def end(**values: Any) -> None:
        with write_transaction() as connection:
            connection.execute(update(Video).where(Video.id == video_id).values(**values))

    call(end, status="processing", deleted_at=now())
    with later(days=3):
        assert call(images.tidy) == 0  # deleted while it is made: the provider may still read it
        call(end, status="completed", deleted_at=None)
        assert call(images.tidy) == 0 and files() == {image_id}
        making.delete(video_id)
        assert call(images.tidy) == 1
    assert rows("SELECT image_id FROM videos") == [{"image_id": None}]
    assert rows("SELECT 1 FROM start_images") == [] and files() == set()


def test_a_picture_that_has_gone_cannot_be_held(
    call: Call, keep: Callable[..., str], making: Making, bob: Person
) -> None:
    image_id, video_id = keep(), making.ask()
    with pytest.raises(UserError, match="Nothing was charged"):
        use(call, video_id, image_id, bob)
    with later(days=2):
        call(images.tidy)
    with pytest.raises(UserError, match="Nothing was charged") as caught:
        use(call, video_id, image_id, making.person)
    assert caught.value.field == "image"


def test_a_row_whose_file_is_missing_is_a_medias_error(
    call: Call, keep: Callable[..., str]
) -> None:
    image_id = keep()
    call(images.path_of, image_id).unlink()
    with pytest.raises(media.MediaError) as caught:
        call(images.path_of, image_id)
    assert caught.value.code == "missing"
