"""Words lead to scenes, and what is announced is what is drawn."""

import itertools
import subprocess
import sys

import pytest

from renderer import make_plan, scenes
from renderer.scenes import fruit
from renderer.subjects import FRUITS, NEAREST, SCENES, SHOWN, WORDS, Subject, describe


@pytest.mark.parametrize(
    ("prompt", "scene", "variant"),
    [
        ("Knife slicing a glass strawberry", "fruit", "strawberry"),
        ("玻璃草莓 切片", "fruit", "strawberry"),
        ("two STRAWBERRIES of glass", "fruit", "strawberry"),
        ("ｓｔｒａｗｂｅｒｒｙ", "fruit", "strawberry"),
        ("cutting a glass orange, macro", "fruit", "orange"),
        ("切橙子", "fruit", "orange"),
        ("blueberry cut slowly", "fruit", "grape"),
        ("an orange apple of glass", "fruit", "apple"),
        ("kinetic sand cutting, purple", "sand", ""),
        ("刀切太空沙", "sand", ""),
        ("soap cutting", "soap", "marble"),
        ("切香皂", "soap", "marble"),
        ("rainbow soap", "soap", "layers"),
        ("彩虹分层香皂", "soap", "layers"),
        ("strawberry soap with orange light", "soap", "marble"),
        ("an ice block cracked by a knife", "ice", ""),
        ("花梨木案板上切冰块，沙沙声", "ice", ""),
        ("mechanical keyboard typing", "keyboard", ""),
        ("机械键盘打字", "keyboard", ""),
        ("typing on a keyboard while rain falls", "keyboard", ""),
        ("slicing a lava planet", "planet", ""),
        ("honey poured on a pancake", "honey", ""),
        ("蜂蜜倒在松饼上", "honey", ""),
        ("colourful slime", "slime", ""),
        ("史莱姆", "slime", ""),
        ("橙色的史莱姆", "slime", ""),
        ("rain on a window at night with a candle", "rain", "candle"),
        ("雨打窗户", "rain", "street"),
    ],
)
def test_a_named_subject_is_recognised(prompt, scene, variant):
    assert describe(prompt) == Subject(scene, variant, True)


@pytest.mark.parametrize(
    "prompt",
    [
        "a purring cat",
        "猫咪打呼噜",
        "xyzzy",
        "brushing hair",
        "",
        "good marshmallow sandwich, pearls, limestone",  # goo, mars, sand, pear, lime
        "vanilla ice cream",
        "tapping on a glass jar",
        "沙沙声",
    ],
)
def test_what_is_not_a_subject_is_not_taken_for_one(prompt):
    assert not describe(prompt).recognised


@pytest.mark.parametrize(("kind", "shown"), SHOWN.items())
def test_a_type_with_a_scene_decides_when_the_prompt_names_none(kind, shown):
    scene, variant = shown
    subject = describe("slow and calm", kind)
    assert (subject.scene, subject.recognised) == (scene, True)
    assert not variant or subject.variant == variant


def test_a_subject_in_the_prompt_goes_before_the_type_and_the_type_before_a_colour():
    assert describe("honey drips", "glass-fruit").scene == "honey"
    assert describe("orange, dark", "soap-layers") == Subject("soap", "layers", True)
    assert describe("a keyboard next to a strawberry", "glass-fruit").scene == "fruit"


@pytest.mark.parametrize("kind", NEAREST)
def test_a_type_without_a_scene_is_a_stand_in_unless_the_prompt_names_a_subject(kind):
    subject = describe("slow and calm", kind)
    assert (subject.scene, subject.recognised) == (NEAREST[kind], False)
    assert describe("切冰块", kind) == Subject("ice", "", True)


def test_the_tables_agree():
    assert set(SCENES) == set(WORDS) == set(scenes.SCENES)
    assert set(FRUITS) == set(fruit.KINDS)
    assert {scene for scene, _ in SHOWN.values()} == set(SCENES)
    assert not set(SHOWN) & set(NEAREST)


def test_what_is_announced_is_what_is_drawn_whatever_the_seed():
    """Every word of every scene alone and in pairs, with and without a type."""
    words = [
        word
        for entry in WORDS.values()
        for word in f"{entry.named} {entry.weak} {entry.hints}".split()
    ]
    pairs = [f"{a} {b}" for a, b in itertools.combinations(words[::8], 2)]
    kinds = itertools.cycle(["", *SHOWN, *NEAREST])
    prompts = [*words, *pairs, "一只猫", "nothing of this", " "]
    for seed, (prompt, kind) in enumerate(zip(prompts, kinds, strict=False)):
        plan = make_plan(prompt, kind, duration_s=4, seed=seed * 7919)
        drawn = Subject(plan.scene.name, plan.variant, plan.recognised)
        assert drawn == describe(prompt, kind), (prompt, kind)


def test_a_web_process_stays_light():
    code = "import sys, renderer.subjects, renderer.offer, renderer.manners as m; "
    code += "print(*(n for n in ('numpy', 'numba', 'llvmlite') if n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
