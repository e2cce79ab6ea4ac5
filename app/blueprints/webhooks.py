"""Callbacks of the providers and of Creem: verified, kept once, answered at once.

Those of the providers only wake the sweep; an event of Creem does what it says, in one transaction.
"""

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from app.extensions import csrf, limiter
from app.services import callbacks, payment_events
from app.tasks.videos import ring

bp = Blueprint("webhooks", __name__, url_prefix="/api/webhooks")
csrf.exempt(bp)


@bp.post("/kie", defaults={"provider": "kie"})
@bp.post("/fal", defaults={"provider": "fal"})
@bp.post("/replicate", defaults={"provider": "replicate"})
@limiter.limit("1200/minute")  # by address: not all callbacks are signed
def receive(provider: str) -> ResponseReturnValue:
    """204 for what was believed, also for the second time; 401 for what was not."""
    if callbacks.receive(provider, _headers(), request.get_data(), request.args.get("attempt", "")):
        ring([])
    return "", 204


@bp.post("/creem")
@limiter.limit("1200/minute")
def creem() -> ResponseReturnValue:
    """200 for what is stored and done or parked; else Creem sends it again, five times in a day."""
    outcome = payment_events.receive(_headers(), request.get_data(cache=False))
    return jsonify(outcome=outcome)


def _headers() -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}
