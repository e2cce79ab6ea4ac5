"""The types of video a visitor chooses from: one table, in English and Chinese.

Plain data, read once from catalogue.toml; its head says what each field is for.
"""

import tomllib
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
def _types() -> tuple[VideoType, ...]:
    return tuple(VideoType(**row) for row in _tables()["types"])


@cache
def _types_by_id() -> dict[str, VideoType]:
    return {one.id: one for one in _types()}


def _tables() -> dict[str, list[dict[str, Any]]]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))
