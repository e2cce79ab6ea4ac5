"""Buying credits: the packs, the way to Creem and back, receipts, and payments that got lost.

A form may not lead to another site (`form-action 'self'`), so the way to Creem is a page of ours
that sends the buyer on, once; the page has a link for everybody else.
"""

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
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user

from app import error_pages
from app.auth import require_sign_in
from app.blueprints import selling
from app.errors import UserError
from app.extensions import db, limiter
from app.htmx import is_fragment_request
from app.payment_words import recheck_words
from app.services import landings, ledger, packs, purchases, recoveries

# Floods only: each of these asks Creem, and somebody holds a thread of ours meanwhile.
asks_creem = limiter.limit("20/minute")
SENT_ON = "sent_to_creem"
"""Names the purchase whose buyer is sent on by the next page: whoever comes back is not."""

bp = Blueprint("payments", __name__)


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
        return _state_page(purchase, _must_go_on(purchase))
    if pack := request.args.get("pack"):
        return render_template("payments/order.html", offer=selling.get_offer(pack), error="")
    return redirect(url_for("payments.pricing"))


@bp.post("/payment-processor")
@asks_creem
@require_sign_in
def buy() -> ResponseReturnValue:
    """Record the purchase and open a payment page at Creem, by whichever road leads there."""
    purchase = purchases.buy(
        current_user.id, request.form.get("pack", ""), success_url=success_url()
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
        return _state_page(landings.land(current_user.id, query), has_returned=True)
    if newest := purchases.find_newest(current_user.id):
        return _state_page(newest, has_returned=True)
    return redirect(url_for("payments.pricing"))


@bp.get("/payment/cancel")
def cancel() -> ResponseReturnValue:
    """Back without having paid."""
    return render_template("payments/cancel.html")


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
        purchase=purchase,
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
    tone, text = recheck_words(seen.found, seen.credits, seen.unanswered)
    flash(text, tone)
    return go_to(url_for("payments.recovery"))


@bp.post("/credits-recovery/claims")
@asks_creem
@require_sign_in
def claim() -> ResponseReturnValue:
    """A payment without an owner becomes its payer's, when that can be proved."""
    purchase = recoveries.claim(current_user.id, request.form.get("order_id", ""))
    given = ngettext("%(num)d credit", "%(num)d credits", purchase.credits)
    flash(_("Found: %(credits)s are on your balance now.", credits=given), "success")
    return go_to(url_for("payments.show", purchase_id=purchase.id))


@bp.errorhandler(UserError)
def show_in_its_place(error: UserError) -> ResponseReturnValue:
    """What is wrong with a form stands in the form, also where no script shows a message."""
    db.session.rollback()
    text = error_pages.text_of(error)
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


def _must_go_on(purchase: Any) -> bool:
    """Whether this is the page right after the button: the browser's Back leads to it as well."""
    is_next = session.get(SENT_ON) == purchase.id
    if is_next:
        del session[SENT_ON]
    return is_next and purchase.status == "pending" and bool(purchase.checkout_url)


def _state_page(
    purchase: Any, must_go_on: bool = False, *, has_returned: bool = False
) -> ResponseReturnValue:
    if purchase.replaced_by:
        return redirect(_address(purchase))
    page = render_template(
        "payments/state.html", purchase=purchase, has_returned=has_returned, goes_on=must_go_on
    )
    return send_on(page, purchase.checkout_url if must_go_on else None)


def _state(purchase: Any) -> str:
    """The card; with the balance in the header where credits have just come."""
    if purchase.replaced_by:
        purchase = purchases.get_owned(current_user.id, purchase.replaced_by)
    has_returned = request.args.get("returned") == "1"
    card = render_template("payments/_state.html", purchase=purchase, has_returned=has_returned)
    if purchase.is_paid:
        card += render_template("credits/_balance.html")
    return card


def _address(purchase: Any) -> str:
    """The receipt of a purchase, or of that in which its payment was found."""
    return url_for("payments.show", purchase_id=purchase.replaced_by or purchase.id)


def _open_payments() -> dict[str, Any]:
    return {
        "unfinished": recoveries.unfinished(current_user.id),
        "waiting": len(recoveries.waiting_at(current_user.id)),
        "returned": ledger.returned(current_user.id),
    }
