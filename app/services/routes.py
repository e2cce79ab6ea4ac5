"""Who may make what: by capability, cost and spend, in the order of VIDEO_PROVIDERS.

`local` never takes a cloud video: the kind that was named before the button stays (money rules).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from flask import current_app
from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from app import limits
from app.extensions import db
from app.models import Attempt, StoppedRoute, now
from app.providers import Capabilities, Kind, Provider
from app.services import alerts, keys, pricing, vendors
from app.services.keys import Key
from app.services.transactions import write_transaction


@dataclass(frozen=True)
class Wanted:
    """What a provider must be able to make."""

    aspect_ratio: str
    resolution: str
    duration_s: int
    with_image: bool = False


@dataclass(frozen=True)
class Route:
    """A provider that takes a video now, the key to use, and what it costs us."""

    provider: Provider
    key: Key
    cost_cents: int


@dataclass(frozen=True)
class Offer:
    """What the configured providers can make: nothing else is offered or accepted."""

    aspect_ratios: tuple[str, ...]
    resolutions: tuple[str, ...]
    durations_s: tuple[int, ...]
    takes_image: bool


def offer() -> Offer:
    """Everything that some provider makes, each at least in one combination."""
    open_ = {one.capabilities.name: one.capabilities for one in _open()}
    made = [(can, seconds, size) for can in open_.values() for seconds, size in _profitable(can)]
    shapes = [
        ratio
        for ratio in limits.ASPECT_RATIOS
        if any(can.makes(ratio, size, seconds) for can, seconds, size in made)
    ]
    sizes = [size for size in limits.RESOLUTIONS if any(size == one for _, _, one in made)]
    lengths = sorted({seconds for _, seconds, _ in made})
    return Offer(
        tuple(shapes), tuple(sizes), tuple(lengths), any(can.takes_image for can, *_ in made)
    )


def _profitable(can: Capabilities) -> list[tuple[int, str]]:
    """The lengths and sizes of a provider that do not cost more than they earn."""
    return [
        (seconds, size)
        for size in can.resolutions
        for seconds in can.durations
        if not is_below_cost(can, seconds, size)
    ]


def makers(wanted: Wanted) -> list[str]:
    """The providers that make this, in order; those below cost or stopped are left out."""
    return [
        one.capabilities.name
        for one in _open()
        if one.capabilities.makes(
            wanted.aspect_ratio,
            wanted.resolution,
            wanted.duration_s,
            with_image=wanted.with_image,
        )
        and not is_below_cost(one.capabilities, wanted.duration_s, wanted.resolution)
    ]


def cloud_makers(wanted: Wanted) -> set[str]:
    """The clouds that make this."""
    return {name for name in makers(wanted) if kind_of(name) == "cloud"}


def kind_of(name: str) -> Kind:
    """Whether a provider is a cloud or the local renderer; one that is off now is a cloud."""
    configured = vendors.current().providers.get(name)
    return configured.capabilities.kind if configured else "cloud"


def is_below_cost(can: Capabilities, duration_s: int, resolution: str) -> bool:
    """Whether its credits earn less, at worst, than it costs us, and nobody allowed that."""
    if can.kind == "local" or can.name in current_app.config["ALLOW_BELOW_COST"]:
        return False
    earned = limits.WORST_CREDIT_CENTS * pricing.video_credits(duration_s, resolution, can.name)
    return can.price.cents(duration_s, resolution) > earned


def cheapest_cents(can: Capabilities) -> int:
    """What the cheapest video costs there."""
    return min(
        can.price.cents(seconds, size) for size in can.resolutions for seconds in can.durations
    )


def _open() -> Iterator[Provider]:
    """Every configured provider whose model is neither retired nor stopped."""
    providers = vendors.current().providers
    stopped = (
        _stopped() if any(one.capabilities.kind == "cloud" for one in providers.values()) else ()
    )
    for provider in providers.values():
        can = provider.capabilities
        if not can.retired and (can.name, can.model) not in stopped:
            yield provider


def _stopped() -> set[tuple[str, str]]:
    rows = db.session.execute(select(StoppedRoute.provider, StoppedRoute.model))
    return {(row.provider, row.model) for row in rows}


def candidates(wanted: Wanted, kind: Kind, *, refused: set[str]) -> list[Provider]:
    """Who of this kind makes it, in order, those left out that said no to this very video."""
    found = [vendors.provider(name) for name in makers(wanted) if name not in refused]
    return [provider for provider in found if provider.capabilities.kind == kind]


def next_route(
    connection: Connection, providers: list[Provider], wanted: Wanted
) -> tuple[Route | None, dict[str, str]]:
    """The first provider with a key, below its cap; or None, and why each cannot.

    Joins the claiming transaction.  The reasons: `spend_cap`, `no_key`, `busy`.
    """
    reasons: dict[str, str] = {}
    for provider in providers:
        can = provider.capabilities
        cost_cents = can.price.cents(wanted.duration_s, wanted.resolution)
        keys.lock(connection, can.name)  # two processes add up one after the other
        if _is_over_cap(connection, can.name, cost_cents):
            reasons[can.name] = "spend_cap"
            continue
        key, why = keys.take(connection, can)
        if key is not None:
            return Route(provider, key, cost_cents), {}
        reasons[can.name] = why
    return None, reasons


def _is_over_cap(connection: Connection, provider: str, cost_cents: int) -> bool:
    cap_cents: int = current_app.config["PROVIDER_DAILY_CAP_CENTS"]
    return spent_cents(provider, connection) + cost_cents > cap_cents


def spent_cents(provider: str, connection: Connection | None = None) -> int:
    """What this provider's attempts of today (UTC) cost us, those under way included."""
    query = select(func.coalesce(func.sum(Attempt.cost_cents), 0)).where(
        Attempt.provider == provider, Attempt.created_at >= _midnight()
    )
    return int((connection or db.session).scalar(query) or 0)


def _midnight() -> datetime:
    return now().replace(hour=0, minute=0, second=0, microsecond=0)


def stop(can: Capabilities, reason: str) -> None:
    """The provider does not know its model any more: send it nothing until another is set."""
    with write_transaction() as connection:
        insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        connection.execute(
            insert(StoppedRoute)
            .values(provider=can.name, model=can.model, reason=reason[:300], stopped_at=now())
            .on_conflict_do_nothing()
        )
    alerts.raise_alert(
        "model_gone",
        f"{can.name} {can.model}",
        f"{reason} Set another model and restart, or say: flask providers open {can.name}"
        " (at Google a project without billing looks the same).",
    )


def reopen(provider: str) -> int:
    """Let a stopped model of this provider be tried again. Returns how many there were."""
    with write_transaction() as connection:
        models = connection.scalars(
            delete(StoppedRoute)
            .where(StoppedRoute.provider == provider)
            .returning(StoppedRoute.model)
        ).all()
    for model in models:
        alerts.resolve("model_gone", f"{provider} {model}")
    return len(models)


def tell_what_is_off() -> None:
    """Alerts for what an operator should know at the start: retired models, routes below cost.

    What was told of models that are not set any more is over.
    """
    told: dict[str, set[str]] = {"model_gone": set(), "below_cost": set()}
    for provider in vendors.current().providers.values():
        can = provider.capabilities
        subject = f"{can.name} {can.model}"
        if (can.name, can.model) in _stopped():
            told["model_gone"].add(subject)
        if can.retired:
            told["model_gone"].add(subject)
            alerts.raise_alert("model_gone", subject, can.retired)
        kept = _profitable(can)
        below = [
            f"{seconds} s {size}"
            for size in can.resolutions
            for seconds in can.durations
            if (seconds, size) not in kept
        ]
        if below:
            told["below_cost"].add(subject)
            text = f"off, for it costs more than it earns: {', '.join(below)} (ALLOW_BELOW_COST)"
            alerts.raise_alert("below_cost", subject, text)
    for alert in alerts.open_alerts():
        if alert.kind in told and alert.subject not in told[alert.kind]:
            alerts.resolve(alert.kind, alert.subject)
