"""A key names a whole file or nothing, whatever the disk or the power supply does."""

import errno
import os
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app.media import DiskStorage, MediaError, open_storage

KEY = "videos/0193/file.mp4"


@pytest.fixture
def storage(tmp_path: Path) -> DiskStorage:
    return open_storage(f"file://{tmp_path}/media")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.mp4"
    path.write_bytes(os.urandom(3 * 1024 * 1024))
    return path


def files_below(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def leave_partial(storage: DiskStorage, age_s: float) -> Path:
    folder = storage.path(KEY).parent
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / ".file.mp4.0123456789abcdef.part"
    partial.write_bytes(b"half")
    os.utime(partial, (time.time() - age_s,) * 2)
    return partial


# Addresses ------------------------------------------------------------------------------------


def test_a_percent_encoded_path_is_decoded() -> None:
    assert open_storage("file:///srv/my%20media").root == Path("/srv/my media")


@pytest.mark.parametrize(
    "url",
    ["", "media", "/srv/media", "file:media", "file://media", "file://host/media", "http://x/y",
     "file:///srv?x=1", "file:///srv%00", "file:"],
)  # fmt: skip
def test_what_is_not_an_absolute_file_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="file:///absolute/path"):
        open_storage(url)


def test_s3_is_told_to_come_later() -> None:
    with pytest.raises(ValueError, match="later"):
        open_storage("s3://bucket/prefix")


@pytest.mark.parametrize(
    "key",
    ["", "/", "/etc/passwd", "..", "../x", "a/../b", "a//b", "a/", "./a", "a/.hidden", "A/b", "a b",
     "a\0b", "a\n", "a\\b", "a/%2e%2e/b", "ä", "a" * 201, "/".join(["abcdefgh"] * 60)],
)  # fmt: skip
def test_a_bad_key_is_refused_by_every_verb(storage: DiskStorage, source: Path, key: str) -> None:
    verbs: list[Callable[[], object]] = [
        lambda: storage.path(key),
        lambda: storage.exists(key),
        lambda: storage.put(key, source),
        lambda: storage.delete(key),
        lambda: storage.delete_all(key),
    ]
    for verb in verbs:
        with pytest.raises(ValueError, match="not a storage key"):
            verb()


# The good way ---------------------------------------------------------------------------------


def test_put_keeps_a_copy_and_nothing_else(storage: DiskStorage, source: Path) -> None:
    assert not storage.exists(KEY)
    storage.put(KEY, source)
    assert storage.exists(KEY)
    assert storage.path(KEY).read_bytes() == source.read_bytes()
    assert files_below(storage.root) == [KEY]


def test_put_again_replaces(storage: DiskStorage, source: Path, tmp_path: Path) -> None:
    storage.put(KEY, source)
    other = tmp_path / "other.mp4"
    other.write_bytes(b"other")
    storage.put(KEY, other)
    assert storage.path(KEY).read_bytes() == b"other"
    assert files_below(storage.root) == [KEY]


def test_others_cannot_read_what_is_stored(storage: DiskStorage, source: Path) -> None:
    storage.put(KEY, source)
    assert storage.path(KEY).stat().st_mode & 0o007 == 0


def test_delete_twice(storage: DiskStorage, source: Path) -> None:
    storage.put(KEY, source)
    storage.delete(KEY)
    assert not storage.exists(KEY)
    storage.delete(KEY)
    storage.delete("never/was/there")


def test_delete_below_a_file_is_fine(storage: DiskStorage, source: Path) -> None:
    storage.put("videos/a", source)
    storage.delete("videos/a/poster.jpg")
    assert storage.exists("videos/a")


def test_delete_all_takes_whole_segments(storage: DiskStorage, source: Path) -> None:
    for key in ("videos/ab/file.mp4", "videos/ab/poster.jpg", "videos/abc/file.mp4"):
        storage.put(key, source)
    storage.delete_all("videos/ab")
    storage.delete_all("videos/ab")
    assert files_below(storage.root) == ["videos/abc/file.mp4"]


def test_delete_all_of_a_single_file(storage: DiskStorage, source: Path) -> None:
    storage.put(KEY, source)
    storage.delete_all(KEY)
    assert not storage.exists(KEY)


def test_sweep_takes_old_partials_only(storage: DiskStorage, source: Path) -> None:
    storage.put(KEY, source)
    old = leave_partial(storage, age_s=7200)
    assert storage.sweep_partials(older_than_s=86_400) == 0
    assert old.exists()
    assert storage.sweep_partials(older_than_s=3600) == 1
    assert files_below(storage.root) == [KEY]


def test_sweep_of_a_storage_never_used(storage: DiskStorage) -> None:
    assert storage.sweep_partials(older_than_s=0) == 0


def test_many_writers_of_one_key_leave_one_whole_file(storage: DiskStorage, tmp_path: Path) -> None:
    contents = [bytes([n]) * 400_000 for n in range(6)]
    sources = [tmp_path / f"{n}.mp4" for n in range(6)]
    for path, content in zip(sources, contents, strict=True):
        path.write_bytes(content)
    start = threading.Barrier(6)

    def write(path: Path) -> None:
        start.wait(10)
        storage.put(KEY, path)

    with ThreadPoolExecutor(6) as pool:
        for written in [pool.submit(write, path) for path in sources]:
            written.result(30)
    assert storage.path(KEY).read_bytes() in contents
    assert files_below(storage.root) == [KEY]


# The bad ways ---------------------------------------------------------------------------------


def test_a_missing_source(storage: DiskStorage, tmp_path: Path) -> None:
    with pytest.raises(MediaError) as caught:
        storage.put(KEY, tmp_path / "nothing.mp4")
    assert caught.value.code == "missing"
    assert not storage.root.exists()


def fail_on_call(function: Callable[..., Any], number: int, code: int) -> Callable[..., Any]:
    calls = 0

    def failing(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            raise OSError(code, os.strerror(code))
        return function(*args, **kwargs)

    return failing


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "disk_full"),
        (errno.EFBIG, "too_large"),
        (errno.EACCES, "unwritable"),
        (errno.EROFS, "unwritable"),
        (errno.EIO, "unwritable"),
    ],
)
@pytest.mark.parametrize(
    ("module", "name", "call"),
    [
        (os, "mkdir", 1),
        (os, "mkdir", 3),
        (os, "open", 4),  # 1 to 3 sync the folders just made, 4 opens the partial
        (shutil, "copyfileobj", 1),
        (os, "fsync", 4),  # the file
        (os, "replace", 1),
        (os, "fsync", 5),  # the folder, after the move
    ],
)
def test_a_failed_put_leaves_nothing(
    storage: DiskStorage,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    name: str,
    call: int,
    number: int,
    code: str,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(module, name, fail_on_call(getattr(module, name), call, number))
        with pytest.raises(MediaError) as caught:
            storage.put(KEY, source)
    assert caught.value.code == code
    assert not storage.exists(KEY)
    assert files_below(storage.root) == []
    storage.put(KEY, source)
    assert files_below(storage.root) == [KEY]


def test_a_full_disk(small_disk: Path, source: Path, tmp_path: Path) -> None:
    storage = open_storage(f"file://{small_disk}/media")
    with pytest.raises(MediaError) as caught:
        storage.put(KEY, source)
    assert caught.value.code == "disk_full"
    assert files_below(small_disk) == []
    little = tmp_path / "little.mp4"
    little.write_bytes(b"fits")
    storage.put(KEY, little)
    with pytest.raises(MediaError):
        storage.put(KEY, source)
    assert storage.path(KEY).read_bytes() == b"fits"
    assert files_below(small_disk) == [f"media/{KEY}"]


def test_a_read_only_disk(read_only_disk: Path, source: Path) -> None:
    storage = open_storage(f"file://{read_only_disk}")
    attempts: list[Callable[[], None]] = [
        lambda: storage.put("new/folder/file.mp4", source),
        lambda: storage.put("kept/old.mp4", source),
        lambda: storage.delete("kept/old.mp4"),
        lambda: storage.delete_all("kept"),
    ]
    for attempt in attempts:
        with pytest.raises(MediaError) as caught:
            attempt()
        assert caught.value.code == "unwritable"
    assert storage.path("kept/old.mp4").read_bytes() == b"old"
    assert files_below(read_only_disk) == ["kept/old.mp4"]


def test_a_file_where_a_folder_should_be(storage: DiskStorage, source: Path) -> None:
    storage.put("videos", source)
    with pytest.raises(MediaError) as caught:
        storage.put("videos/0193/file.mp4", source)
    assert caught.value.code == "unwritable"
    assert files_below(storage.root) == ["videos"]
