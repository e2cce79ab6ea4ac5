"""How keys and providers are doing, and their check-ups: each minute, recovery each five."""

import logging
from datetime import timedelta
from typing import Any

from flask import current_app
from sqlalchemy import select, update

from app import limits
from app.extensions import db
from app.models import Attempt, ProviderKey, StoppedRoute, now
from app.providers import CloudProvider, ProviderError, is_cloud
from app.services import alerts, keys, routes, vendors
from app.services.transactions import write_transaction

log = logging.getLogger(__name__)

ERROR_WEIGHT = 25
"""Each error in a row takes a quarter of a key's health: the third blocks it."""


def overview() -> dict[str, Any]:
    """Every provider with its keys, for operators; plain values, no secret."""
    return {
        "providers": [_provider(name) for name in vendors.current().providers],
        "off": dict(current_app.config["PROVIDERS_OFF"]),
    }


def _provider(name: str) -> dict[str, Any]:
    can = vendors.provider(name).capabilities
    found: dict[str, Any] = {"name": name, "kind": can.kind, "model": can.model}
    if can.kind == "local":
        return found
    rows = _rows(name)
    asked = sum(row.requests for row in rows)
    stopped = db.session.get(StoppedRoute, (name, can.model))
    return found | {
        "is_open": not can.retired and stopped is None,
        "stopped": can.retired or (stopped.reason if stopped else ""),
        "spent_today_cents": routes.spent_cents(name),
        "daily_cap_cents": current_app.config["PROVIDER_DAILY_CAP_CENTS"],
        "keys": [_key(row, asked) for row in rows],
    }


def _rows(provider: str) -> list[ProviderKey]:
    query = select(ProviderKey).where(
        ProviderKey.provider == provider, ProviderKey.fingerprint.in_(keys.configured(provider))
    )
    return list(db.session.scalars(query.order_by(ProviderKey.id)))


def _key(row: ProviderKey, asked: int) -> dict[str, Any]:
    is_blocked = row.blocked_until is not None and row.blocked_until > now()
    return {
        "key": row.hint,
        "state": "blocked" if is_blocked and row.state == "healthy" else row.state,
        "reason": row.reason,
        "health": health(row),
        "requests": row.requests,
        "share_percent": round(100 * row.requests / asked, 1) if asked else 0.0,
        "errors": row.errors,
        "errors_in_row": row.errors_in_row,
        "blocked_until": row.blocked_until.isoformat()
        if is_blocked and row.blocked_until
        else None,
        "balance": row.balance,
        "last_used_at": row.last_used_at.isoformat() if row.last_used_at else None,
        "last_error": row.last_error_code,
    }


def health(row: ProviderKey) -> int:
    """0 to 100: the share of answers that were no errors, less a quarter for each error in a row.

    A key that cannot be used now has none.
    """
    is_blocked = row.blocked_until is not None and row.blocked_until > now()
    if row.state != "healthy" or is_blocked:
        return 0
    share = 1 - row.errors / row.requests if row.requests else 1.0
    return max(0, round(100 * max(share, 0.0)) - ERROR_WEIGHT * row.errors_in_row)


def check() -> None:
    """Ask with each key: healthy ones when a minute is over, the others every five.

    Raises the alert `no_healthy_key` for a provider without any, and resolves it when one is back.
    """
    keys.sync()
    for name, provider in vendors.current().providers.items():
        if is_cloud(provider):
            for row in _rows(name):
                if _is_due(row):
                    key = keys.Key(name, row.fingerprint, _secret(row))
                    _check_one(provider, key, row.state, row.balance)
            _tell(name)


def _secret(row: ProviderKey) -> str:
    return keys.configured(row.provider)[row.fingerprint]


def _is_due(row: ProviderKey) -> bool:
    every_s = limits.KEY_CHECK_S if row.state == "healthy" else limits.KEY_RECOVERY_S
    last_at = row.checked_at or row.last_error_at
    return last_at is None or now() - last_at >= timedelta(seconds=every_s - 1)


def _check_one(
    provider: CloudProvider, key: keys.Key, state: str, last_balance: float | None
) -> None:
    """A key that answers is healthy again. Where nothing cheap can be asked, time must do.

    Then an empty account gets another try after five minutes; a refused key waits for a person.
    Where a balance is told, an account that could not pay for an order stays parked until it rose.
    """
    db.session.rollback()  # no transaction is open across the call
    try:
        balance = provider.check(key.secret)
    except ProviderError as error:
        log.warning("%s key %s: %s", key.provider, keys.hint(key.secret), error)
        _write(key, checked_at=now())
        if not (state == "disabled" and error.code == "key_bad"):
            keys.note_error(key.provider, key.fingerprint, error, asked=1)
        return
    verdict = _verdict(provider.capabilities.can_check, state, balance, last_balance)
    values: dict[str, Any] = {"checked_at": now(), "balance": balance, **verdict}
    _write(key, **values)
    if values.get("state") == "parked":
        keys.tell(key.provider, key.fingerprint, "out_of_credit", "its account is empty")
    if values.get("state") == "healthy" and state != "healthy":
        keys.resolve_alerts(key.provider, key.fingerprint)


def _verdict(
    can_check: bool, state: str, balance: float | None, last_balance: float | None
) -> dict[str, str]:
    """What becomes of a key that was answered."""
    if state == "parked" and balance is not None and balance <= (last_balance or 0.0):
        return {}  # as poor as when it was parked, and told of then
    if balance is not None and balance <= 0:
        return {"state": "parked", "reason": "its account is empty"}
    if balance is not None or can_check or state == "parked":
        return {"state": "healthy", "reason": ""}
    return {}


def _write(key: keys.Key, **values: Any) -> None:
    with write_transaction() as connection:
        connection.execute(
            update(ProviderKey)
            .where(ProviderKey.provider == key.provider, ProviderKey.fingerprint == key.fingerprint)
            .values(**values)
        )


def _tell(provider: str) -> None:
    """An alert while no key of the provider can be used; that of its cap goes with the day."""
    usable = [row for row in _rows(provider) if _is_usable(row)]
    if usable:
        alerts.resolve("no_healthy_key", provider)
    else:
        alerts.raise_alert("no_healthy_key", provider, "no key of it can be used: videos wait")
    cheapest = routes.cheapest_cents(vendors.provider(provider).capabilities)
    spent, cap = routes.spent_cents(provider), current_app.config["PROVIDER_DAILY_CAP_CENTS"]
    if spent + cheapest <= cap:
        alerts.resolve("spend_cap", provider)
    if not _misses_a_key(provider):
        alerts.resolve("key_missing", provider)


def _misses_a_key(provider: str) -> bool:
    """Whether something is under way that was ordered with a key which is not set any more."""
    query = select(Attempt.id).where(
        Attempt.state.in_(("submitting", "processing", "ready", "late")),
        Attempt.provider == provider,
        Attempt.provider_key.not_in(keys.configured(provider)),
    )
    return db.session.scalar(query.limit(1)) is not None


def _is_usable(row: ProviderKey) -> bool:
    is_blocked = row.blocked_until is not None and row.blocked_until > now()
    return row.state == "healthy" and not is_blocked
