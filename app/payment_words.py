"""Where a purchase is, in words: for cards, receipts and lists, in the visitor's language."""

from decimal import Decimal
from typing import Any, NamedTuple

from flask_babel import format_currency

from app import limits
from app.errors import _l
from app.i18n import gettext, ngettext

PACK_NAMES = {"starter": _l("Starter"), "standard": _l("Standard"), "premium": _l("Premium")}


class State(NamedTuple):
    """How a state looks: its name in a list, a tone of the design, an icon."""

    words: str
    tone: str
    icon: str


STATES = {
    "pending": State(_l("Not paid yet"), "accent", "hourglass"),
    "completed": State(_l("Paid"), "ok", "check"),
    "failed": State(_l("Failed"), "danger", "circle-alert"),
    "expired": State(_l("Never paid"), "", "clock"),
    "parked": State(_l("Being checked"), "warn", "eye"),
    "unmatched": State(_l("Being checked"), "warn", "eye"),
    "replaced": State(_l("Found elsewhere"), "", "arrow-right"),
    "partly_refunded": State(_l("Partly refunded"), "warn", "undo-2"),
    "refunded": State(_l("Refunded"), "", "undo-2"),
    "disputed": State(_l("Disputed"), "danger", "triangle-alert"),
}
FAILURES = {
    "unavailable": _l("Creem, who takes the payment, did not answer. Try again in a few minutes."),
    "rate_limited": _l("Creem had too much to do just then. Try again in a minute."),
    "refused": _l("Creem did not take our order. It is written down; try again later."),
    "not_found": _l("Creem did not take our order. It is written down; try again later."),
    "no_link": _l("There is no way to pay for this pack just now. It is written down."),
    "garbled": _l("Creem gave an answer that we could not read. Try again in a few minutes."),
}
REVERSALS = {
    "refund": _l("Refund"),
    "ours": _l("Refund"),
    "seen": _l("Refund"),
    "dispute": _l("Dispute with your bank"),
}
REVERSAL_STATES = {
    "starting": _l("on its way"),
    "unknown": _l("on its way"),
    "pending": _l("on its way"),
    "succeeded": _l("done"),
    "failed": _l("did not come about"),
}
DISPUTE_STATES = REVERSAL_STATES | {
    "succeeded": _l("opened"),
    "failed": _l("ended for us: the credits were given again"),
}
"""Creem tells of one only when it is opened: how it ends, a person learns."""


def pack_name(pack: str) -> str:
    """A pack's name in the visitor's language; one that is sold no more keeps its own."""
    return gettext(PACK_NAMES[pack]) if pack in PACK_NAMES else pack.capitalize()


def money(cents: float | None, currency: str = limits.CURRENCY) -> str:
    """An amount as people write it: $9.90."""
    return str(format_currency(Decimal(str(cents or 0)) / 100, currency)).replace("-", "−")


def short_money(cents: int, currency: str = limits.CURRENCY) -> str:
    """The same without cents where there are none: $30."""
    if cents % 100:
        return money(cents, currency)
    pattern = "¤#,##0"
    return str(format_currency(cents // 100, currency, format=pattern, currency_digits=False))


def credits_words(number: int) -> str:
    """A number of credits in words, with separators: 1,450 credits."""
    sign = "−" if number < 0 else ""
    amount = f"{sign}{abs(number):,}"
    return ngettext("%(amount)s credit", "%(amount)s credits", abs(number), amount=amount)


def discount_cents(purchase: Any) -> int:
    """What a code at Creem's page took off. Where the price was paid as it is, it holds the tax."""
    paid, tax = purchase.paid_cents, purchase.tax_cents or 0
    is_plain = paid is None or paid == purchase.price_cents
    return 0 if is_plain else max(0, int(purchase.price_cents + tax - paid))


def purchase_state(purchase: Any) -> State:
    """Two or three words, a tone and an icon for a list."""
    state = STATES[purchase.status]
    return state._replace(words=gettext(state.words))


def purchase_headline(purchase: Any, has_returned: bool = False) -> str:
    """What there is to say of a purchase, in one line. `has_returned`: just back from paying."""
    if is_declined(purchase):
        return gettext("The card was declined")
    if purchase.status == "pending":
        return gettext("Waiting for Creem") if has_returned else gettext("Waiting for your payment")
    if purchase.status == "completed":
        return ngettext(
            "%(amount)s credit added",
            "%(amount)s credits added",
            purchase.credits,
            amount=f"{purchase.credits:,}",
        )
    if purchase.status in ("parked", "unmatched"):
        return gettext("This payment waits for a person")
    if purchase.status == "failed":
        return gettext("That did not work")
    if purchase.status == "expired":
        return gettext("This was never paid")
    return purchase_state(purchase).words


def purchase_sentence(purchase: Any, has_returned: bool = False) -> str:
    """What happened, what it cost, what to do next."""
    status = purchase.status
    if is_declined(purchase):
        return gettext(
            "Nothing was charged. The payment page is still open: try again there, or with another "
            "card."
        )
    if status == "pending":
        return _pending_words(has_returned)
    if status == "failed":
        return failure_words(purchase.failure)
    if status == "completed":
        videos = ngettext(
            "%(num)d video of %(seconds)d seconds",
            "%(num)d videos of %(seconds)d seconds",
            purchase.credits // limits.PRICE_CREDITS,
            seconds=limits.PRICE_SECONDS,
        )
        return gettext("They make %(videos)s, and never expire.", videos=videos)
    if status == "expired":
        return gettext(
            "No payment came, and its payment page is closed. Nothing was charged. One that comes "
            "late still counts."
        )
    if status in ("parked", "unmatched"):
        return gettext(
            "What Creem reports is not what was ordered, so a person has to decide. If you hear "
            "nothing within a day, write to us."
        )
    return _returned_words(purchase)


def is_declined(purchase: Any) -> bool:
    """Whether Creem said that a card was declined, and nobody has paid since."""
    return bool(purchase.status == "pending" and purchase.failure == "declined")


def failure_words(failure: str | None) -> str:
    """Why no payment page could be opened; the buyer was charged nothing, or has it back."""
    if failure == "returned":
        return gettext(
            "This payment was not what had been ordered, and all of it went back to you."
        )
    reason = FAILURES.get(failure or "", FAILURES["unavailable"])
    nothing = gettext("Nothing was charged.")  # a line of its own, or it is not found
    return f"{nothing} {gettext(reason)}"


def _pending_words(has_returned: bool) -> str:
    if has_returned:
        return gettext(
            "As a rule this takes seconds. The credits arrive by themselves, also when this page "
            "is closed."
        )
    return gettext("You pay at Creem. The credits arrive as soon as Creem tells us of it.")


def _returned_words(purchase: Any) -> str:
    back = money(purchase.returned_cents, purchase.currency)
    taken = credits_words(purchase.clawed_credits)
    if purchase.status == "disputed":
        return gettext(
            "You disputed this payment at your bank: %(money)s and %(credits)s are held until it "
            "is settled.",
            money=back,
            credits=taken,
        )
    if purchase.status in ("refunded", "partly_refunded"):
        return gettext(
            "%(money)s went back to you, and %(credits)s of this pack went with it.",
            money=back,
            credits=taken,
        )
    return gettext("The payment was found, and its credits belong to another purchase of yours.")


def reversal_words(reversal: Any) -> str:
    """What kind of return it is, and how far: "Refund, done"."""
    states = DISPUTE_STATES if reversal.kind == "dispute" else REVERSAL_STATES
    kind, state = REVERSALS[reversal.kind], states[reversal.status]
    return gettext("%(kind)s, %(state)s", kind=gettext(kind), state=gettext(state))


def found_words(number: int) -> str:
    """A payment was found, and its credits came."""
    return gettext("Found: %(credits)s are on your balance now.", credits=credits_words(number))


def recheck_words(found: int, credits: int, unanswered: int, asked: int) -> tuple[str, str]:
    """Tone and text of what a second look at Creem has found."""
    if found:
        return "success", found_words(credits)
    if not asked:
        return "warning", gettext(
            "Creem was not asked: these orders were begun on its plain payment link, which cannot "
            "be asked for. If you have paid, Creem's receipt has an order number: name it below."
        )
    if unanswered:
        return "warning", gettext(
            "Creem does not answer just now. Nothing is lost; look again in a few minutes."
        )
    return "info", gettext(
        "No payment was found for what is open here. If you have paid, Creem's receipt has an "
        "order number: name it below."
    )
