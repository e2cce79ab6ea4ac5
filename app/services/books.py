"""One transaction of Creem's books against the purchase that it paid: what no event told of."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from app.models import CreditEntry, now
from app.payments import Transaction
from app.services import clawbacks, reversals
from app.services.matching import PurchaseRow


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the books do not agree; the text says what was mended."""

    what: str
    subject: str
    text: str

    @property
    def alert(self) -> tuple[str, str, str]:
        """Kind, subject and text of its alert."""
        return f"payment_{self.what}", self.subject, self.text


def look_at(connection: Connection, purchase: PurchaseRow, paid: Transaction) -> list[Difference]:
    """Take the credits of what went back and was not told, and say so. The account is locked."""
    found = _unsettled(connection, purchase, paid)
    known = clawbacks.refunded_cents(connection, paid.id)
    if paid.refunded_cents > known:
        reversals.see(connection, purchase, paid, "refund", now())
        text = f"transaction {paid.id}: {paid.refunded_cents} cents went back, we knew of {known}"
        found.append(Difference("refund_missed", paid.id, f"{text}; the credits are taken back"))
    elif paid.refunded_cents < known:
        text = f"transaction {paid.id}: {paid.refunded_cents} cents went back, we took {known}"
        found.append(Difference("refund_differs", paid.id, text))
    rows = clawbacks.of_purchase(connection, purchase)
    if paid.status == "chargedBack" and not any(row.kind == "dispute" for row in rows):
        reversals.see(connection, purchase, paid, "dispute", now())
        text = f"transaction {paid.id} was charged back, and no event said so"
        found.append(Difference("dispute_missed", paid.id, f"{text}; the credits are taken back"))
    return found


def _unsettled(
    connection: Connection, purchase: PurchaseRow, paid: Transaction
) -> list[Difference]:
    """The grant without its entry, and money that went back without its credits."""
    found = []
    key = f"purchase:{purchase.order_id}"
    if not connection.scalar(select(CreditEntry.id).where(CreditEntry.key == key)):
        text = f"purchase {purchase.id} is paid and the ledger has no entry of it"
        found.append(Difference("no_entry", purchase.id, text))
    if taken := reversals.learn(connection, purchase, paid):
        text = f"transaction {paid.id}: {taken} credits were not taken back yet, and are now"
        found.append(Difference("not_taken", paid.id, text))
    return found
