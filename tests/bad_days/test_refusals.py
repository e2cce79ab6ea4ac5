"""Vendors that say no: for this model, for this order, for what it shows, or only for now."""

import pytest

from tests.bad_days.conftest import Begin
from tests.bad_days.day import waits_for

VENDORS = ("kie", "fal", "replicate", "google")
WORDS = "The strawberry was flagged as violating content policies"
PAIRS = (("kie", "fal"), ("fal", "kie"), ("replicate", "kie"), ("google", "fal"))


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_the_first_refuses_and_the_second_delivers(begin: Begin, first: str, second: str) -> None:
    """Not for its content: another one may make it, at the same price."""
    day = begin(first, second)
    day[first].fault("invalid", times=None)
    video_id = day.ask()
    assert day.work(video_id) == ["completed"]
    assert [row["provider"] for row in day.attempts(video_id)] == [first, second]
    assert day.attempts(video_id)[0]["cost_cents"] == 0
    assert len(day.requests("submit", first)) == 1
    assert (day.tasks(first), len(day.tasks(second))) == ([], 1)


def test_the_only_one_refuses(begin: Begin) -> None:
    day = begin("kie")
    day["kie"].fault("invalid", times=None)
    video_id = day.ask()
    assert day.work(video_id) == ["failed"]
    assert len(day.requests("submit")) == 1
    assert day.is_refunded(video_id)


def test_both_refuse(begin: Begin) -> None:
    day = begin("kie", "fal")
    for vendor in ("kie", "fal"):
        day[vendor].fault("invalid", times=None)
    video_id = day.ask()
    assert day.work(video_id) == ["failed"]
    assert [row["provider"] for row in day.attempts(video_id)] == ["kie", "fal"]


@pytest.mark.parametrize("state", ["bad", "empty", "limited=600"])
def test_the_first_has_no_key_and_the_second_delivers(begin: Begin, state: str) -> None:
    day = begin("kie", "fal", keys=(state,))
    video_id = day.ask()
    assert day.work(video_id) == ["completed"]
    assert day.video(video_id)["provider"] == "fal"
    assert (day.tasks("kie"), len(day.tasks("fal"))) == ([], 1)


def test_the_first_is_down_and_the_second_delivers(begin: Begin) -> None:
    day = begin("kie", "fal")
    with day["kie"].outage():
        video_id = day.ask()
        assert day.work(video_id) == ["completed"]
    assert day.video(video_id)["provider"] == "fal"
    assert len(day.tasks("fal")) == 1


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_retired_model_stops_the_route(begin: Begin, vendor: str) -> None:
    """One video finds out; an alert tells what to do, and nothing more is sent there."""
    day = begin(vendor, "kie" if vendor != "kie" else "fal")
    other = "kie" if vendor != "kie" else "fal"
    day[vendor].fault("retired", times=None)
    first, second = day.ask_for(count="2")
    assert day.work(first, second) == ["completed"] * 2
    assert len(day.requests("submit", vendor)) <= 2
    assert len(day.tasks(other)) == 2
    assert "model_gone" in {kind for kind, _ in day.alerts()}
    assert day.work(day.ask()) == ["completed"]
    assert len(day.requests("submit", vendor)) <= 2


@pytest.mark.parametrize("vendor", VENDORS)
def test_content_is_refused_after_forty_seconds(begin: Begin, vendor: str) -> None:
    """The vendor's reason is shown, the credits come back, and nobody else is asked."""
    other = "fal" if vendor == "kie" else "kie"
    day = begin(vendor, other, takes_s=None)
    video_id = day.ask()
    day.turn()
    day.pass_time(seconds=40)
    day.turn()
    assert day.status(video_id) == "processing"
    day[vendor].fail(day.tasks(vendor)[0].id, "rai" if vendor == "google" else "content", WORDS)
    assert day.work(video_id) == ["failed"]
    assert day.video(video_id)["error_code"] == "content_rejected"
    assert WORDS in day.card(video_id)
    assert day.is_refunded(video_id)
    assert (len(day.tasks(vendor)), day.tasks(other)) == (1, [])
    assert all(row["errors"] == 0 for row in day.keys(vendor))


@pytest.mark.parametrize("vendor", VENDORS)
def test_content_is_refused_at_once(begin: Begin, vendor: str) -> None:
    other = "fal" if vendor == "kie" else "kie"
    day = begin(vendor, other)
    day[vendor].fault("refuse")
    video_id = day.ask()
    assert day.work(video_id) == ["failed"]
    assert day.video(video_id)["error_code"] == "content_rejected"
    assert day.is_refunded(video_id)
    assert day.tasks(other) == []


def test_a_hiccup_of_the_vendor_is_tried_again(begin: Begin) -> None:
    """Its own 'not now' is certain: three tries at once, and later more."""
    day = begin("kie")
    day["kie"].fault("error", 500, times=4)
    video_id = day.ask()
    day.turn()
    assert waits_for(day, video_id) in ("provider_down", "no_key")
    assert len(day.requests("submit")) == 3
    assert day.work(video_id, turn_s=60) == ["completed"]
    assert len(day.tasks()) == 1
