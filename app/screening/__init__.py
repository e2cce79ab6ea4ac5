"""Looking at a prompt before it is charged: a word list of our own, and Creem's moderation.

Plain values in, a Verdict or ScreeningUnavailable out.  Knows no Flask, no table and no user.
"""

from app.screening.creem import Creem
from app.screening.verdict import ALLOWED, Decision, ScreeningUnavailable, Verdict
from app.screening.words import categories, look

__all__ = [
    "ALLOWED",
    "Creem",
    "Decision",
    "ScreeningUnavailable",
    "Verdict",
    "categories",
    "look",
]
