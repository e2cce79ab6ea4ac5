"""The disk of the renders is full or cannot be written: refunded, told, then it works."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.models import ENDED
from app.services import alerts
from tests.cast import Person
from tests.conftest import Call, Rows
from tests.faults.making import Making
from tests.media.fixtures import mounted_tmpfs
from tests.waiting import wait_until

RENDER_S = 100.0


@pytest.fixture
def renders(tmp_path: Path) -> Iterator[Path]:
    """The folder of the renders is a disk of its own, and a small one."""
    (tmp_path / "instance").mkdir(mode=0o700, exist_ok=True)
    with mounted_tmpfs(tmp_path / "instance" / "renders", "1m") as disk:
        yield disk


@pytest.fixture
def local(renders: Path, call: Call, rows: Rows, alice: Person) -> Iterator[Making]:
    """Alice's workshop with the real renderer, in draft quality."""
    one = Making(call, rows, None, alice)
    yield one
    one.check_books()


def remount(disk: Path, options: str) -> None:
    command = ["mount", "-o", f"remount,{options}", str(disk)]
    subprocess.run(command, check=True, timeout=10)


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["size=1m", "size=64m,ro"], ids=["full", "read-only"])
def test_no_room_to_render_is_refunded_and_told_and_the_next_one_works(
    local: Making, renders: Path, call: Call, trouble: str
) -> None:
    remount(renders, trouble)
    video_id = local.ask()
    assert local.make(video_id) == "failed"
    video = local.video(video_id)
    assert video["error_code"] == "disk_full"
    assert "We have been told" in video["error_text"]
    assert [alert.kind for alert in call(alerts.open_alerts)] == ["disk_full"]
    assert local.is_refunded(video_id)
    assert not [path for path in renders.rglob("*") if path.suffix == ".mp4"]
    if trouble != "size=1m":
        return
    remount(renders, "size=64m")
    after = local.ask()
    wait_until(lambda: local.step(after) in ENDED, RENDER_S, "the render ends")
    assert local.status(after) == "completed"
    assert not list(renders.glob("[0-9a-f]*-*/clip*"))
