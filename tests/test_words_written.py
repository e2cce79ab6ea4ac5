"""Every state that a service writes is one that the others know."""

import ast
from collections.abc import Iterator

from app.models import ENDED, LIVE, PAID, UNPAID
from app.services import clawbacks, endings
from config import ROOT
from tests.money.conftest import no_ffmpeg as _no_ffmpeg

pytest_plugins = ["tests.faults.fixtures"]
no_ffmpeg = _no_ffmpeg

# Words that the code may write -------------------------------------------------------------------

ATTEMPT_STATES = {*endings.OPEN_ATTEMPT, "done", "failed", "lost", "cancelled", "late"}
PURCHASE_STATES = {*PAID, *UNPAID, "unmatched", "replaced"}
REVERSAL_STATES = {*clawbacks.OPEN, "succeeded", "failed"}
OF_PAYMENTS = {
    "books.py", "buying.py", "checkouts.py", "clawbacks.py", "comparing.py", "fulfilment.py",
    "granting.py", "money_back.py", "purchases.py", "recoveries.py", "reconciling.py",
    "reversals.py",
}  # fmt: skip
TRANSLATED = {"_", "_l", "_n", "gettext", "ngettext"}
KEY_STATES = {"healthy", "parked", "disabled"}
BY_PLACE = {
    "_end": ("status", 1),
    "_back_to_queue": ("state", 2),
    "give_back": ("state", 2),
    "Rest": ("state", 0),
}


def written(*, of_payments: bool) -> Iterator[tuple[str, str, str]]:
    """(`status` or `state`, the word, where): every literal that a service passes or stores."""
    for path in sorted((ROOT / "app" / "services").glob("*.py")):
        if (path.name in OF_PAYMENTS) != of_payments:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            for name, value in _named(node):
                if name in ("status", "state") and isinstance(value, ast.Constant):
                    yield name, str(value.value), f"{path.name}:{value.lineno}"


def _named(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant):
                yield str(key.value), value
    if isinstance(node, ast.Call):
        for keyword in node.keywords:
            yield keyword.arg or "", keyword.value
        called = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        if called in BY_PLACE:
            name, place = BY_PLACE[called]
            yield name, node.args[place]


def test_every_status_that_is_written_is_in_the_list() -> None:
    allowed = {"status": {*LIVE, *ENDED}, "state": ATTEMPT_STATES | KEY_STATES}
    found: dict[str, set[str]] = {"status": set(), "state": set()}
    for name, word, where in written(of_payments=False):
        assert word in allowed[name], where
        found[name].add(word)
    assert found["status"] == allowed["status"]  # and every one of them is written somewhere
    assert found["state"] == ATTEMPT_STATES | KEY_STATES - {"disabled"}  # of `keys.STATES_OF`
    assert set(LIVE).isdisjoint(ENDED)


def test_every_state_of_a_payment_that_is_written_is_in_the_list() -> None:
    found = set()
    for name, word, where in written(of_payments=True):
        assert name == "status", where
        assert word in PURCHASE_STATES | REVERSAL_STATES, where
        found.add(word)
    worked_out = {"disputed", "refunded", "partly_refunded"}  # by clawbacks._status
    assert found >= PURCHASE_STATES - worked_out
    assert found >= {"starting", "succeeded"}


def test_no_text_is_translated_inside_an_f_string() -> None:
    """The collector of texts does not look into them, on Python 3.11."""
    hidden = [
        f"{path.name}:{call.lineno}"
        for path in sorted((ROOT / "app").rglob("*.py"))
        for outer in ast.walk(ast.parse(path.read_text()))
        if isinstance(outer, ast.JoinedStr)
        for call in ast.walk(outer)
        if isinstance(call, ast.Call) and ast.unparse(call.func) in TRANSLATED
        if call.args and isinstance(call.args[0], ast.Constant)
    ]
    assert hidden == []
