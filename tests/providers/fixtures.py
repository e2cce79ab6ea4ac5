"""Fixtures of the cloud providers' tests; what they are made of is in scripted.py."""

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.providers import Cloud, http
from app.providers.download import Downloads
from app.providers.fal import FalProvider
from app.providers.google import GoogleProvider
from app.providers.kie import KieProvider
from app.providers.replicate import ReplicateProvider
from tests.providers.network import Backend, Network, make_certificate
from tests.providers.scripted import JPEG, MP4, VIDEO, Reply, Server, served

KIE = "https://api.kie.ai"
HOSTS = ("*.kie.ai", "files.example")


@pytest.fixture
def vendor() -> Iterator[Server]:
    """A vendor whose answers the test writes."""
    yield from served(Server())


@pytest.fixture
def kie(vendor: Server, tmp_path: Path) -> KieProvider:
    cloud = Cloud(vendor.url, "veo3_fast", upload_base_url=vendor.url)
    return KieProvider(cloud, tmp_path / "downloads")


@pytest.fixture
def fal(vendor: Server, tmp_path: Path) -> FalProvider:
    cloud = Cloud(vendor.url, "fal-ai/veo3.1/fast", keys_url=vendor.url + "/jwks.json")
    return FalProvider(cloud, tmp_path / "downloads")


@pytest.fixture
def replicate(vendor: Server, tmp_path: Path) -> ReplicateProvider:
    return ReplicateProvider(Cloud(vendor.url, "google/veo-3.1-fast"), tmp_path / "downloads")


@pytest.fixture
def google(vendor: Server, tmp_path: Path) -> GoogleProvider:
    cloud = Cloud(vendor.url, "veo-3.1-fast-generate-preview")
    return GoogleProvider(cloud, tmp_path / "downloads")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A start image."""
    path = tmp_path / "start.jpg"
    path.write_bytes(JPEG)
    return path


@pytest.fixture
def impatient(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers must come within 0.2 s, where none will: a `reply` that comes has all its time."""
    reply = getattr(request.node, "callspec", None) and request.node.callspec.params.get("reply")
    if reply is None or reply.hangs:
        for phase in ("submit", "poll"):
            monkeypatch.setitem(http.TIMEOUTS, phase, httpx.Timeout(5, read=0.2))


@pytest.fixture
def downloads(tmp_path: Path, vendor: Server) -> Callable[..., Downloads]:
    """Results of a simulator: the base URL is the scripted vendor's."""

    def make(base_url: str = "", **options: Any) -> Downloads:
        return Downloads(tmp_path / "downloads", base_url or vendor.url, HOSTS, **options)

    return make


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def secure(certificates: tuple[Path, Path]) -> Iterator[Server]:
    """A vendor that speaks TLS; `names` are those it was called by."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificates)
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    server = Server(context)
    server.names = names  # type: ignore[attr-defined]
    server.on("GET", "/a.mp4", Reply(200, MP4, VIDEO))
    yield from served(server)


@pytest.fixture
def outside(
    secure: Server, certificates: tuple[Path, Path], tmp_path: Path
) -> Callable[..., tuple[Downloads, Backend]]:
    """Results of the real kie, in a world where every address is `secure`."""

    def make(resolve: Any, dead: tuple[str, ...] = (), **options: Any) -> Any:
        backend = Backend(secure.server_port, dead)
        transport = Network(backend, ssl.create_default_context(cafile=str(certificates[0])))
        options |= {"resolve": resolve, "transport": transport}
        return Downloads(tmp_path / "downloads", KIE, HOSTS, **options), backend

    return make
