"""Many at the same moment: one video, one ending, one refund, whoever comes first."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from app import limits
from app.errors import NotEnoughCredits, TooMany
from app.models import Identity, now
from app.services import (
    accounts,
    attempts,
    credits,
    endings,
    identities,
    links,
    requests,
    sweeps,
    videos,
)
from app.services.form_tokens import FormReused
from app.services.requests import VideoRequest
from app.services.transactions import write_transaction
from app.services.videos import PriceChanged
from tests.conftest import PASSWORD, Call, Person, Rows
from tests.fakes import READY, FakeProvider
from tests.money import mutants
from tests.money.invariants import BALANCE, REFUND, RUNNING, broken
from tests.money.racing import PATIENCE_S, Race, race

pytestmark = pytest.mark.both_databases

MakePerson = Callable[..., Person]
PRICE = 13  # 10 s at 720p, which no first-video price touches


@pytest.fixture
def wanted(call: Call, fake_provider: FakeProvider) -> Callable[..., VideoRequest]:
    """`wanted(count="2")`: a valid request."""

    def wanted(**fields: str) -> VideoRequest:
        form = {"type": "glass-fruit", "prompt": "glass", "duration": "10"}
        request: VideoRequest = call(requests.parse, {**form, **fields})
        return request

    return wanted


def send(user_id: int, request: VideoRequest, token: str, price: int) -> partial[list[str]]:
    return partial(videos.request_video, user_id, request, token=token, price_credits=price)


# Forms -------------------------------------------------------------------------------------------


def forms(app: Flask, count: int, person: Person, request: VideoRequest, **options: Any) -> Race:
    verbs = [send(person.id, request, f"token-{number}", PRICE) for number in range(count)]
    return race(app, verbs, **options)


def test_twenty_forms_with_credit_for_one_are_one_video(
    app: Flask, make_person: MakePerson, wanted: Callable[..., VideoRequest], rows: Rows, call: Call
) -> None:
    poor = make_person("poor@example.org", credits=PRICE + 5)
    outcome = forms(app, 20, poor, wanted())
    assert len(outcome.successes()) == 1
    assert outcome.refusals() == [NotEnoughCredits] * 19
    assert len(rows("SELECT id FROM videos")) == 1
    assert call(credits.balance_of, poor.id) == 5
    assert broken(app) == {}


def test_this_race_finds_a_spend_that_reads_and_then_writes(
    app: Flask,
    make_person: MakePerson,
    wanted: Callable[..., VideoRequest],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    poor = make_person("poor@example.org", credits=PRICE + 5)
    mutants.read_then_write(monkeypatch)
    outcome = forms(app, 8, poor, wanted(), before=mutants.HAS_READ, patience_s=10)
    assert outcome.has_met
    assert len(outcome.successes()) > 1
    assert {BALANCE, RUNNING} <= broken(app).keys()


def test_one_form_posted_eight_times_is_one_video(
    app: Flask, alice: Person, wanted: Callable[..., VideoRequest], rows: Rows, call: Call
) -> None:
    verb = send(alice.id, wanted(count="2"), "one token", 2 * PRICE)
    outcome = race(app, [verb] * 8, before="INSERT INTO form_tokens")
    (ids,) = {tuple(ids) for ids in outcome.successes()}
    assert outcome.refusals() == []
    assert {row["id"] for row in rows("SELECT id FROM videos")} == set(ids)
    assert call(credits.balance_of, alice.id) == 100 - 2 * PRICE
    assert broken(app) == {}


def test_one_token_with_two_forms_is_one_of_them(
    app: Flask, alice: Person, wanted: Callable[..., VideoRequest], rows: Rows
) -> None:
    forms = [wanted(prompt="glass"), wanted(prompt="sand")]
    verbs = [send(alice.id, form, "one token", PRICE) for form in forms]
    outcome = race(app, verbs, before="INSERT INTO form_tokens")
    assert outcome.refusals() == [FormReused]
    assert [row["id"] for row in rows("SELECT id FROM videos")] == outcome.successes()[0]


@pytest.mark.parametrize("count", [1, 3, 4])
def test_the_hourly_limit_holds_for_parallel_forms(
    app: Flask,
    make_person: MakePerson,
    wanted: Callable[..., VideoRequest],
    rows: Rows,
    count: int,
) -> None:
    rich = make_person("rich@example.org", credits=1000)
    forms, price = limits.VIDEOS_PER_HOUR // count + 2, PRICE * count
    request = wanted(count=str(count))
    outcome = race(app, [send(rich.id, request, f"token-{n}", price) for n in range(forms)])
    assert outcome.refusals() == [TooMany] * 2
    assert len(rows("SELECT id FROM videos")) == limits.VIDEOS_PER_HOUR // count * count
    assert broken(app) == {}


def test_two_accounts_of_a_person_have_one_first_video_price(
    app: Flask, make_person: MakePerson, wanted: Callable[..., VideoRequest], rows: Rows
) -> None:
    names = ("carol@gmail.com", "c.arol@gmail.com", "carol+x@googlemail.com")
    people = [make_person(name, credits=20) for name in names]
    request = wanted(duration="8")
    verbs = [send(person.id, request, "token", 8) for person in people]
    outcome = race(app, verbs, before="UPDATE identities")
    assert outcome.refusals() == [PriceChanged] * 2
    assert [row["cost_credits"] for row in rows("SELECT cost_credits FROM videos")] == [8]
    assert broken(app) == {}


# Endings -----------------------------------------------------------------------------------------


@pytest.fixture
def video_id(call: Call, alice: Person, wanted: Callable[..., VideoRequest]) -> str:
    """Alice's video, in the queue."""
    ids: list[str] = call(send(alice.id, wanted(), "token", PRICE))
    return ids[0]


def make_ready(call: Call, provider: FakeProvider, video_id: str) -> None:
    """Made, and waiting to be stored."""
    provider.script = (READY,)
    call(attempts.submit, video_id)
    call(sweeps.refresh_due)


def test_cancelling_claiming_and_failing_have_one_outcome(
    app: Flask, alice: Person, video_id: str, rows: Rows, call: Call
) -> None:
    verbs: list[Callable[[], Any]] = [
        partial(videos.cancel, alice.id, video_id),
        partial(attempts.submit, video_id),
        partial(endings.fail, video_id, "queue_timeout", ""),
        partial(endings.cancel, video_id),
        partial(endings.fail, video_id, "deadline", ""),
    ]
    race(app, verbs, before="UPDATE videos")
    (video,) = rows("SELECT status, refunded_credits FROM videos")
    assert (video["status"], video["refunded_credits"]) in [("failed", 13), ("cancelled", 13)]
    assert call(credits.balance_of, alice.id) == 100
    assert broken(app) == {}


@pytest.mark.usefixtures("no_ffmpeg")
def test_completing_and_ending_have_one_outcome(
    app: Flask, alice: Person, video_id: str, fake_provider: FakeProvider, rows: Rows, call: Call
) -> None:
    make_ready(call, fake_provider, video_id)
    verbs: list[Callable[[], Any]] = [
        partial(attempts.store, video_id),
        partial(attempts.store, video_id),
        partial(videos.cancel, alice.id, video_id),
        partial(endings.fail, video_id, "store_timeout", ""),
        partial(endings.fail, video_id, "deadline", ""),
    ]
    ended = race(app, verbs, before="UPDATE attempts").results
    (video,) = rows("SELECT status FROM videos")
    assert sum(result is True for result in ended) == 1
    balance = {"completed": 100 - PRICE, "failed": 100, "cancelled": 100}[video["status"]]
    assert call(credits.balance_of, alice.id) == balance
    assert broken(app) == {}


@pytest.mark.usefixtures("no_ffmpeg")
def test_completing_and_failing_take_their_locks_in_one_order(
    app: Flask, video_id: str, fake_provider: FakeProvider, rows: Rows, call: Call
) -> None:
    """Each held right before its second lock: in two orders PostgreSQL would end one of them."""
    make_ready(call, fake_provider, video_id)
    verbs = [
        partial(attempts.store, video_id),
        partial(endings.fail, video_id, "store_timeout", ""),
    ]
    outcome = race(app, verbs, before="UPDATE videos")
    assert sorted(outcome.results) == [False, True]
    assert broken(app) == {}


def test_a_welcome_and_a_form_at_once(
    app: Flask, wanted: Callable[..., VideoRequest], rows: Rows, call: Call
) -> None:
    """A put-off welcome arrives while its owner presses the button: both need the same two rows."""
    app.config["WELCOME_DAILY_CAP"] = 0
    user_id = call(lambda: accounts.create_user("carol@example.org", is_verified=True).id)
    app.config["WELCOME_DAILY_CAP"] = 10
    call(credits.adjust, user_id, 8, key="gift", reason="test")

    def make_due() -> None:
        with write_transaction() as connection:
            yesterday = now() - timedelta(days=1)
            connection.execute(update(Identity).values(welcome_due_at=yesterday))

    call(make_due)
    request = wanted(duration="8")
    verbs: list[Callable[[], Any]] = [
        send(user_id, request, "token", 8),
        identities.grant_due_welcomes,
    ]
    race(app, verbs, before=["UPDATE identities", "UPDATE credit_accounts"])
    assert [row["amount"] for row in rows("SELECT amount FROM credit_entries ORDER BY id")] in (
        [8, -8, 8],
        [8, 8, -8],
    )
    assert call(credits.balance_of, user_id) == 8
    assert broken(app) == {}


# The same key ------------------------------------------------------------------------------------


def refund(user_id: int, video_id: str) -> bool:
    with write_transaction() as connection:
        return credits.refund(
            connection, user_id, PRICE,
            key=f"refund:{video_id}", reason="test", reference=video_id,
        )  # fmt: skip


def grant(user_id: int) -> bool:
    with write_transaction() as connection:
        return credits.grant(connection, user_id, 8, kind="welcome", key="one", reason="test")


def test_ten_refunds_of_one_key_are_one(
    app: Flask, alice: Person, video_id: str, rows: Rows, call: Call
) -> None:
    done = race(app, [partial(refund, alice.id, video_id)] * 10).results
    assert sorted(done) == [False] * 9 + [True]
    assert call(credits.balance_of, alice.id) == 100
    assert len(rows("SELECT id FROM credit_entries WHERE kind = 'refund'")) == 1


def test_this_race_finds_a_refund_without_a_unique_key(
    app: Flask, alice: Person, video_id: str, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    mutants.drop_unique_key(app)
    mutants.refund_without_unique_key(monkeypatch)
    race(app, [partial(refund, alice.id, video_id)] * 10)
    assert call(credits.balance_of, alice.id) == 100 + 9 * PRICE
    assert REFUND in broken(app)


def test_ten_grants_of_one_key_are_one(app: Flask, alice: Person, call: Call) -> None:
    done = race(app, [partial(grant, alice.id)] * 10).results
    assert sorted(done) == [False] * 9 + [True]
    assert call(credits.balance_of, alice.id) == 108
    assert broken(app) == {}


def test_ten_clicks_on_one_verification_link_are_one_welcome(
    app: Flask, fake_provider: FakeProvider, rows: Rows, call: Call
) -> None:
    call(accounts.sign_up, "carol@example.org", PASSWORD, "en")

    def token() -> str:
        user = accounts.find("carol@example.org")
        assert user is not None
        return links.verification(user).rpartition("/")[2]

    verb = partial(accounts.verify, call(token), password=PASSWORD)
    outcome = race(app, [verb] * 10, before="UPDATE users")
    assert sorted(result.state for result in outcome.results) == ["done"] + ["used"] * 9
    assert [row["amount"] for row in rows("SELECT amount FROM credit_entries")] == [8]


def test_verbs_that_meet_at_the_database_really_meet(
    app: Flask, alice: Person, bob: Person, database: str
) -> None:
    """The barrier holds on PostgreSQL; SQLite's one writer never lets two in."""
    is_postgres = database == "postgresql"
    verbs = [partial(grant, alice.id), partial(grant, bob.id)]
    outcome = race(app, verbs, patience_s=10 if is_postgres else PATIENCE_S)
    assert outcome.has_met == is_postgres
    assert sorted(outcome.results) == [False, True]
