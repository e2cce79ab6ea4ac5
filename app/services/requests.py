"""What a form or an API call asks for, checked: one place, the same words everywhere."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from app import catalogue, limits
from app.errors import InvalidForm, UserError, _l
from app.models import is_id
from app.providers import Kind
from app.services import routes

T = TypeVar("T")
OURS = ("provider", "kind")


@dataclass(frozen=True)
class VideoRequest:
    """A valid request; `seed` is None when each video should get a random one."""

    type: str
    prompt: str
    aspect_ratio: str
    duration_s: int
    resolution: str
    seed: int | None
    count: int
    provider: str
    kind: Kind
    image_id: str | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of what was typed: tells a form posted twice from another form.

        Who would make it is left out: that may change between the two.
        """
        typed = {name: value for name, value in asdict(self).items() if name not in OURS}
        return hashlib.sha256(json.dumps(typed, sort_keys=True).encode()).hexdigest()


def parse(form: Mapping[str, str]) -> VideoRequest:
    """Check the fields of a form. Raises InvalidForm with a message for each wrong one."""
    offered = routes.offer()
    errors: dict[str, tuple[str, dict[str, Any]]] = {}

    def check(field: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except UserError as error:
            errors[field] = (error.message, error.values_)
            return None

    values = {
        "type": check("type", lambda: _type(form.get("type", ""))),
        "prompt": check("prompt", lambda: _prompt(form.get("prompt", ""))),
        "aspect_ratio": check(
            "aspect_ratio",
            lambda: _one_of(
                form.get("aspect_ratio", limits.DEFAULT_ASPECT_RATIO), offered.aspect_ratios
            ),
        ),
        "duration_s": check(
            "duration",
            lambda: _duration(
                form.get("duration", str(limits.DEFAULT_DURATION_S)), offered.durations_s
            ),
        ),
        "resolution": check(
            "resolution",
            lambda: _one_of(form.get("resolution", limits.DEFAULT_RESOLUTION), offered.resolutions),
        ),
        "seed": check("seed", lambda: _seed(form.get("seed", ""))),
        "count": check("count", lambda: _count(form.get("count", str(limits.DEFAULT_COUNT)))),
        "image_id": check("image", lambda: _image(form.get("image_id", ""), offered.takes_image)),
    }
    if not errors:
        values["provider"] = check("duration", lambda: _maker(values))
    if errors:
        raise InvalidForm(errors)
    kind = routes.kind_of(str(values["provider"]))
    return VideoRequest(**values, kind=kind)  # type: ignore[arg-type]


def _maker(values: Mapping[str, Any]) -> str:
    """Who is asked first. Each setting is made by somebody, but maybe not all of them together."""
    with_image = values["image_id"] is not None
    shape, size, seconds = values["aspect_ratio"], values["resolution"], values["duration_s"]
    makers = routes.makers(routes.Wanted(shape, size, seconds, with_image))
    if makers:
        return makers[0]
    if with_image and routes.makers(routes.Wanted(shape, size, seconds)):
        raise UserError(
            _l("Nobody here makes this from a picture. Choose another length or shape.")
        )
    raise UserError(
        _l("%(seconds)d s, %(size)s and %(shape)s are not made together. Change one of them."),
        seconds=seconds,
        size=size,
        shape=shape,
    )


def _image(value: str, is_taken: bool) -> str | None:
    if not value:
        return None
    if not is_taken:
        raise UserError(_l("No provider here starts from a picture. Remove it."))
    if not is_id(value):
        raise UserError(_l("Choose the picture again."))
    return value


def clean_text(text: str) -> str:
    """What was typed, with CRLF as LF and the ends stripped; nothing else is changed."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def is_text(text: str) -> bool:
    """Whether every database can store it: no NUL, no half of a surrogate pair."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def title_from(prompt: str) -> str:
    """The prompt's first line, with a capital, cut at a word where it is too long."""
    line = prompt.split("\n", 1)[0].strip()
    if len(capital := line[:1].upper()) == 1:  # "ß" would become two
        line = capital + line[1:]
    if len(line) <= limits.TITLE_MAX_CHARS:
        return line
    head = line[: limits.TITLE_MAX_CHARS - 1]
    return (head.rsplit(" ", 1)[0] if " " in head[60:] else head) + "…"


def _type(value: str) -> str:
    if catalogue.find_type(value) is None:
        raise UserError(_l("Choose one of the types."))
    return value


def _prompt(value: str) -> str:
    prompt = clean_text(value)
    if not is_text(prompt):
        raise UserError(_l("The prompt holds a character that is not text. Remove it."))
    if not prompt:
        raise UserError(_l("Write what should be seen and heard."))
    if len(prompt) > limits.PROMPT_MAX_CHARS:
        raise UserError(
            _l("The prompt has %(length)d characters; %(most)d is the most."),
            length=len(prompt),
            most=limits.PROMPT_MAX_CHARS,
        )
    return prompt


def _one_of(value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise UserError(_l("Choose one of: %(allowed)s."), allowed=", ".join(allowed))
    return value


def _whole_number(value: str) -> int | None:
    value = value.strip()
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 20 else None


def _duration(value: str, allowed: tuple[int, ...]) -> int:
    duration_s = _whole_number(value)
    if duration_s not in allowed:
        raise UserError(
            _l("Choose one of these lengths in seconds: %(allowed)s."),
            allowed=", ".join(map(str, allowed)),
        )
    return duration_s


def _seed(value: str) -> int | None:
    if not value.strip():
        return None
    seed = _whole_number(value)
    if seed is None or not limits.SEED_MIN <= seed <= limits.SEED_MAX:
        raise UserError(
            _l("The seed is a whole number from %(low)d to %(high)d, or empty."),
            low=limits.SEED_MIN,
            high=limits.SEED_MAX,
        )
    return seed


def _count(value: str) -> int:
    count = _whole_number(value)
    if count not in limits.COUNTS:
        raise UserError(
            _l("Make %(low)d to %(high)d at once."), low=limits.COUNTS[0], high=limits.COUNTS[-1]
        )
    return count
