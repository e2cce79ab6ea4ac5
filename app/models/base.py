"""Column types and ids that every table uses."""

import os
import re
import threading
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time on every database; SQLite keeps no zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def now() -> datetime:
    """The present moment, aware, UTC."""
    return datetime.now(UTC)


_sequence_lock = threading.Lock()
_newest = [0, 0]  # milliseconds and sequence of the newest id of this process


def new_id() -> str:
    """A UUIDv7 (RFC 9562): milliseconds, a sequence within them, 62 random bits.

    Ids of one process sort in the order they were made (section 6.2, method 1), so that they can be
    the key of a page.
    """
    with _sequence_lock:
        milliseconds = max(time.time_ns() // 1_000_000, _newest[0])
        sequence = _newest[1] + 1 if milliseconds == _newest[0] else 0
        if sequence >> 12:  # 4096 ids in one millisecond: borrow from the next
            milliseconds, sequence = milliseconds + 1, 0
        _newest[:] = milliseconds, sequence
    random = int.from_bytes(os.urandom(8), "big") & (1 << 62) - 1
    value = milliseconds << 80 | 0x7 << 76 | sequence << 64 | 0b10 << 62 | random
    return str(uuid.UUID(int=value))


def is_id(text: str) -> bool:
    """Whether `text` has the shape of one of our ids; anything else is not worth a question."""
    return bool(_ID.fullmatch(text))


_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
