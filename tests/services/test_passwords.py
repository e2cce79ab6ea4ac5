"""Passwords: which are refused, and what their hashes say."""

from collections.abc import Callable

import pytest
from flask import Flask

from app import limits
from app.errors import UserError
from app.services import passwords
from tests.conftest import PASSWORD, Call


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "ninechars",
        "          "[:9],
        "password123",
        "PASSWORD123",
        "Password123!",
        "qwertyuiop",
        "iloveyou123",
        "1234567890",
        "0987654321",
        "234567890123",
        "abcdefghijkl",
        "poiuytrewq",
        "aaaaaaaaaaaa",
        "abcabcabcabc",
        "carol@example.org",
        "CAROL@example.org",
        "x" * (limits.PASSWORD_MAX_CHARS + 1),
    ],
)
def test_a_password_that_others_would_try_is_refused(call: Call, password: str) -> None:
    with pytest.raises(UserError) as refusal:
        call(passwords.check, password, "carol@example.org")
    assert refusal.value.field == "password"


def test_the_part_before_the_at_is_no_password(call: Call) -> None:
    with pytest.raises(UserError):
        call(passwords.check, "Carol.Longname", "carol.longname@example.org")


@pytest.mark.parametrize(
    "password", [PASSWORD, "correct horse battery", "草莓切片的声音很好听", "tr0ub4dor&3x"]
)
def test_a_password_of_ten_or_more_will_do(call: Call, password: str) -> None:
    assert call(passwords.check, password, "carol@example.org") == password


def test_the_list_of_common_passwords_is_long_and_of_the_right_length() -> None:
    common = passwords._common()
    assert len(common) >= 1000
    assert min(map(len, common)) >= limits.PASSWORD_MIN_CHARS
    assert all(word == word.casefold() for word in common)


def test_a_hash_says_yes_to_its_password_only(call: Call) -> None:
    stored = call(passwords.hash_password, "Gründliche Erdbeere")
    assert stored.startswith("$argon2id$")
    assert call(passwords.is_right, stored, "Gründliche Erdbeere")
    decomposed = "Gru\u0308ndliche Erdbeere"
    assert call(passwords.is_right, stored, decomposed)
    for wrong in ("gründliche erdbeere", "", "x" * 100_000):
        assert not call(passwords.is_right, stored, wrong)
    assert not call(passwords.is_right, None, "nobody has this password")
    assert not call(passwords.is_right, "damaged", "Gründliche Erdbeere")


def test_outside_tests_a_hash_is_expensive(make_app: Callable[..., Flask]) -> None:
    with make_app(APP_ENV="development").app_context():
        stored = passwords.hash_password(PASSWORD)
    assert "m=65536,t=3,p=4" in stored
