"""The door to whoever makes videos: one shape for the local renderer and for every cloud vendor.

Plain values in, plain values or ProviderError out.  A provider knows no user, no table, no Flask.
Which key is used is the caller's choice: keys are shared by all processes (services/keys).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from pathlib import Path
from typing import Any, Literal, Protocol, TypeGuard

ErrorCode = Literal[
    "rate_limited",  # come back later, or with another key
    "transient",  # a hiccup, surely not taken: again, a bounded number of times
    "key_bad",  # this key is refused for good
    "out_of_credit",  # this key's account is empty
    "content_rejected",  # nobody else is asked
    "permanent",  # the same order will never succeed here
    "unknown_outcome",  # nobody can say whether the order was taken: never resubmit blindly
    "result_expired",  # it was made, and is there no more
    "host_refused",  # a link to a result leads where we do not go: again, once that is mended
    "disk_full",  # ours alone: the folder for results is full or cannot be written
]
Cancel = Literal["always", "until_started", "never"]
Kind = Literal["local", "cloud"]
Trust = Literal["none", "hint", "signed"]
State = Literal["queued", "running", "ready", "failed", "cancelled", "lost"]

CLOUD = ("kie", "fal", "replicate", "google")
FOR_GOOD = ("content_rejected", "permanent", "result_expired")


class ProviderError(Exception):
    """Vendor trouble; `code` says what to do about it, `permanent` that repeating is useless.

    `retry_after_s` is the vendor's own wish.  `model_gone`: it does not know the model any more, so
    the route is to be stopped.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        permanent: bool | None = None,
        retry_after_s: float | None = None,
        model_gone: bool = False,
    ) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message
        self.permanent = code in FOR_GOOD if permanent is None else permanent
        self.retry_after_s = retry_after_s
        self.model_gone = model_gone

    def __reduce__(self) -> tuple[object, ...]:  # keyword arguments do not pickle by themselves
        return _rebuild, (
            self.code,
            self.message,
            self.permanent,
            self.retry_after_s,
            self.model_gone,
        )


def _rebuild(
    code: ErrorCode, message: str, permanent: bool, retry_after_s: float | None, model_gone: bool
) -> ProviderError:
    return ProviderError(
        code, message, permanent=permanent, retry_after_s=retry_after_s, model_gone=model_gone
    )


class CallbackRefused(Exception):
    """A callback that cannot be believed: no signature, a wrong one, too old, or no sense in it."""


@dataclass(frozen=True)
class Order:
    """One attempt at one video; `type` is a catalogue id, `duration_s` whole seconds.

    `aspect_ratio` is one that the provider makes itself: what is cropped afterwards is not its
    business.  `image` is a JPEG of ours to start with.  `callback_url` names the attempt, so that a
    callback finds it even when our own answer to the submission was lost.
    """

    attempt_id: str
    type: str
    prompt: str
    aspect_ratio: str
    duration_s: int
    resolution: str
    seed: int
    image: Path | None = None
    callback_url: str | None = None


@dataclass(frozen=True)
class Price:
    """What an order costs us, in cents: a flat part, a part by the second, more for 1080p."""

    flat_cents: float = 0.0
    second_cents: float = 0.0
    more_for: Mapping[str, float] = field(default_factory=dict)

    def cents(self, duration_s: int, resolution: str) -> int:
        """Whole cents, rounded up."""
        cost = self.flat_cents + self.second_cents * duration_s + self.more_for.get(resolution, 0.0)
        return ceil(round(cost, 6))


@dataclass(frozen=True)
class Limit:
    """What a resolution is narrowed to, where it is not made in every length and shape."""

    durations: tuple[int, ...] = ()
    aspect_ratios: tuple[str, ...] = ()


@dataclass(frozen=True)
class Capabilities:
    """What a provider makes and how it behaves; `expected_s` is for 8 s at 720p."""

    name: str
    kind: Kind
    aspect_ratios: tuple[str, ...]
    resolutions: tuple[str, ...]
    durations: tuple[int, ...]
    cancel: Cancel
    poll_every_s: float
    expected_s: float
    price: Price = Price()
    limits: Mapping[str, Limit] = field(default_factory=dict)
    places: int = 1  # made at once: by one worker for local, by the account for a cloud
    model: str = ""
    label: str = ""  # the model as a person reads it
    retired: str = ""  # why the model is not to be used any more, or empty
    takes_image: bool = False
    takes_seed: bool = True
    takes_negative_prompt: bool = False
    callback: Trust = "none"
    can_check: bool = False  # whether `check` tells a good key from a bad one
    keeps_results_s: int = 0  # 0: until forgotten
    submits: tuple[int, float] | None = None  # so many in so many seconds, by one key

    def native_ratio(self, aspect_ratio: str) -> str | None:
        """The shape to order for `aspect_ratio`: itself, or 16:9 to be cropped to a square."""
        if aspect_ratio in self.aspect_ratios:
            return aspect_ratio
        return "16:9" if aspect_ratio == "1:1" and "16:9" in self.aspect_ratios else None

    def makes(
        self, aspect_ratio: str, resolution: str, duration_s: int, *, with_image: bool = False
    ) -> bool:
        """Whether such a video can be had here, by cropping where need be."""
        ratio, limit = self.native_ratio(aspect_ratio), self.limits.get(resolution, Limit())
        return (
            not self.retired
            and ratio is not None
            and resolution in self.resolutions
            and duration_s in self.durations
            and (not limit.durations or duration_s in limit.durations)
            and (not limit.aspect_ratios or ratio in limit.aspect_ratios)
            and (self.takes_image or not with_image)
        )


@dataclass(frozen=True)
class Report:
    """How an order stands.  `lost`: it is not known there; `queued`: taken, and not begun."""

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


@dataclass(frozen=True)
class Event:
    """A callback that was believed, as far as `trust` goes: it only ever wakes the sweep."""

    remote_id: str
    dedup_key: str
    trust: Trust


class Provider(Protocol):
    """Makes videos.  Every method may be called from any thread; all may raise ProviderError.

    A handle is opaque but for its first word, which is what the provider's callbacks call it.
    `key` is the secret to call with; the local renderer has none.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What can be ordered."""

    def has_room(self) -> bool:
        """Whether a submit from this process would be taken now."""

    def submit(self, order: Order, key: str = "", /) -> str:
        """Place an order and return its handle.  Raises ProviderError: unknown_outcome where the
        answer was lost, any other code only where the order was surely not taken.
        """

    def recover(self, attempt_id: str, key: str = "", /, order: Order | None = None) -> str | None:
        """After a crash between intent and handle: the handle, or None if it surely never began.

        `order` is what was submitted, for vendors that are asked by it.  Raises ProviderError
        unknown_outcome when nobody can say.
        """

    def poll(self, handle: str, key: str = "", /) -> Report:
        """How the order stands."""

    def cancel(self, handle: str, key: str = "", /) -> bool:
        """Ask for a stop.  True: it is certain that no result comes any more."""

    def fetch(self, handle: str, key: str = "", /) -> Path:
        """The finished video as a local file, which stays until `forget`."""

    def forget(self, handle: str) -> None:
        """Give back everything kept here for the order.  May be repeated."""

    def describe(self, type_id: str, prompt: str) -> Description:
        """What an order would show, said before it is placed.  Cheap and pure."""


class CloudProvider(Provider, Protocol):
    """A vendor over HTTP, with keys, callbacks and a bill."""

    def adopt(self, attempt_id: str, remote_id: str, key: str) -> str | None:
        """The handle of a task that a callback says is `attempt_id`'s; None if the vendor, asked
        with our key, does not bear that out.
        """

    def check(self, key: str) -> float | None:
        """Ask something cheap with the key: its balance in the vendor's unit, None where it tells
        none.  Raises ProviderError key_bad or out_of_credit.
        """

    def verify_callback(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Event:
        """Read a callback.  Header names are in lower case.  Raises CallbackRefused."""

    def preview(self, order: Order) -> dict[str, Any]:
        """The body that `submit` would send, callback and picture left out.  Pure."""


def is_cloud(provider: Provider) -> TypeGuard[CloudProvider]:
    """Whether it is a vendor over HTTP."""
    return provider.capabilities.kind == "cloud"


def remote_id_of(handle: str) -> str:
    """What the provider's callbacks call an order."""
    return handle.split(" ", 1)[0]


@dataclass(frozen=True)
class Cloud:
    """How a vendor is reached.  `base_url` carries no path; a loopback one is a simulator."""

    base_url: str
    model: str
    upload_base_url: str = ""
    callback_secret: str = field(default="", repr=False)
    keys_url: str = ""  # where the vendor publishes the keys of its signatures


@dataclass(frozen=True)
class Settings:
    """What the providers need to know.  `quality` is standard or draft (small and fast)."""

    renders_dir: Path
    cache_dir: Path
    local_concurrency: int = 1
    quality: str = "standard"
    ffmpeg: str | None = None
    downloads_dir: Path = Path("downloads")
    clouds: Mapping[str, Cloud] = field(default_factory=dict)


def build(names: tuple[str, ...], settings: Settings) -> dict[str, Provider]:
    """The named providers, in that order.  Raises ValueError for a name that means nothing."""
    return {name: _build(name, settings) for name in names}


def _build(name: str, settings: Settings) -> Provider:
    if name == "local":
        from app.providers.local import LocalProvider

        return LocalProvider(
            settings.renders_dir,
            concurrency=settings.local_concurrency,
            quality=settings.quality,
            cache_dir=settings.cache_dir,
            ffmpeg=settings.ffmpeg,
        )
    if name not in CLOUD:
        raise ValueError(f"unknown provider {name!r}: known are {', '.join(('local', *CLOUD))}")
    from app.providers.fal import FalProvider
    from app.providers.google import GoogleProvider
    from app.providers.kie import KieProvider
    from app.providers.replicate import ReplicateProvider

    makers: dict[str, Any] = {
        "kie": KieProvider,
        "fal": FalProvider,
        "replicate": ReplicateProvider,
        "google": GoogleProvider,
    }
    provider: Provider = makers[name](settings.clouds[name], settings.downloads_dir)
    return provider
