"""The word list of our own, in English and Chinese: data in words.toml, whose head explains it.

A text is made plain first (see plain.py), so that capitals, full-width and invisible characters,
spaced letters and digits for letters hide nothing.  English is matched by whole words, Chinese by
substrings; what is spared (chicken breast, hemp rope) is never counted.
"""

import tomllib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

from app.screening import plain
from app.screening.verdict import ALLOWED, Verdict

_FILE: Final = Path(__file__).with_name("words.toml")
_MOST_FILLERS: Final = 5
_MOST_LINKS: Final = 3
_SPARED: Final = "spared"
_PASSIVE: Final = "passive"
_SHAPES: Final = ("weapons_drugs", "weapon")  # what may be the shape of a soap
_POSSESSIVE: Final[Sequence[str]] = [plain.POSSESSIVE]


@dataclass(frozen=True)
class _Rule:
    """A category, and when it is met: all of `every` occur, or `verb` is done to `target`, or
    `target` meets its `fate`.
    """

    category: str
    every: tuple[str, ...] = ()
    verb: str = ""
    target: str = ""
    fate: str = ""


@dataclass(frozen=True)
class _Found:
    """A term of a list at a place: [start, end) in units of its language."""

    start: int
    end: int
    list: str


class _Terms:
    """The terms of all lists in one language, by their first unit: a word, or a character."""

    def __init__(self, terms: dict[str, list[Sequence[str]]], joints: dict[str, Any]) -> None:
        self._by_first: dict[str, list[tuple[Sequence[str], str]]] = defaultdict(list)
        for name, each in terms.items():
            for term in each:
                self._by_first[term[0]].append((term, name))
        self._fillers: list[Sequence[str]] = joints["fillers"]
        self._followers: list[Sequence[str]] = joints["followers"]
        self._before: list[Sequence[str]] = [*self._fillers, *joints["before"]]
        self._links: list[Sequence[str]] = joints["links"]
        self._origins: list[Sequence[str]] = joints["origins"]
        self._shapes: list[Sequence[str]] = joints["shapes"]
        self._parts: list[Sequence[str]] = joints["parts"]

    @cached_property
    def known(self) -> plain.Known:
        """What terms begin with."""
        return plain.Known(frozenset(self._by_first))

    def find(self, units: Sequence[str]) -> list[_Found]:
        """Every term in `units`, without those inside of something spared, and without the shapes
        of what may be a shape.
        """
        found = list(self._find(units))
        spared = [one for one in found if one.list == _SPARED]
        return [
            one
            for one in found
            if not any(s.start <= one.start and one.end <= s.end for s in spared)
            and not (one.list in _SHAPES and self._starts(units, one.end, self._shapes))
        ]

    def _find(self, units: Sequence[str]) -> Iterator[_Found]:
        for start, unit in enumerate(units):
            for term, name in self._by_first.get(unit, ()):
                end = start + len(term)
                if units[start:end] == term:
                    yield _Found(start, end, name)

    def is_done_to(self, units: Sequence[str], found: list[_Found], verb: str, target: str) -> bool:
        """Whether a `verb` is followed by a `target`, with nothing but fillers between them.

        `crush a cat` is; `crush a cat shaped soap` and `crush soap near a cat` are not.
        """
        targets: dict[int, int] = {}
        for one in found:
            if one.list == target:
                targets[one.start] = max(one.end, targets.get(one.start, 0))
        verbs = [one for one in found if one.list == verb] if targets else []
        for one in verbs:
            at = one.end
            for _ in range(_MOST_FILLERS + 1):
                end = targets.get(at, 0)
                if end and self._is_whole(units, end):
                    return True
                step = self._starts(units, at, self._fillers)
                if end and units[end : end + 1] == _POSSESSIVE:  # what is his is cut, not he
                    step = end + 1 - at
                if not step:
                    break
                at += step
        return False

    def _is_whole(self, units: Sequence[str], end: int) -> bool:
        """Whether a target that ends there is meant itself, or a part of its body."""
        if units[end : end + 1] == _POSSESSIVE:
            end += 1
            part = self._starts(units, end, self._parts)
            return bool(part) and not self._starts(units, end + part, self._followers)
        return not self._starts(units, end, self._followers)

    def is_met(self, units: Sequence[str], found: list[_Found], target: str, fate: str) -> bool:
        """Whether a `target` is what a `fate` is told of: `a cat is crushed`, `a cat in a blender`.

        Not where it is of something (`a soap cat is crushed`).  A fate that ends in `ed` alone is
        past or passive: it counts behind a link (`is`, `being`).
        """
        fates = {one.start: one.end for one in found if one.list == fate}
        passive = {one.start: one.end for one in found if one.list == _PASSIVE}
        for one in found if fates or passive else ():
            if one.list != target or not self._is_alone(units, one.start):
                continue
            at, ends = one.end, fates
            for _ in range(_MOST_LINKS + 1):
                if at in ends and not self._starts(units, ends[at], self._origins):
                    return True
                step = self._starts(units, at, self._links)
                if not step:
                    break
                at, ends = at + step, fates | passive
        return False

    def _is_alone(self, units: Sequence[str], start: int) -> bool:
        """Whether nothing but fillers, a stop or a verb's end stands before a target."""
        if start == 0 or not units[start - 1].isalnum():
            return True
        return any(units[max(0, start - len(term)) : start] == term for term in self._before)

    @staticmethod
    def _starts(units: Sequence[str], at: int, terms: list[Sequence[str]]) -> int:
        """The length of the longest of `terms` that stands at `at`, or 0."""
        return max((len(t) for t in terms if units[at : at + len(t)] == t), default=0)


@dataclass(frozen=True)
class _Lexicon:
    rules: tuple[_Rule, ...]
    english: _Terms
    chinese: _Terms


def look(prompt: str) -> Verdict:
    """What the list says: allow, or deny with a category.

    Pure.  Takes about a millisecond for 1000 letters of prose, and up to five for 1000 chosen to be
    slow (measured on one core).
    """
    lexicon = _lexicon()
    texts = dict.fromkeys(plain.readings(prompt))
    seen = [_Seen(text, lexicon) for text in texts]
    for rule in lexicon.rules:
        if any(one.meets(rule) for one in seen):
            return Verdict("deny", rule.category)
    return ALLOWED


def categories() -> tuple[str, ...]:
    """Every category that `look` may give as a reason."""
    return tuple(dict.fromkeys(rule.category for rule in _lexicon().rules))


class _Seen:
    """What one reading of a prompt holds."""

    def __init__(self, text: str, lexicon: _Lexicon) -> None:
        self._words = plain.words(text, lexicon.english.known)
        self._lexicon = lexicon
        self._text = text
        self._english = lexicon.english.find(self._words)
        self._chinese = lexicon.chinese.find(text)
        self._lists = {one.list for one in (*self._english, *self._chinese)}

    def meets(self, rule: _Rule) -> bool:
        """Whether the rule's category is met."""
        if rule.every:
            return self._lists.issuperset(rule.every)
        if rule.fate:
            fate = (rule.target, rule.fate)
            return rule.target in self._lists and (
                self._lexicon.english.is_met(self._words, self._english, *fate)
                or self._lexicon.chinese.is_met(self._text, self._chinese, *fate)
            )
        if not self._lists.issuperset((rule.verb, rule.target)):
            return False
        act = (rule.verb, rule.target)
        return self._lexicon.english.is_done_to(
            self._words, self._english, *act
        ) or self._lexicon.chinese.is_done_to(self._text, self._chinese, *act)


@cache
def _lexicon() -> _Lexicon:
    tables = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    rules = tuple(
        _Rule(
            row["category"],
            tuple(row.get("every", ())),
            row.get("verb", ""),
            row.get("target", ""),
            row.get("fate", ""),
        )
        for row in tables["rules"]
    )
    lists, joints = tables["lists"], tables["joints"]
    english: dict[str, list[Sequence[str]]] = {
        name: list(_english(each.get("en", ""))) for name, each in lists.items()
    }
    chinese: dict[str, list[Sequence[str]]] = {
        name: each.get("zh", "").split() for name, each in lists.items()
    }
    return _Lexicon(
        rules,
        _Terms(
            english,
            {
                name: [plain.split(word) for word in each["en"].split()]
                for name, each in joints.items()
            },
        ),
        _Terms(chinese, {name: each["zh"].split() for name, each in joints.items()}),
    )


def _english(text: str) -> Iterator[list[str]]:
    """The terms of a comma separated text: with a plural, or with the forms that it gives."""
    for term in (part.strip() for part in text.replace("\n", " ").split(",")):
        if not term:
            continue
        stem, *endings = term.split("/")
        forms = [stem, *(_bent(stem, ending) for ending in endings)]
        for form in forms:
            words = plain.split(form)
            yield words
            if not endings and not words[-1].endswith("s"):
                yield [*words[:-1], f"{words[-1]}s"]


def _bent(stem: str, ending: str) -> str:
    """`-ing` is added to the stem, anything else is the whole form."""
    return stem + ending[1:] if ending.startswith("-") else ending
