"""The catalogue is complete, in both languages, and agrees with the renderer and the stills."""

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from app import catalogue, limits
from app.catalogue import VideoType
from app.services.prompting import PART_MAX_CHARS
from renderer import subjects

REFERENCE = """
glass-fruit crystal-cut soap-layers soap-shave kinetic-sand floral-foam slime jelly honeycomb
honey-drip lava-cut lava-spread ice-cut ice-crystal metal-cut hot-metal gold-bar planet-cut
stone-crystal candle-wax bread-crust chocolate-snap fruit-real frozen-berries sponge-squeeze
tapping-wood tapping-glass tapping-metal scratching brushing-mic hair-brush makeup-brush keyboard
writing page-turn unwrapping paint-mix clay-press bead-pour wood-carve rain-window rain-umbrella
ocean stream fireplace fan-noise cooking-sizzle pressure-wash carpet-clean
"""
STILLS = Path(__file__).parent.parent / "static" / "img" / "types"
BRACKETS = re.compile(r"[][(){}<>（）【】「」『』《》〈〉［］｛｝]")
HAN = re.compile(r"[\u4e00-\u9fff]")

every_type = pytest.mark.parametrize("one", catalogue.all_types(), ids=lambda one: one.id)


def texts(one: VideoType, language: str) -> dict[str, str]:
    return {f.name: getattr(one, f.name) for f in fields(one) if f.name.endswith(f"_{language}")}


def test_the_49_types_in_their_order() -> None:
    ids = [one.id for one in catalogue.all_types()]
    assert len(ids) == 49
    assert ids == REFERENCE.split()


def test_names_and_prompts_tell_types_apart() -> None:
    for field in ("name_en", "name_zh", "prompt_en", "prompt_zh"):
        values = [getattr(one, field) for one in catalogue.all_types()]
        assert len(set(values)) == len(values), field


def test_find_type() -> None:
    found = catalogue.find_type("glass-fruit")
    assert found is catalogue.all_types()[0]
    assert catalogue.find_type("no-such-type") is None
    assert catalogue.find_type("") is None


def test_the_language_of_the_page() -> None:
    found = catalogue.find_type("ocean")
    assert found is not None
    assert (found.name("en"), found.name("zh"), found.name("fr")) == ("Ocean", "海浪", "Ocean")
    for read in (found.seen, found.heard, found.prompt):
        assert HAN.search(read("zh"))
        assert not HAN.search(read("en"))


def test_families_are_all_used_and_all_known() -> None:
    families = [family.id for family in catalogue.all_families()]
    assert len(set(families)) == len(families)
    assert set(families) == {one.family for one in catalogue.all_types()}
    for family in catalogue.all_families():
        assert family.name("en").isascii()
        assert HAN.search(family.name("zh"))


@every_type
def test_every_text_is_there_in_its_language(one: VideoType) -> None:
    assert set(texts(one, "en")) == {"name_en", "seen_en", "heard_en", "prompt_en"}
    for field, text in texts(one, "en").items():
        assert text.isascii(), field
        assert text == text.strip() != "", field
    for field, text in texts(one, "zh").items():
        assert HAN.search(text), field
        assert not re.search(r"[a-zA-Z,;:!?]|\s", text), (
            f"{field}: Latin letters or half-width marks"
        )
    for field in ("seen_en", "heard_en", "prompt_en"):
        assert getattr(one, field).endswith("."), field
    for field in ("seen_zh", "heard_zh", "prompt_zh"):
        assert getattr(one, field).endswith("。"), field


@every_type
def test_lengths(one: VideoType) -> None:
    assert len(one.name_en) <= 24
    assert len(one.name_zh) <= 8
    assert max(len(one.prompt_en), len(one.prompt_zh)) <= limits.PROMPT_MAX_CHARS
    assert 25 <= len(one.prompt_en.split()) <= 60
    assert 60 <= len(one.prompt_zh) <= 200


@every_type
def test_no_blank_is_left_to_fill_in(one: VideoType) -> None:
    for text in (*texts(one, "en").values(), *texts(one, "zh").values()):
        assert not BRACKETS.search(text)
        assert "_" not in text


@every_type
def test_prompts_say_what_must_not_be_heard(one: VideoType) -> None:
    # Video models invent sound that a prompt leaves open: music first of all, then a voice.
    assert one.prompt_en.endswith("No music, no voice.")
    assert one.prompt_zh.endswith("没有音乐，没有人声。")


@every_type
def test_its_scene_is_what_the_renderer_draws(one: VideoType) -> None:
    by_type, english, chinese = (
        subjects.describe(prompt, one.id) for prompt in ("", one.prompt_en, one.prompt_zh)
    )
    assert by_type.recognised == bool(one.scene)
    if one.scene:
        assert by_type.scene == english.scene == one.scene
    assert (english.scene, english.recognised) == (chinese.scene, chinese.recognised)


@every_type
def test_its_poster_is_there(one: VideoType) -> None:
    if one.poster:
        assert (STILLS / one.poster).is_file()


# Parts of a prompt -------------------------------------------------------------------------------


def test_the_six_parts_and_enough_choices() -> None:
    parts = catalogue.all_parts()
    assert [part.id for part in parts] == ["subject", "tool", "action", "camera", "light", "sound"]
    for part in parts:
        assert 8 <= len(part.choices) <= 14
        for told_apart in ("id", "en", "zh"):
            values = [getattr(one, told_apart) for one in part.choices]
            assert len(set(values)) == len(values), part.id


@pytest.mark.parametrize("part", catalogue.all_parts(), ids=lambda part: part.id)
def test_choices_are_whole_in_both_languages(part: catalogue.Part) -> None:
    for one in part.choices:
        assert one.en.isascii() and not BRACKETS.search(one.en + one.zh)
        assert HAN.search(one.zh) and not re.search(r"[a-zA-Z,;:!?]|\s", one.zh)
        for words in (one.en, one.zh):
            assert words == words.strip(" .。") and 0 < len(words) <= PART_MAX_CHARS


@every_type
def test_every_type_has_parts_to_begin_with(one: VideoType) -> None:
    for locale in ("en", "zh"):
        words = catalogue.start(one.id, locale)
        assert list(words) == [part.id for part in catalogue.all_parts()]
        assert all(words[name] for name in words if name != "tool")
        assert max(map(len, words.values())) <= PART_MAX_CHARS
        for text in filter(None, words.values()):
            assert bool(HAN.search(text)) == (locale == "zh")
            assert not BRACKETS.search(text) and text == text.strip(" .。")


def test_only_types_have_parts_to_begin_with() -> None:
    tables = tomllib.loads(Path(catalogue.__file__).with_suffix(".toml").read_text("utf-8"))
    assert set(tables["starts"]) == {one.id for one in catalogue.all_types()}
    for row in tables["starts"].values():
        for part in catalogue.all_parts():
            if part.id in row:
                assert row[part.id] == "" or part.find(row[part.id]), row
    assert set(catalogue.start("no-such-type", "en").values()) == {""}
