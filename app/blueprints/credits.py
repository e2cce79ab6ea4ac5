"""Credits: balance and ledger, as a page and as a table file."""

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Any

from flask import Blueprint, Response, render_template, request, stream_with_context
from flask.typing import ResponseReturnValue
from flask_login import current_user

from app.auth import require_sign_in
from app.htmx import is_fragment_request
from app.services import credits, ledger

bp = Blueprint("credits", __name__)

CSV_COLUMNS = ("entry", "time", "kind", "credits", "balance", "reason", "video", "title")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@bp.get("/credits")
@require_sign_in
def index() -> ResponseReturnValue:
    """Balance, and every entry with what it was for."""
    before = request.args.get("before", "")
    number = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
    entries, cursor = ledger.page(current_user.id, number)
    name = "credits/_entries.html" if is_fragment_request() else "credits/index.html"
    return render_template(
        name,
        entries=entries,
        next_cursor=cursor,
        balance=credits.balance_of(current_user.id),
        totals=ledger.totals(current_user.id),
    )


@bp.get("/credits.csv")
@require_sign_in
def export() -> ResponseReturnValue:
    """The whole ledger, newest first, for a spreadsheet."""
    return Response(
        stream_with_context(_lines(current_user.id)),
        mimetype="text/csv",
        headers={"Content-Disposition": "attachment; filename=credits.csv"},
    )


def _lines(user_id: int) -> Iterator[str]:
    yield _line(CSV_COLUMNS)
    for entry in ledger.every(user_id):
        yield _line(
            (
                entry.id, entry.created_at.isoformat(timespec="seconds"), entry.kind, entry.amount,
                entry.balance_after, safe_cell(entry.reason), entry.video_id or "",
                safe_cell(entry.title),
            )
        )  # fmt: skip


def _line(values: tuple[Any, ...]) -> str:
    out = StringIO()
    csv.writer(out).writerow(values)
    return out.getvalue()


def safe_cell(text: str) -> str:
    """A text that a spreadsheet takes for a formula is quoted (OWASP: CSV injection)."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
