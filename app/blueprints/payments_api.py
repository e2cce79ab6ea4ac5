"""The document's two addresses for buying a pack, for scripts of the site: JSON in, JSON out.

Session cookie and CSRF header, as for the page's form, and the same verb behind them.
"""

from typing import Any

from flask import Blueprint, jsonify, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from app import auth
from app.blueprints.payments import asks_creem, success_url
from app.services import purchases

bp = Blueprint("payments_api", __name__, url_prefix="/api/payments")


@bp.post("/creem-advanced", defaults={"road": "api"})
@bp.post("/creem", defaults={"road": "link"})
@asks_creem
def create(road: purchases.Road) -> ResponseReturnValue:
    """201 with the purchase and where to pay it; `creem` goes by the static link at once."""
    _require_session()
    purchase = purchases.buy(current_user.id, _pack(), success_url=success_url(), road=road)
    status_url = url_for("payments.show", purchase_id=purchase.id)
    names = ("id", "status", "pack", "credits", "price_cents", "currency", "road")
    answer = {
        "purchase": {name: getattr(purchase, name) for name in names},
        "checkout_url": purchase.checkout_url if purchase.status == "pending" else None,
        "status_url": status_url,
    }
    return jsonify(answer), 201, {"Location": status_url}


def _require_session() -> None:
    """Else 401. The scheme is that of draft-broyer-http-cookie-auth: a form that gives a cookie."""
    if current_user.is_authenticated:
        return
    form = {"form-action": url_for("accounts.sign_in"), "cookie-name": auth.cookie_name()}
    wanted = WWWAuthenticate("cookie", {"realm": "CuttingASMR", **form})
    raise Unauthorized(www_authenticate=wanted)


def _pack() -> str:
    """The pack's name, under its old name too; what is no text is no pack's name."""
    fields: Any = request.get_json() if request.is_json else request.form
    if not isinstance(fields, dict):
        return ""
    name = fields.get("pack", fields.get("planType"))
    return name if isinstance(name, str) else ""
