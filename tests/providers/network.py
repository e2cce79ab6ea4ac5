"""A network in which every public address is one server on loopback, and a certificate for it."""

import datetime
import ipaddress
import ssl
from pathlib import Path
from typing import Any

import httpcore
import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Backend(httpcore.SyncBackend):
    """The network's place: every address is the vendor on loopback, and is written down."""

    def __init__(self, port: int, dead: tuple[str, ...] = ()) -> None:
        self.port, self.dead = port, dead
        self.reached: list[tuple[str, int]] = []

    def connect_tcp(
        self, host: str, port: int, *arguments: Any, **options: Any
    ) -> httpcore.NetworkStream:
        self.reached.append((host, port))
        if host in self.dead:
            raise httpcore.ConnectError("refused")
        return super().connect_tcp("127.0.0.1", self.port, *arguments, **options)


class Network(httpx.HTTPTransport):
    def __init__(self, backend: Backend, trusted: ssl.SSLContext) -> None:
        super().__init__(verify=trusted)
        self._pool.close()
        self._pool = httpcore.ConnectionPool(ssl_context=trusted, network_backend=backend)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for *.kie.ai and 127.0.0.1, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    names = [x509.DNSName("*.kie.ai"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files
