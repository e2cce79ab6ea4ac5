"""S3 on its bad days: servers and networks that fail, bytes that change on their way."""

import hashlib
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from app.media import MediaError, S3Storage, open_storage
from app.media import s3 as module
from tests.media.bad_server import Answer, bad_server, refusal
from tests.media.buckets import Bucket

KEY = "videos/0193/file.mp4"
CONTENT = b"0123456789"
ETAG = f'"{hashlib.md5(CONTENT).hexdigest()}"'


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.mp4"
    path.write_bytes(CONTENT)
    return path


def open_at(url: str, bucket: str = "test-bucket") -> S3Storage:
    storage = open_storage(f"s3://{bucket}/results", url)
    assert isinstance(storage, S3Storage)
    return storage


# Servers that fail ------------------------------------------------------------------------------


def put(storage: S3Storage, folder: Path) -> None:
    storage.put(KEY, folder / "source.mp4")


VERBS: dict[str, Callable[[S3Storage, Path], object]] = {
    "put": put,
    "fetch": lambda storage, folder: storage.fetch(KEY, folder / "fetched"),
    "delete": lambda storage, _: storage.delete(KEY),
    "delete_all": lambda storage, _: storage.delete_all("videos/0193"),
    "exists": lambda storage, _: storage.exists(KEY),
    "keys": lambda storage, _: list(storage.keys()),
}


def code_of(verb: str, url: str, folder: Path) -> str:
    """What the error of a verb at the server `url` says."""
    with pytest.raises(MediaError) as caught:
        VERBS[verb](open_at(url), folder)
    assert len(caught.value.message) <= 300 and "test-secret-key" not in caught.value.message
    assert not (folder / "fetched").exists()
    assert not list(folder.glob(".*"))
    return caught.value.code


@pytest.mark.parametrize("verb", VERBS)
def test_a_server_that_is_not_there(
    s3_credentials: None, source: Path, tmp_path: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRIES", 1)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        assert code_of(verb, url, tmp_path) == "unreachable"


@pytest.mark.parametrize("verb", VERBS)
def test_a_server_that_hangs_up(
    s3_credentials: None, source: Path, tmp_path: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRIES", 1)
    with bad_server() as server:
        assert code_of(verb, server.url, tmp_path) == "unreachable"


@pytest.mark.parametrize("verb", ["put", "fetch"])
def test_a_server_that_says_nothing(
    s3_credentials: None, source: Path, tmp_path: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRIES", 1)
    monkeypatch.setattr(module, "READ_TIMEOUT_S", 0.2)
    with bad_server(PUT=Answer(hang=True), GET=Answer(hang=True)) as server:
        assert code_of(verb, server.url, tmp_path) == "unreachable"


def test_what_may_work_the_next_time_is_tried_three_times(
    s3_credentials: None, source: Path, tmp_path: Path
) -> None:
    with bad_server(PUT=refusal(503, "SlowDown")) as server:
        assert code_of("put", server.url, tmp_path) == "unreachable"
        assert server.asked == ["PUT"] * 3


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (refusal(507, "InsufficientStorage"), "disk_full"),
        (refusal(403, "QuotaExceeded"), "disk_full"),
        (refusal(400, "EntityTooLarge"), "too_large"),
        (refusal(403, "AccessDenied"), "unwritable"),
        (refusal(404, "NoSuchBucket"), "unwritable"),
        (refusal(400, "BadDigest"), "unwritable"),
        (Answer(400, b"<html>a proxy, say</html>"), "unwritable"),
        (Answer(502, b"<html>a proxy, say</html>"), "unreachable"),
        (refusal(500, "InternalError"), "unreachable"),
        (refusal(429, "TooManyRequests"), "unreachable"),
    ],
    ids=["507", "quota", "large", "denied", "no bucket", "digest", "400", "502", "500", "429"],
)
def test_a_no_is_told_apart(
    s3_credentials: None,
    source: Path,
    tmp_path: Path,
    answer: Answer,
    code: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "TRIES", 1)
    with bad_server(PUT=answer) as server:
        assert code_of("put", server.url, tmp_path) == code
        assert server.asked == ["PUT"]


def test_a_bucket_that_is_not_ours_is_not_taken_for_an_absent_file(
    s3_credentials: None, tmp_path: Path
) -> None:
    with bad_server(HEAD=Answer(403)) as server:
        assert code_of("exists", server.url, tmp_path) == "unwritable"


def test_no_credentials_are_no_crash(
    bucket: Bucket, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert code_of("put", bucket.endpoint_url, tmp_path) == "unwritable"
    with pytest.raises(MediaError):
        bucket.open().address(KEY, expires_s=60, mimetype="video/mp4")


# Bytes that change on their way -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("etag", "length"), [(f'"{"0" * 32}"', len(CONTENT)), (ETAG, len(CONTENT) - 1)]
)
def test_a_put_that_stored_something_else_is_no_put(
    s3_credentials: None, source: Path, tmp_path: Path, etag: str, length: int
) -> None:
    with bad_server(
        PUT=Answer(headers={"ETag": etag}),
        HEAD=Answer(headers={"ETag": etag, "Content-Length": str(length)}),
        DELETE=Answer(204),
    ) as server:
        assert code_of("put", server.url, tmp_path) == "unwritable"
        assert server.asked[-1] == "DELETE"


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": ETAG},
        {"ETag": f'"{"0" * 32}"', "x-amz-server-side-encryption": "aws:kms"},
        {"ETag": '"0123-2"'},
        {},
    ],
)
def test_an_etag_that_is_no_md5_says_nothing(
    s3_credentials: None, source: Path, tmp_path: Path, headers: dict[str, str]
) -> None:
    with bad_server(
        PUT=Answer(headers=headers),
        HEAD=Answer(headers={**headers, "Content-Length": str(len(CONTENT))}),
        GET=Answer(body=CONTENT, headers=headers),
    ) as server:
        storage = open_at(server.url)
        storage.put(KEY, source)
        storage.fetch(KEY, tmp_path / "fetched")
        assert server.asked == ["PUT", "HEAD", "GET"]
    assert (tmp_path / "fetched").read_bytes() == CONTENT


def test_a_file_that_another_writer_replaced_at_once_is_left_alone(
    s3_credentials: None, source: Path
) -> None:
    with bad_server(PUT=Answer(headers={"ETag": ETAG}), HEAD=Answer(412)) as server:
        open_at(server.url).put(KEY, source)
        assert server.asked == ["PUT", "HEAD"]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=CONTENT, headers={"ETag": ETAG}, cut=5),
        Answer(body=CONTENT[::-1], headers={"ETag": ETAG}),
    ],
    ids=["cut off", "changed"],
)
def test_a_file_that_arrives_otherwise_than_it_was_stored(
    s3_credentials: None, tmp_path: Path, answer: Answer
) -> None:
    with bad_server(GET=answer) as server:
        assert code_of("fetch", server.url, tmp_path) == "unreachable"
        with pytest.raises(MediaError):
            open_at(server.url).digest(KEY)
