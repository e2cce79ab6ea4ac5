"""What only a disk can do to a storage: partials, rights, a full or a read-only one."""

import errno
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.media import DiskStorage, MediaError, Storage, open_storage

KEY = "videos/0193/file.mp4"


def open_disk(root: Path) -> DiskStorage:
    storage = open_storage(f"file://{root}")
    assert isinstance(storage, DiskStorage)
    return storage


@pytest.fixture
def storage(tmp_path: Path) -> DiskStorage:
    return open_disk(tmp_path / "media")


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


def test_a_percent_encoded_path_is_decoded() -> None:
    assert open_disk(Path("/srv/my%20media")).root == Path("/srv/my media")


def test_a_disk_gives_no_addresses(storage: DiskStorage, source: Path) -> None:
    storage.put(KEY, source)
    anywhere: Storage = storage
    assert storage.path(KEY).read_bytes() == source.read_bytes()
    assert storage.origin is None
    assert anywhere.address(KEY, expires_s=60, mimetype="video/mp4") is None


def test_others_cannot_read_what_is_stored(storage: DiskStorage, source: Path) -> None:
    storage.put(KEY, source)
    assert storage.path(KEY).stat().st_mode & 0o007 == 0


def test_delete_below_a_file_is_fine(storage: DiskStorage, source: Path) -> None:
    storage.put("videos/a", source)
    storage.delete("videos/a/poster.jpg")
    assert storage.exists("videos/a")


def test_sweep_takes_old_partials_only(storage: DiskStorage, source: Path) -> None:
    storage.put(KEY, source)
    old = leave_partial(storage, age_s=7200)
    assert storage.sweep_partials(older_than_s=86_400) == 0
    assert old.exists()
    assert storage.sweep_partials(older_than_s=3600) == 1
    assert files_below(storage.root) == [KEY]


def test_sweep_of_a_storage_never_used(storage: DiskStorage) -> None:
    assert storage.sweep_partials(older_than_s=0) == 0


def test_what_is_no_key_is_passed_over(storage: DiskStorage, source: Path) -> None:
    storage.put(KEY, source)
    leave_partial(storage, age_s=0)
    (storage.root / "lost+found").mkdir()
    (storage.root / "Thumbs.db").write_bytes(b"not ours")
    (storage.root / "dangling").symlink_to("nowhere")
    assert list(storage.keys()) == [(KEY, source.stat().st_size)]


def test_a_folder_that_cannot_be_read_is_not_passed_over(
    storage: DiskStorage, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.put(KEY, source)
    monkeypatch.setattr(os, "scandir", fail_on_call(os.scandir, 2, errno.EACCES))
    with pytest.raises(MediaError) as caught:
        list(storage.keys())
    assert caught.value.code == "unwritable"


def test_a_file_that_cannot_be_read_is_not_taken_for_absent(
    storage: DiskStorage, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.put(KEY, source)
    monkeypatch.setattr(Path, "open", fail_on_call(Path.open, 1, errno.EACCES))
    with pytest.raises(MediaError) as caught:
        storage.digest(KEY)
    assert caught.value.code == "unwritable"


# The bad ways ---------------------------------------------------------------------------------


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
    storage = open_disk(small_disk / "media")
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
    storage = open_disk(read_only_disk)
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
