"""Links that verify an address: signed, dated, bound to one account, address and password."""

import hashlib
from dataclasses import dataclass

from flask import current_app
from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer

from app import limits
from app.models import User

SALT = "verify-email"
PREFIXES = {"zh": "/zh"}
HOUR_S = 3600


@dataclass(frozen=True)
class Link:
    """What a token with our signature says."""

    user_id: int
    email: str
    fingerprint: str
    is_expired: bool


def verification(user: User, mark: str | None = None) -> str:
    """The address that verifies `user`, under APP_URL whatever the request's Host header says.

    `mark` names the password of the form that asked for it; by default the one that waits now.
    """
    token = _signer().dumps([user.id, user.email, mark or fingerprint(user)])
    prefix = PREFIXES.get(user.locale, "")
    return f"{current_app.config['APP_URL']}{prefix}/verify/{token}"


def read(token: str) -> Link | None:
    """What a token says, and whether it is older than VERIFY_HOURS; None when it is not ours."""
    signer = _signer()
    is_expired = False
    try:
        said = signer.loads(token, max_age=limits.VERIFY_HOURS * HOUR_S)
    except SignatureExpired as error:
        said, is_expired = signer.load_payload(error.payload or b""), True
    except BadData:
        return None
    user_id, email, mark = said
    return Link(user_id, email, mark, is_expired)


def fingerprint(user: User) -> str:
    """Names the password that waits, so that a link confirms no other than its own form's."""
    return mark_of(user.pending_password_hash)


def mark_of(password_hash: str | None) -> str:
    """Names a password's hash without giving it away."""
    return hashlib.sha256((password_hash or "").encode()).hexdigest()[:16]


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        current_app.config["SECRET_KEY"],
        salt=SALT,
        signer_kwargs={"digest_method": hashlib.sha256},
    )
