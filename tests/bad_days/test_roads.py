"""Good days: each vendor from the form to our own file, whatever it wants on the way."""

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.services import images
from tests.bad_days.conftest import Begin
from tests.bad_days.day import Day
from tests.media.buckets import Bucket

VENDORS = ("kie", "fal", "replicate", "google")
JPEG = b"\xff\xd8\xff"


def shape(day: Day, video_id: str) -> tuple[int, int]:
    """Width and height of what was stored."""
    video = day.video(video_id)
    return video["width"], video["height"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_video_goes_the_whole_road(begin: Begin, vendor: str) -> None:
    day = begin(vendor)
    video_id = day.ask()
    assert day.work(video_id) == ["completed"]
    [task] = day.tasks(vendor)
    assert shape(day, video_id) == (320, 180)
    assert day.video(video_id)["sound_check"] == "passed"
    assert day.last(video_id)["callback_id"] == task.id
    assert task.downloads == 1
    assert day.is_charged(video_id)
    assert day.alerts() == set()


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_square_is_cropped_from_a_wide_one(begin: Begin, vendor: str) -> None:
    day = begin(vendor)
    video_id = day.ask(aspect_ratio="1:1")
    assert day.work(video_id) == ["completed"]
    assert shape(day, video_id) == (180, 180)
    assert "16:9" in str(day.tasks(vendor)[0].request)
    assert day.video(video_id)["sound_check"] == "passed"


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_tall_one_is_ordered_tall(begin: Begin, vendor: str) -> None:
    day = begin(vendor)
    video_id = day.ask(aspect_ratio="9:16")
    assert day.work(video_id) == ["completed"]
    assert shape(day, video_id) == (180, 320)


@pytest.mark.parametrize("vendor", VENDORS)
def test_1080p_as_each_vendor_makes_it(begin: Begin, vendor: str) -> None:
    """kie upgrades what it has made, the others are told at once; the price says 1080p."""
    day = begin(vendor, **({"upgrade_s": 60.0} if vendor == "kie" else {}))
    video_id = day.ask(resolution="1080p")
    assert day.work(video_id) == ["completed"]
    assert shape(day, video_id) == (480, 270)
    assert day.video(video_id)["cost_credits"] == 15
    assert len(day.tasks(vendor)) == 1
    if vendor == "kie":
        assert day.tasks()[0].request["resolution"] == "720p"
        assert len(day.requests("upgrade")) > 1
    else:
        assert "1080p" in str(day.tasks(vendor)[0].request)


def test_an_upgrade_whose_order_was_lost(begin: Begin) -> None:
    """The callback leads to the task, and the task is still to become 1080p."""
    day = begin("kie", upgrade_s=60.0)
    day["kie"].fault("accept_then_reset")
    video_id = day.ask(resolution="1080p")
    day.turn()
    day.pass_time(seconds=21)
    day.called_back()
    assert day.work(video_id) == ["completed"]
    assert shape(day, video_id) == (480, 270)
    assert len(day.tasks()) == 1


def test_no_upgrade_of_what_a_fallback_model_made(begin: Begin) -> None:
    """720p was not what was paid for."""
    day = begin("kie")
    day["kie"].fault("fallback", times=None)
    video_id = day.ask(resolution="1080p")
    assert day.work(video_id) == ["failed"]
    assert day.is_refunded(video_id)


# Start images ------------------------------------------------------------------------------------


def photo(width: int = 640, height: int = 360) -> bytes:
    """A PNG, as somebody drags it in."""
    file = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(file, "PNG")
    return file.getvalue()


def received(day: Day, vendor: str) -> bytes:
    """The picture as the vendor got it."""
    [task] = day.tasks(vendor)
    if vendor == "kie":
        [url] = task.request["imageUrls"]
        assert task.request["generationType"] == "FIRST_AND_LAST_FRAMES_2_VIDEO"
        assert url.startswith(day["kie"].base_url)
        sent = day.requests("upload")[0].json()["base64Data"]
    elif vendor == "fal":
        assert day.requests("submit", "fal")[0].path.endswith("/image-to-video")
        sent = task.request["image_url"]
    elif vendor == "replicate":
        sent = task.request["input"]["image"]
    else:
        image: dict[str, Any] = task.request["instances"][0]["image"]
        assert image["mimeType"] == "image/jpeg"
        return base64.b64decode(image["bytesBase64Encoded"], validate=True)
    assert sent.startswith("data:image/jpeg;base64,")
    return base64.b64decode(sent.partition(",")[2], validate=True)


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_start_image_reaches_the_vendor_as_it_wants_it(begin: Begin, vendor: str) -> None:
    day = begin(vendor)
    image_id = day.call(lambda: images.keep(day.person.id, photo()).id)
    video_id = day.ask(image_id=image_id)
    assert day.work(video_id) == ["completed"]
    picture = received(day, vendor)
    assert picture.startswith(JPEG)
    with Image.open(io.BytesIO(picture)) as opened:
        assert opened.size == (640, 360)


def test_a_start_image_that_cannot_be_uploaded(begin: Begin) -> None:
    """Nothing was ordered: it is tried again, and made once."""
    day = begin("kie")
    day["kie"].fault("http_error", 500, where="upload", times=4)
    image_id = day.call(lambda: images.keep(day.person.id, photo()).id)
    video_id = day.ask(image_id=image_id)
    day.turn()
    assert day.tasks() == []
    assert day.work(video_id, turn_s=30) == ["completed"]
    assert len(day.tasks()) == 1


# Storage elsewhere -------------------------------------------------------------------------------


def test_results_are_kept_in_s3(begin: Begin, bucket: Bucket) -> None:
    """From a picture in the bucket to a video in the bucket; a disk holds nothing of it."""
    day = begin("kie", env={"STORAGE_URL": bucket.url, "S3_ENDPOINT_URL": bucket.endpoint_url})
    image_id = day.call(lambda: images.keep(day.person.id, photo()).id)
    video_id = day.ask(aspect_ratio="1:1", image_id=image_id)
    assert day.work(video_id) == ["completed"]
    assert received(day, "kie").startswith(JPEG)
    names = [f"videos/{video_id}/{one}" for one in ("poster.jpg", "thumbnail.jpg", "video.mp4")]
    assert bucket.names() == [
        f"{bucket.prefix}/{one}" for one in (f"images/{image_id}.jpg", *names)
    ]
    assert day.video(video_id)["file_key"] == names[-1]
    assert shape(day, video_id) == (180, 180)
    instance = Path(day.app.config["INSTANCE_DIR"])
    assert [path for path in instance.rglob("*.mp4") if path.is_file()] == []


def test_a_bucket_that_is_gone_for_a_while(begin: Begin, bucket: Bucket) -> None:
    """The result was paid for: it waits at the vendor, we are told, and it is stored later."""
    day = begin("kie", env={"STORAGE_URL": bucket.url, "S3_ENDPOINT_URL": bucket.endpoint_url})
    video_id = day.ask()
    day.turn()
    bucket.client.delete_bucket(Bucket=bucket.name)
    for _ in range(2):
        day.pass_time(seconds=25)
        day.turn()
    assert day.status(video_id) == "storing"
    assert "unwritable" in {kind for kind, _ in day.alerts()}
    bucket.client.create_bucket(
        Bucket=bucket.name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    assert day.work(video_id) == ["completed"]
    assert len(day.tasks()) == 1
