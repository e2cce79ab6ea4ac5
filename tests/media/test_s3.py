"""S3 on its own: what names a bucket, and the addresses that it gives."""

import sys
from pathlib import Path

import httpx
import pytest

from app.media import open_storage
from tests.media.buckets import Bucket

KEY = "videos/0193/file.mp4"
CONTENT = b"0123456789"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.mp4"
    path.write_bytes(CONTENT)
    return path


# What it is given -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["s3://", "s3:///prefix", "s3://ab", "s3://Bucket/x", "s3://a_b_c/x", "s3://user@bucket/x",
     "s3://bucket:80/x", "s3://bucket/x?y=1", "s3://bucket/x#y", "s3://bucket/a/../b",
     "s3://bucket/a//b", "s3://bucket/.hidden", "s3://bucket/a b", "s3://bucket/" + "a" * 201],
)  # fmt: skip
def test_what_names_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="wants"):
        open_storage(url)


@pytest.mark.parametrize(
    "endpoint",
    ["ftp://host", "https://name:password@host", "https://host;script-src *", "https://host 'self'",
     "//host", "https://", "https://host/?x=1"],
)  # fmt: skip
def test_an_endpoint_that_would_spoil_the_policy_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="S3_ENDPOINT_URL") as caught:
        open_storage("s3://bucket/prefix", endpoint)
    assert "password@" not in str(caught.value)


def test_without_boto3_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(ValueError, match=r"pip install '\.\[s3\]'"):
        open_storage("s3://bucket/prefix")


@pytest.mark.parametrize(
    ("prefix", "before"), [("", ""), ("/", ""), ("/a/B", "a/B/"), ("/a/", "a/")]
)
def test_a_prefix_may_be_absent(bucket: Bucket, source: Path, prefix: str, before: str) -> None:
    storage = open_storage(f"s3://{bucket.name}{prefix}", bucket.endpoint_url)
    storage.put(KEY, source)
    assert bucket.names() == [before + KEY]
    assert list(storage.keys()) == [(KEY, len(CONTENT))]


def test_what_lies_beside_our_prefix_is_not_ours(bucket: Bucket, source: Path) -> None:
    bucket.client.put_object(Bucket=bucket.name, Key="results/hereafter/x", Body=b"")
    bucket.client.put_object(Bucket=bucket.name, Key=f"{bucket.prefix}/folder/", Body=b"")
    storage = bucket.open()
    storage.put(KEY, source)
    assert list(storage.keys()) == [(KEY, len(CONTENT))]


def test_more_files_than_one_page_of_a_listing(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    keys = {f"many/{number}" for number in range(5)}
    for key in keys:
        bucket.write(key, b"")
    assert {key for key, _ in bucket.open().keys("many")} == keys


# Addresses --------------------------------------------------------------------------------------


def test_an_address_gives_the_file_and_its_parts(bucket: Bucket, source: Path) -> None:
    storage = bucket.open()
    storage.put(KEY, source)
    address = storage.address(KEY, expires_s=60, mimetype="video/mp4")
    assert address.startswith(f"{storage.origin}/") and storage.origin == bucket.endpoint_url
    whole = httpx.get(address)
    assert (whole.status_code, whole.content) == (200, CONTENT)
    assert whole.headers["Content-Type"] == "video/mp4"
    assert whole.headers["Cache-Control"] == "private, max-age=60"
    assert "Content-Disposition" not in whole.headers
    part = httpx.get(address, headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")
    assert part.headers["Content-Range"] == "bytes 2-4/10"


def test_an_address_is_signed_for_a_time_and_nothing_goes_without(
    bucket: Bucket, source: Path
) -> None:
    storage = bucket.open()
    storage.put(KEY, source)
    address = httpx.URL(storage.address(KEY, expires_s=60, mimetype="video/mp4"))
    said = dict(address.params)
    assert (said["X-Amz-Algorithm"], said["X-Amz-Expires"]) == ("AWS4-HMAC-SHA256", "60")
    assert "test-secret-key" not in str(address)
    assert httpx.get(address.copy_with(query=None)).status_code == 403


def test_a_name_to_save_under_keeps_its_letters_and_ends_no_header(
    bucket: Bucket, source: Path
) -> None:
    storage = bucket.open()
    storage.put(KEY, source)
    address = storage.address(
        KEY, expires_s=60, mimetype="video/mp4", filename='玻璃/草莓"\r\nX: y.mp4'
    )
    headers = httpx.get(address).headers
    assert headers["Content-Disposition"] == (
        "attachment; filename*=UTF-8''%E7%8E%BB%E7%92%83%2F%E8%8D%89%E8%8E%93%22%0D%0AX%3A%20y.mp4"
    )
    assert "X" not in headers


@pytest.mark.parametrize("region", ["eu-central-1", "us-east-1", "cn-north-1"])
@pytest.mark.parametrize("bucket_name", ["one-bucket", "with.dots"])
def test_at_aws_the_origin_is_that_of_every_address(
    s3_credentials: None, monkeypatch: pytest.MonkeyPatch, region: str, bucket_name: str
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    storage = open_storage(f"s3://{bucket_name}/results")
    address = storage.address(KEY, expires_s=60, mimetype="video/mp4")
    assert address is not None and address.startswith(f"{storage.origin}/")
    assert storage.origin is not None and f"s3.{region}.amazonaws.com" in storage.origin
    assert storage.origin.startswith("https://one-bucket.") == (bucket_name == "one-bucket")
