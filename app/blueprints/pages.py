"""Pages without a resource of their own: the home page and a visitor's preferences."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from app.auth import safe_next
from app.blueprints import composing

bp = Blueprint("pages", __name__)

THEMES = ("light", "dark")
YEAR_S = 365 * 24 * 3600


@bp.get("/")
def home() -> ResponseReturnValue:
    """What this is, and the composer at once; someone signed in goes on to the studio."""
    if current_user.is_authenticated:
        return redirect(url_for("studio.show"))
    return render_template("pages/home.html", **composing.blank())


@bp.post("/preferences")
def preferences() -> ResponseReturnValue:
    """Remember the theme in a cookie; an empty one follows the device."""
    response = redirect(safe_next(request.form.get("next")), 303)
    theme = request.form.get("theme", "")
    if theme in THEMES:
        response.set_cookie(
            "theme", theme, max_age=YEAR_S, samesite="Lax", secure=request.is_secure
        )
    else:
        response.delete_cookie("theme", samesite="Lax")
    return response
