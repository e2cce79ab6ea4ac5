"""Result files that go wrong on their way, and clips of each sort."""

import time
from pathlib import Path

import httpx
import pytest

from app.media import Measurements, MediaError, inspect
from tests.simulators import Simulator
from tests.simulators.clips import clip
from tests.simulators.conftest import Start

BEARER = {"Authorization": "Bearer test-key"}


@pytest.fixture
def kie(begin: Start) -> Simulator:
    return begin("kie")


@pytest.fixture
def link(kie: Simulator, http: httpx.Client) -> str:
    """A finished video's."""
    order = {"prompt": "soap"}
    made = http.post(f"{kie.base_url}/api/v1/veo/generate", json=order, headers=BEARER).json()
    task_id = made["data"]["taskId"]
    kie.finish(task_id)
    url = f"{kie.base_url}/api/v1/veo/record-info?taskId={task_id}"
    return str(http.get(url, headers=BEARER).json()["data"]["response"]["resultUrls"][0])


def test_truncated(kie: Simulator, http: httpx.Client, link: str) -> None:
    kie.fault("truncated", where="file")
    with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection"):
        http.get(link)
    assert http.get(link).is_success


def test_stall(kie: Simulator, http: httpx.Client, link: str) -> None:
    kie.fault("stall", where="file")
    http.timeout = httpx.Timeout(0.3)
    with pytest.raises(httpx.ReadTimeout):
        http.get(link)


def test_slow(kie: Simulator, http: httpx.Client, link: str) -> None:
    size = len(http.get(link).content)
    began_s = time.perf_counter()
    kie.fault("slow", size / 1024 / 0.5, where="file")
    assert len(http.get(link).content) == size
    assert 0.4 < time.perf_counter() - began_s < 3.0


def test_html_and_nothing(kie: Simulator, http: httpx.Client, link: str) -> None:
    kie.fault("html", where="file")
    kie.fault("empty_file", where="file")
    page, nothing = http.get(link), http.get(link)
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert nothing.status_code == 200 and nothing.content == b""


def test_expired(kie: Simulator, http: httpx.Client, link: str) -> None:
    kie.fault("expired", where="file")
    assert [http.get(link).status_code for _ in range(2)] == [404, 200]
    kie.expire(next(iter(kie.tasks)))
    assert http.get(link).status_code == 404


def test_huge(kie: Simulator, http: httpx.Client, link: str) -> None:
    kie.fault("huge=50000000", where="file")
    seen = 0
    with http.stream("GET", link) as answer:
        assert answer.headers["content-length"] == "50000000"
        for chunk in answer.iter_raw():
            seen += len(chunk)
            if seen > 1_000_000:
                break
    assert http.get(link).is_success


def test_a_redirected_file(kie: Simulator, http: httpx.Client, link: str) -> None:
    kie.fault("redirect", where="file")
    answer = http.get(link)
    assert answer.status_code == 302
    assert http.get(answer.headers["location"]).content == http.get(link).content


def measured(answer: httpx.Response, folder: Path, ffmpeg: str) -> Measurements:
    path = folder / "clip.mp4"
    path.write_bytes(answer.content)
    return inspect(path, ffmpeg)


@pytest.mark.parametrize("kind", ["sound", "silent", "quiet"])
def test_clips_with_and_without_sound(
    kie: Simulator, http: httpx.Client, link: str, kind: str, ffmpeg: str, tmp_path: Path
) -> None:
    if kind != "sound":
        kie.fault(kind, where="file")
    found = measured(http.get(link), tmp_path, ffmpeg)
    assert found.sound_check == ("passed" if kind == "sound" else "silent")
    assert (found.audio_codec is None) == (kind == "silent")
    assert (found.width, found.height, round(found.duration_s)) == (320, 180, 2)


def test_a_black_clip(
    kie: Simulator, http: httpx.Client, link: str, ffmpeg: str, tmp_path: Path
) -> None:
    kie.fault("black", where="file")
    with pytest.raises(MediaError, match="black"):
        measured(http.get(link), tmp_path, ffmpeg)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, (320, 180)),
        ({"aspect_ratio": "9:16"}, (180, 320)),
        ({"resolution": "1080p"}, (480, 270)),
        ({"sizes": "real"}, (1280, 720)),
    ],
)
def test_sizes(options: dict[str, str], size: tuple[int, int], ffmpeg: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip("sound", **options))  # type: ignore[arg-type]  # strings, all of them
    found = inspect(path, ffmpeg)
    assert (found.width, found.height) == size
