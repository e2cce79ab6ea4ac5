"""Local procedural ASMR clips: a prompt in, a short MP4 with picture and sound out.

The names below are imported on first use: `import renderer.subjects` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .clip import Cancelled, Progress, render
    from .plan import BadRequest, Event, Plan, Shot, make_plan

__all__ = ["BadRequest", "Cancelled", "Event", "Plan", "Progress", "Shot", "make_plan", "render"]
_FROM_PLAN = {"BadRequest", "Event", "Plan", "Shot", "make_plan"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(".plan" if name in _FROM_PLAN else ".clip", __name__), name)
