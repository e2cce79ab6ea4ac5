"""The word list lets the trade's words through, and sees what hides."""

import time
import tomllib
from pathlib import Path

import pytest

from app import catalogue, screening
from app.screening import Verdict, look, words
from tests.screening.prompts import ORDINARY, REFUSED

TABLES = tomllib.loads(Path(words.__file__).with_name("words.toml").read_text(encoding="utf-8"))
PAIRS = [tuple(line.split(" | ", 1)) for line in REFUSED]
SAME_IN_BOTH = {"晗"}  # which Big5 happens to lack
LOOK_MAX_S = 0.02  # of this thread's own time, whatever else the machine does


def test_there_are_enough_prompts_of_both_kinds() -> None:
    assert len(ORDINARY) >= 60
    assert len(REFUSED) >= 60
    assert {category for category, _ in PAIRS} == set(screening.categories())


@pytest.mark.parametrize("prompt", ORDINARY)
def test_an_ordinary_prompt_passes(prompt: str) -> None:
    assert look(prompt) == Verdict("allow")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("one", catalogue.all_types(), ids=lambda one: one.id)
def test_every_example_passes(one: catalogue.VideoType, language: str) -> None:
    assert look(one.prompt(language)) == Verdict("allow")
    assert look(f"{one.name(language)} {one.seen(language)} {one.heard(language)}") == Verdict(
        "allow"
    )


@pytest.mark.parametrize(("category", "prompt"), PAIRS)
def test_a_bad_prompt_is_refused_for_its_reason(category: str, prompt: str) -> None:
    assert look(prompt) == Verdict("deny", category)


@pytest.mark.parametrize(
    "prompt", ["", " ", "\n", "🍓" * 1000, "0" * 1000, "a " * 500, "。" * 1000]
)
def test_nothing_is_found_in_nothing(prompt: str) -> None:
    assert look(prompt) == Verdict("allow")


def test_a_bad_word_is_seen_anywhere_in_a_long_prompt() -> None:
    filling = "soap and honey " * 30
    for prompt in (f"nude {filling}", f"{filling} nude {filling}", f"{filling} nude"):
        assert look(prompt).reason == "sexual"


def test_english_is_matched_by_whole_words() -> None:
    for prompt in (
        "Essex",
        "sextant",
        "denuded hills",
        "analysis",
        "Scunthorpe",
        "therapist",
        "grape",
    ):
        assert look(prompt) == Verdict("allow"), prompt


def test_the_lists_that_rules_name_are_there_and_used() -> None:
    named = {"spared", "passive"}
    for rule in TABLES["rules"]:
        act = [rule[word] for word in ("verb", "target", "fate") if word in rule]
        named |= {*rule.get("every", ()), *act}
        assert len(act) == (0 if rule.get("every") else 2) and ("target" in rule) == bool(act), rule
    assert named == set(TABLES["lists"])


def test_a_line_break_hides_no_word_and_a_blank_line_parts_two_sentences() -> None:
    assert look("Donald\nTrump eats an apple") == Verdict("deny", "real_person")
    assert look("a knife cutting\na woman") == Verdict("deny", "violence")
    assert look("Slow cut\n\nA woman") == Verdict("allow")


def test_a_possessive_hides_no_word_and_its_thing_is_not_its_owner() -> None:
    assert look("crush the cat's head") == Verdict("deny", "cruelty")
    assert look("cutting the woman's finger") == Verdict("deny", "violence")
    for thing in ("hair", "birthday cake", "toy", "face mask"):
        assert look(f"cutting the woman's {thing}") == Verdict("allow"), thing


def test_every_simplified_character_of_a_term_is_read_from_its_traditional_one() -> None:
    """Big5 has traditional characters alone: what it lacks has another form where it is used."""
    alike = {pair[1] for pair in TABLES["alike"]["pairs"].split()}
    tables = [*TABLES["lists"].values(), *TABLES["joints"].values()]
    terms = {each for one in tables for each in one.get("zh", "") if not each.isascii()}
    assert {each for each in terms - alike if not _is_in_big5(each)} <= SAME_IN_BOTH


def _is_in_big5(character: str) -> bool:
    try:
        return bool(character.encode("big5"))
    except UnicodeEncodeError:
        return False


def test_a_look_of_1000_characters_is_soon_over() -> None:
    every = catalogue.all_types()
    english = " ".join(one.prompt_en for one in every)[:1000]
    chinese = "".join(one.prompt_zh for one in every)[:1000]
    spelt = (
        "n u d e s m " * 80,
        "a b " * 250,
        "ａ ｂ " * 250,
        "1@" * 500,
        "１＠" * 500,
        "a!" * 500,
    )
    acts = ("cut a " * 166, "crush the cat's " * 62, "a cat is " * 111, "猫" * 1000, "人被" * 500)
    for text in (english, chinese, english.replace("o", "0"), *spelt, *acts):
        look(text)
        assert min(_time(text) for _ in range(5)) < LOOK_MAX_S, text[:40]


def _time(text: str) -> float:
    start_s = time.thread_time()
    look(text)
    return time.thread_time() - start_s
