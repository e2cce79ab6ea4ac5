"""Help with a prompt: built from parts, and shown as the provider will be sent it.

Parts are joined in the order that works for Veo: camera and subject, tool and action, light, then
the sound in sentences.  What a person wrote is never lost: where the prompt was edited, writing
only offers, and every change can be taken back.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from app import catalogue, limits, providers
from app.errors import UserError, _l
from app.services import requests, vendors
from app.services.requests import VideoRequest

PARTS: Final = ("subject", "tool", "action", "camera", "light", "sound")
PART_MAX_CHARS: Final = 150
"""Of one part. Six of them, joined, stay below the longest prompt."""
ENDS: Final = (".", "!", "?", "…", "。", "！", "？")


@dataclass(frozen=True)
class Draft:
    """The builder as it stands.

    `type` is whose words the parts began with, `written` what was last put into the prompt and is
    nobody's edit, `before` the prompt until then, `offer` what would be written had the prompt not
    been edited.  `done` is the act that led here, or ''.
    """

    type: str
    parts: Mapping[str, str]
    prompt: str = ""
    written: str = ""
    before: str = ""
    offer: str = ""
    done: str = ""


def begin(type_id: str, locale: str) -> Draft:
    """The parts of an untouched form."""
    return Draft(type_id, catalogue.start(type_id, locale))


def read(form: Mapping[str, str], locale: str) -> Draft:
    """The builder as a form holds it; parts still as their type began them follow the type."""
    type_id, old_id = form.get("type", ""), form.get("part_type", "")
    start, old = catalogue.start(type_id, locale), catalogue.start(old_id, locale)
    is_here = "part_type" in form
    parts = {name: _tidy(form.get(f"part_{name}", "")) for name in PARTS}
    kept = {
        name: start[name] if not is_here or parts[name] == old[name] else parts[name]
        for name in PARTS
    }
    return Draft(
        type_id,
        kept,
        prompt=requests.clean_text(form.get("prompt", "")),
        written=requests.clean_text(form.get("part_written", "")),
        before=requests.clean_text(form.get("part_before", "")),
    )


def write(form: Mapping[str, str], locale: str) -> Draft:
    """Put the parts into the prompt, or offer to where it was edited; `part_do` says what to do.

    `replace` and `below` take the offer, `undo` swaps with the prompt before.  Raises UserError for
    a part that is too long, for no part at all, and where there is no room below.
    """
    draft, asked = read(form, locale), form.get("part_do", "write")
    if asked == "undo":
        return replace(draft, prompt=draft.before, before=draft.prompt, written="", done="undo")
    _check(draft.parts)
    text = compose(draft.parts, locale)
    if not text:
        raise UserError(_l("Choose or write at least one part."), field="part_subject")
    if asked == "below" and draft.prompt:
        return _below(draft, text)
    if asked != "replace" and not _is_ours(draft):
        return replace(draft, offer=text, done="offer")
    return replace(draft, prompt=text, written=text, before=draft.prompt, done="write")


def _below(draft: Draft, text: str) -> Draft:
    both = f"{draft.prompt}\n{text}"
    if len(both) > limits.PROMPT_MAX_CHARS:
        raise UserError(
            _l("Both together have %(length)d characters; %(most)d is the most. Nothing changed."),
            field="part_do",
            length=len(both),
            most=limits.PROMPT_MAX_CHARS,
        )
    return replace(draft, prompt=both, written="", before=draft.prompt, done="below")


def _is_ours(draft: Draft) -> bool:
    """Whether nobody's words would be lost: the prompt is empty, an example, or written by us."""
    if draft.prompt in ("", draft.written):
        return True
    return any(draft.prompt in (one.prompt_en, one.prompt_zh) for one in catalogue.all_types())


def _check(parts: Mapping[str, str]) -> None:
    for name, text in parts.items():
        if not requests.is_text(text):
            raise UserError(
                _l("This part holds a character that is not text. Remove it."), field=f"part_{name}"
            )
        if len(text) > PART_MAX_CHARS:
            raise UserError(
                _l("This part has %(length)d characters; %(most)d is the most."),
                field=f"part_{name}",
                length=len(text),
                most=PART_MAX_CHARS,
            )


def _tidy(text: str) -> str:
    """One line without a full stop: that is ours to set."""
    return " ".join(text.split()).rstrip(".。")


def compose(parts: Mapping[str, str], locale: str) -> str:
    """One prompt of the parts that are there, in the page's language; '' of none."""
    return _chinese(parts) if locale == "zh" else _english(parts)


def _english(parts: Mapping[str, str]) -> str:
    shot = ": ".join(filter(None, (parts["camera"], parts["subject"])))
    tool = parts["tool"] if parts["action"] or not parts["tool"] else f"with {parts['tool']}"
    act = " ".join(filter(None, (tool, parts["action"])))
    sentences = [shot, act, parts["light"], parts["sound"]]
    if not any(sentences):
        return ""
    if not any(word in parts["sound"].lower() for word in ("music", "voice")):
        sentences.append("No music, no voice")
    return " ".join(_sentence(each[:1].upper() + each[1:], ".") for each in sentences if each)


def _chinese(parts: Mapping[str, str]) -> str:
    shot = "，".join(filter(None, (parts["camera"], parts["subject"])))
    tool = parts["tool"] if parts["action"] or not parts["tool"] else f"用{parts['tool']}"
    sentences = [shot, tool + parts["action"], parts["light"], parts["sound"]]
    if not any(sentences):
        return ""
    if not any(word in parts["sound"] for word in ("音乐", "人声")):
        sentences.append("没有音乐，没有人声")
    return "".join(_sentence(each, "。") for each in sentences if each)


def _sentence(text: str, stop: str) -> str:
    return text if text.endswith(ENDS) else text + stop


# What the provider will be sent ------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A setting in words. A `value` of ours is marked by `_l` and takes `values`; others stand."""

    label: str
    value: str
    is_ours: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Preview:
    """What is sent: in words, and for a cloud the very fields of the request."""

    rows: list[Row]
    body: list[tuple[str, str]]


def preview(request: VideoRequest) -> Preview:
    """What the provider that is asked first will be sent for this request.  Asks nobody."""
    provider = vendors.provider(request.provider)
    can = provider.capabilities
    made_as = can.native_ratio(request.aspect_ratio) or request.aspect_ratio
    body = _body(provider, request, made_as) if providers.is_cloud(provider) else []
    rows = [
        Row(_l("Made by"), can.label or can.name)
        if can.kind == "cloud"
        else Row(_l("Made by"), _l("our local renderer, without AI"), True),
        Row(_l("Prompt"), request.prompt),
        _shape(request.aspect_ratio, made_as),
        Row(_l("Length"), _l("%(seconds)d s"), True, {"seconds": request.duration_s}),
        Row(_l("Picture"), request.resolution),
        _seed(request, can),
        Row(_l("Picture to start with"), _l("yours") if request.image_id else _l("none"), True),
        Row(_l("Sound"), _l("made together with the picture"), True),
    ]
    return Preview(rows, body)


def _shape(wanted: str, made_as: str) -> Row:
    if wanted == made_as:
        return Row(_l("Shape"), wanted)
    words = _l("%(wanted)s, cut out of %(made_as)s")
    return Row(_l("Shape"), words, True, {"wanted": wanted, "made_as": made_as})


def _seed(request: VideoRequest, can: providers.Capabilities) -> Row:
    if not can.takes_seed:
        return Row(_l("Seed"), _l("not taken by this model"), True)
    if request.seed is None:
        return Row(_l("Seed"), _l("random"), True)
    return Row(_l("Seed"), str(request.seed))


def _body(
    provider: providers.CloudProvider, request: VideoRequest, made_as: str
) -> list[tuple[str, str]]:
    """The fields of the request by their dotted names; a random seed is not known yet."""
    order = providers.Order(
        attempt_id="preview",
        type=request.type,
        prompt=request.prompt,
        aspect_ratio=made_as,
        duration_s=request.duration_s,
        resolution=request.resolution,
        seed=0 if request.seed is None else request.seed,
        image=Path("picture.jpg") if request.image_id else None,
    )
    fields = _flat(provider.preview(order))
    if request.seed is None:
        fields = [(name, "…" if "seed" in name.lower() else value) for name, value in fields]
    return fields


def _flat(value: Any, name: str = "") -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [
            row
            for key, each in value.items()
            for row in _flat(each, f"{name}.{key}" if name else key)
        ]
    if isinstance(value, (list, tuple)):
        return [row for at, each in enumerate(value) for row in _flat(each, f"{name}.{at}")]
    return [(name, value if isinstance(value, str) else json.dumps(value))]
