"""The door to whoever makes videos: one shape for the local renderer and for every cloud vendor.

Plain values in, plain values or ProviderError out.  A provider knows no user, no table, no Flask.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

ErrorCode = Literal[
    "rate_limited",  # come back later, same key
    "transient",  # a hiccup: again, a bounded number of times
    "key_bad",
    "out_of_credit",
    "content_rejected",
    "permanent",  # the same order will never succeed
    "unknown_outcome",  # nobody can say whether the order was taken: never resubmit blindly
    "result_expired",  # it was made, and is there no more
    "disk_full",  # ours alone: the folder for renders is full or cannot be written
]
Cancel = Literal["always", "until_started", "never"]
State = Literal["running", "ready", "failed", "cancelled", "lost"]

CLOUD = ("kie", "fal", "replicate", "google")


class ProviderError(Exception):
    """Vendor trouble; `code` says what to do about it, `permanent` that repeating is useless."""

    def __init__(self, code: ErrorCode, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message
        self.permanent = permanent

    def __reduce__(self) -> tuple[object, ...]:  # keyword arguments do not pickle by themselves
        return _rebuild, (self.code, self.message, self.permanent)


def _rebuild(code: ErrorCode, message: str, permanent: bool) -> ProviderError:
    return ProviderError(code, message, permanent=permanent)


@dataclass(frozen=True)
class Order:
    """One attempt at one video; `type` is a catalogue id, `duration_s` whole seconds."""

    attempt_id: str
    type: str
    prompt: str
    aspect_ratio: str
    duration_s: int
    resolution: str
    seed: int


@dataclass(frozen=True)
class Capabilities:
    """What a provider makes and how it behaves; `expected_s` is for 8 s at 720p."""

    name: str
    kind: Literal["local", "cloud"]
    aspect_ratios: tuple[str, ...]
    resolutions: tuple[str, ...]
    durations: tuple[int, ...]
    cancel: Cancel
    poll_every_s: float
    expected_s: float
    price_cents: int
    places: int = 1  # made at once by one worker


@dataclass(frozen=True)
class Report:
    """How an order stands.  `lost`: it ended without a result; start the video anew."""

    state: State
    percent: float | None = None
    eta_s: float | None = None
    code: str | None = None
    message: str | None = None


@dataclass(frozen=True)
class Description:
    """What will be made of a prompt; `recognised` is False for a stand-in."""

    scene: str
    variant: str
    recognised: bool

    @property
    def name(self) -> str:
        """Scene and variant in one word, such as `fruit:strawberry`."""
        return f"{self.scene}:{self.variant}" if self.variant else self.scene


class Provider(Protocol):
    """Makes videos.  Every method may be called from any process; all may raise ProviderError."""

    @property
    def capabilities(self) -> Capabilities:
        """What can be ordered."""

    def has_room(self) -> bool:
        """Whether a submit from this process would be taken now."""

    def submit(self, order: Order) -> str:
        """Place an order and return its handle.  The same attempt_id again places nothing."""

    def recover(self, attempt_id: str) -> str | None:
        """After a crash between intent and handle: the handle, or None if it surely never began.

        Raises ProviderError unknown_outcome when nobody can say.
        """

    def poll(self, handle: str) -> Report:
        """How the order stands."""

    def cancel(self, handle: str) -> bool:
        """Ask for a stop.  True: it is certain that no result comes any more."""

    def fetch(self, handle: str) -> Path:
        """The finished video as a local file, which stays until `forget`."""

    def forget(self, handle: str) -> None:
        """Give back everything kept for the order; ends it if it runs.  May be repeated."""

    def describe(self, type_id: str, prompt: str) -> Description:
        """What an order would show, said before it is placed.  Cheap and pure."""


@dataclass(frozen=True)
class Settings:
    """What the providers need to know.  `quality` is standard or draft (small and fast)."""

    renders_dir: Path
    cache_dir: Path
    local_concurrency: int = 1
    quality: str = "standard"
    ffmpeg: str | None = None


def build(names: Iterable[str], settings: Settings) -> dict[str, Provider]:
    """The named providers, in that order.  Raises ValueError for a name that means nothing."""
    built: dict[str, Provider] = {}
    for name in names:
        if name in CLOUD:
            raise ValueError(f"provider {name!r} comes with a later version")
        if name != "local":
            known = ", ".join(("local", *CLOUD))
            raise ValueError(f"unknown provider {name!r}: known are {known}")
        from app.providers.local import LocalProvider

        built[name] = LocalProvider(
            settings.renders_dir,
            concurrency=settings.local_concurrency,
            quality=settings.quality,
            cache_dir=settings.cache_dir,
            ffmpeg=settings.ffmpeg,
        )
    return built
