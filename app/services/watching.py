"""Asking the providers about what they have: many questions at once, one write-back.

Rows are claimed by lease, the vendors are asked from ASK_AT_ONCE threads that touch no table, and
what is merely still running is written back in one statement a table.  What ended is written one by
one, each in the transaction that its money needs.
"""

import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

from app import limits
from app.providers import Provider, ProviderError, Report, is_cloud
from app.services import (
    alerts,
    dues,
    estimates,
    keys,
    leases,
    moves,
    write_back,
)
from app.services.dues import Answer, Due
from app.services.overdue import carefully

log = logging.getLogger(__name__)

SWEEP_AT_MOST_S = 20.0
"""A sweep that finds ever more to ask ends after this: the next one goes on."""

WORST_FIRST = ("key_bad", "out_of_credit", "rate_limited")

_asking = threading.Lock()
_askers = ThreadPoolExecutor(limits.ASK_AT_ONCE, thread_name_prefix="ask")


def ask_due() -> None:
    """Ask about every attempt whose next question is due, in batches.

    One thread of a process does it at a time: the others have videos to hand over and to store.
    """
    if not _asking.acquire(blocking=False):
        return
    try:
        _ask_batches()
    finally:
        _asking.release()


def _ask_batches() -> None:
    """While a batch is asked about, the one before it is written."""
    until = time.monotonic() + SWEEP_AT_MOST_S
    before: list[Answer] = []
    while found := dues.claim(is_first=not before):
        token, ids = found[0].lease.token, [due.attempt.id for due in found]
        with leases.batch_kept_alive(token, ids):
            asked = _askers.map(_ask, found, repeat(Counter[str]()))
            _save(before)
            before = list(asked)
        if len(found) < limits.ASK_BATCH or time.monotonic() > until:
            break
    _save(before)


def stop() -> None:
    """The worker ends: what was not asked yet is asked by the next one."""
    _askers.shutdown(wait=False, cancel_futures=True)


def _save(answers: list[Answer]) -> None:
    if answers:
        _note_keys(answers)
        _write(answers)


def _ask(due: Due, trouble: Counter[str]) -> Answer:
    """One question, asked from a thread of the pool: no table is touched here.

    `trouble` counts a batch's failures in a row, by provider: one that hangs must not hold up the
    others.
    """
    name = due.attempt.provider
    if trouble[name] >= limits.ASK_AT_ONCE:
        silent = ProviderError("transient", "not asked: it does not answer the others")
        return Answer(due, error=silent, was_asked=False)
    answer = _ask_once(due)
    is_trouble = answer.error is not None and answer.error.code == "transient"
    trouble[name] = trouble[name] + 1 if is_trouble else 0
    return answer


def _ask_once(due: Due) -> Answer:
    provider, handle = due.provider, due.attempt.remote_id
    if provider is None or (is_cloud(provider) and not due.secret):
        error = ProviderError("key_bad", "its provider or key is not set any more")
        return Answer(due, error=error, was_asked=False)
    try:
        if handle is None:
            return _ask_who_it_is(due, provider)
        wants_stop = due.cancel_requested and due.attempt.state == "processing"
        if wants_stop and due.can and due.can.cancel == "always":
            if provider.cancel(handle, due.secret):
                return Answer(due, stopped=True)
            wants_stop = False
        report = provider.poll(handle, due.secret)
        # Once begun, a stop is billed: so it is looked at first.
        may_stop = wants_stop and report.state == "queued"
        if may_stop and provider.cancel(handle, due.secret):
            return Answer(due, stopped=True)
        return Answer(due, report)
    except ProviderError as error:
        return Answer(due, error=error)
    except Exception as error:
        log.exception("attempt %s: the adapter failed", due.attempt.id)
        return Answer(due, error=ProviderError("transient", type(error).__name__))


def _ask_who_it_is(due: Due, provider: Provider) -> Answer:
    """No handle was ever saved, but a callback named a task: it is ours if the vendor says so."""
    if due.told_id is None or not is_cloud(provider):
        return Answer(due, Report("running"), was_asked=False)
    handle = provider.adopt(due.attempt.id, due.told_id, due.secret)
    if handle is None:
        return Answer(due, Report("running"))
    return Answer(due, provider.poll(handle, due.secret), handle=handle)


def _note_keys(answers: Iterable[Answer]) -> None:
    """How each key fared in this batch: answers, else its worst error, in one row a key."""
    by_key: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    for answer in answers:
        if answer.due.secret and answer.was_asked:
            by_key[answer.due.attempt.provider, answer.due.attempt.provider_key].append(answer)
    answered: dict[str, dict[str, int]] = defaultdict(dict)
    for (provider, print_), asked in by_key.items():
        errors = [answer.error for answer in asked if answer.error]
        if errors and len(errors) == len(asked):
            worst = min(errors, key=_badness)
            keys.note_error(provider, print_, worst, asked=len(asked), in_row=False)
        else:
            answered[provider][print_] = len(asked)
    for provider, counts in answered.items():
        keys.note_answers(provider, counts)


def _badness(error: ProviderError) -> int:
    """What says most of a key comes first."""
    return WORST_FIRST.index(error.code) if error.code in WORST_FIRST else len(WORST_FIRST)


def _write(answers: list[Answer]) -> None:
    """What runs on in one go; what ended or changed its state one by one."""
    running = []
    paces = estimates.Paces()
    _tell(answers)
    for answer in answers:
        is_open = answer.error is not None or (
            answer.report is not None and answer.report.state in ("queued", "running")
        )
        if is_open and answer.handle is None and not moves.is_over(answer.due):
            running.append(write_back.row(answer.due, answer.report, paces, _wait_s(answer)))
        else:
            carefully(moves.move, answer)
    write_back.write(running, answers[0].due.lease.token)


def _wait_s(answer: Answer) -> float | None:
    """What the provider asked for, if it did; what was not asked about comes first next time."""
    if answer.error is None:
        return None
    return answer.error.retry_after_s if answer.was_asked or not answer.due.secret else 0.0


def _tell(answers: list[Answer]) -> None:
    """What could not be asked about: a line each in the log, an alert once a provider."""
    missing = set()
    for answer in answers:
        attempt, due = answer.due.attempt, answer.due
        if answer.error is not None:
            log.warning("attempt %s cannot be asked about: %s", attempt.id, answer.error)
        if attempt.provider_key and not (due.secret and due.provider is not None):
            missing.add(attempt.provider)
    for provider in missing:
        text = "videos it was making cannot be asked about: put the provider and its key back"
        alerts.raise_alert("key_missing", provider, text)
