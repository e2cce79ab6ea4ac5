"""What the vendors say, quoted in the JSON files beside this one; how the blanks are filled.

Each entry has `body`, where it is an HTTP answer `status`, and `source`: the section of
the reference that it quotes. A blank is `{name}`: a string that is nothing else takes the
value with its type, inside a longer string it is text.
"""

import functools
import json
import re
from pathlib import Path
from typing import Any

BLANK = re.compile(r"\{([a-z_]+)\}")


@functools.cache
def quoted(vendor: str) -> dict[str, Any]:
    """All entries of a vendor."""
    text = (Path(__file__).parent / f"{vendor}.json").read_text(encoding="utf-8")
    entries: dict[str, Any] = json.loads(text)
    return entries


def status_of(vendor: str, name: str) -> int:
    """The HTTP status of an entry."""
    return int(quoted(vendor)[name]["status"])


def fill(vendor: str, name: str, /, **values: Any) -> Any:
    """The body of an entry with its blanks filled. A blank without a value is a KeyError."""
    return _filled(quoted(vendor)[name]["body"], values)


def _filled(part: Any, values: dict[str, Any]) -> Any:
    if isinstance(part, dict):
        return {key: _filled(value, values) for key, value in part.items()}
    if isinstance(part, list):
        return [_filled(value, values) for value in part]
    if not isinstance(part, str) or "{" not in part:
        return part
    if whole := BLANK.fullmatch(part):
        return values[whole[1]]
    return BLANK.sub(lambda blank: str(values[blank[1]]), part)
