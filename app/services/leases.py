"""Who works on an attempt: a lease names the worker and ends by itself when the worker dies.

A claim lasts LEASE_S seconds, a heartbeat renews it every HEARTBEAT_S.  Every write-back names the
lease's token, so that a worker which overslept its lease (SIGSTOP, a long pause) changes nothing.
"""

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from flask import current_app
from sqlalchemy import ColumnElement, Update, select, update
from sqlalchemy.exc import SQLAlchemyError

from app import limits
from app.extensions import db
from app.models import Attempt, new_id, now
from app.services.transactions import write_transaction

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lease:
    """A claim on one attempt."""

    attempt_id: str
    token: str

    @property
    def held(self) -> tuple[ColumnElement[bool], ...]:
        """WHERE terms that hold only while this lease is still ours."""
        return (Attempt.id == self.attempt_id, Attempt.lease_token == self.token)


def new_lease(attempt_id: str) -> Lease:
    """A lease that is not stored yet; write `values(lease)` with the claiming UPDATE or INSERT."""
    return Lease(attempt_id, new_id())


def values(lease: Lease) -> dict[str, object]:
    """The columns that store `lease`, from now on."""
    return {
        "lease_token": lease.token,
        "lease_owner": owner(),
        "lease_until": _until(),
    }


def is_free(moment: datetime) -> ColumnElement[bool]:
    """WHERE term: nobody holds the attempt.

    A lease that ends later than any lease can was written before the clock was set back.
    """
    return (
        Attempt.lease_until.is_(None)
        | (Attempt.lease_until <= moment)
        | (Attempt.lease_until > moment + timedelta(seconds=2 * limits.LEASE_S))
    )


def take(attempt_id: str, state: str) -> Lease | None:
    """Lease an attempt in `state` that nobody holds, in a transaction of its own."""
    lease = new_lease(attempt_id)
    with write_transaction() as connection:
        taken = connection.execute(
            update(Attempt)
            .where(Attempt.id == attempt_id, Attempt.state == state, is_free(now()))
            .values(store_tries=Attempt.store_tries + int(state == "ready"), **values(lease))
        )
    return lease if taken.rowcount == 1 else None


def renew(lease: Lease) -> bool:
    """Make the lease last anew. False: it was lost, and is somebody else's."""
    with write_transaction() as connection:
        mine = update(Attempt).where(*lease.held).values(lease_until=_until())
        return connection.execute(mine).rowcount == 1


FREE: dict[str, None] = {"lease_token": None, "lease_owner": None, "lease_until": None}


def owner() -> str:
    """This process: host, pid and start time, so that a reused pid is not taken for us."""
    return f"{socket.gethostname()}/{os.getpid()}/{_started(os.getpid())}"


@contextmanager
def kept_alive(lease: Lease) -> Iterator[None]:
    """Renew `lease` from a thread while the block runs."""
    with _renewed(update(Attempt).where(*lease.held)):
        yield


@contextmanager
def batch_kept_alive(token: str, attempt_ids: list[str]) -> Iterator[None]:
    """The same for attempts that were claimed together under one token."""
    mine = Attempt.id.in_(attempt_ids), Attempt.lease_token == token
    with _renewed(update(Attempt).where(*mine)):
        yield


@contextmanager
def _renewed(statement: Update) -> Iterator[None]:
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    done = threading.Event()

    def beat() -> None:
        while not done.wait(limits.HEARTBEAT_S):
            try:
                with app.app_context(), write_transaction() as connection:
                    connection.execute(statement.values(lease_until=_until()))
            except SQLAlchemyError:  # the next beat may succeed, and the lease lasts four of them
                log.exception("a lease was not renewed")

    thread = threading.Thread(target=beat, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def free_dead() -> int:
    """End the leases of processes of this host that are gone. Returns how many there were.

    Called when a worker starts: work goes on at once instead of when the lease runs out.
    """
    rows = db.session.execute(
        select(Attempt.id, Attempt.lease_token, Attempt.lease_owner).where(
            Attempt.state.in_(("submitting", "processing", "ready")),
            Attempt.lease_until > now(),
            Attempt.lease_owner.startswith(f"{socket.gethostname()}/", autoescape=True),
        )
    ).all()
    dead = [row for row in rows if not is_alive(row.lease_owner)]
    if not dead:
        return 0
    with write_transaction() as connection:
        for row in dead:
            connection.execute(
                update(Attempt)
                .where(Attempt.id == row.id, Attempt.lease_token == row.lease_token)
                .values(lease_until=now())
            )
    return len(dead)


def _until() -> datetime:
    return now() + timedelta(seconds=limits.LEASE_S)


def is_alive(name: str) -> bool:
    """Whether the process that `owner()` named so runs on this host."""
    if not name.startswith(f"{socket.gethostname()}/"):
        return False
    _, pid, started = name.rsplit("/", 2)
    return _started(int(pid)) == started


def _started(pid: int) -> str:
    """Start time of a process in clock ticks since boot; empty when it is gone (Linux)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _exists(pid)
    return "" if fields[0] == "Z" else fields[19]  # a zombie works on nothing


def _exists(pid: int) -> str:
    """Where there is no /proc a pid must do: "alive" while some process has it."""
    if Path("/proc/self/stat").exists():
        return ""
    try:
        os.kill(pid, 0)
    except OSError:
        return ""
    return "alive"
