"""Passwords: which are refused, and their argon2 hashes. A comparison costs the same always."""

import unicodedata
from functools import cache
from importlib.resources import files

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from flask import current_app

from app import limits
from app.errors import UserError, _l

_ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "0123456789",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertyuiopasdfghjklzxcvbnm",
    "azertyuiop",
    "qwertzuiop",
)
"""Runs of neighbours in an alphabet or on a keyboard; walked either way they are no password."""


def check(password: str, email: str) -> str:
    """The password as it is stored, or UserError on field `password` saying what is wrong with it.

    NIST SP 800-63B, 3.1.1.2: a length, a list of common ones, nothing about kinds of characters.
    """
    password = _normalise(password)
    lower = password.casefold()
    if len(password) < limits.PASSWORD_MIN_CHARS:
        raise _refused(_l("Use at least %(count)d characters."), count=limits.PASSWORD_MIN_CHARS)
    if len(password) > limits.PASSWORD_MAX_CHARS:
        raise _refused(_l("Use at most %(count)d characters."), count=limits.PASSWORD_MAX_CHARS)
    if lower in (email.casefold(), email.casefold().partition("@")[0]):
        raise _refused(_l("The password must not be your e-mail address."))
    if lower in _common() or _is_repetition(lower) or _is_walk(lower):
        raise _refused(_l("This password is among the first that others would try. Take another."))
    return password


def hash_password(password: str) -> str:
    """The argon2id hash of a password, with its own salt and its parameters inside."""
    return _hasher(current_app.config["APP_ENV"]).hash(_normalise(password))


def is_right(password_hash: str | None, password: str) -> bool:
    """Whether the password belongs to the hash; without a hash it takes as long and says no."""
    env = current_app.config["APP_ENV"]
    if len(password) > limits.PASSWORD_MAX_CHARS:
        password = ""
    try:
        _hasher(env).verify(password_hash or _nobody(env), _normalise(password))
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False
    return password_hash is not None


def _refused(message: str, **values: object) -> UserError:
    return UserError(message, field="password", **values)


def _normalise(password: str) -> str:
    """One spelling for one password: keyboards compose accents differently."""
    return unicodedata.normalize("NFKC", password)


@cache
def _common() -> frozenset[str]:
    text = files("app.services").joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(text.split())


def _is_repetition(text: str) -> bool:
    """Whether a short piece (at most a third of the text) makes all of it: aaaa…, abcabcabcabc."""
    return any(
        (text[:size] * (len(text) // size + 1))[: len(text)] == text
        for size in range(1, len(text) // 3 + 1)
    )


def _is_walk(text: str) -> bool:
    """Whether the text goes step by step through one of the rows, round and round if need be."""
    doubled = [row * (len(text) // len(row) + 2) for row in _ROWS]
    return any(text in row or text in row[::-1] for row in doubled)


@cache
def _hasher(env: str) -> PasswordHasher:
    """RFC 9106's second choice (64 MiB, 3 passes); in tests as little as argon2 can."""
    if env == "test":
        return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4)


@cache
def _nobody(env: str) -> str:
    """A hash that belongs to nobody, to compare with when there is no account."""
    return _hasher(env).hash("nobody has this password")
