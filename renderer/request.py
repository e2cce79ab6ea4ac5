"""The JSON request of the child-process interface."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .plan import BadRequest, Plan, make_plan

MAX_PROMPT = 4000  # characters
MAX_BYTES = 64 * 1024
MAX_SEED = 2**63 - 1


@dataclass(frozen=True)
class Request:
    """What may be asked for; `quality` draft is small and fast, `start_image` a path."""

    prompt: str
    type: str = ""
    aspect_ratio: str = "16:9"
    duration_s: float = 8.0
    resolution: str = "720p"
    seed: int = 0
    quality: str = "standard"
    start_image: str | None = None

    def plan(self) -> Plan:
        """The plan for it; raises BadRequest for a value out of range."""
        return make_plan(
            self.prompt,
            self.type,
            self.aspect_ratio,
            self.duration_s,
            self.resolution,
            self.seed,
            self.quality,
            self.start_image,
        )


def _text(values: dict[str, Any], name: str, default: str) -> str:
    value = values.pop(name, None)
    if value is None:
        return default
    if not isinstance(value, str) or len(value) > MAX_PROMPT:
        raise BadRequest(f"{name} must be a text of at most {MAX_PROMPT} characters")
    return value


def _number(values: dict[str, Any], name: str, default: float) -> float:
    value = values.pop(name, None)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadRequest(f"{name} must be a number")
    return value


def parse(values: Any) -> Request:
    """Check types and names; the plan checks the ranges."""
    if not isinstance(values, dict):
        raise BadRequest("the request must be a JSON object")
    values = dict(values)
    prompt = _text(values, "prompt", "")
    if not prompt.strip():
        raise BadRequest("prompt must not be empty")
    seed = _number(values, "seed", 0)
    if seed != int(seed) or not 0 <= seed <= MAX_SEED:
        raise BadRequest("seed must be a whole number from 0")
    start_image = values.pop("start_image", None)
    if start_image is not None and not (
        isinstance(start_image, str) and Path(start_image).is_file()
    ):
        raise BadRequest("start_image must be the path of an existing file, or null")
    request = Request(
        prompt=prompt,
        type=_text(values, "type", ""),
        aspect_ratio=_text(values, "aspect_ratio", "16:9"),
        duration_s=_number(values, "duration_s", 8.0),
        resolution=_text(values, "resolution", "720p"),
        seed=int(seed),
        quality=_text(values, "quality", "standard"),
        start_image=start_image,
    )
    if values:
        raise BadRequest(f"unknown field: {', '.join(sorted(map(str, values)))}")
    return request


def load(path: Path) -> Request:
    """Read and check a request file; raises BadRequest."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise BadRequest("the request file is too large")
        return parse(json.loads(text))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadRequest(f"cannot read the request: {error}") from error
