"""Every prompt is screened before it is charged: by our own list, then by Creem where it is set up.

A refusal by the list needs no network.  When Creem does not answer, the list alone has decided: the
row says so (`fallback`) and an alert is raised.  Rows hold the verdict and never the prompt.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, func, insert, select

from app import screening
from app.errors import UserError, _l
from app.extensions import db
from app.models import Screening, now
from app.screening import ScreeningUnavailable, Verdict
from app.services import alerts, vendors
from app.services.transactions import Statement, write_transaction

REFUSALS: Final = {  # a category of words.toml, or `creem`, in plain words
    "minors": _l(
        "We make nothing that shows children in a sexual way. Nothing was charged. "
        "Write about something else and press again."
    ),
    "sexual": _l(
        "We make nothing sexual and nobody naked. Nothing was charged. "
        "Take those words out and press again."
    ),
    "self_harm": _l(
        "We make nothing about people who harm themselves. Nothing was charged. "
        "If this is about you, please talk to somebody you trust or to a helpline near you."
    ),
    "violence": _l(
        "We make nothing in which people are hurt. Nothing was charged. "
        "Have things cut instead, and press again."
    ),
    "cruelty": _l(
        "We make nothing in which animals are hurt. Nothing was charged. "
        "Have things cut instead, and press again."
    ),
    "gore": _l(
        "We make no blood, wounds or bodies. Nothing was charged. "
        "Take those words out and press again."
    ),
    "hate": _l(
        "We make nothing that attacks people for who they are. Nothing was charged. "
        "Take those words out and press again."
    ),
    "weapons_drugs": _l(
        "We make nothing about weapons or drugs. Nothing was charged. "
        "Take those words out and press again."
    ),
    "real_person": _l(
        "We do not imitate real people. Nothing was charged. Take the name out and press again."
    ),
    "character": _l(
        "We do not make characters and brands that belong to others. Nothing was charged. "
        "Take the name out and press again."
    ),
    "creem": _l(
        "The screening service refused this prompt and gives no reason. Nothing was charged. "
        "Say it in other words, about things rather than people, and press again."
    ),
}

_INSERT: Final = Statement(
    insert(Screening.__table__).values(
        {name: bindparam(name) for name in ("user_id", "verdict", "source", "reason", "created_at")}
    )
)


class PromptRefused(UserError):
    """The prompt must not be made; `reason` is the category. Nothing was charged."""

    def __init__(self, reason: str) -> None:
        super().__init__(REFUSALS[reason], field="prompt")
        self.reason = reason


def screen(user_id: int, prompt: str) -> None:
    """Let the prompt pass, or raise PromptRefused; either is recorded.

    Asks Creem over the network and writes in transactions of its own: never inside another.
    """
    verdict, source = screening.look(prompt), "local"
    creem = vendors.current().screener
    if creem is not None and not verdict.is_refusal:
        try:
            verdict, source = creem.screen(prompt, f"user_{user_id}"), "creem"
        except ScreeningUnavailable as trouble:
            source = "fallback"
            alerts.raise_alert("moderation_unavailable", "creem", str(trouble))
    _record(user_id, verdict, source)
    if verdict.is_refusal:
        raise PromptRefused(verdict.reason)


def counts(since: datetime) -> dict[str, int]:
    """How many prompts were screened since then, refused (flagged ones too), or only looked at by
    our list because Creem was silent.
    """
    query = (
        select(Screening.verdict, Screening.source, func.count())
        .where(Screening.created_at >= since)
        .group_by(Screening.verdict, Screening.source)
    )
    found = db.session.execute(query).all()
    return {
        "screened": sum(number for _, _, number in found),
        "refused": sum(number for verdict, _, number in found if verdict != "allow"),
        "fallback": sum(number for _, source, number in found if source == "fallback"),
    }


def refusals(since: datetime) -> dict[str, int]:
    """How many prompts were refused since then, by reason, the most frequent first."""
    number = func.count()
    query = (
        select(Screening.reason, number)
        .where(Screening.created_at >= since, Screening.verdict != "allow")
        .group_by(Screening.reason)
        .order_by(number.desc(), Screening.reason)
    )
    return {str(row[0]): int(row[1]) for row in db.session.execute(query)}


def _record(user_id: int, verdict: Verdict, source: str) -> None:
    with write_transaction() as connection:
        _INSERT(
            connection,
            user_id=user_id,
            verdict=verdict.decision,
            source=source,
            reason=verdict.reason,
            created_at=now(),
        )
