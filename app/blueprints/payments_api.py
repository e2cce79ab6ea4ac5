"""The document's two addresses for buying a pack, for scripts of the site: JSON in, JSON out.

Session cookie and CSRF header, as for the page's form, and the same verb behind them.
"""

from typing import Any

from flask import Blueprint, jsonify, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.exceptions import BadRequest

from app import auth
from app.blueprints.payments import asks_creem, success_url
from app.services import buying

bp = Blueprint("payments_api", __name__, url_prefix="/api/payments")


@bp.post("/creem-advanced", defaults={"road": "api"})
@bp.post("/creem", defaults={"road": "link"})
@asks_creem
def create(road: buying.Road) -> ResponseReturnValue:
    """201 with the purchase and where to pay it; `creem` goes by the static link at once.

    202 where another request is opening that very purchase's page at this moment.
    """
    if not current_user.is_authenticated:
        raise auth.no_session()
    purchase = buying.buy(current_user.id, _pack(), success_url=success_url(), road=road)
    status_url = url_for("payments.show", purchase_id=purchase.id)
    names = ("id", "status", "pack", "credits", "price_cents", "currency", "road")
    answer = {
        "purchase": {name: getattr(purchase, name) for name in names},
        "checkout_url": purchase.checkout_url if purchase.status == "pending" else None,
        "status_url": status_url,
    }
    is_opening = purchase.status == "pending" and purchase.checkout_url is None
    return jsonify(answer), 202 if is_opening else 201, {"Location": status_url}


def _pack() -> str:
    """The pack's name, under its old name too; what is no text is no pack's name."""
    try:
        fields: Any = request.get_json() if request.is_json else request.form
    except RecursionError as error:  # nested so deep that nobody can read it
        raise BadRequest from error
    if not isinstance(fields, dict):
        return ""
    name = fields.get("pack", fields.get("planType"))
    return name if isinstance(name, str) else ""
