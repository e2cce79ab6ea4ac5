"""Callbacks of the providers: verified, kept once, answered at once. They only wake the sweep."""

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from app.extensions import csrf, limiter
from app.services import callbacks
from app.tasks.videos import ring

bp = Blueprint("webhooks", __name__, url_prefix="/api/webhooks")
csrf.exempt(bp)


@bp.post("/kie", defaults={"provider": "kie"})
@bp.post("/fal", defaults={"provider": "fal"})
@bp.post("/replicate", defaults={"provider": "replicate"})
@limiter.limit("1200/minute")  # by address: not all callbacks are signed
def receive(provider: str) -> ResponseReturnValue:
    """204 for what was believed, also for the second time; 401 for what was not."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    if callbacks.receive(provider, headers, request.get_data(), request.args.get("attempt", "")):
        ring([])
    return "", 204
