"""Accounts: made, verified, signed in to. Each verb is one transaction, committed at its end.

Nobody learns here whether an address has an account: signing up and signing in answer alike, and
take alike long.  A password typed at sign-up waits in `pending_password_hash` until the address is
verified: before, it opens nothing, so that a stranger cannot set an owner's password beforehand.
"""

from dataclasses import dataclass
from typing import Literal

from email_validator import EmailNotValidError, validate_email
from flask import current_app
from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app import limits
from app.errors import InvalidForm, UserError, _l
from app.extensions import db
from app.models import User, now
from app.services import credits, identities, links, mails, passwords, sessions
from app.services.identities import Welcome
from app.services.transactions import write_transaction

TAKEN = _l("This address has an account already.")
LOCALES = ("en", "zh")


LinkState = Literal["ask", "done", "used", "expired", "invalid"]


@dataclass(frozen=True)
class Verification:
    """What became of a verification link; `welcome` says what became of the welcome credits."""

    state: LinkState
    user_id: int | None = None
    welcome: Welcome | None = None


def normalise_email(text: str) -> str:
    """The address in lower case, as it is stored. Raises UserError on field `email`.

    No name is looked up: a slow resolver must not decide who may sign up.  Outside production the
    names that only exist on one's own machine (RFC 6761) are addresses too.
    """
    is_production = current_app.config["APP_ENV"] == "production"
    local, at, domain = text.strip().lower().rpartition("@")
    # email-validator knows no switch for `localhost`, but one for `test`
    own_name = "" if is_production or not domain.endswith("localhost") else "localhost"
    checked = domain.removesuffix(own_name) + ("test" if own_name else "")
    try:
        valid = validate_email(
            f"{local}{at}{checked}",
            check_deliverability=False,
            test_environment=not is_production,
        )
    except EmailNotValidError as error:
        raise UserError(
            _l("This does not look like an e-mail address. Check it for slips."), field="email"
        ) from error
    email = valid.normalized.lower()
    if own_name:
        email = email.removesuffix("test") + own_name
    if len(email) > limits.EMAIL_MAX_CHARS:
        raise UserError(_l("This e-mail address is too long."), field="email")
    return email


def create_user(
    email: str,
    password: str | None = None,
    *,
    is_verified: bool = False,
    is_admin: bool = False,
    credits: int | None = None,
    locale: str = "en",
) -> User:
    """Make an account with its credit account, as an operator does. Raises UserError.

    `credits` is the whole balance: an adjustment, and no welcome credits ever.  Without it a
    verified account gets its welcome credits as by a verification link.
    """
    email = normalise_email(email)
    password_hash = None
    if password is not None:
        password_hash = passwords.hash_password(passwords.check(password, email))
    identity_key = identities.key_of(email)
    try:
        with write_transaction() as connection:
            user_id = _insert(connection, email, locale, password_hash=password_hash)
            if is_admin:
                connection.execute(update(User).where(User.id == user_id).values(is_admin=True))
            if credits is not None:
                _set_opening_balance(connection, user_id, identity_key, credits)
            if is_verified:
                _mark_verified(connection, user_id, email, identity_key)
                identities.welcome(connection, identity_key, user_id)
    except IntegrityError as error:
        raise UserError(TAKEN, field="email") from error
    return db.session.get_one(User, user_id)


def sign_up(email: str, password: str, locale: str) -> str:
    """Ask for an account; returns the normalised address. The answer is in that mailbox.

    A new address, or one that is not verified yet, gets a link; an account's owner gets a note.
    Raises InvalidForm naming every wrong field.
    """
    email, password = _check_form(email, password)
    user = find(email)
    is_same = passwords.is_right(user.pending_password_hash if user else None, password)
    password_hash = passwords.hash_password(password)
    try:
        with write_transaction() as connection:
            _sign_up(connection, email, password_hash, locale, is_same=is_same)
    except IntegrityError:  # the same form at the same moment made it first
        with write_transaction() as connection:
            _sign_up(connection, email, password_hash, locale, is_same=False)
    return email


def _sign_up(
    connection: Connection, email: str, password_hash: str, locale: str, *, is_same: bool
) -> None:
    row = connection.execute(
        select(User.id, User.email_verified_at).where(User.email == email)
    ).first()
    if row is not None and row.email_verified_at is not None:
        mails.queue(connection, email, "address_taken", locale)
        return
    if row is None:
        user_id = _insert(connection, email, locale, pending_password_hash=password_hash)
    else:
        user_id = row.id
        if not is_same:  # the latest form counts, and links of earlier ones end
            connection.execute(
                update(User)
                .where(User.id == user_id, User.email_verified_at.is_(None))
                .values(pending_password_hash=password_hash, locale=locale)
            )
    waits = connection.scalar(select(User.pending_password_hash).where(User.id == user_id))
    mark = links.mark_of(waits)  # the mail's link confirms this form, whatever comes later
    mails.queue(connection, email, "verify", locale, user_id=user_id, mark=mark)


def send_link_again(email: str) -> None:
    """Mail another verification link to an address that waits for one; to others nothing."""
    user = find_unverified(email)
    if user is None:
        return
    user_id, to, locale, mark = user.id, user.email, user.locale, links.fingerprint(user)
    with write_transaction() as connection:
        mails.queue(connection, to, "verify", locale, user_id=user_id, mark=mark)


def find(email: str) -> User | None:
    """The account of an address, as it was typed."""
    stored = email.strip().lower().replace("\x00", "")  # PostgreSQL refuses to look for a NUL
    return db.session.scalar(select(User).where(User.email == stored))


def find_unverified(email: str) -> User | None:
    """The account of an address that waits for its link."""
    user = find(email)
    return user if user and not user.is_verified else None


def authenticate(email: str, password: str) -> User:
    """The user of an address and its password. Raises one UserError for every reason why not."""
    user = find(email)
    if not passwords.is_right(user.password_hash if user else None, password) or user is None:
        raise UserError(
            _l(
                "The address and the password do not belong together, or the address is not "
                "confirmed yet. For a fresh link to confirm it, sign up again."
            )
        )
    return user


def wants_password(token: str, mark: str | None) -> bool:
    """Whether this link's button needs the password beside it: another browser sent the form."""
    link = links.read(token)
    user = db.session.get(User, link.user_id) if link else None
    return bool(link and user and user.pending_password_hash and link.fingerprint != mark)


def mark_of_sign_up(email: str) -> str:
    """Names the form that waits at this address, for the browser that has just sent it."""
    user = find_unverified(email)
    return links.fingerprint(user) if user else ""


def look_at_link(token: str) -> LinkState:
    """What a verification link would do now: ask, used, expired or invalid. Changes nothing."""
    return _look(links.read(token))[0]


def _look(link: links.Link | None) -> tuple[LinkState, User | None]:
    user = db.session.get(User, link.user_id) if link else None
    if link is None or user is None or user.email != link.email:
        return "invalid", None
    if user.is_verified:
        return "used", user
    if link.is_expired:
        return "expired", user
    return ("ask" if links.fingerprint(user) == link.fingerprint else "invalid"), user


def verify(token: str, *, mark: str | None = None, password: str = "") -> Verification:
    """Verify an address by its link, once, and give the welcome credits in the same transaction.

    Whoever has the mailbox may not have written the form: the browser that sent it is known by
    `mark`, any other names the password, so that nobody confirms a stranger's.  Raises UserError.
    """
    link = links.read(token)
    state, user = _look(link)
    if state != "ask" or user is None or link is None:
        return Verification(state)
    waits = user.pending_password_hash
    if waits and link.fingerprint != mark and not passwords.is_right(waits, password):
        raise UserError(
            _l(
                "That is not the password of this sign-up. If you never chose one, somebody else "
                "typed your address: do nothing, or sign up yourself."
            ),
            field="password",
        )
    user_id, email, pending = user.id, user.email, user.pending_password_hash
    identity_key = identities.key_of(email)
    with write_transaction() as connection:
        if not _mark_verified(connection, user_id, email, identity_key, pending):
            return Verification("used")
        welcome = identities.welcome(connection, identity_key, user_id)
    return Verification("done", user_id, welcome)


def _mark_verified(
    connection: Connection,
    user_id: int,
    email: str,
    identity_key: str,
    pending_password_hash: str | None = None,
) -> bool:
    """Guarded: of many that verify an account at once one does, with the password it read."""
    values: dict[str, object] = {"email_verified_at": now(), "identity_key": identity_key}
    if pending_password_hash is not None:
        values |= {"password_hash": pending_password_hash, "pending_password_hash": None}
    if email in current_app.config["ADMIN_EMAILS"]:
        values["is_admin"] = True
    verified = connection.execute(
        update(User)
        .where(
            User.id == user_id,
            User.email == email,
            User.email_verified_at.is_(None),
            func.coalesce(User.pending_password_hash, "") == (pending_password_hash or ""),
        )
        .values(**values)
    )
    if verified.rowcount == 1 and pending_password_hash is not None:
        sessions.revoke_all(connection, user_id)
    return verified.rowcount == 1


def _check_form(email: str, password: str) -> tuple[str, str]:
    errors: dict[str, tuple[str, dict[str, object]]] = {}
    try:
        email = normalise_email(email)
    except UserError as error:
        errors[error.field] = (error.message, error.values_)
    try:
        password = passwords.check(password, email)
    except UserError as error:
        errors[error.field] = (error.message, error.values_)
    if errors:
        raise InvalidForm(errors)
    return email, password


def _insert(connection: Connection, email: str, locale: str, **hashes: str | None) -> int:
    user_id = connection.execute(
        insert(User)
        .values(
            email=email,
            locale=locale if locale in LOCALES else LOCALES[0],
            is_admin=False,
            created_at=now(),
            **hashes,
        )
        .returning(User.id)
    ).scalar_one()
    credits.open_account(connection, user_id)
    return int(user_id)


def _set_opening_balance(
    connection: Connection, user_id: int, identity_key: str, balance: int
) -> None:
    """The operator's whole balance; the person's welcome counts as given."""
    identities.remember(connection, identity_key)
    identities.mark_welcomed(connection, identity_key, user_id)
    if balance:
        credits.grant(
            connection,
            user_id,
            balance,
            kind="adjustment",
            key=f"opening:{user_id}",
            reason="opening_balance",
        )
