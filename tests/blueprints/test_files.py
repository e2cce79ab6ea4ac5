"""Files that live in S3: their owner is sent there, nobody else learns an address."""

from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient

from config import ConfigError
from tests.media.buckets import Bucket

FILES = {"file": "video/mp4", "poster": "image/jpeg", "thumbnail": "image/jpeg"}


@pytest.fixture
def app(make_app: Callable[..., Flask], bucket: Bucket) -> Flask:
    """The app with its results in S3."""
    return make_app(STORAGE_URL=bucket.url, S3_ENDPOINT_URL=bucket.endpoint_url)


@pytest.fixture
def video_id(
    alice_client: FlaskClient, order: Callable[..., str], make: Callable[[str], None]
) -> str:
    """A finished video of Alice's."""
    video_id = order(alice_client)
    make(video_id)
    return video_id


def test_a_finished_video_lies_in_the_bucket(bucket: Bucket, video_id: str) -> None:
    assert bucket.names() == [
        f"{bucket.prefix}/videos/{video_id}/{name}"
        for name in ("poster.jpg", "thumbnail.jpg", "video.mp4")
    ]


@pytest.mark.parametrize(("name", "mimetype"), FILES.items())
def test_the_owner_is_sent_there(
    alice_client: FlaskClient, video_id: str, bucket: Bucket, name: str, mimetype: str
) -> None:
    answer = alice_client.get(f"/videos/{video_id}/{name}")
    assert answer.status_code == 302
    assert answer.headers["Cache-Control"] == "private, no-store"
    address = answer.headers["Location"]
    assert address.startswith(f"{bucket.endpoint_url}/") and "X-Amz-Expires=3600" in address
    whole = httpx.get(address)
    assert (whole.status_code, whole.headers["Content-Type"]) == (200, mimetype)
    assert len(whole.content) > 500


def test_a_video_is_played_in_parts(alice_client: FlaskClient, video_id: str) -> None:
    address = alice_client.get(f"/videos/{video_id}/file", headers={"Range": "bytes=4-7"}).headers[
        "Location"
    ]
    part = httpx.get(address, headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert httpx.get(address, headers={"Range": "bytes=99999999-"}).status_code == 416


def test_a_download_is_named_after_its_title(alice_client: FlaskClient, video_id: str) -> None:
    alice_client.post(f"/videos/{video_id}/title", data={"title": '玻璃/草莓"'})
    address = alice_client.get(f"/videos/{video_id}/file?download=1").headers["Location"]
    disposition = httpx.get(address).headers["Content-Disposition"]
    assert (
        disposition == "attachment; filename*=UTF-8''%E7%8E%BB%E7%92%83%2F%E8%8D%89%E8%8E%93%22.mp4"
    )


@pytest.mark.parametrize("name", FILES)
def test_a_stranger_gets_no_address(
    client: FlaskClient, bob_client: FlaskClient, root_client: FlaskClient, bucket: Bucket,
    video_id: str, name: str,
) -> None:  # fmt: skip
    for browser, status in ((bob_client, 404), (root_client, 404), (client, 302)):
        answer = browser.get(f"/videos/{video_id}/{name}")
        assert answer.status_code == status
        text = answer.text + str(answer.headers)
        assert "X-Amz" not in text and bucket.name not in text


def test_an_unfinished_or_deleted_video_has_no_address(
    alice_client: FlaskClient, order: Callable[..., str], video_id: str, bucket: Bucket
) -> None:
    alice_client.delete(f"/videos/{video_id}")
    assert bucket.names() == []
    for one in (video_id, order(alice_client)):
        for name in FILES:
            assert alice_client.get(f"/videos/{one}/{name}").status_code == 404


def test_the_policy_lets_pages_show_what_lies_there_and_nothing_else(
    alice_client: FlaskClient, client: FlaskClient, video_id: str, bucket: Bucket
) -> None:
    for answer in (alice_client.get(f"/videos/{video_id}"), client.get("/nowhere")):
        policy = dict(
            part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; ")
        )
        assert policy == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": f"'self' {bucket.endpoint_url}",
            "media-src": f"'self' {bucket.endpoint_url}",
            "font-src": "'self'",
            "connect-src": "'self'",
            "form-action": "'self'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
        }
    address = alice_client.get(f"/videos/{video_id}/file").headers["Location"]
    parts = urlsplit(address)
    assert f"{parts.scheme}://{parts.netloc}" == bucket.endpoint_url


def test_on_a_disk_the_policy_names_nobody(make_app: Callable[..., Flask]) -> None:
    policy = make_app().test_client().get("/").headers["Content-Security-Policy"]
    assert "media-src 'self';" in policy and "img-src 'self';" in policy and "http" not in policy


def test_at_aws_the_policy_names_the_bucket(
    make_app: Callable[..., Flask], s3_credentials: None
) -> None:
    answer = make_app(STORAGE_URL="s3://one-bucket/results").test_client().get("/")
    policy = answer.headers["Content-Security-Policy"]
    assert "media-src 'self' https://one-bucket.s3.eu-central-1.amazonaws.com;" in policy


def test_a_storage_that_is_set_up_wrong_stops_the_start(make_app: Callable[..., Flask]) -> None:
    with pytest.raises(ConfigError, match="wants s3://bucket/prefix"):
        make_app(STORAGE_URL="s3://No_Bucket/results")
