"""The pool of providers' keys, shared by all processes through the database.

The secrets stay in the environment: a row knows a key by its fingerprint and shows four letters of
either end.  A key that fails rests, is parked or disabled; the others go on.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, Connection, case, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app import limits
from app.extensions import db
from app.models import Attempt, ProviderKey, now
from app.providers import Capabilities, ProviderError
from app.services import alerts
from app.services.transactions import write_transaction

SHOWN_CHARS = 4
HIDDEN_BELOW_CHARS = 16
"""A shorter key shows two letters of either end: four would be half of it."""
RATE_MARGIN_S = 3.0
"""A row is written before its order is sent, and on a busy machine seconds may pass between: the
provider counts when an order arrives. Our clock and its do not start a window together either.
"""

BLOCK_MAX_S = 86_400
"""The longest Retry-After that is believed (providers/http.py)."""

STATES_OF = {"key_bad": "disabled", "out_of_credit": "parked"}
NOT_THE_KEYS_FAULT = ("content_rejected", "permanent", "result_expired", "disk_full")


@dataclass(frozen=True)
class Key:
    """A key to call a provider with."""

    provider: str
    fingerprint: str
    secret: str = field(repr=False)


def fingerprint(secret: str) -> str:
    """What a row knows a key by; a key is long and random, so a plain digest gives none away."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


def hint(secret: str) -> str:
    """First 4 … last 4: enough to tell an operator which key is meant."""
    chars = SHOWN_CHARS if len(secret) >= HIDDEN_BELOW_CHARS else SHOWN_CHARS // 2
    return f"{secret[:chars]}…{secret[-chars:]}"


def configured(provider: str) -> dict[str, str]:
    """The secrets of a provider's keys, by fingerprint, in the order of the settings."""
    secrets: Mapping[str, tuple[str, ...]] = current_app.config["PROVIDER_KEYS"]
    return {fingerprint(secret): secret for secret in secrets.get(provider, ())}


def find(provider: str, print_: str) -> Key | None:
    """The key with this fingerprint, while it is still in the settings."""
    secret = configured(provider).get(print_)
    return None if secret is None else Key(provider, print_, secret)


def sync() -> None:
    """Write a row for each key of the settings that has none yet."""
    rows = [
        {
            "provider": provider,
            "fingerprint": fingerprint(secret),
            "hint": hint(secret),
            "state": "healthy",
            "reason": "",
            "errors_in_row": 0,
            "requests": 0,
            "errors": 0,
            "created_at": now(),
        }
        for provider, secrets in current_app.config["PROVIDER_KEYS"].items()
        for secret in secrets
    ]
    if not rows:
        return
    found = db.session.execute(select(ProviderKey.provider, ProviderKey.fingerprint))
    known = {(row.provider, row.fingerprint) for row in found}
    missing = [row for row in rows if (row["provider"], row["fingerprint"]) not in known]
    if not missing:
        return
    with write_transaction() as connection:
        insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        connection.execute(insert(ProviderKey).values(missing).on_conflict_do_nothing())


def is_rested(moment: datetime) -> ColumnElement[bool]:
    """WHERE term: no block holds the key back. Longer than any block: the clock was set back."""
    too_far = moment + timedelta(seconds=2 * BLOCK_MAX_S)
    until = ProviderKey.blocked_until
    return until.is_(None) | (until <= moment) | (until > too_far)


def lock(connection: Connection, provider: str) -> None:
    """Hold the provider's rows until the transaction ends: processes choose one after the other."""
    rows = select(ProviderKey.id).where(ProviderKey.provider == provider).with_for_update()
    connection.execute(rows.order_by(ProviderKey.id)).all()


def take(connection: Connection, capabilities: Capabilities) -> tuple[Key | None, str]:
    """The healthy key that rested longest, while the provider's rate allows; or None, and why.

    `no_key`: none is healthy.  `busy`: as many were submitted as it takes.  The caller holds
    `lock`.
    """
    provider, moment = capabilities.name, now()
    secrets = configured(provider)
    rows = connection.execute(
        select(ProviderKey.id, ProviderKey.fingerprint)
        .where(
            ProviderKey.provider == provider,
            ProviderKey.fingerprint.in_(secrets),
            ProviderKey.state == "healthy",
            is_rested(moment),
        )
        .order_by(func.coalesce(ProviderKey.last_used_at, ProviderKey.created_at), ProviderKey.id)
        .limit(1)
    ).all()
    if not rows:
        return None, "no_key"
    if _is_at_rate(connection, capabilities, moment):
        return None, "busy"
    row = rows[0]
    connection.execute(
        update(ProviderKey)
        .where(ProviderKey.id == row.id)
        .values(last_used_at=moment, requests=ProviderKey.requests + 1)
    )
    return Key(provider, row.fingerprint, secrets[row.fingerprint]), ""


def _is_at_rate(connection: Connection, capabilities: Capabilities, moment: datetime) -> bool:
    """Whether the provider's submissions are used up: they are counted as rows, a sliding window.

    Of all keys together: they may be of one account, and kie.ai limits accounts.
    """
    if capabilities.submits is None:
        return False
    most, window_s = capabilities.submits
    since = moment - timedelta(seconds=window_s + RATE_MARGIN_S)
    made = connection.scalar(
        select(func.count())
        .select_from(Attempt)
        .where(
            Attempt.provider == capabilities.name,
            Attempt.created_at > since,
            Attempt.created_at <= moment + timedelta(seconds=1),
        )
    )
    return int(made or 0) >= most


def note_answer(provider: str, print_: str) -> None:
    """A submission was answered, with yes or with a no that is not the key's fault."""
    _note(provider, print_, errors_in_row=0, last_ok_at=now())


def note_answers(provider: str, asked: Mapping[str, int]) -> None:
    """So many questions were answered, by key: in one transaction, for a commit costs more.

    Errors in a row are of submissions alone: a provider may answer questions and take no orders.
    """
    counts = case(dict(asked), value=ProviderKey.fingerprint, else_=0)
    with write_transaction() as connection:
        lock(connection, provider)
        connection.execute(
            update(ProviderKey)
            .where(ProviderKey.provider == provider, ProviderKey.fingerprint.in_(asked))
            .values(last_ok_at=now(), requests=ProviderKey.requests + counts)
        )


def note_error(
    provider: str, print_: str, error: ProviderError, *, asked: int = 0, in_row: bool = True
) -> None:
    """The provider failed: the key rests, is parked or disabled, as the error says.

    `asked` counts questions beside submissions.  Not `in_row`: failed questions about tasks say
    little of whether orders are taken.
    """
    if error.code in NOT_THE_KEYS_FAULT:
        note_answer(provider, print_)
        return
    moment = now()
    counted: dict[str, Any] = {
        "requests": ProviderKey.requests + asked,
        "errors": ProviderKey.errors + 1,
        "last_error_at": moment,
        "last_error_code": error.code,
    }
    if state := STATES_OF.get(error.code):
        _note(provider, print_, state=state, reason=error.message[:200], **counted)
        tell(provider, print_, error.code, error.message)
    elif error.code == "rate_limited":
        wait_s = max(error.retry_after_s or 0.0, limits.RATE_LIMIT_WAIT_S)
        _note(provider, print_, blocked_until=moment + timedelta(seconds=wait_s), **counted)
    elif not in_row:
        _note(provider, print_, **counted)
    else:
        _note(provider, print_, **_one_more_error(moment, error.retry_after_s or 0.0), **counted)


def _one_more_error(moment: datetime, wait_s: float) -> dict[str, Any]:
    """Another error in a row; the third blocks the key, and the count begins anew.

    It rests too while the provider itself asked for `wait_s` of peace.
    """
    is_last = ProviderKey.errors_in_row + 1 >= limits.KEY_ERRORS_IN_ROW
    until = moment + timedelta(seconds=max(limits.KEY_BLOCK_S, wait_s))
    asked = moment + timedelta(seconds=wait_s) if wait_s else ProviderKey.blocked_until
    return {
        "errors_in_row": case((is_last, 0), else_=ProviderKey.errors_in_row + 1),
        "blocked_until": case((is_last, until), else_=asked),
    }


def _note(provider: str, print_: str, **values: Any) -> None:
    with write_transaction() as connection:
        connection.execute(
            update(ProviderKey)
            .where(ProviderKey.provider == provider, ProviderKey.fingerprint == print_)
            .values(**values)
        )


def tell(provider: str, print_: str, kind: str, text: str) -> None:
    """Raise an alert that names the key by its hint."""
    alerts.raise_alert(kind, _subject(provider, print_), text)


def _subject(provider: str, print_: str) -> str:
    """How an alert names a key."""
    secret = configured(provider).get(print_)
    return f"{provider} {hint(secret) if secret else print_}"


def revive(provider: str) -> int:
    """Make every key of the settings of this provider healthy again. Returns how many were not."""
    with write_transaction() as connection:
        revived = connection.execute(
            update(ProviderKey)
            .where(
                ProviderKey.provider == provider,
                ProviderKey.fingerprint.in_(configured(provider)),
                (ProviderKey.state != "healthy") | ProviderKey.blocked_until.is_not(None),
            )
            .values(state="healthy", reason="", errors_in_row=0, blocked_until=None)
        )
    for print_ in configured(provider):
        resolve_alerts(provider, print_)
    return revived.rowcount


def resolve_alerts(provider: str, print_: str) -> None:
    """The key works again: what was said of it is over."""
    for kind in STATES_OF:
        alerts.resolve(kind, _subject(provider, print_))
