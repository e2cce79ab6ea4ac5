"""Buying credits: the packs, the way to Creem and back, receipts, and payments that got lost.

A form may not lead to another site (`form-action 'self'`), so the way to Creem is a page of ours
that sends the buyer on, once; the page has a link for everybody else.
"""

import logging
from datetime import timedelta
from typing import Any

from flask import (
    Blueprint,
    Response,
    current_app,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_login import current_user

from app import error_pages, limits
from app.auth import ask_to_sign_in, require_sign_in
from app.blueprints import selling
from app.errors import NotFound, UserError
from app.extensions import db, limiter
from app.htmx import is_fragment_request
from app.models import now
from app.payment_words import found_words, recheck_words
from app.payments import NotSigned
from app.services import buying, landings, ledger, packs, purchases, recoveries

# Floods only: each of these asks Creem, and somebody holds a thread of ours meanwhile.
asks_creem = limiter.limit("20/minute")
SENT_ON = "sent_to_creem"
"""Names the purchase whose buyer is sent on by the next page: whoever comes back is not."""
RETURNED = "returned_from_creem"
"""Names the purchase whose signed return address was opened: its buyer waits for Creem."""
OPENING_REFRESH_S = 2
NEVER_PAID = ("failed", "expired")

log = logging.getLogger(__name__)
bp = Blueprint("payments", __name__)


@bp.before_request
def keep_the_pack() -> Response | None:
    """Whose session ended before the button was pressed signs in, and is back at the same pack."""
    pack = request.form.get("pack", "") if request.endpoint == "payments.buy" else ""
    if current_user.is_authenticated or packs.find(pack) is None:
        return None
    door = ask_to_sign_in()
    back = url_for("accounts.sign_in", next=url_for("payments.processor", pack=pack))
    door.headers["HX-Redirect" if is_fragment_request() else "Location"] = back
    return door


@bp.get("/pricing")
def pricing() -> ResponseReturnValue:
    """The packs, what they make, and what a video costs; for everybody."""
    return render_template("payments/pricing.html", **selling.context())


@bp.get("/payment-processor")
@require_sign_in
def processor() -> ResponseReturnValue:
    """Before paying: what is bought. After pressing: where the purchase stands, and on to Creem."""
    if purchase_id := request.args.get("purchase"):
        purchase = purchases.get_owned(current_user.id, purchase_id)
        return _state_page(purchase, is_next=session.get(SENT_ON) == purchase.id)
    if pack := request.args.get("pack"):
        return render_template("payments/order.html", offer=selling.get_offer(pack), error="")
    return redirect(url_for("payments.pricing"))


@bp.post("/payment-processor")
@asks_creem
@require_sign_in
def buy() -> ResponseReturnValue:
    """Record the purchase and open a payment page at Creem, by whichever road leads there."""
    purchase = buying.buy(
        current_user.id,
        request.form.get("pack", ""),
        success_url=success_url(),
        price_cents=request.form.get("price", type=int),
    )
    session[SENT_ON] = purchase.id
    return go_to(url_for("payments.processor", purchase=purchase.id))


def success_url() -> str:
    """Where Creem sends the buyer back to: without a query, for Creem signs the one it adds."""
    return f"{current_app.config['APP_URL']}{url_for('payments.success')}"


@bp.get("/payment/success")
@asks_creem
@require_sign_in
def success() -> ResponseReturnValue:
    """Back from Creem: nothing is believed of the address but its signature, and who asks."""
    query = request.query_string.decode("ascii", "replace")
    if query:
        purchase = landings.land(current_user.id, query)
        session[RETURNED] = purchase.id
        return _state_page(purchase)
    if newest := purchases.find_newest(current_user.id):  # unsigned: it says nothing of a payment
        return _state_page(newest)
    return redirect(url_for("payments.pricing"))


@bp.get("/payment/cancel")
def cancel() -> ResponseReturnValue:
    """Back without having paid, says the address: what is known is where the purchase stands."""
    newest = purchases.find_newest(current_user.id) if current_user.is_authenticated else None
    return _state_page(newest) if newest else render_template("payments/cancel.html")


@bp.get("/purchases/<uuid:purchase_id>")
@require_sign_in
def show(purchase_id: Any) -> ResponseReturnValue:
    """The receipt; to htmx the state of the purchase, which asks again while it waits."""
    purchase = purchases.get_owned(current_user.id, str(purchase_id))
    if is_fragment_request():
        return _state(purchase)
    if purchase.replaced_by:
        return redirect(_address(purchase))
    return render_template(
        "payments/receipt.html",
        **_card(purchase),
        entries=purchases.entries_of(purchase.id),
        reversals=purchases.reversals_of(purchase.id),
    )


@bp.get("/credits-recovery")
@require_sign_in
def recovery() -> ResponseReturnValue:
    """Payments that are not settled, and how to find one."""
    return render_template("payments/recovery.html", **_open_payments())


@bp.post("/credits-recovery")
@asks_creem
@require_sign_in
def recheck() -> ResponseReturnValue:
    """Ask Creem now about everything that is open."""
    seen = recoveries.recheck(current_user.id)
    tone, text = recheck_words(seen.found, seen.credits, seen.unanswered, seen.asked)
    flash(text, tone)
    return go_to(url_for("payments.recovery"))


@bp.post("/credits-recovery/claims")
@asks_creem
@require_sign_in
def claim() -> ResponseReturnValue:
    """A payment without an owner becomes its payer's, when that can be proved."""
    purchase = recoveries.claim(current_user.id, request.form.get("order_id", ""))
    flash(found_words(purchase.credits), "success")
    return go_to(url_for("payments.show", purchase_id=purchase.id))


@bp.errorhandler(UserError)
def show_in_its_place(error: UserError) -> ResponseReturnValue:
    """What is wrong with a form stands in the form, also where no script shows a message."""
    db.session.rollback()
    text = error_pages.text_of(error)
    if request.endpoint == "payments.success" and isinstance(error, NotFound):
        return _unclear()
    if isinstance(error, buying.PriceChanged) and is_fragment_request():
        flash(text, "warning")
        return go_to(url_for("payments.processor", pack=request.form.get("pack", "")))
    if request.endpoint == "payments.claim" and error.status == UserError.status:
        context = {"error": text, "typed": request.form.get("order_id", "")}
        if is_fragment_request():
            return render_template("payments/_claim.html", **context), error.status
        return render_template("payments/recovery.html", **_open_payments(), **context), 422
    response = error_pages.show_user_error(error)
    offer = packs.find(request.form.get("pack", ""))
    if request.endpoint == "payments.buy" and offer and not is_fragment_request():
        response.set_data(render_template("payments/order.html", offer=offer, error=text))
    return response


@bp.errorhandler(NotSigned)
def show_not_signed(error: NotSigned) -> ResponseReturnValue:
    """Whoever opens a return address may just have paid: nothing is said of what was charged."""
    log.warning("not signed by Creem at %s: %s", request.path, error)
    return _unclear()


def go_to(address: str) -> Response:
    """Another page after a form: htmx is told, a plain form is redirected."""
    if is_fragment_request():
        return make_response("", 204, {"HX-Redirect": address})
    return make_response(redirect(address, 303))


def send_on(page: str, address: str | None) -> Response:
    """A page that leads elsewhere by itself, a second after it was seen."""
    response = make_response(page)
    if address and address.startswith(("https://", "http://")):
        response.headers["Refresh"] = f"1; url={address}"
    return response


def _unclear() -> ResponseReturnValue:
    """A return address that shows no purchase of the visitor's, and what to do then."""
    db.session.rollback()
    return render_template("payments/unclear.html"), 404


def _state_page(purchase: Any, *, is_next: bool = False) -> ResponseReturnValue:
    """`is_next`: right after the button; the browser's Back leads to the same page later."""
    if purchase.replaced_by:
        return redirect(_address(purchase))
    is_next = is_next and purchase.status == "pending"
    goes_on = is_next and bool(purchase.checkout_url)
    is_opening = is_next and not goes_on and _is_young(purchase)
    if not is_opening and session.get(SENT_ON) == purchase.id:
        del session[SENT_ON]
    page = render_template(
        "payments/state.html", **_card(purchase), goes_on=goes_on, is_opening=is_opening
    )
    response = send_on(page, purchase.checkout_url if goes_on else None)
    if is_opening:  # by another request of this buyer's: a second press
        response.headers["Refresh"] = str(OPENING_REFRESH_S)
    return response


def _is_young(purchase: Any) -> bool:
    """Whether Creem may still be asked for its page at this moment."""
    return bool(purchase.created_at > now() - timedelta(seconds=limits.OPENING_S))


def _state(purchase: Any) -> ResponseReturnValue:
    """The card; with the balance in the header where credits have just come.

    On a receipt everything changes with it: the page is loaded again.
    """
    if request.args.get("on") == "receipt":
        if purchase.status != "pending":
            return make_response("", 204, {"HX-Refresh": "true"})
        return render_template("payments/_state.html", **_card(purchase), on_receipt=True)
    if purchase.replaced_by:
        purchase = purchases.get_owned(current_user.id, purchase.replaced_by)
    card = render_template("payments/_state.html", **_card(purchase))
    if purchase.is_paid:
        card += render_template("credits/_balance.html")
    return card


def _card(purchase: Any) -> dict[str, Any]:
    """Context of payments/_state.html."""
    offer = packs.find(purchase.pack)
    return {
        "purchase": purchase,
        "has_returned": session.get(RETURNED) == purchase.id,
        "is_on_sale": offer is not None and offer.is_on_sale,
    }


def _address(purchase: Any) -> str:
    """The receipt of a purchase, or of that in which its payment was found."""
    return url_for("payments.show", purchase_id=purchase.replaced_by or purchase.id)


def _open_payments() -> dict[str, Any]:
    unfinished = recoveries.unfinished(current_user.id)
    return {
        "unfinished": [one for one in unfinished if one.status not in NEVER_PAID],
        "never_paid": [one for one in unfinished if one.status in NEVER_PAID],
        "waiting": len(recoveries.waiting_at(current_user.id)),
        "returned": ledger.returned(current_user.id),
    }
