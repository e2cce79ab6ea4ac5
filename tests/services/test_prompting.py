"""A prompt built from parts: the order, the limits, and that nobody's words are lost."""

from dataclasses import replace

import pytest
from flask import Flask

from app import catalogue, limits, screening
from app.errors import UserError
from app.providers import Cloud
from app.providers.kie import KieProvider
from app.services import prompting, requests
from app.services.prompting import PART_MAX_CHARS, PARTS, compose
from app.services.requests import VideoRequest
from renderer import subjects
from tests.conftest import Call

FULL = {
    "subject": "a red glass strawberry",
    "tool": "a sharp knife",
    "action": "slices it four times",
    "camera": "macro shot",
    "light": "soft light from one side",
    "sound": "each slice clinks softly",
}
CHINESE = {
    "subject": "一颗玻璃草莓",
    "tool": "一把刀",
    "action": "缓缓切下四刀",
    "camera": "微距",
    "light": "柔光",
    "sound": "清脆的碰撞声",
}
WHOLE = (
    "Macro shot: a red glass strawberry. A sharp knife slices it four times. "
    "Soft light from one side. Each slice clinks softly. No music, no voice."
)
EXAMPLE = catalogue.all_types()[0].prompt_en
EDITED = "My own sentence about soap"


def form_of(parts: dict[str, str], **more: str) -> dict[str, str]:
    fields = {f"part_{name}": text for name, text in parts.items()}
    return {"type": "glass-fruit", "part_type": "glass-fruit", "prompt": "", **fields, **more}


# Joining -----------------------------------------------------------------------------------------


def test_the_order_that_works_for_veo() -> None:
    assert compose(FULL, "en") == WHOLE
    assert compose(CHINESE, "zh") == (
        "微距，一颗玻璃草莓。一把刀缓缓切下四刀。柔光。清脆的碰撞声。没有音乐，没有人声。"
    )


@pytest.mark.parametrize(
    ("left_out", "begins"),
    [
        ({"camera"}, "A red glass strawberry. A sharp knife slices it four times."),
        ({"subject"}, "Macro shot. A sharp knife slices"),
        ({"tool"}, "Macro shot: a red glass strawberry. Slices it four times."),
        ({"action"}, "Macro shot: a red glass strawberry. With a sharp knife."),
        ({"camera", "subject", "tool", "action", "light"}, "Each slice clinks softly. No music"),
    ],
)
def test_parts_may_be_left_out(left_out: set[str], begins: str) -> None:
    parts = {name: "" if name in left_out else text for name, text in FULL.items()}
    assert compose(parts, "en").startswith(begins)


def test_nothing_makes_nothing() -> None:
    assert compose(dict.fromkeys(PARTS, ""), "en") == compose(dict.fromkeys(PARTS, ""), "zh") == ""


def test_what_the_sound_says_is_not_contradicted() -> None:
    assert "No music" not in compose({**FULL, "sound": "soft music far away"}, "en")
    assert "没有音乐" not in compose({**CHINESE, "sound": "远处有音乐"}, "zh")
    assert compose({**FULL, "sound": "It clinks!"}, "en").endswith("It clinks! No music, no voice.")


def test_the_longest_parts_make_a_prompt_that_fits() -> None:
    for letter, locale in (("w", "en"), ("皂", "zh"), ("🍓", "en")):
        parts = dict.fromkeys(PARTS, letter * PART_MAX_CHARS)
        assert 6 * PART_MAX_CHARS < len(compose(parts, locale)) <= limits.PROMPT_MAX_CHARS


@pytest.mark.parametrize("locale", ["en", "zh"])
@pytest.mark.parametrize("one", catalogue.all_types(), ids=lambda one: one.id)
def test_what_a_type_begins_with_is_a_prompt_of_that_type(
    one: catalogue.VideoType, locale: str
) -> None:
    parts = catalogue.start(one.id, locale)
    text = compose(parts, locale)
    assert parts["subject"] in text.lower() or parts["subject"] in text
    assert requests.clean_text(text) == text and len(text) <= limits.PROMPT_MAX_CHARS
    assert screening.look(text) == screening.ALLOWED
    if one.scene:
        assert subjects.describe(text, one.id).scene == one.scene


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_every_choice_passes_the_screening_with_every_other(locale: str) -> None:
    subject, tool, action, *others = catalogue.all_parts()
    for thing in subject.choices:
        for with_what in tool.choices:
            for act in action.choices:
                parts = dict.fromkeys(PARTS, "") | {
                    "subject": thing.words(locale),
                    "tool": with_what.words(locale),
                    "action": act.words(locale),
                }
                assert screening.look(compose(parts, locale)) == screening.ALLOWED, parts
    for part in others:
        for choice in part.choices:
            parts = dict.fromkeys(PARTS, "") | {part.id: choice.words(locale)}
            assert screening.look(compose(parts, locale)) == screening.ALLOWED, parts


# Writing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["", "  ", EXAMPLE, catalogue.all_types()[5].prompt_zh])
def test_what_nobody_wrote_is_written_over(prompt: str) -> None:
    draft = prompting.write(form_of(FULL, prompt=prompt), "en")
    assert (draft.done, draft.prompt, draft.written) == ("write", WHOLE, WHOLE)
    assert draft.before == prompt.strip()


def test_what_was_written_here_is_written_over_until_it_is_edited() -> None:
    again = form_of({**FULL, "tool": "a wire"}, prompt=WHOLE, part_written=WHOLE)
    assert "A wire slices" in prompting.write(again, "en").prompt
    edited = {**again, "prompt": f"{WHOLE} In the snow."}
    draft = prompting.write(edited, "en")
    assert (draft.done, draft.prompt) == ("offer", f"{WHOLE} In the snow.")
    assert "A wire slices" in draft.offer


def test_an_edited_prompt_is_replaced_or_added_to_only_when_asked() -> None:
    offered = prompting.write(form_of(FULL, prompt=EDITED), "en")
    assert (offered.done, offered.prompt, offered.offer) == ("offer", EDITED, WHOLE)
    replaced = prompting.write(form_of(FULL, prompt=EDITED, part_do="replace"), "en")
    assert (replaced.prompt, replaced.before) == (WHOLE, EDITED)
    below = prompting.write(form_of(FULL, prompt=EDITED, part_do="below"), "en")
    assert (below.prompt, below.before) == (f"{EDITED}\n{WHOLE}", EDITED)
    # Half of it is a person's: it is asked again.
    once_more = form_of(FULL, prompt=below.prompt, part_written=below.written)
    assert prompting.write(once_more, "en").done == "offer"


def test_undo_loses_nothing_either_way() -> None:
    undone = prompting.write(
        form_of(FULL, prompt=f"{WHOLE} And more.", part_before=EDITED, part_do="undo"), "en"
    )
    assert (undone.prompt, undone.before) == (EDITED, f"{WHOLE} And more.")
    back = form_of(FULL, prompt=undone.prompt, part_before=undone.before, part_do="undo")
    assert prompting.write(back, "en").prompt == f"{WHOLE} And more."
    assert prompting.write({**back, "part_do": "write"}, "en").done == "offer"


def test_no_room_below() -> None:
    form = form_of(FULL, prompt="x" * (limits.PROMPT_MAX_CHARS - len(WHOLE)), part_do="below")
    with pytest.raises(UserError, match="Nothing changed") as caught:
        prompting.write(form, "en")
    assert caught.value.field == "part_do"
    form["prompt"] = form["prompt"][1:]
    assert len(prompting.write(form, "en").prompt) == limits.PROMPT_MAX_CHARS


def test_what_cannot_be_written_is_said() -> None:
    with pytest.raises(UserError, match="at least one part"):
        prompting.write(form_of(dict.fromkeys(PARTS, " ")), "en")
    with pytest.raises(UserError, match="151 characters; 150") as caught:
        prompting.write(form_of({**FULL, "light": "x" * 151}), "en")
    assert caught.value.field == "part_light"
    with pytest.raises(UserError, match="not text"):
        prompting.write(form_of({**FULL, "light": "a\x00b"}), "en")


def test_parts_follow_the_type_unless_they_were_changed() -> None:
    begun = dict(catalogue.start("glass-fruit", "en"))
    form = form_of({**begun, "light": "Moonlight."}, type="slime")
    draft = prompting.read(form, "en")
    assert draft.type == "slime"
    assert draft.parts == {**catalogue.start("slime", "en"), "light": "Moonlight"}
    assert prompting.read({"type": "slime"}, "zh").parts == catalogue.start("slime", "zh")
    unknown = prompting.read(form_of(begun, type="no-such-type"), "en")
    assert set(unknown.parts.values()) == {""}


# What is sent ------------------------------------------------------------------------------------

REQUEST = VideoRequest("glass-fruit", WHOLE, "1:1", 8, "720p", None, 1, "local", "local")


def said(preview: prompting.Preview) -> dict[str, str]:
    return {row.label: row.value % row.values if row.is_ours else row.value for row in preview.rows}


def test_what_the_local_renderer_is_sent(call: Call) -> None:
    preview = call(prompting.preview, REQUEST)
    assert preview.body == []
    assert said(preview) == {
        "Made by": "our local renderer, without AI",
        "Prompt": WHOLE,
        "Shape": "1:1",
        "Length": "8 s",
        "Picture": "720p",
        "Seed": "random",
        "Picture to start with": "none",
        "Sound": "made together with the picture",
    }
    seeded = said(call(prompting.preview, replace(REQUEST, seed=7, image_id="some-picture")))
    assert (seeded["Seed"], seeded["Picture to start with"]) == ("7", "yours")


def test_what_a_cloud_is_sent_is_what_its_adapter_sends(app: Flask, call: Call) -> None:
    kie = KieProvider(Cloud("http://127.0.0.1:9", "veo3_fast"), app.config["INSTANCE_DIR"])
    app.extensions["vendors"].providers = {"kie": kie}
    request = replace(REQUEST, provider="kie", kind="cloud", seed=12345)
    preview = call(prompting.preview, request)
    body = dict(preview.body)
    assert body["prompt"] == WHOLE
    assert body["aspect_ratio"] == "16:9"
    assert body["enableTranslation"] == "true"
    assert said(preview)["Made by"] == kie.capabilities.label
    assert said(preview)["Shape"] == "1:1, cut out of 16:9"
    assert body["seeds"] not in ("…", "")
    assert dict(call(prompting.preview, replace(request, seed=None)).body)["seeds"] == "…"
