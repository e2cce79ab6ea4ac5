"""What a paid order's credits should be, by written rules; no code of the app is here.

Credits taken = credits x returned / paid, half up, all of them when all went back.  Refunds count
once they succeeded, ours from its start; a dispute counts while it is open, and refunds after it
are its own money.  Where the app cannot know which of two refunds it was, two bounds are given.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from math import floor

from tests.money.payments_books import PACKS, Order, Refund

RANKS = {"starting": 0, "unknown": 0, "pending": 0, "succeeded": 1, "failed": 2}
GIVE_UP = timedelta(hours=1)
OPEN = ("starting", "unknown", "pending")


def credits_of(credits: int, returned_cents: int, paid_cents: int) -> int:
    """What is taken back of a pack's credits."""
    if returned_cents >= paid_cents:
        return credits
    return floor(Fraction(credits * returned_cents, paid_cents) + Fraction(1, 2))


@dataclass
class Back:
    """Money that went back, as the app has been told of it."""

    cents: int
    at: datetime
    status: str
    total_cents: int = 0  # what its message said of the whole transaction
    refund: Refund | None = None  # what it really is
    is_ours: bool = False
    is_linked: bool = True  # the app knows Creem's number of it
    seen_at: datetime | None = None  # when the books told of it, where no event did

    @property
    def counts(self) -> bool:
        return self.status == "succeeded" or (self.is_ours and self.status in OPEN)


@dataclass
class Known:
    """An order, and what the app has been told of it."""

    order: Order
    owner: str | None = None
    is_granted: bool = False
    is_waiting: bool = False  # paid, without an owner
    is_parked: bool = False  # paid, not as agreed
    is_disputed: bool = False
    is_charged_back: bool = False  # the books say so; over how much only the event tells
    is_blurred: bool = False  # it is not to be known which refund it was that the books show
    backs: list[Back] = field(default_factory=list)

    @property
    def credits(self) -> int:
        return PACKS[self.order.page.pack][0]

    @property
    def returned_cents(self) -> int:
        """By what the app has been told."""
        return self._gone([one for one in self.backs if one.counts], is_disputed=self.is_disputed)

    def net(self) -> tuple[int, int]:
        """The least and the most credits that may be left of the order."""
        if not self.is_granted:
            return 0, 0
        if not self.is_blurred:
            return (self._left(self.returned_cents),) * 2
        backs = [one for one in self.backs if one.refund and one.is_linked]
        told = [Back(one.cents, one.at, "succeeded") for one in backs if one.status == "succeeded"]
        certain = [one for one in told if one.status == "succeeded"]
        real = [Back(r.cents, r.at, "") for r in self.order.refunds if r.status == "succeeded"]
        ours = [one for one in self.backs if (one.is_ours or one.seen_at) and one.counts]
        most = self._gone([*real, *ours, *certain], is_disputed=self.order.disputed_at is not None)
        return self._left(most), self._left(self._gone(certain, is_disputed=self.is_disputed))

    def _left(self, returned_cents: int) -> int:
        return self.credits - credits_of(self.credits, returned_cents, self.order.paid_cents)

    def _gone(self, refunds: Iterable[Back], *, is_disputed: bool) -> int:
        """Cents that went back: refunds, the dispute, and what of later refunds is not its own."""
        backs, disputed_at = list(refunds), self.order.disputed_at
        gone = _refunded(backs)
        if self.is_charged_back and not self.is_disputed and not self.order.is_won:
            return self.order.paid_cents
        if is_disputed and not self.order.is_won and disputed_at:
            before = _refunded(one for one in backs if one.at < disputed_at)
            gone = before + max(self.order.disputed_cents, gone - before)
        return min(gone, self.order.paid_cents)

    # What the app is told -------------------------------------------------------------------------

    def tell_refund(self, refund: Refund, status: str, total_cents: int) -> None:
        """An event: of a refund that is known, of the one that we started, or a new one."""
        found = next((b for b in self.backs if b.refund is refund and b.is_linked), None)
        if found:
            if found.status != "failed" and RANKS[status] > RANKS[found.status]:
                self.end(found, status, max(total_cents, found.total_cents))
            return
        for back in self.backs:
            if not back.is_linked and back.status != "failed" and back.cents == refund.cents:
                back.is_linked, back.refund = True, refund
                kept = back.status == "succeeded" and status != "failed"
                self.end(back, back.status if kept else status, total_cents)
                return
        self.backs.append(Back(refund.cents, refund.at, status, total_cents, refund))

    def end(self, back: Back, status: str, total_cents: int) -> None:
        """One that is known moves on. Totals that were told after it succeeded included it."""
        is_undone = status == "failed" and back.status == "succeeded"
        back.status, back.total_cents = status, total_cents
        for each in self.backs if is_undone else ():
            is_later = (each.seen_at or each.at) >= back.at
            if each is not back and is_later and each.total_cents >= back.cents:
                each.total_cents -= back.cents

    def read_books(self, now: datetime) -> None:
        """Creem is asked for refunds that are open; one without an answer is given up at last."""
        still_open = [one for one in self.backs if one.status in OPEN]
        if not still_open:
            return
        back, booked = still_open[0], self.order.refunded_cents
        is_done = back.refund is not None and back.refund.status == "succeeded"
        known = _refunded(one for one in self.backs if one.status == "succeeded")
        real = back.refund.cents if back.refund and is_done else 0
        is_seen = any(one.seen_at for one in self.backs)
        if (
            len(still_open) > 1
            or is_seen
            or known + real != booked
            or (real and real != back.cents)
        ):
            self.is_blurred = True
        elif is_done:
            self.end(back, "succeeded", booked)
        elif back.status in ("starting", "unknown") and back.at < now - GIVE_UP:
            self.end(back, "failed", back.total_cents)

    def compare(self, now: datetime) -> None:
        """The daily look at the books: what no event told of is known now."""
        known = _refunded(one for one in self.backs if one.status == "succeeded")
        if self.order.refunded_cents > known:
            self.backs = [one for one in self.backs if not one.seen_at]
            total = self.order.refunded_cents
            self.backs.append(Back(0, self.order.at, "succeeded", total, seen_at=now))
        if self.order.disputed_at and not self.order.is_won:
            self.is_charged_back = True


def _refunded(refunds: Iterable[Back]) -> int:
    """By the refunds themselves, or by what a message said of them all: that tells of lost ones."""
    backs = list(refunds)
    return max([sum(one.cents for one in backs), *(one.total_cents for one in backs)])
