"""Accounts: sign up, confirm the address, sign in, sign out."""

from typing import Any

from flask import (
    Blueprint,
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
from flask_babel import get_locale, ngettext
from flask_babel import gettext as _
from flask_login import current_user

from app import auth, error_pages, limits
from app.errors import InvalidForm, UserError
from app.extensions import db, limiter
from app.models import User
from app.services import accounts, links
from app.services.accounts import Verification
from app.tasks import mail

bp = Blueprint("accounts", __name__)

FORMS = {"accounts.sign_up": "accounts/sign_up.html", "accounts.sign_in": "accounts/sign_in.html"}
STATUSES = {"ask": 200, "used": 410, "expired": 410, "invalid": 404}
LOOPBACK = ("127.0.0.1", "::1")


def _typed_email() -> str:
    return request.form.get("email", "").strip().lower()[: limits.EMAIL_MAX_CHARS]


def _aim() -> str:
    return f"to {_typed_email()}"  # the limiter wants a key that is never empty


# Floods only: by who asks, and by the mailbox or the account that is aimed at.
by_visitor = limiter.limit("10/minute;100/hour", methods=["POST"])
by_address = limiter.limit("10/minute;30/hour", methods=["POST"], key_func=_aim)


@bp.route("/sign-up", methods=["GET", "POST"])
@by_visitor
@by_address
def sign_up() -> ResponseReturnValue:
    """Ask for an account. Whoever has the mailbox learns what came of it, the visitor does not."""
    if current_user.is_authenticated:
        return redirect(url_for("studio.show"))
    if request.method == "GET":
        return _form()
    email = accounts.sign_up(
        request.form.get("email", ""), request.form.get("password", ""), str(get_locale())
    )
    mail.ring()
    session["mail_sent_to"], session["next"] = email, request.args.get("next")
    session["signed_up"] = accounts.mark_of_sign_up(email)
    return redirect(url_for("accounts.check_mail"), 303)


@bp.get("/sign-up/sent")
def check_mail() -> ResponseReturnValue:
    """Where to look now. On a developer's own machine the link itself is on the page."""
    email = session.get("mail_sent_to", "")
    user = accounts.find_unverified(email) if email and _is_on_own_machine() else None
    return render_template(
        "accounts/check_mail.html",
        email=email,
        verify_url=links.verification(user) if user else None,
    )


@bp.post("/verify")
@by_visitor
@by_address
def resend() -> ResponseReturnValue:
    """Send the link again; the answer is the same whether there is anything to send."""
    known = current_user.email if current_user.is_authenticated else ""
    email = _typed_email() or session.get("mail_sent_to") or known
    accounts.send_link_again(email)
    mail.ring()
    session["mail_sent_to"] = email
    return redirect(url_for("accounts.check_mail"), 303)


@bp.get("/verify/<token>")
def verify(token: str) -> ResponseReturnValue:
    """Show a button: mail scanners follow links, and must not use them up."""
    return _verify_page(accounts.look_at_link(token), token)


@bp.post("/verify/<token>", endpoint="confirm")
@by_visitor
def confirm(token: str) -> ResponseReturnValue:
    """Confirm the address, once, and sign in."""
    result = accounts.verify(
        token, mark=session.get("signed_up"), password=request.form.get("password", "")
    )
    if result.user_id is None:
        return _verify_page(result.state, token)
    target = auth.safe_next(session.get("next"), url_for("studio.show"))
    response = make_response(redirect(target, 303))
    auth.start_session(response, db.session.get_one(User, result.user_id))
    flash(_welcome_words(result), "success")
    return response


@bp.route("/sign-in", methods=["GET", "POST"])
@by_visitor
@by_address
def sign_in() -> ResponseReturnValue:
    """Open a session and go on to where the visitor was going."""
    target = auth.safe_next(request.values.get("next"), url_for("studio.show"))
    if request.method == "GET":
        return redirect(target) if current_user.is_authenticated else _form()
    user = accounts.authenticate(request.form.get("email", ""), request.form.get("password", ""))
    response = make_response(redirect(target, 303))
    auth.start_session(response, user)
    return response


@bp.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """End the session on the server and in the browser."""
    response = make_response(redirect(url_for("pages.home"), 303))
    auth.end_session(response)
    return response


@bp.errorhandler(UserError)
def show_form_again(error: UserError) -> ResponseReturnValue:
    """A form comes back as it was sent, without the password, with what is wrong beside it."""
    db.session.rollback()
    if request.endpoint == "accounts.confirm":
        text = {error.field: error_pages.text_of(error)}
        return _verify_page("ask", str((request.view_args or {})["token"]), text)
    if request.endpoint not in FORMS:
        return error_pages.show_user_error(error)
    errors = {error.field: error_pages.text_of(error)}
    if isinstance(error, InvalidForm):
        errors = {field: _(text, **values) for field, (text, values) in error.errors.items()}
    return _form(request.form.get("email", ""), errors), error.status


def _form(email: str = "", errors: dict[str, str] | None = None) -> str:
    return render_template(
        FORMS[str(request.endpoint)],
        form={"email": email},
        errors=errors or {},
        next=request.values.get("next", ""),
    )


def _verify_page(
    state: str, token: str, errors: dict[str, str] | None = None
) -> ResponseReturnValue:
    asks = state == "ask" and accounts.wants_password(token, session.get("signed_up"))
    page = render_template(
        "accounts/verify.html", state=state, asks_password=asks, errors=errors or {}
    )
    return page, 422 if errors else STATUSES[state]


def _welcome_words(result: Verification) -> Any:
    given = ngettext("%(num)d credit", "%(num)d credits", limits.WELCOME_CREDITS)
    if result.welcome == "granted":
        return _("Your address is confirmed. %(credits)s are yours.", credits=given)
    if result.welcome == "later":
        return _(
            "Your address is confirmed. So many people came today that your %(credits)s "
            "arrive tomorrow, by themselves.",
            credits=given,
        )
    return _("Your address is confirmed. Welcome credits are once a person, and you had yours.")


def _is_on_own_machine() -> bool:
    """Development, and a browser on this very machine without a proxy between."""
    return (
        current_app.config["APP_ENV"] == "development"
        and request.remote_addr in LOOPBACK
        and "X-Forwarded-For" not in request.headers
    )
