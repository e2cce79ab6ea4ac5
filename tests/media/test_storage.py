"""A key names a whole file or nothing: the same promises, kept on a disk and on S3."""

import hashlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.media import DiskStorage, MediaError, Storage, open_storage
from tests.media.buckets import Bucket

KEY = "videos/0193/file.mp4"
Names = Callable[[], list[str]]


@pytest.fixture(params=["disk", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | Bucket:
    """Where the storage lies: a folder, or a bucket."""
    if request.param == "disk":
        return tmp_path / "media"
    bucket = request.getfixturevalue("bucket")
    assert isinstance(bucket, Bucket)
    return bucket


@pytest.fixture
def storage(place: Path | Bucket) -> Storage:
    return place.open() if isinstance(place, Bucket) else open_storage(place.as_uri())


@pytest.fixture
def names(place: Path | Bucket) -> Names:
    """Everything that lies there, partials and begun uploads too."""

    def names() -> list[str]:
        if isinstance(place, Bucket):
            return [name.removeprefix(f"{place.prefix}/") for name in place.names()]
        return sorted(str(p.relative_to(place)) for p in place.rglob("*") if p.is_file())

    return names


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.mp4"
    path.write_bytes(os.urandom(3 * 1024 * 1024))
    return path


def content_of(storage: Storage, key: str, folder: Path) -> bytes:
    """What a key holds, copied out."""
    storage.fetch(key, folder / "fetched")
    return (folder / "fetched").read_bytes()


# Addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["", "media", "/srv/media", "file:media", "file://media", "file://host/media", "http://x/y",
     "file:///srv?x=1", "file:///srv%00", "file:"],
)  # fmt: skip
def test_what_is_not_an_absolute_file_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="file:///absolute/path"):
        open_storage(url)


@pytest.mark.parametrize(
    "key",
    ["", "/", "/etc/passwd", "..", "../x", "a/../b", "a//b", "a/", "./a", "a/.hidden", "A/b", "a b",
     "a\0b", "a\n", "a\\b", "a/%2e%2e/b", "ä", "a" * 201, "/".join(["abcdefgh"] * 60)],
)  # fmt: skip
def test_a_bad_key_is_refused_by_every_verb(
    storage: Storage, source: Path, tmp_path: Path, key: str
) -> None:
    verbs: list[Callable[[], object]] = [
        lambda: storage.exists(key),
        lambda: storage.size(key),
        lambda: storage.digest(key),
        lambda: storage.put(key, source),
        lambda: storage.fetch(key, tmp_path / "fetched"),
        lambda: storage.delete(key),
        lambda: storage.delete_all(key),
    ]
    if key:  # a prefix of nothing is everything
        verbs.append(lambda: list(storage.keys(key)))
    if isinstance(storage, DiskStorage):
        verbs.append(lambda: storage.path(key))
    else:
        verbs.append(lambda: storage.address(key, expires_s=60, mimetype="video/mp4"))
    for verb in verbs:
        with pytest.raises(ValueError, match="not a storage key"):
            verb()


# The good way ---------------------------------------------------------------------------------


def test_put_keeps_a_copy_and_nothing_else(
    storage: Storage, source: Path, names: Names, tmp_path: Path
) -> None:
    assert not storage.exists(KEY)
    storage.put(KEY, source)
    assert storage.exists(KEY)
    assert content_of(storage, KEY, tmp_path) == source.read_bytes()
    assert names() == [KEY]


def test_put_again_replaces(storage: Storage, source: Path, names: Names, tmp_path: Path) -> None:
    storage.put(KEY, source)
    other = tmp_path / "other.mp4"
    other.write_bytes(b"other")
    storage.put(KEY, other)
    assert content_of(storage, KEY, tmp_path) == b"other"
    assert names() == [KEY]


def test_what_is_said_of_a_file(storage: Storage, source: Path) -> None:
    storage.put(KEY, source)
    assert storage.size(KEY) == source.stat().st_size
    assert storage.digest(KEY) == hashlib.sha256(source.read_bytes()).hexdigest()


def test_an_empty_file_is_a_file(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    storage.put(KEY, tmp_path / "empty")
    assert storage.exists(KEY) and storage.size(KEY) == 0
    assert content_of(storage, KEY, tmp_path) == b""


def test_fetch_replaces_what_was_there(storage: Storage, source: Path, tmp_path: Path) -> None:
    storage.put(KEY, source)
    (tmp_path / "fetched").write_bytes(b"older")
    assert content_of(storage, KEY, tmp_path) == source.read_bytes()


def test_keys_are_those_below_whole_segments(storage: Storage, source: Path) -> None:
    keys = {"videos/ab/file.mp4", "videos/ab/poster.jpg", "videos/abc/file.mp4", "images/x", "top"}
    for key in keys:
        storage.put(key, source)
    size_bytes = source.stat().st_size
    assert dict(storage.keys()) == dict.fromkeys(keys, size_bytes)
    assert {key for key, _ in storage.keys("videos")} == {k for k in keys if "videos" in k}
    assert {key for key, _ in storage.keys("videos/ab")} == {
        "videos/ab/file.mp4", "videos/ab/poster.jpg",
    }  # fmt: skip
    assert list(storage.keys("images/x")) == [("images/x", size_bytes)]
    assert list(storage.keys("image")) == list(storage.keys("nowhere/at/all")) == []


def test_keys_of_a_storage_never_used(storage: Storage) -> None:
    assert list(storage.keys()) == []


def test_delete_twice(storage: Storage, source: Path) -> None:
    storage.put(KEY, source)
    storage.delete(KEY)
    assert not storage.exists(KEY)
    storage.delete(KEY)
    storage.delete("never/was/there")


def test_delete_all_takes_whole_segments(storage: Storage, source: Path, names: Names) -> None:
    for key in ("videos/ab/file.mp4", "videos/ab/poster.jpg", "videos/abc/file.mp4"):
        storage.put(key, source)
    storage.delete_all("videos/ab")
    storage.delete_all("videos/ab")
    assert names() == ["videos/abc/file.mp4"]


def test_delete_all_of_a_single_file(storage: Storage, source: Path) -> None:
    storage.put(KEY, source)
    storage.delete_all(KEY)
    assert not storage.exists(KEY)


def test_sweep_of_a_storage_never_used(storage: Storage) -> None:
    assert storage.sweep_partials(older_than_s=0) == 0


def test_sweep_leaves_files_alone(storage: Storage, source: Path, names: Names) -> None:
    storage.put(KEY, source)
    assert storage.sweep_partials(older_than_s=0) == 0
    assert names() == [KEY]


def test_many_writers_of_one_key_leave_one_whole_file(
    storage: Storage, names: Names, tmp_path: Path
) -> None:
    sources = [tmp_path / f"{n}.mp4" for n in range(6)]
    for n, path in enumerate(sources):  # each of another size
        path.write_bytes(bytes([n]) * (400_000 + n))
    start = threading.Barrier(6)

    def write(path: Path) -> None:
        start.wait(10)
        storage.put(KEY, path)

    with ThreadPoolExecutor(6) as pool:
        for written in [pool.submit(write, path) for path in sources]:
            written.result(30)
    assert content_of(storage, KEY, tmp_path) in [path.read_bytes() for path in sources]
    assert names() == [KEY]


# The bad ways ---------------------------------------------------------------------------------


def test_a_missing_source(storage: Storage, names: Names, tmp_path: Path) -> None:
    with pytest.raises(MediaError) as caught:
        storage.put(KEY, tmp_path / "nothing.mp4")
    assert caught.value.code == "missing"
    assert names() == []


def test_a_source_that_cannot_be_read(storage: Storage, names: Names) -> None:
    broken = Path("/proc/self/mem")  # opens, and is no memory at its beginning: EIO
    with pytest.raises(MediaError) as caught:
        storage.put(KEY, broken)
    assert caught.value.code == "unwritable"
    assert names() == []


def test_what_is_not_there_is_missing(storage: Storage, tmp_path: Path) -> None:
    verbs: list[Callable[[], object]] = [
        lambda: storage.size(KEY),
        lambda: storage.digest(KEY),
        lambda: storage.fetch(KEY, tmp_path / "fetched"),
    ]
    for verb in verbs:
        with pytest.raises(MediaError) as caught:
            verb()
        assert caught.value.code == "missing"
    assert list(tmp_path.glob("*fetched*")) == []


def test_a_folder_of_keys_is_no_file(storage: Storage, source: Path, tmp_path: Path) -> None:
    storage.put(KEY, source)
    assert not storage.exists("videos")
    with pytest.raises(MediaError) as caught:
        storage.fetch("videos", tmp_path / "fetched")
    assert caught.value.code == "missing"


def test_fetch_to_a_full_disk(
    storage: Storage, source: Path, small_disk: Path, tmp_path: Path
) -> None:
    storage.put(KEY, source)
    (small_disk / "fetched").write_bytes(b"older")
    with pytest.raises(MediaError) as caught:
        storage.fetch(KEY, small_disk / "fetched")
    assert caught.value.code == "disk_full"
    assert [path.read_bytes() for path in small_disk.iterdir()] == [b"older"]


def test_fetch_to_a_folder_that_is_not_there(
    storage: Storage, source: Path, tmp_path: Path
) -> None:
    storage.put(KEY, source)
    with pytest.raises(MediaError) as caught:
        storage.fetch(KEY, tmp_path / "nowhere" / "fetched")
    assert caught.value.code == "unwritable"
