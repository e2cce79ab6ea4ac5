"""Real files made by ffmpeg, real disks that are full or read-only, and a server of S3."""

import os
import subprocess
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.media import find_ffmpeg
from tests.media.buckets import CREDENTIALS, Bucket
from tests.media.clips import PICTURE, SOUND, MakeClip


@pytest.fixture(scope="session")
def ffmpeg() -> str:
    return find_ffmpeg(os.environ.get("FFMPEG_BIN"))


@pytest.fixture(scope="session")
def make_clip(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> MakeClip:
    """Makes a video from lavfi descriptions; the same request is answered from one folder."""
    folder = tmp_path_factory.mktemp("clips")

    def make(
        name: str, picture: str | None = PICTURE, sound: str | None = SOUND, *options: str
    ) -> Path:
        request = zlib.crc32(repr((picture, sound, options)).encode())
        path: Path = folder / f"{request:08x}-{name}"
        if not path.exists():
            inputs = [
                x for source in (picture, sound) if source for x in ("-f", "lavfi", "-i", source)
            ]
            codecs = [
                "-c:v",
                "libx264",
                "-preset",
                "ultrafast",
                "-pix_fmt",
                "yuv420p",
                "-c:a",
                "aac",
            ]
            command = [ffmpeg, "-v", "error", "-nostdin", "-threads", "1", *inputs, *codecs]
            subprocess.run([*command, *options, str(path)], check=True, timeout=60)
        return path

    return make


@contextmanager
def mounted_tmpfs(folder: Path, size: str) -> Iterator[Path]:
    """A small disk of its own. Without the right to mount: skipped, with CI=true failed."""
    folder.mkdir()
    options = f"size={size},mode=755"
    command = ["mount", "-t", "tmpfs", "-o", options, "cuttingasmr-test", str(folder)]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=10)
        refused = done.stderr.strip() if done.returncode else ""
    except FileNotFoundError:
        refused = "there is no mount program"
    if refused:
        reason = f"a disk of a known size needs the right to mount: {refused}"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=10)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """An empty file system of 256 KiB."""
    with mounted_tmpfs(tmp_path / "small-disk", "256k") as folder:
        yield folder


@pytest.fixture
def read_only_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system mounted read-only, which stops root too; it holds `kept/old.mp4`."""
    with mounted_tmpfs(tmp_path / "read-only-disk", "256k") as folder:
        (folder / "kept").mkdir()
        (folder / "kept" / "old.mp4").write_bytes(b"old")
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True, timeout=10)
        yield folder


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of a server that speaks S3."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials as an operator gives them, and none from anywhere else."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def bucket(s3_server: str, s3_credentials: None) -> Iterator[Bucket]:
    """An empty bucket of this test's own."""
    from boto3.session import Session

    client = Session().client("s3", endpoint_url=s3_server)
    name = f"test-{uuid.uuid4()}"
    client.create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    yield Bucket(name, s3_server, client)
    client.close()
