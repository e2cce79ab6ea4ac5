"""Results change their storage, and not a byte is lost on the way: whatever ends a run early."""

import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.extensions import db
from app.media import DiskStorage, MediaError, Storage, open_storage
from app.models import StartImage
from app.services import moving
from app.services.moving import Moved
from tests.cast import Person
from tests.conftest import Call
from tests.faults.making import Making
from tests.media.buckets import Bucket

KEYS = ("videos/a/poster.jpg", "videos/a/video.mp4", "videos/b/video.mp4", "other/c.jpg")
Move = Callable[..., list[Moved]]


@pytest.fixture
def disk(tmp_path: Path) -> Storage:
    return open_storage((tmp_path / "disk").as_uri())


@pytest.fixture
def both(request: pytest.FixtureRequest, disk: Storage, bucket: Bucket) -> tuple[Storage, Storage]:
    """From where, and to where."""
    return (disk, bucket.open()) if request.param == "disk to s3" else (bucket.open(), disk)


both_ways = pytest.mark.parametrize("both", ["disk to s3", "s3 to disk"], indirect=True)


@pytest.fixture
def move(call: Call) -> Move:
    """A whole run."""

    def move(source: Storage, target: Storage, *, delete: bool = False) -> list[Moved]:
        def run() -> list[Moved]:
            return list(moving.move(source, target, delete=delete))

        moved: list[Moved] = call(run)
        return moved

    return move


@pytest.fixture
def originals(tmp_path: Path) -> dict[str, bytes]:
    """What lies at the source at first."""
    return {key: os.urandom(1000 + number) for number, key in enumerate(KEYS)}


def fill(storage: Storage, files: dict[str, bytes], folder: Path) -> None:
    for key, content in files.items():
        (folder / "filling").write_bytes(content)
        storage.put(key, folder / "filling")


def contents(storage: Storage, folder: Path) -> dict[str, bytes]:
    """Everything a storage holds."""
    found = {}
    for key, _ in list(storage.keys()):
        storage.fetch(key, folder / "fetched")
        found[key] = (folder / "fetched").read_bytes()
    return found


class PutOtherwise:
    """A storage in front of another, whose put is what the test says."""

    def __init__(self, storage: Storage, put: Callable[[Storage, str, Path], None]) -> None:
        self._storage, self._put = storage, put

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def put(self, key: str, source: Path) -> None:
        self._put(self._storage, key, source)


@both_ways
@pytest.mark.parametrize("delete", [False, True], ids=["copied", "moved"])
def test_everything_arrives(
    both: tuple[Storage, Storage],
    move: Move,
    originals: dict[str, bytes],
    tmp_path: Path,
    delete: bool,
) -> None:
    source, target = both
    fill(source, originals, tmp_path)
    moved = move(source, target, delete=delete)
    assert {each.key: each.size_bytes for each in moved} == {
        key: len(content) for key, content in originals.items()
    }
    assert not any(each.was_there for each in moved)
    assert contents(target, tmp_path) == originals
    assert contents(source, tmp_path) == ({} if delete else originals)


@both_ways
def test_a_run_that_ended_halfway_is_run_again(
    both: tuple[Storage, Storage],
    move: Move,
    call: Call,
    originals: dict[str, bytes],
    tmp_path: Path,
) -> None:
    source, target = both
    fill(source, originals, tmp_path)

    def half() -> set[str]:
        return {each.key for each in islice(moving.move(source, target, delete=False), 2)}

    first = call(half)
    assert contents(target, tmp_path).keys() == first
    sent: list[str] = []

    def put(storage: Storage, key: str, file: Path) -> None:
        sent.append(key)
        storage.put(key, file)

    moved = move(source, PutOtherwise(target, put), delete=True)
    assert {each.key for each in moved if each.was_there} == first
    assert sorted(sent) == sorted({*KEYS} - first)
    assert contents(target, tmp_path) == originals
    assert contents(source, tmp_path) == {}
    assert move(source, target, delete=True) == []


def flip_a_bit(storage: Storage, key: str, source: Path) -> None:
    changed = bytearray(source.read_bytes())
    changed[100] ^= 1
    source.with_name("changed").write_bytes(changed)
    storage.put(key, source.with_name("changed"))


def cut_off(storage: Storage, key: str, source: Path) -> None:
    source.with_name("cut").write_bytes(source.read_bytes()[:-1])
    storage.put(key, source.with_name("cut"))


def forget(storage: Storage, key: str, source: Path) -> None:
    """Says nothing, stores nothing."""


@both_ways
@pytest.mark.parametrize("put", [flip_a_bit, cut_off, forget])
def test_a_copy_that_differs_is_noticed_and_the_original_stays(
    both: tuple[Storage, Storage],
    move: Move,
    originals: dict[str, bytes],
    tmp_path: Path,
    put: Callable[[Storage, str, Path], None],
) -> None:
    source, target = both
    fill(source, originals, tmp_path)
    with pytest.raises(MediaError, match="differs from the original"):
        move(source, PutOtherwise(target, put), delete=True)
    assert contents(source, tmp_path) == originals
    assert len(move(source, target, delete=True)) == len(KEYS)
    assert contents(target, tmp_path) == originals


@both_ways
def test_another_file_of_the_same_size_is_not_taken_for_the_copy(
    both: tuple[Storage, Storage], move: Move, originals: dict[str, bytes], tmp_path: Path
) -> None:
    source, target = both
    fill(source, originals, tmp_path)
    fill(target, {KEYS[0]: originals[KEYS[0]][::-1], "only/here": b"kept"}, tmp_path)
    assert not any(each.was_there for each in move(source, target, delete=True))
    assert contents(target, tmp_path) == {**originals, "only/here": b"kept"}


def test_a_full_disk_ends_the_run_and_loses_nothing(
    bucket: Bucket, small_disk: Path, move: Move, tmp_path: Path
) -> None:
    source, target = bucket.open(), DiskStorage(small_disk / "media")
    files = {f"videos/{n}/video.mp4": os.urandom(100_000) for n in range(4)}
    fill(source, files, tmp_path)
    with pytest.raises(MediaError) as caught:
        move(source, target, delete=True)
    assert caught.value.code == "disk_full"
    arrived = contents(target, tmp_path)
    assert len(arrived) == 2 and arrived | contents(source, tmp_path) == files


def test_a_file_that_vanishes_meanwhile_is_passed_over(
    disk: Storage, bucket: Bucket, call: Call, originals: dict[str, bytes], tmp_path: Path
) -> None:
    source = bucket.open()
    fill(source, originals, tmp_path)

    def run() -> list[str]:
        moved = moving.move(source, disk, delete=True)
        first = next(moved).key  # the whole listing is known by now
        assert first == "other/c.jpg"
        source.delete("videos/a/video.mp4")
        return [first, *(each.key for each in moved)]

    assert set(call(run)) == {*KEYS} - {"videos/a/video.mp4"}
    assert not disk.exists("videos/a/video.mp4")


def test_what_a_user_has_deleted_does_not_come_back(
    making: Making,
    disk: Storage,
    bucket: Bucket,
    move: Move,
    client_of: Callable[..., FlaskClient],
    tmp_path: Path,
) -> None:
    deleted, kept = making.ask(), making.ask()
    assert client_of(making.person).delete(f"/videos/{deleted}").status_code < 400
    fill(disk, {f"videos/{one}/video.mp4": b"a video" for one in (deleted, kept)}, tmp_path)
    assert [each.key for each in move(disk, bucket.open())] == [f"videos/{kept}/video.mp4"]
    assert len(list(disk.keys())) == 2
    assert [each.was_there for each in move(disk, bucket.open(), delete=True)] == [True]
    assert list(disk.keys()) == []
    assert bucket.names() == [f"{bucket.prefix}/videos/{kept}/video.mp4"]


def test_a_picture_that_was_tidied_away_does_not_come_back(
    alice: Person, disk: Storage, bucket: Bucket, move: Move, call: Call, tmp_path: Path
) -> None:
    def know() -> None:
        values = {"digest": "0" * 64, "width": 256, "height": 256, "size_bytes": 9}
        db.session.add(StartImage(user_id=alice.id, file_key="images/known.jpg", **values))
        db.session.commit()

    call(know)
    fill(disk, {f"images/{name}.jpg": b"a picture" for name in ("known", "gone")}, tmp_path)
    assert [each.key for each in move(disk, bucket.open(), delete=True)] == ["images/known.jpg"]
    assert [key for key, _ in disk.keys("images")] == ["images/gone.jpg"]  # it may be wanted


def test_a_storage_is_not_moved_into_itself(
    bucket: Bucket, move: Move, originals: dict[str, bytes], tmp_path: Path
) -> None:
    def at(url: str) -> Storage:
        return open_storage(url, bucket.endpoint_url)

    (tmp_path / "link").symlink_to(tmp_path / "disk")
    disk, s3 = (tmp_path / "disk").as_uri(), bucket.url
    fill(at(disk), originals, tmp_path)
    fill(at(s3), originals, tmp_path)
    for one, other in (
        (disk, disk), (disk, f"{disk}/"), (disk, f"{disk}/below"), (disk, f"{disk}/../link"),
        (s3, f"{s3}/"), (s3, f"{s3}/below"), (s3, f"s3://{bucket.name}"),
    ):  # fmt: skip
        for source, target in ((one, other), (other, one)):
            with pytest.raises(ValueError, match="lies in the other"):
                move(at(source), at(target), delete=True)
    assert contents(at(disk), tmp_path) == contents(at(s3), tmp_path) == originals
    beside = at(f"{s3}after")
    assert len(move(at(s3), beside, delete=True)) == len(KEYS)


def test_no_scratch_files_stay(
    disk: Storage, bucket: Bucket, move: Move, originals: dict[str, bytes], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    fill(disk, originals, tmp_path)
    assert len(move(disk, bucket.open())) == len(KEYS)
    assert list(scratch.iterdir()) == []
