"""The part of the machine in which money goes back: refunds of theirs, ours, and disputes."""

from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from app.models import Reversal
from app.services import money_back
from tests.money.conftest import Fresh
from tests.money.payments_books import Answer, Message
from tests.money.payments_cuts import PowerCut
from tests.money.payments_house import Shop
from tests.money.payments_oracle import OPEN, Back

NEVER, LIE, AGAIN = "never", "in the other world", "under two numbers"
WRITES = (
    "INSERT INTO payment_events", "UPDATE payment_events", "INSERT INTO credit_entries",
    "UPDATE credit_accounts", "UPDATE purchases", "INSERT INTO reversals", "UPDATE reversals",
)  # fmt: skip
MOST_ORDERS = 3  # few, so that much happens to each

places = st.integers(0, MOST_ORDERS - 1)
parts = st.sampled_from([1, 33, 50, 67, 100])  # per cent of what is left
begun = st.sampled_from(["succeeded", "pending"])
ended = st.sampled_from(["succeeded", "failed"])
answers: st.SearchStrategy[Answer] = st.sampled_from(
    ["succeeded", "pending", "failed", "refused", "lost", "unheard", "cut", "cut late"]
)
cuts = st.one_of(  # before that statement we die: the first that begins so, or the nth
    st.just(""), st.sampled_from(WRITES), st.integers(1, 15).map(str)
)
# when it happens, an event is told, told late or not at all
told = st.one_of(cuts, cuts, st.sampled_from(["", NEVER, LIE, AGAIN]))


class MoneyBack(RuleBasedStateMachine):
    """The bundle holds what Creem may tell; what the app knows of it, `Shop` keeps."""

    messages = Bundle("messages")

    fresh: ClassVar[Fresh]

    def __init__(self) -> None:
        super().__init__()
        self.shop = Shop(type(self).fresh())
        self.creem = self.shop.creem

    def teardown(self) -> None:
        self.shop.close()

    @invariant()
    def everything_adds_up(self) -> None:
        self.shop.check()

    def tell(self, message: Message, cut_at: str) -> Message:
        """An event at the moment of what it tells; or never, unless a rule delivers it."""
        if cut_at == LIE:
            self.shop.deliver(self.creem.tell_of_other_world(message))
        elif cut_at == AGAIN:
            self.shop.deliver(message)
            self.shop.deliver(self.creem.tell_again(message))
        elif cut_at != NEVER:
            self.shop.deliver(message, cut_at)
        return message

    @rule(target=messages, which=places, part=parts, status=begun, cut_at=told)
    def refund(self, which: int, part: int, status: Any, cut_at: str) -> Any:
        """A part of what is left, by Creem's own pages."""
        order = self.shop.at(which).order
        cents = order.left_cents * part // 100
        if cents <= 0:
            return multiple()
        refund = self.creem.give_back(order, cents, status)
        return self.tell(self.creem.tell_refund(refund), cut_at)

    @rule(target=messages, which=places, place=places, status=ended, cut_at=told)
    def a_refund_ends(self, which: int, place: int, status: Any, cut_at: str) -> Any:
        """A pending one ends; one that succeeded may be sent back by the buyer's bank."""
        refunds = self.shop.at(which).order.refunds
        if not refunds:
            return multiple()
        one = refunds[place % len(refunds)]
        if one.status == "pending" or (one.status == "succeeded" and status == "failed"):
            one.status = status
        return self.tell(self.creem.tell_refund(one), cut_at)

    @rule(target=messages, which=places, cut_at=told)
    def dispute(self, which: int, cut_at: str) -> Any:
        order = self.shop.at(which).order
        if order.disputed_at or order.refunded_cents == order.paid_cents:
            return multiple()
        self.creem.dispute(order)
        return self.tell(self.creem.tell_dispute(order), cut_at)

    @rule(which=places)
    def a_dispute_is_won(self, which: int) -> None:
        shop, known = self.shop, self.shop.at(which)
        order = known.order
        for reversal_id, order_id in shop.rows(
            "SELECT id, order_id FROM reversals WHERE kind = 'dispute'"
        ):
            if order_id == order.id:
                done = shop.call(money_back.reinstate, reversal_id)
                shop.expect("a dispute was won twice", done is not order.is_won)
                order.is_won = True

    @rule(which=places, answer=answers)
    def refund_ours(self, which: int, answer: Answer) -> None:
        """We start it: the credits are taken first, whatever Creem answers then."""
        shop, known = self.shop, self.shop.at(which)
        order = known.order
        is_under_way = any(one.is_ours and one.status in OPEN for one in known.backs)
        left, before = order.paid_cents - known.returned_cents, len(order.refunds)
        if not known.is_granted or known.is_blurred:
            return
        is_refused = is_under_way or left <= 0
        is_sure_no = answer in ("refused", "failed") or order.left_cents <= 0
        self.creem.answer = answer
        try:
            shop.refused(is_refused or is_sure_no, _refund, order.id)
            status = {"lost": "unknown", "unheard": "unknown"}.get(answer, answer)
        except PowerCut:
            status = "starting"
        if is_refused:
            return
        made = order.refunds[before] if len(order.refunds) > before else None
        status = "failed" if is_sure_no else status
        back = Back(left, shop.now(), status, order.paid_cents, made, is_ours=True, is_linked=False)
        known.backs.append(back)


def _refund(order_id: str) -> Reversal:
    return money_back.refund(order_id, is_forced=True)
