"""What every storage can do, and what a key is: the same on a disk and on S3."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

# A segment starts with a letter, a digit or _: so there is no "..", and no key can name a partial.
_SEGMENT = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,199}")
_KEY_MAX_CHARS = 500


def is_key(word: str) -> bool:
    """Whether `word` may be a key: segments of small letters, digits, `_`, `.`, `-` between `/`."""
    segments = word.split("/")
    return len(word) <= _KEY_MAX_CHARS and all(_SEGMENT.fullmatch(part) for part in segments)


def check_key(key: str) -> str:
    """`key` itself. Raises ValueError for what is not a key."""
    if not is_key(key):
        raise ValueError(f"not a storage key: {key!r}")
    return key


class Storage(Protocol):
    """Files by key. A key names a whole file or nothing; safe from many threads and processes.

    All raise ValueError for what is not a key, and MediaError for trouble: missing (no such file),
    disk_full, too_large, unwritable (somebody must mend it: rights, settings) or unreachable (a
    network or a server that may be back soon; a disk never says this).
    """

    @property
    def place(self) -> str:
        """Where all of it lies: what begins with the same words lies in here."""

    @property
    def origin(self) -> str | None:
        """`https://host` of every address that `address` gives; None when it gives none."""

    def put(self, key: str, source: Path) -> None:
        """Copy `source` to `key`, whole or not at all, replacing what was there."""

    def fetch(self, key: str, target: Path) -> None:
        """Copy `key` out to the file `target`, whole or not at all. Its folder must exist."""

    def exists(self, key: str) -> bool:
        """Whether a file lives under `key`."""

    def size(self, key: str) -> int:
        """Bytes of the file under `key`."""

    def digest(self, key: str) -> str:
        """SHA-256 in hexadecimal of the file under `key`, all of it read for this."""

    def keys(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Each key at or below `prefix` (whole segments; "" is everything) with its bytes.

        In no order to count on. What lies there without being a key is passed over.
        """

    def delete(self, key: str) -> None:
        """Remove the file under `key`; one that is not there is fine."""

    def delete_all(self, prefix: str) -> None:
        """Remove everything at or below `prefix`: `videos/ab` leaves `videos/abc` alone."""

    def sweep_partials(self, older_than_s: float) -> int:
        """Remove what a killed `put` left, once `older_than_s` old; returns how many went."""

    def address(
        self, key: str, *, expires_s: int, mimetype: str, filename: str | None = None
    ) -> str | None:
        """A URL that gives whoever has it the file for `expires_s` seconds, with Range.

        It is served as `mimetype`, and with a `filename` to be saved under that name. Whether the
        file is there is not looked up. None where this app must serve the file itself.
        """
