"""A text as it is meant: what hides letters is taken off before words are looked for."""

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Final

_FILLERS: Final = "\u115f\u1160\u3164\uffa0"  # Hangul: letters by name, empty to the eye
_PLANES: Final = (range(0x10000), range(0xE0000, 0xE0200))  # the rest hides nothing
_LONGEST: Final = 16  # letters of a word that is looked for in a run of them
_FILE: Final = Path(__file__).with_name("words.toml")
_LEET: Final = str.maketrans("013457@$!|+", "oieastasiit")
_LEET_L: Final = str.maketrans("013457@$!|+", "oleastaslit")
_LEET_WORD: Final = re.compile(r"[a-z0-9@$!|+]+")
_LETTER: Final = re.compile(r"[a-z]")
_LEET_SIGN: Final = re.compile(r"[0-9@$!|+]")
_LONG: Final = re.compile(r"([a-z])\1{2,}")
_SPACED: Final = re.compile(
    r"(?<![a-z0-9'])[a-z0-9@$!](?:[\s._*/\\~-]+[a-z0-9@$!](?![a-z0-9'])){2,}"
)
_GAP: Final = re.compile(r"[\s._*/\\~-]+")
_HAN_GAP: Final = re.compile(r"(?<=[\u4e00-\u9fff])[\s.*_|/\\~·+#@-]+(?=[\u4e00-\u9fff])")
_BREAK: Final = re.compile(r"(?<!\n)\n(?!\n)")  # of a line, which ends no sentence
_WORD: Final = re.compile(r"[a-z0-9]+(?:'(?!s\b)[a-z]+)?|'s\b|[,.;:!?\n。；]")
POSSESSIVE: Final = "'s"


@dataclass(frozen=True)
class Known:
    """Words that letters written apart may make up, and the first three letters of each."""

    words: frozenset[str]

    @cached_property
    def heads(self) -> frozenset[str]:
        return frozenset(word[:3] for word in self.words)


def readings(text: str) -> Iterator[str]:
    """The text as it stands, and as it reads when digits and signs stand for letters."""
    text = flat(text)
    yield text
    text = _LONG.sub(r"\1", text)
    yield text
    if _LEET_SIGN.search(text):
        for table in (_LEET, _LEET_L):
            yield _LEET_WORD.sub(lambda word, table=table: _unleet(word[0], table), text)  # type: ignore[misc]


def flat(text: str) -> str:
    """Lower case, no accents, nothing invisible, letters of one width and one alphabet."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    return _HAN_GAP.sub("", text.translate(_alike()))


@cache
def _alike() -> dict[int, str | None]:
    """What is read as what; accents, and what is not seen at all, as nothing."""
    pairs = tomllib.loads(_FILE.read_text(encoding="utf-8"))["alike"]["pairs"].split()
    unseen = (code for planes in _PLANES for code in planes if _is_unseen(chr(code)))
    return dict.fromkeys(unseen) | {ord(each[0]): each[1] for each in pairs}


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) in ("Mn", "Me", "Cf") or character in _FILLERS


def words(text: str, known: Known) -> list[str]:
    """The words and stops of a reading; letters written apart are one word again.

    The `'s` of a possessive stands by itself, so that it hides no word.
    """
    text = _SPACED.sub(lambda letters: f" {_joined(letters[0], known)} ", text)
    return split(_BREAK.sub(" ", text))


def split(text: str) -> list[str]:
    """Words and stops as they stand."""
    return _WORD.findall(text)


def _joined(letters: str, known: Known) -> str:
    """`a n u d e` is "a nude": the words of ours in a run of letters stand out, the rest stays."""
    run, at, parts = _GAP.sub("", letters), 0, [""]
    while at < len(run):
        ends = (
            range(min(len(run), at + _LONGEST), at + 2, -1)
            if run[at : at + 3] in known.heads
            else ()
        )
        end = next((end for end in ends if run[at:end] in known.words), 0)
        if end:
            parts += [run[at:end], ""]
        else:
            parts[-1] += run[at]
        at = end or at + 1
    return " ".join(parts)


def _unleet(word: str, table: dict[int, int]) -> str:
    """Signs at the end of a word are its punctuation."""
    if not _LETTER.search(word):  # a number
        return word
    core = word.rstrip("!|+")
    return core.translate(table) + word[len(core) :]
