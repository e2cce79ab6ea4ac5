"""For load balancers and the supervisor: does this process answer, and its database too?"""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy import text

from app.extensions import db

bp = Blueprint("health", __name__)


@bp.get("/api/health")
def show() -> ResponseReturnValue:
    """200 with `{"status": "ok"}`; an error of the database becomes a 500."""
    db.session.execute(text("SELECT 1"))
    return jsonify(status="ok")
