"""A bucket of a server that speaks S3, on this machine."""

from dataclasses import dataclass
from typing import Any

from app.media import S3Storage, open_storage

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test-access-key",
    "AWS_SECRET_ACCESS_KEY": "test-secret-key",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}


@dataclass(frozen=True)
class Bucket:
    """An empty bucket, and a client of its own to look into it behind the storage's back."""

    name: str
    endpoint_url: str
    client: Any
    prefix: str = "results/here"

    @property
    def url(self) -> str:
        """As STORAGE_URL would name it."""
        return f"s3://{self.name}/{self.prefix}"

    def open(self) -> S3Storage:
        """The storage under test."""
        storage = open_storage(self.url, self.endpoint_url)
        assert isinstance(storage, S3Storage)
        return storage

    def names(self) -> list[str]:
        """Every object, and every upload that was begun and not ended."""
        objects = self.client.list_objects_v2(Bucket=self.name).get("Contents", [])
        uploads = self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", [])
        return sorted(each["Key"] for each in (*objects, *uploads))

    def write(self, key: str, content: bytes) -> None:
        """Put something there that the storage knows nothing of."""
        self.client.put_object(Bucket=self.name, Key=f"{self.prefix}/{key}", Body=content)
