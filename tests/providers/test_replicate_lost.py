"""A lost order at Replicate: found by its webhook or by its input, or nobody can say."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.providers import ProviderError
from app.providers.replicate import PAGES
from tests.providers.scripted import KEY, ORDER, Reply, refusal

pytest_plugins = ["tests.providers.fixtures"]

LIST = "/v1/predictions"
SITE = "https://asmr.example/api/webhooks/replicate?attempt="
MADE_AT = datetime(2026, 1, 1, tzinfo=UTC)
INPUT = {
    "prompt": "soft rain",
    "aspect_ratio": "9:16",
    "duration": 8,
    "resolution": "720p",
    "generate_audio": True,
    "seed": 7,
}


def attempt_at(made_at: datetime) -> str:
    """The id of an attempt that was made then: a UUIDv7."""
    number = int(made_at.timestamp() * 1000) << 80 | 7 << 76 | 2 << 62 | 1
    return str(uuid.UUID(int=number))


ATTEMPT = attempt_at(MADE_AT)


def row(name: str = "p1", seconds: float = 1.0, **fields: Any) -> dict[str, Any]:
    """A prediction as the reference lists its fields: without a webhook."""
    created_at = (MADE_AT + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
    return {"id": name, "status": "starting", "created_at": created_at, "input": INPUT} | fields


def theirs(name: str, **fields: Any) -> dict[str, Any]:
    return row(name, input=INPUT | {"seed": 8}, **fields)


def listed(*rows: dict[str, Any], following: Any = None) -> Reply:
    return Reply(200, {"previous": None, "next": following, "results": list(rows)})


def unknown(replicate: Any, attempt_id: str = ATTEMPT, order: Any = ORDER) -> ProviderError:
    error = refusal(lambda: replicate.recover(attempt_id, KEY, order))
    assert (error.code, error.permanent) == ("unknown_outcome", False)
    return error


# By its webhook, should the list tell it ----------------------------------------------------------


def test_a_webhook_that_names_the_attempt_decides(replicate, vendor):
    of_another = row("p2", webhook=SITE + attempt_at(MADE_AT + timedelta(days=1)))
    vendor.on("GET", LIST, listed(of_another, row("p3", webhook=SITE + ATTEMPT)))
    for order in (ORDER, None):
        assert replicate.recover(ATTEMPT, KEY, order) == "p3"


def test_where_all_webhooks_are_anothers_it_was_never_taken(replicate, vendor):
    vendor.on("GET", LIST, listed(row(webhook=SITE + "x"), row(webhook="https://other.example/")))
    assert replicate.recover(ATTEMPT, KEY) is None


# By its input -------------------------------------------------------------------------------------


def test_the_one_with_its_input_since_the_attempt_is_it(replicate, vendor):
    vendor.on("GET", LIST, listed(theirs("p2"), row("p1"), theirs("p3")))
    assert replicate.recover(ATTEMPT, KEY, ORDER) == "p1"
    picture = row("p4", input=INPUT | {"image": "https://replicate.delivery/x"})
    vendor.on("GET", LIST, listed(picture))
    assert replicate.recover(ATTEMPT, KEY, ORDER) == "p4"


@pytest.mark.parametrize(
    "other",
    [
        {"prompt": "hard rain"},
        {"seed": 8},
        {"duration": 6},
        {"aspect_ratio": "16:9"},
        {"resolution": "1080p"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_one_field_that_differs_makes_it_anothers(replicate, vendor, other):
    vendor.on("GET", LIST, listed(row(input=INPUT | other)))
    assert replicate.recover(ATTEMPT, KEY, ORDER) is None


def test_where_two_fit_nobody_can_say(replicate, vendor):
    vendor.on("GET", LIST, listed(row("p1"), row("p2")))
    unknown(replicate)


def test_an_earlier_one_is_another_attempts_or_a_clock_is_wrong(replicate, vendor):
    vendor.on("GET", LIST, listed(row("p1", seconds=-61)))
    unknown(replicate)
    vendor.on("GET", LIST, listed(row("p2", seconds=-59), row("p1", seconds=-61)))
    assert replicate.recover(ATTEMPT, KEY, ORDER) == "p2"


@pytest.mark.parametrize(
    "fields",
    [
        {"input": {}},  # removed, as an hour after the end
        {"input": None},
        {"input": {"prompt": "soft rain"}},
        {"created_at": None},
        {"created_at": "yesterday"},
    ],
)
def test_what_cannot_be_compared_might_be_it(replicate, vendor, fields):
    vendor.on("GET", LIST, listed(row(**fields)))
    unknown(replicate)


def test_without_the_order_one_without_a_webhook_might_be_it(replicate, vendor):
    vendor.on("GET", LIST, listed(row()))
    unknown(replicate, order=None)
    unknown(replicate, order=replace(ORDER, prompt=""))  # removed with its account


# Not there ----------------------------------------------------------------------------------------


def test_what_is_not_listed_was_never_taken_once_a_minute_has_passed(replicate, vendor):
    vendor.on("GET", LIST, listed(theirs("p2")))
    young = attempt_at(datetime.now(UTC) - timedelta(seconds=30))
    now = datetime.now(UTC).isoformat()
    vendor.on("GET", LIST, listed(theirs("p2", created_at=now)))
    assert "may yet" in str(unknown(replicate, young))
    older = attempt_at(datetime.now(UTC) - timedelta(seconds=61))
    assert replicate.recover(older, KEY, ORDER) is None
    vendor.on("GET", LIST, listed())
    assert replicate.recover(older, KEY, ORDER) is None
    unknown(replicate, young)


def test_an_attempt_whose_time_is_not_known_is_never_given_up(replicate, vendor):
    vendor.on("GET", LIST, listed())
    unknown(replicate, "attempt-1")
    unknown(replicate, str(uuid.UUID(int=0, version=4)))


# Reading the list ---------------------------------------------------------------------------------


def test_an_order_is_found_on_a_later_page(replicate, vendor):
    page = vendor.url + LIST + "?cursor=abc"
    vendor.on("GET", LIST, listed(theirs("p2"), following=page), listed(row()))
    assert replicate.recover(ATTEMPT, KEY, ORDER) == "p1"
    assert vendor.asked[1].query == {"cursor": "abc"}


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500, {"title": "Oops"}),
        Reply(401, {"title": "No"}),
        Reply(drops=True),
        Reply(200, {"results": None}),
    ],
)
def test_a_list_that_cannot_be_read_says_nothing(replicate, vendor, reply):
    vendor.on("GET", LIST, reply)
    unknown(replicate)


def test_the_list_is_not_read_for_ever(replicate, vendor):
    vendor.on("GET", LIST, listed(theirs("p2"), following=vendor.url + LIST + "?cursor=x"))
    unknown(replicate)
    assert len(vendor.asked) == PAGES


def test_the_token_does_not_follow_a_list_elsewhere(replicate, vendor):
    vendor.on("GET", LIST, listed(theirs("p2"), following="https://evil.example/?cursor=x"))
    unknown(replicate)
    assert len(vendor.asked) == 1


def test_what_is_an_hour_older_than_the_attempt_is_not_looked_at(replicate, vendor):
    old = row("p3", seconds=-3601)
    following = vendor.url + LIST + "?cursor=x"
    vendor.on("GET", LIST, listed(theirs("p2"), old, following=following))
    assert replicate.recover(ATTEMPT, KEY, replace(ORDER, callback_url=None)) is None
    assert len(vendor.asked) == 1
