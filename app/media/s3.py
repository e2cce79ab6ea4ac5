"""Files in a bucket of S3, or of a server that speaks it (MinIO, Ceph, R2 and the like).

boto3 is an extra and slow to import, so it is imported when the storage is first used. Nothing
newer than Content-MD5 guards the bytes: every server of this kind knows it, and refuses what
arrives changed.
"""

import base64
import hashlib
import importlib.util
import os
import re
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import cached_property, partial
from io import BufferedReader
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from app.media.errors import MediaError
from app.media.protocol import check_key, is_key
from app.media.s3_errors import asking
from app.media.whole import whole_file

CONNECT_TIMEOUT_S: Final = 5
READ_TIMEOUT_S: Final = 30
TRIES: Final = 3

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_PREFIX_MAX_CHARS: Final = 200
_ENDPOINT: Final = re.compile(r"(https?://[A-Za-z0-9.-]+(?::\d{1,5})?)(/[\w./-]*)?")
_MD5: Final = re.compile(r'"?([0-9a-f]{32})"?')
_CHUNK_BYTES: Final = 1024 * 1024


def open_s3(url: str, endpoint_url: str | None) -> "S3Storage":
    """The storage at `s3://bucket/prefix`; the prefix may be absent.

    Raises ValueError with a sentence for the person who set the variables, or lacks boto3.
    """
    parts = urlsplit(url)
    prefix = parts.path.strip("/")
    if not _BUCKET.fullmatch(parts.netloc) or parts.query or parts.fragment:
        raise ValueError(f"wants s3://bucket/prefix, not {url!r}")
    if prefix and (not _PREFIX.fullmatch(prefix) or len(prefix) > _PREFIX_MAX_CHARS):
        raise ValueError(f"wants letters, digits, _ . - and / as the prefix, not {prefix!r}")
    if endpoint_url and not _ENDPOINT.fullmatch(endpoint_url):
        raise ValueError("S3_ENDPOINT_URL wants http(s)://host:port, with no name and no password")
    if importlib.util.find_spec("boto3") is None:
        raise ValueError("s3:// storage wants boto3: install the extra, pip install '.[s3]'")
    return S3Storage(parts.netloc, prefix, endpoint_url)


class S3Storage:
    """Files of one bucket, all below one prefix. `Storage` says what the verbs do and raise."""

    def __init__(self, bucket: str, prefix: str, endpoint_url: str | None = None) -> None:
        self.bucket = bucket
        self.prefix = f"{prefix}/" if prefix else ""
        self.endpoint_url = endpoint_url

    @property
    def place(self) -> str:
        """Server, bucket and prefix."""
        return f"{self.endpoint_url or 'aws'} {self.bucket}/{self.prefix}"

    @property
    def origin(self) -> str | None:
        """Where the addresses point: the endpoint, or the bucket's own host at AWS."""
        if self.endpoint_url:
            found = _ENDPOINT.fullmatch(self.endpoint_url)
            return found[1] if found else None
        scheme, _, host = str(self._client.meta.endpoint_url).partition("://")
        return f"{scheme}://{host}" if self._is_in_path else f"{scheme}://{self.bucket}.{host}"

    @property
    def _is_in_path(self) -> bool:
        """At AWS the bucket is part of the host, unless it has dots: no certificate covers them."""
        return bool(self.endpoint_url) or "." in self.bucket

    @cached_property
    def _client(self) -> Any:
        # A session of its own: boto3's default one must not be shared by threads that start.
        from boto3.session import Session
        from botocore.config import Config

        config = Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": TRIES},
            signature_version="s3v4",
            # Else a CRC goes along in a form that not every server of this kind understands.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={
                "addressing_style": "path" if self._is_in_path else "virtual",
                "us_east_1_regional_endpoint": "regional",
            },
        )
        return Session().client("s3", endpoint_url=self.endpoint_url, config=config)

    def put(self, key: str, source: Path) -> None:
        """One request: it is answered when all is stored, and unanswered nothing is.

        What was stored is looked at, by its MD5 (where the ETag is one) and its size.
        """
        name = self._name(key)
        try:
            content = source.open("rb")
        except OSError as error:
            raise MediaError("missing", f"{source.name}: {error.strerror}") from error
        with content, asking(key):
            size_bytes, md5 = os.fstat(content.fileno()).st_size, _md5(content)
            stored = self._client.put_object(
                Bucket=self.bucket,
                Key=name,
                Body=content,
                ContentMD5=base64.b64encode(md5).decode(),
            )
        if not (_may_be(stored, md5) and self._holds(key, stored.get("ETag"), size_bytes)):
            with suppress(MediaError):
                self.delete(key)
            raise MediaError("unwritable", f"{key}: what was stored is not what was sent")

    def _holds(self, key: str, etag: str | None, size_bytes: int) -> bool:
        """Whether our object has its size. True when another writer has replaced it by now."""
        from botocore.exceptions import ClientError

        with asking(key):
            try:
                head = self._head(key, **({"IfMatch": etag} if etag else {}))
            except ClientError as error:
                if error.response["Error"]["Code"] in ("412", "PreconditionFailed"):
                    return True
                raise
        return bool(head["ContentLength"] == size_bytes)

    def _head(self, key: str, **conditions: str) -> dict[str, Any]:
        head: dict[str, Any] = self._client.head_object(
            Bucket=self.bucket, Key=self._name(key), **conditions
        )
        return head

    def _name(self, key: str) -> str:
        return self.prefix + check_key(key)

    def exists(self, key: str) -> bool:
        """Asks the server. May raise MediaError unwritable or unreachable."""
        try:
            self.size(key)
        except MediaError as error:
            if error.code == "missing":
                return False
            raise
        return True

    def size(self, key: str) -> int:
        """Asks the server. Raises MediaError missing, unwritable or unreachable."""
        with asking(key):
            return int(self._head(key)["ContentLength"])

    def digest(self, key: str) -> str:
        """Reads all of it through the network, keeping nothing."""
        sha256 = hashlib.sha256()
        for chunk in self._read(key):
            sha256.update(chunk)
        return sha256.hexdigest()

    def fetch(self, key: str, target: Path) -> None:
        """Checked by size and by MD5, where the ETag is one."""
        with whole_file(target) as copy:
            for chunk in self._read(key):
                copy.write(chunk)

    def _read(self, key: str) -> Iterator[bytes]:
        """The bytes of `key`. Raises at their end when they are not those that were stored."""
        name = self._name(key)
        md5 = hashlib.md5(usedforsecurity=False)
        with asking(key):
            answer = self._client.get_object(Bucket=self.bucket, Key=name)
            with closing(answer["Body"]) as body:
                for chunk in body.iter_chunks(_CHUNK_BYTES):
                    md5.update(chunk)
                    yield chunk
        if not _may_be(answer, md5.digest()):
            raise MediaError("unreachable", f"{key}: what arrived is not what is stored")

    def keys(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """A thousand of them a request."""
        if prefix and self.exists(prefix):
            yield prefix, self.size(prefix)
        below = f"{self._name(prefix)}/" if prefix else self.prefix
        with asking(prefix):
            listing = self._client.get_paginator("list_objects_v2")
            pages = iter(listing.paginate(Bucket=self.bucket, Prefix=below))
        while True:
            with asking(prefix or "listing"):
                page = next(pages, None)
            if page is None:
                return
            for each in page.get("Contents", ()):
                key = each["Key"].removeprefix(self.prefix)
                if is_key(key):
                    yield key, int(each["Size"])

    def delete(self, key: str) -> None:
        """In a bucket that keeps versions, the older ones stay."""
        name = self._name(key)
        with asking(key):
            self._client.delete_object(Bucket=self.bucket, Key=name)

    def delete_all(self, prefix: str) -> None:
        """One request a file: not every server of this kind deletes many at once."""
        check_key(prefix)
        for key in [key for key, _ in self.keys(prefix)]:
            self.delete(key)

    def sweep_partials(self, older_than_s: float) -> int:  # noqa: ARG002 - a disk needs the age
        """Nothing to do: a put is one request, and no file before its end."""
        return 0

    def address(
        self, key: str, *, expires_s: int, mimetype: str, filename: str | None = None
    ) -> str:
        """A presigned GET, made here without asking the server."""
        wanted = {
            "Bucket": self.bucket,
            "Key": self._name(key),
            "ResponseContentType": mimetype,
            "ResponseCacheControl": f"private, max-age={expires_s}",
        }
        if filename is not None:
            # RFC 6266, 5987: only this form carries every letter, and nothing ends the header.
            encoded = quote(filename, safe="")
            wanted["ResponseContentDisposition"] = f"attachment; filename*=UTF-8''{encoded}"
        with asking(key):
            return str(
                self._client.generate_presigned_url("get_object", wanted, ExpiresIn=expires_s)
            )


def _md5(content: BufferedReader) -> bytes:
    md5 = hashlib.file_digest(content, partial(hashlib.md5, usedforsecurity=False)).digest()
    content.seek(0)
    return md5


def _may_be(answer: dict[str, Any], md5: bytes) -> bool:
    """Whether an ETag speaks for these bytes, or says nothing about them.

    It is their MD5 unless a key of the owner's encrypts them, or they came in parts.
    """
    is_encrypted = answer.get("ServerSideEncryption") not in (None, "AES256")
    etag = _MD5.fullmatch(str(answer.get("ETag", "")))
    return is_encrypted or "SSECustomerAlgorithm" in answer or not etag or etag[1] == md5.hex()
