"""The account: who it is, what it has, what it bought."""

from flask import Blueprint, make_response, render_template
from flask.typing import ResponseReturnValue
from flask_login import current_user

from app.auth import require_sign_in
from app.blueprints.payments import asks_creem, send_on
from app.htmx import is_fragment_request
from app.services import purchases

bp = Blueprint("profile", __name__)


@bp.get("/profile")
@require_sign_in
def show() -> ResponseReturnValue:
    """Address, balance and every purchase."""
    return render_template("profile/show.html", purchases=purchases.of_user(current_user.id))


@bp.post("/profile/portal")
@asks_creem
@require_sign_in
def portal() -> ResponseReturnValue:
    """On to Creem's own pages for buyers: invoices, payment methods, questions about a payment."""
    address = purchases.portal_url(current_user.id)
    if is_fragment_request():
        return make_response("", 204, {"HX-Redirect": address})
    return send_on(render_template("profile/portal.html", address=address), address)
