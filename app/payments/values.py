"""Single values out of JSON that others wrote: what cannot be kept in a column counts as missing.

An id is never cut: two that begin alike would become one.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

ID_MAX: Final = 100
EMAIL_MAX: Final = 254
_INTEGER_MAX: Final = 2**31 - 1  # of a column
_YEARS: Final = range(2000, 2101)
_METADATA_MAX: Final = 20
_MODES: Final = {"test": "test", "sandbox": "test", "local": "test", "prod": "prod"}
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_ID: Final = re.compile(r"[!-~]{1,100}")

Fields = Mapping[str, Any]
NOTHING: Final[Fields] = {}


def fields(value: Any) -> Fields:
    """The value where it is an object, else nothing."""
    return value if isinstance(value, dict) else NOTHING


def text(value: Any, longest: int) -> str:
    """One line that every database and log takes, cut at its column's width."""
    return _line(value)[:longest].strip()


def name(value: Any, longest: int = ID_MAX) -> str:
    """A text that is compared, not shown: too long is nothing."""
    found = _line(value)
    return found if len(found) <= longest else ""


def _line(value: Any) -> str:
    return "".join(filter(str.isprintable, value)).strip() if isinstance(value, str) else ""


def id_of(value: Any) -> str:
    """An id, given as such or within an object; "" where there is none that can be kept."""
    found = value.get("id") if isinstance(value, dict) else value
    return found if isinstance(found, str) and _ID.fullmatch(found) else ""


def email(value: Any) -> str:
    """An address, in lower case; too long is none."""
    return name(_line(value).lower(), EMAIL_MAX)


def currency(*values: Any) -> str:
    """The first that is three letters."""
    found = (name(value).upper() for value in values)
    return next((each for each in found if _CURRENCY.fullmatch(each)), "")


def integer(value: Any) -> int | None:
    """A whole number, zero or more, that a column can hold; 990.0 is one, True is not."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not 0 <= value <= _INTEGER_MAX or value != math.floor(value):
        return None
    return int(value)


def first(*values: Any) -> int | None:
    """The first that is a whole number."""
    return next((each for each in map(integer, values) if each is not None), None)


def mode(*values: Any) -> str:
    """test, prod, or "": the first that Creem says, under one of its names."""
    said = next((each for each in values if isinstance(each, str)), "")
    return {"test": "test", "sandbox": "test", "local": "test", "prod": "prod"}.get(
        said.lower(), ""
    )


def plain(value: Any) -> str:
    """A word of an enumeration without case, dashes and underscores: they are spelt both ways."""
    return name(value).lower().replace("_", "").replace("-", "")


def moment(value: Any) -> datetime | None:
    """Aware, UTC: of epoch milliseconds or ISO 8601."""
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value[:ID_MAX])
            found = found if found.tzinfo else found.replace(tzinfo=UTC)
            found = found.astimezone(UTC)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found = datetime.fromtimestamp(value / 1000, UTC)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.year in _YEARS else None


def metadata(*values: Any) -> dict[str, str]:
    """The first object that holds something; numbers as text, anything deeper left out."""
    found = next((each for each in values if isinstance(each, dict) and each), {})
    pairs = ((name(key), _word(value)) for key, value in list(found.items())[:_METADATA_MAX])
    return {key: value for key, value in pairs if key and value}


def _word(value: Any) -> str:
    number = integer(value)
    return name(value) if number is None else str(number)
