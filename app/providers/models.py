"""The models that cloud providers sell, as data from models.toml, whose head explains it."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from app.providers import Cancel, Capabilities, Limit, Price, Trust

_FILE: Final = Path(__file__).with_name("models.toml")


@dataclass(frozen=True)
class Model:
    """One model of one provider; prices in US cents, lengths in seconds."""

    provider: str
    id: str
    label: str
    aspect_ratios: tuple[str, ...]
    resolutions: tuple[str, ...]
    durations: tuple[int, ...]
    expected_s: float
    keeps_results_s: int
    result_hosts: tuple[str, ...]
    image_model: str = ""
    limits: Mapping[str, Limit] = field(default_factory=dict)
    flat_cents: float = 0.0
    second_cents: float = 0.0
    more_for: Mapping[str, float] = field(default_factory=dict)
    takes_image: bool = False
    takes_seed: bool = True
    takes_negative_prompt: bool = False
    retired: str = ""

    def capabilities(
        self,
        *,
        cancel: Cancel,
        callback: Trust,
        can_check: bool = False,
        poll_every_s: float,
        places: int,
        submits: tuple[int, float] | None = None,
    ) -> Capabilities:
        """What the model makes, with how its provider behaves."""
        return Capabilities(
            name=self.provider,
            kind="cloud",
            aspect_ratios=self.aspect_ratios,
            resolutions=self.resolutions,
            durations=self.durations,
            cancel=cancel,
            poll_every_s=poll_every_s,
            expected_s=self.expected_s,
            price=Price(self.flat_cents, self.second_cents, self.more_for),
            limits=self.limits,
            places=places,
            model=self.id,
            label=self.label,
            retired=self.retired,
            takes_image=self.takes_image,
            takes_seed=self.takes_seed,
            takes_negative_prompt=self.takes_negative_prompt,
            callback=callback,
            can_check=can_check,
            keeps_results_s=self.keeps_results_s,
            submits=submits,
        )


def find(provider: str, model_id: str) -> Model | None:
    """The model with this id at this provider, or None."""
    return next((one for one in _all() if (one.provider, one.id) == (provider, model_id)), None)


def ids(provider: str) -> tuple[str, ...]:
    """The ids of all models of a provider."""
    return tuple(one.id for one in _all() if one.provider == provider)


@cache
def _all() -> tuple[Model, ...]:
    rows = tomllib.loads(_FILE.read_text(encoding="utf-8"))["models"]
    return tuple(Model(**_read(row)) for row in rows)


def _read(row: dict[str, Any]) -> dict[str, Any]:
    """Lists as tuples, the limits as Limit."""
    values = {name: tuple(one) if isinstance(one, list) else one for name, one in row.items()}
    narrowed: dict[str, Any] = row.get("limits", {})
    values["limits"] = {
        size: Limit(tuple(one.get("durations", ())), tuple(one.get("aspect_ratios", ())))
        for size, one in narrowed.items()
    }
    return values
