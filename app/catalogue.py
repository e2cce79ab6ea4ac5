"""The types of video a visitor chooses from: one table, in English and Chinese.

Plain data, read once from catalogue.toml; its head says what each field is for.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

_FILE: Final = Path(__file__).with_name("catalogue.toml")


@dataclass(frozen=True)
class Family:
    """A group of types that belong together."""

    id: str
    name_en: str
    name_zh: str

    def name(self, locale: str) -> str:
        """The family's name in 'zh', or else in English."""
        return self.name_zh if locale == "zh" else self.name_en


@dataclass(frozen=True)
class VideoType:
    """One type of video: what is seen, what is heard, and a prompt to start from.

    `scene` is the local renderer's own scene for it, '' where it has none; `poster` is a file name
    below static/img/types/, or ''.
    """

    id: str
    family: str
    name_en: str
    name_zh: str
    seen_en: str
    seen_zh: str
    heard_en: str
    heard_zh: str
    prompt_en: str
    prompt_zh: str
    scene: str = ""
    poster: str = ""

    def name(self, locale: str) -> str:
        """The type's name in 'zh', or else in English."""
        return self.name_zh if locale == "zh" else self.name_en

    def seen(self, locale: str) -> str:
        """One sentence on the picture."""
        return self.seen_zh if locale == "zh" else self.seen_en

    def heard(self, locale: str) -> str:
        """One sentence on the sound."""
        return self.heard_zh if locale == "zh" else self.heard_en

    def prompt(self, locale: str) -> str:
        """An example prompt, complete as it stands."""
        return self.prompt_zh if locale == "zh" else self.prompt_en


@dataclass(frozen=True)
class Choice:
    """Words for one part of a prompt."""

    id: str
    en: str
    zh: str

    def words(self, locale: str) -> str:
        """The words in 'zh', or else in English."""
        return self.zh if locale == "zh" else self.en


@dataclass(frozen=True)
class Part:
    """A part of a prompt, such as its light, and the choices offered for it."""

    id: str
    choices: tuple[Choice, ...]

    def find(self, choice_id: str) -> Choice | None:
        """The choice with this id, or None."""
        return next((one for one in self.choices if one.id == choice_id), None)


def all_types() -> tuple[VideoType, ...]:
    """Every type, in the order in which they are offered."""
    return _types()


def find_type(type_id: str) -> VideoType | None:
    """The type with this id, or None."""
    return _types_by_id().get(type_id)


@cache
def all_families() -> tuple[Family, ...]:
    """Every family, in the order in which they are offered."""
    return tuple(Family(**row) for row in _tables()["families"])


@cache
def all_parts() -> tuple[Part, ...]:
    """Every part of a prompt, in the order in which they are asked for."""
    return tuple(
        Part(row["id"], tuple(Choice(**each) for each in row["choices"]))
        for row in _tables()["parts"]
    )


def start(type_id: str, locale: str) -> Mapping[str, str]:
    """What the parts of a prompt begin with; all empty for a type that is not known."""
    one, row = find_type(type_id), _tables()["starts"].get(type_id)
    if one is None or row is None:
        return {part.id: "" for part in all_parts()}
    own = {
        name: row[f"{name}_{'zh' if locale == 'zh' else 'en'}"] for name in ("subject", "action")
    }
    own["sound"] = one.heard(locale).rstrip(".。")
    return {part.id: own.get(part.id) or _words(part, row[part.id], locale) for part in all_parts()}


def _words(part: Part, choice_id: str, locale: str) -> str:
    found = part.find(choice_id)
    return found.words(locale) if found else ""


@cache
def _types() -> tuple[VideoType, ...]:
    return tuple(VideoType(**row) for row in _tables()["types"])


@cache
def _types_by_id() -> dict[str, VideoType]:
    return {one.id: one for one in _types()}


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))
