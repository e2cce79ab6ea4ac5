"""Words for purchases, in both languages."""

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from flask_babel import Babel, force_locale

from app import payment_words as words
from app import template_filters as filters
from app.i18n import LOCALES

SECOND_LOOKS = ((1, 115, 0, 1), (0, 0, 1, 1), (0, 0, 0, 1), (0, 0, 0, 0))
"""Found, their credits, unanswered, asked."""
KINDS = ("refund", "dispute")


@pytest.fixture(scope="module")
def site() -> Flask:
    """An app that knows the translations."""
    app = Flask("app")
    Babel(app)
    return app


@pytest.fixture(params=LOCALES)
def language(site: Flask, request: pytest.FixtureRequest) -> Iterator[str]:
    with site.test_request_context(), force_locale(request.param):
        yield request.param


@pytest.fixture
def english(site: Flask) -> Iterator[None]:
    with site.test_request_context(), force_locale("en"):
        yield


def purchase(**values: Any) -> SimpleNamespace:
    usual: dict[str, Any] = {
        "status": "pending", "pack": "starter", "credits": 115, "price_cents": 990,
        "currency": "USD", "failure": None, "returned_cents": 990, "clawed_credits": 115,
    }  # fmt: skip
    return SimpleNamespace(**usual | values)


@pytest.mark.parametrize("status", words.STATES)
@pytest.mark.parametrize("has_returned", [False, True])
def test_every_status_has_words(language: str, status: str, has_returned: bool) -> None:
    one = purchase(status=status)
    said = (
        words.purchase_state(one).words,
        words.purchase_headline(one, has_returned),
        words.purchase_sentence(one, has_returned),
    )
    assert all(said) and not any(re.search(r"%\(|\bNone\b", text) for text in said)


@pytest.mark.parametrize("failure", [*words.FAILURES, None, "of a later version"])
def test_a_failure_says_that_nothing_was_charged(english: None, failure: str | None) -> None:
    said = words.failure_words(failure)
    assert said.startswith("Nothing was charged. ") and len(said) > 40


@pytest.mark.parametrize("kind", words.REVERSALS)
@pytest.mark.parametrize("status", words.REVERSAL_STATES)
def test_every_return_has_words(language: str, kind: str, status: str) -> None:
    assert words.reversal_words(SimpleNamespace(kind=kind, status=status))


def test_amounts(english: None) -> None:
    assert [words.money(cents) for cents in (990, 0, None, -330, 86.087)] == [
        "$9.90", "$0.00", "$0.00", "−$3.30", "$0.86",
    ]  # fmt: skip
    assert [words.short_money(cents) for cents in (990, 3000, 9900)] == ["$9.90", "$30", "$99"]
    assert words.money(123450, "EUR") == "€1,234.50"


def test_a_second_look_says_what_it_found(english: None) -> None:
    tones = [words.recheck_words(*found)[0] for found in SECOND_LOOKS]
    assert tones == ["success", "warning", "info", "warning"]
    assert "115 credits" in words.recheck_words(1, 115, 1, 2)[1]
    assert "Creem was not asked" in words.recheck_words(0, 0, 0, 0)[1]


def test_a_dispute_is_not_said_to_be_done(english: None) -> None:
    said = [words.reversal_words(SimpleNamespace(kind=kind, status="succeeded")) for kind in KINDS]
    assert said == ["Refund, done", "Dispute with your bank, opened"]


@pytest.mark.parametrize(
    ("paid", "tax", "discount"),
    [(None, None, 0), (990, 0, 0), (1178, 188, 0), (891, 0, 99), (1060, 169, 99), (990, 158, 0)],
)
def test_a_receipt_adds_up(paid: int | None, tax: int | None, discount: int) -> None:
    assert words.discount_cents(purchase(paid_cents=paid, tax_cents=tax)) == discount


def test_numbers_of_credits_have_separators(english: None) -> None:
    assert [filters.minus(n) for n in (1450, -1450, 999)] == ["1,450", "−1,450", "999"]
    assert [filters.signed(n) for n in (1450, -1450)] == ["+1,450", "−1,450"]
    assert [filters.people_credits(n) for n in (1450, 1)] == ["1,450 credits", "1 credit"]
    paid = purchase(status="completed", credits=1450)
    assert words.purchase_headline(paid) == "1,450 credits added"


@pytest.mark.parametrize(("count", "height"), [(1, 20), (11, 20), (49, 20), (50, 40), (145, 60)])
def test_there_are_as_many_slices_as_videos_and_all_are_in_their_box(
    count: int, height: int
) -> None:
    drawn, path = filters.slices(count)
    assert (drawn, path.count("M")) == (height, count)
    for x, y in re.findall(r"M([\d.]+) (\d+)", path):
        assert filters.SLICE_HEIGHT * filters.SLANT - 0.1 < float(x) < filters.SLICES_WIDTH
        assert 0 < int(y) <= height - filters.SLICE_HEIGHT
