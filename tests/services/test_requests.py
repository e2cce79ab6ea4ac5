"""What a form may ask for: every wrong field is named, nothing is changed in silence."""

from collections.abc import Callable

import pytest

from app.errors import InvalidForm
from app.services import requests
from app.services.requests import VideoRequest
from tests.conftest import Call
from tests.fakes import FakeProvider

FORM = {"type": "glass-fruit", "prompt": "slow slicing of a glass strawberry"}
Parse = Callable[..., VideoRequest]


@pytest.fixture
def parse(call: Call, fake_provider: FakeProvider) -> Parse:
    """`parse(prompt="")`: a good form with changes."""

    def parse(**changes: str) -> VideoRequest:
        request: VideoRequest = call(requests.parse, {**FORM, **changes})
        return request

    return parse


# Good ones ---------------------------------------------------------------------------------------


def test_a_form_without_settings_gets_the_usual_ones(parse: Parse) -> None:
    assert parse() == VideoRequest(
        type="glass-fruit",
        prompt="slow slicing of a glass strawberry",
        aspect_ratio="16:9",
        duration_s=8,
        resolution="720p",
        seed=None,
        count=1,
        provider="local",
        kind="local",
    )


def test_every_setting_is_read(parse: Parse) -> None:
    request = parse(aspect_ratio="9:16", duration="4", resolution="1080p", seed="7", count="4")
    assert (request.aspect_ratio, request.duration_s, request.resolution) == ("9:16", 4, "1080p")
    assert (request.seed, request.count) == (7, 4)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  glass \r\n", "glass"),
        ("one\r\ntwo\rthree\nfour", "one\ntwo\nthree\nfour"),
        ("a  b", "a  b"),
        ("<script>alert(1)</script> & 'quotes'", "<script>alert(1)</script> & 'quotes'"),
        ("慢切玻璃草莓", "慢切玻璃草莓"),
        ("x" * 1000, "x" * 1000),
        ("🍓" * 1000, "🍓" * 1000),  # letters like others, whatever they take in UTF-8 or UTF-16
        ("\r\n" * 500 + "x" * 1000 + " " * 500, "x" * 1000),
        ("x\r\n" * 499 + "xx", "x\n" * 499 + "xx"),  # 1000 once CRLF is one character
    ],
)
def test_a_prompt_is_kept_as_it_was_typed(parse: Parse, typed: str, kept: str) -> None:
    assert parse(prompt=typed).prompt == kept


@pytest.mark.parametrize(
    ("typed", "seed"), [("", None), ("  ", None), ("0", 0), (str(2**32 - 1), 2**32 - 1), (" 7 ", 7)]
)
def test_a_seed_may_be_empty(parse: Parse, typed: str, seed: int | None) -> None:
    assert parse(seed=typed).seed == seed


# Wrong ones --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("prompt", ""),
        ("prompt", " \t\r\n\u3000 "),
        ("prompt", "x" * 1001),
        ("prompt", "🍓" * 1001),
        ("prompt", "x\r\n" * 500 + "x"),
        ("prompt", "glass\x00fruit"),
        ("prompt", "\x00"),
        ("prompt", "half a letter: \ud83c"),
        ("type", ""),
        ("type", "mouth-sounds"),
        ("type", "Glass-Fruit"),
        ("type", "glass-fruit\x00"),
        ("aspect_ratio", ""),
        ("aspect_ratio", "4:3"),
        ("aspect_ratio", "16:9 "),
        ("duration", ""),
        ("duration", "0"),
        ("duration", "3"),
        ("duration", "7"),  # a whole length, but not one that this provider makes
        ("duration", "31"),
        ("duration", "-8"),
        ("duration", "8.5"),
        ("duration", "8.0"),
        ("duration", "8e0"),
        ("duration", "abc"),
        ("duration", "٨"),
        ("duration", "²"),
        ("duration", "9" * 5000),
        ("resolution", ""),
        ("resolution", "9000p"),
        ("resolution", "720P"),
        ("seed", "-1"),
        ("seed", str(2**32)),
        ("seed", "1.5"),
        ("seed", "seven"),
        ("seed", "9" * 5000),
        ("count", ""),
        ("count", "0"),
        ("count", "5"),
        ("count", "-1"),
        ("count", "1.0"),
        ("count", "two"),
    ],
)
def test_a_wrong_field_is_named(parse: Parse, field: str, typed: str) -> None:
    with pytest.raises(InvalidForm) as refusal:
        parse(**{field: typed})
    ((name, (message, values)),) = refusal.value.errors.items()
    assert name == field
    told = message % values if values else message
    assert told[0].isupper()
    assert told.endswith(".")


@pytest.mark.parametrize(
    ("field", "typed", "told"),
    [
        ("prompt", "x" * 1001, "1001 characters; 1000"),
        ("duration", "31", "4, 5, 6, 8, 10, 30"),
        ("aspect_ratio", "4:3", "16:9, 9:16, 1:1"),
        ("resolution", "9000p", "720p, 1080p"),
        ("seed", "-1", "0 to 4294967295"),
        ("count", "5", "1 to 4"),
    ],
)
def test_the_message_says_what_would_do(parse: Parse, field: str, typed: str, told: str) -> None:
    with pytest.raises(InvalidForm) as refusal:
        parse(**{field: typed})
    message, values = refusal.value.errors[field]
    assert told in message % values


def test_all_wrong_fields_are_named_at_once(call: Call, fake_provider: FakeProvider) -> None:
    wrong = {"aspect_ratio": "1", "duration": "x", "resolution": "x", "seed": "x", "count": "x"}
    with pytest.raises(InvalidForm) as refusal:
        call(requests.parse, wrong)
    assert refusal.value.errors.keys() == wrong.keys() | {"type", "prompt"}
    assert refusal.value.status == 422


# The digest of a form ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "other"}, {"type": "ice-cut"}, {"aspect_ratio": "1:1"}, {"duration": "4"},
        {"resolution": "1080p"}, {"seed": "0"}, {"count": "2"},
    ],
)  # fmt: skip
def test_every_field_counts_in_the_digest(parse: Parse, change: dict[str, str]) -> None:
    assert parse(**change).digest != parse().digest


def test_the_same_fields_have_the_same_digest(parse: Parse) -> None:
    assert parse(prompt=" glass\r\n", seed=" 7").digest == parse(prompt="glass", seed="7").digest
    assert len(parse().digest) == 64


# Titles ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "title"),
    [
        ("glass", "Glass"),
        ("first line \nsecond", "First line"),
        ("慢慢切开一颗 glass 草莓", "慢慢切开一颗 glass 草莓"),
        ("éclair", "Éclair"),
        ("ßmall", "ßmall"),  # its capital would be two letters
        ("x" * 100, "X" + "x" * 99),
        ("x" * 101, "X" + "x" * 98 + "…"),
        ("word " * 30, "W" + ("word " * 19).strip()[1:] + "…"),
        ("a " + "x" * 200, "A " + "x" * 97 + "…"),  # one long word is cut inside
        ("🍓" * 101, "🍓" * 99 + "…"),
    ],
)
def test_a_title_is_the_prompts_first_line_cut_at_a_word(prompt: str, title: str) -> None:
    assert requests.title_from(prompt) == title
    assert len(title) <= 100
