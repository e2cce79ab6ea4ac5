"""How the providers' keys are doing, for administrators; to everybody else it is not there."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from app.auth import require_admin
from app.services import key_status

bp = Blueprint("provider_status", __name__)


@bp.get("/api/veo3-key-status")
@require_admin
def show() -> ResponseReturnValue:
    """Every provider's state and spend, and every key's requests, share, errors and health."""
    return jsonify(key_status.overview())
