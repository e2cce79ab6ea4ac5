"""What a batch of polls found still running, written in one go.

A statement for each row would cost more than asking: at ten thousand videos in flight the database
would be busy with nothing else.  The rows travel as one JSON value, which both databases unpack.
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from app import limits
from app.models import now
from app.providers import Report
from app.services import dues
from app.services.dues import Due
from app.services.estimates import Paces
from app.services.transactions import write_transaction

WAIT_MAX_S = 300.0
"""Later would be taken for a time written before the clock was set back (dues.MAX_POLL_S)."""


def _as_sqlite_keeps_it(moment: datetime) -> str:
    """As UtcDateTime stores it there: UTC, no zone, always with microseconds."""
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


_TIMES: dict[str, Callable[[datetime], str]] = {
    "sqlite": _as_sqlite_keeps_it,
    "postgresql": lambda moment: moment.isoformat(),
}
# `|| ''` keeps the databases from going through all that is in flight by the index of states.
# A callback that came after the question was claimed has set another time: that one stays.
_ATTEMPTS = """UPDATE attempts SET next_poll_at = CASE
    WHEN attempts.next_poll_at <> v.was THEN attempts.next_poll_at ELSE v.next END,
    expected_s = v.expected,
    lease_token = NULL, lease_owner = NULL, lease_until = NULL
    FROM v WHERE attempts.id = v.id AND attempts.lease_token = :token
    AND attempts.state || '' IN ('processing', 'late')"""
_VIDEOS = """UPDATE videos SET progress = COALESCE(v.progress, videos.progress),
    eta_low_s = v.low, eta_high_s = v.high,
    is_late = v.late, has_begun = COALESCE(v.begun, videos.has_begun),
    cancel_requested = CASE WHEN v.too_late THEN {no} ELSE videos.cancel_requested END
    FROM v JOIN {held} WHERE videos.id = v.video AND videos.status = 'processing'"""
_ON_SQLITE = """WITH v AS (SELECT json_extract(value, '$.id') AS id,
    json_extract(value, '$.video') AS video, json_extract(value, '$.next') AS next,
    json_extract(value, '$.was') AS was,
    json_extract(value, '$.expected') AS expected, json_extract(value, '$.progress') AS progress,
    json_extract(value, '$.low') AS low, json_extract(value, '$.high') AS high,
    json_extract(value, '$.late') AS late, json_extract(value, '$.begun') AS begun,
    json_extract(value, '$.too_late') AS too_late FROM json_each(:rows))"""
_ON_POSTGRESQL = """WITH v AS (SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS
    r(id text, video text, next timestamptz, was timestamptz, expected float8, progress int,
    low int, high int, late boolean, begun boolean, too_late boolean))"""
_IS_HELD = "attempts ON attempts.id = v.id AND attempts.lease_token = :token"
_SQL = {
    # The videos first, for the attempts give the lease away; one writer at a time: no deadlock.
    "sqlite": (
        text(f"{_ON_SQLITE} {_VIDEOS.format(no='0', held=_IS_HELD)}"),
        text(f"{_ON_SQLITE} {_ATTEMPTS}"),
    ),
    # One statement, and attempts before videos, as everywhere.
    "postgresql": (
        text(
            f"{_ON_POSTGRESQL}, held AS ({_ATTEMPTS} RETURNING attempts.id) "
            + _VIDEOS.format(no="false", held="held ON held.id = v.id")
        ),
    ),
}


def row(
    due: Due, report: Report | None, paces: Paces, wait_s: float | None = None
) -> dict[str, Any]:
    """What is to be written of one attempt that runs on; without a report only its times.

    `wait_s`: the provider asked to be left alone for so long; 0 where it was not asked at all.
    """
    said = report or Report("running")
    attempt, elapsed_s = due.attempt, due.elapsed_s
    expected_s = attempt.expected_s
    if expected_s is None and said.eta_s is not None:
        expected_s = elapsed_s + said.eta_s
    low_s, high_s = paces.left(attempt.provider, due.duration_s, elapsed_s, said)
    is_told = report is not None and report.state != "lost"
    has_begun = said.state != "queued" if is_told else None  # then it stays as it was
    rule = due.can.cancel if due.can else "never"
    return {
        "id": attempt.id,
        "video": attempt.video_id,
        "next": _next(due, wait_s),
        "was": attempt.next_poll_at,
        "expected": expected_s,
        "progress": None if said.percent is None else int(said.percent),
        "low": low_s,
        "high": high_s,
        "late": _is_late(due, elapsed_s, expected_s),
        "begun": has_begun,
        "too_late": due.cancel_requested and rule != "always" and bool(has_begun),
    }


def _next(due: Due, wait_s: float | None) -> datetime:
    if wait_s is None:
        return dues.next_poll_at(due)
    if wait_s == 0:
        return now()
    return max(dues.next_poll_at(due), now() + timedelta(seconds=min(wait_s, WAIT_MAX_S)))


def _is_late(due: Due, elapsed_s: float, expected_s: float | None) -> bool:
    if due.can is not None and due.can.kind == "local":
        return expected_s is not None and elapsed_s > limits.LOCAL_LATE_ETA_FACTOR * expected_s
    return elapsed_s > limits.LATE_AFTER_S


def write(rows: list[dict[str, Any]], token: str) -> None:
    """Write them and give their leases back, in one transaction; only what `token` still holds."""
    if not rows:
        return
    with write_transaction() as connection:
        name = connection.dialect.name
        values = {"rows": json.dumps(rows, default=_TIMES[name]), "token": token}
        for statement in _SQL[name]:
            connection.execute(statement, values)
