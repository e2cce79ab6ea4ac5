"""The books in a file, so that a checkout of yesterday is still there after a restart."""

import dataclasses
import json
import types
import typing
from pathlib import Path
from typing import Any

from tests.simulators.creem.books import Amounts, Books


def read(file: Path) -> Books:
    """The books; new ones where there are none, or nobody can read them any more."""
    try:
        written = json.loads(file.read_text())
        return Books(**{name: _rows(name, rows) for name, rows in written.items()})
    except (OSError, ValueError, TypeError, KeyError):
        return Books()


def write(file: Path, books: Books) -> None:
    """Aside first: who stops the simulator half way loses nothing."""
    aside = file.with_suffix(".new")
    aside.write_text(json.dumps(dataclasses.asdict(books)))
    aside.replace(file)


def _rows(name: str, rows: dict[str, Any]) -> dict[str, Any]:
    hint = typing.get_type_hints(Books)[name]
    assert isinstance(hint, types.GenericAlias), name
    kind = typing.get_args(hint)[1]
    return {key: _row(kind, fields) for key, fields in rows.items()}


def _row(kind: Any, fields: dict[str, Any]) -> Any:
    if "amounts" in fields:
        fields = {**fields, "amounts": Amounts(**fields["amounts"])}
    return kind(**fields)
