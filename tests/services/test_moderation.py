"""Screening before the charge: the list, Creem, and what is left when Creem is silent."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask

from app import screening
from app.models import now
from app.screening import Creem
from app.services import moderation
from app.services.moderation import REFUSALS, PromptRefused
from tests.conftest import Call, Person, Rows
from tests.databases import free_port
from tests.screening.conftest import KEY, CreemServer
from tests.screening.conftest import creem_server as _creem_server

creem_server = _creem_server
GOOD = "切一块肥皂, slowly, no music"
BAD = "a n4ked woman"
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
SCREENINGS = "SELECT user_id, verdict, source, reason FROM screenings ORDER BY id"


@pytest.fixture
def alone(app: Flask) -> None:
    """Without a key of Creem."""
    app.extensions["vendors"].screener = None


@pytest.fixture
def with_creem(app: Flask, creem_server: CreemServer) -> Iterator[CreemServer]:
    """With a key, and Creem on loopback."""
    door = app.extensions["vendors"].screener = Creem(creem_server.url, KEY)
    yield creem_server
    door.close()


def row(user: Person, verdict: str, source: str, reason: str = "") -> dict[str, object]:
    return {"user_id": user.id, "verdict": verdict, "source": source, "reason": reason}


@pytest.mark.both_databases
def test_a_good_prompt_passes_and_leaves_a_row(
    call: Call, rows: Rows, alice: Person, alone: None
) -> None:
    call(moderation.screen, alice.id, GOOD)
    call(moderation.screen, alice.id, GOOD)
    assert rows(SCREENINGS) == [row(alice, "allow", "local")] * 2


@pytest.mark.both_databases
def test_the_list_refuses_without_a_network(
    call: Call, rows: Rows, alice: Person, with_creem: CreemServer
) -> None:
    with pytest.raises(PromptRefused) as caught:
        call(moderation.screen, alice.id, BAD)
    error = caught.value
    assert (error.status, error.field, error.reason) == (422, "prompt", "sexual")
    assert "Nothing was charged" in error.message and "press again" in error.message
    assert rows(SCREENINGS) == [row(alice, "deny", "local", "sexual")]
    assert with_creem.asked == []


def test_creem_decides_about_what_the_list_lets_through(
    call: Call, rows: Rows, alice: Person, with_creem: CreemServer
) -> None:
    call(moderation.screen, alice.id, GOOD)
    for decision in ("flag", "deny"):
        with_creem.decision = decision
        with pytest.raises(PromptRefused, match="Nothing was charged") as caught:
            call(moderation.screen, alice.id, GOOD)
        assert caught.value.reason == "creem"
    assert rows(SCREENINGS) == [
        row(alice, "allow", "creem"),
        row(alice, "flag", "creem", "creem"),
        row(alice, "deny", "creem", "creem"),
    ]
    asked = {(each["prompt"], each["external_id"]) for each in with_creem.asked}
    assert asked == {(GOOD, f"user_{alice.id}")}


@pytest.mark.both_databases
def test_when_creem_is_silent_the_list_decides_and_it_is_told(
    app: Flask, call: Call, rows: Rows, alice: Person
) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    door = app.extensions["vendors"].screener = Creem(address, KEY)
    call(moderation.screen, alice.id, GOOD)
    call(moderation.screen, alice.id, GOOD)
    with pytest.raises(PromptRefused):
        call(moderation.screen, alice.id, BAD)
    door.close()
    assert [(each["verdict"], each["source"]) for each in rows(SCREENINGS)] == [
        ("allow", "fallback"),
        ("allow", "fallback"),
        ("deny", "local"),
    ]
    told = rows("SELECT kind, subject, text, count FROM alerts")
    assert [(each["kind"], each["subject"], each["count"]) for each in told] == [
        ("moderation_unavailable", "creem", 2)
    ]
    assert KEY not in told[0]["text"] and GOOD not in told[0]["text"]


def test_an_error_of_creem_is_silence_too(
    call: Call, rows: Rows, alice: Person, with_creem: CreemServer
) -> None:
    with_creem.status = 503
    call(moderation.screen, alice.id, GOOD)
    assert rows(SCREENINGS) == [row(alice, "allow", "fallback")]
    assert "503" in rows("SELECT text FROM alerts")[0]["text"]


def test_the_prompt_is_kept_nowhere(
    call: Call, rows: Rows, alice: Person, with_creem: CreemServer
) -> None:
    call(moderation.screen, alice.id, GOOD)
    with pytest.raises(PromptRefused) as caught:
        call(moderation.screen, alice.id, BAD)
    assert BAD not in caught.value.message
    kept = [str(dict(each)) for each in rows("SELECT * FROM screenings")]
    assert not any(GOOD in each or BAD in each for each in kept)


@pytest.mark.both_databases
def test_screenings_are_counted(
    call: Call, alice: Person, bob: Person, with_creem: CreemServer
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        call(moderation.screen, alice.id, GOOD)
        clock.shift(60)
        call(moderation.screen, bob.id, GOOD)
        for prompt in (BAD, BAD, "kill all jews"):
            with pytest.raises(PromptRefused):
                call(moderation.screen, alice.id, prompt)
        with_creem.status = 500
        call(moderation.screen, alice.id, GOOD)
        since = NOON + timedelta(seconds=30)
        assert call(moderation.counts, since) == {"screened": 5, "refused": 3, "fallback": 1}
        assert list(call(moderation.refusals, since).items()) == [("sexual", 2), ("hate", 1)]
        assert call(moderation.counts, NOON)["screened"] == 6
    assert call(moderation.counts, now()) == {"screened": 0, "refused": 0, "fallback": 0}


def test_every_reason_has_words() -> None:
    assert set(REFUSALS) == {*screening.categories(), "creem"}
    for words in REFUSALS.values():
        assert "Nothing was charged." in words
