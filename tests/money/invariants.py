"""What must hold of the money at any moment, asked of the tables in plain SQL.

Written without the app's own code, so that it does not share its mistakes; `verify_ledger` is one
question among them.
"""

from collections.abc import Collection
from typing import Final

from flask import Flask
from sqlalchemy import text

from app.extensions import db
from app.services import audits

BALANCE: Final = "balance = sum of entries"
RUNNING: Final = "balance_after = running sum"
SPEND: Final = "no spend goes below zero"
KEY: Final = "one entry a key"
REFUND: Final = "one refund a video"
CHARGE: Final = "one spend a video, of its cost"
NET: Final = "a video's net is its cost, or 0"
FIRST: Final = "one first-video price a person"
LEDGER: Final = "verify_ledger() finds nothing"

_LINES = """SELECT id, kind, balance_after,
    SUM(amount) OVER (PARTITION BY user_id ORDER BY id) AS running FROM credit_entries"""

_QUESTIONS: Final = {  # each finds the rows that break it
    BALANCE: """
        SELECT a.user_id, a.total_credits - a.used_credits, COALESCE(SUM(e.amount), 0)
        FROM credit_accounts a LEFT JOIN credit_entries e ON e.user_id = a.user_id
        GROUP BY a.user_id, a.total_credits, a.used_credits
        HAVING a.total_credits - a.used_credits <> COALESCE(SUM(e.amount), 0)""",
    RUNNING: f"SELECT id FROM ({_LINES}) AS lines WHERE balance_after <> running",
    SPEND: f"""
        SELECT id FROM ({_LINES}) AS lines
        WHERE kind = 'spend' AND (running < 0 OR balance_after < 0)""",
    KEY: "SELECT key FROM credit_entries GROUP BY key HAVING COUNT(*) > 1",
    REFUND: """
        SELECT reference FROM credit_entries WHERE kind = 'refund'
        GROUP BY reference HAVING COUNT(*) > 1""",
    CHARGE: """
        SELECT v.id FROM videos v
        LEFT JOIN credit_entries e ON e.reference = v.id AND e.kind = 'spend'
        GROUP BY v.id, v.cost_credits
        HAVING COUNT(e.id) <> 1 OR SUM(e.amount) <> -v.cost_credits""",
    NET: """
        SELECT v.id FROM videos v LEFT JOIN credit_entries e ON e.reference = v.id
        GROUP BY v.id, v.status, v.is_gift, v.sound_refunded, v.cost_credits
        HAVING -SUM(e.amount) <>
            CASE WHEN v.status IN ('failed', 'cancelled') OR v.is_gift OR v.sound_refunded
                THEN 0 ELSE v.cost_credits END""",
    FIRST: """
        SELECT u.identity_key FROM videos v JOIN users u ON u.id = v.user_id
        WHERE v.discount_credits > 0 AND v.status NOT IN ('failed', 'cancelled')
        GROUP BY u.identity_key HAVING COUNT(*) > 1""",
}


def broken(app: Flask, without_video: Collection[str] = ()) -> dict[str, str]:
    """The invariants that do not hold, each with the rows that show it.

    `without_video`: references of spends that a test made directly; `verify_ledger` must name them.
    """
    found = {}
    with app.app_context():
        with db.engine.connect() as connection:
            for name, question in _QUESTIONS.items():
                if rows := connection.execute(text(question)).all():
                    found[name] = str(rows)
        differences = {row.what: row for row in audits.verify_ledger()}
    named = {f"entries of unknown video {reference}" for reference in without_video}
    if differences.keys() != named:
        found[LEDGER] = str([row for what, row in differences.items() if what not in named])
    return found
