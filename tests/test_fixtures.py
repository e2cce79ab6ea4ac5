"""The tests' own house: fresh databases, browsers that do not know each other, no way outside."""

import socket

import pytest
from flask.testing import FlaskClient

from app.extensions import db
from app.providers import Order
from app.services import credits
from tests.cast import Person
from tests.conftest import Call, Rows
from tests.fakes import READY, RUNNING, FakeProvider
from tests.loopback import OutsideConnectionError
from tests.waiting import wait_until


@pytest.mark.both_databases
@pytest.mark.parametrize("repeat", [1, 2])
def test_each_test_starts_with_an_empty_migrated_database(
    database: str, alice: Person, rows: Rows, repeat: int
) -> None:
    assert rows("SELECT email FROM users") == [{"email": "alice@example.org"}]
    assert [row["amount"] for row in rows("SELECT amount FROM credit_entries")] == [100]


@pytest.mark.both_databases
def test_the_database_is_the_one_asked_for(database: str, call: Call) -> None:
    assert call(lambda: db.engine.dialect.name) == database


def test_the_cast_is_who_it_should_be(alice: Person, bob: Person, root: Person, rows: Rows) -> None:
    people = {row["email"]: row for row in rows("SELECT * FROM users")}
    assert [bool(people[person.email]["is_admin"]) for person in (alice, bob, root)] == [0, 0, 1]
    assert all(people[person.email]["email_verified_at"] for person in (alice, bob, root))


def test_alice_has_credits(alice: Person, call: Call) -> None:
    assert call(credits.balance_of, alice.id) == 100


def test_browsers_do_not_share_who_is_signed_in(
    alice_client: FlaskClient, client: FlaskClient
) -> None:
    assert alice_client.get("/credits").status_code == 200
    assert client.get("/credits").status_code == 302


def test_a_browser_sends_the_csrf_token_unless_told_not_to(alice_client: FlaskClient) -> None:
    assert alice_client.post("/preferences", data={"theme": "dark"}).status_code < 400
    refused = alice_client.post("/preferences", data={"theme": "dark"}, csrf=False)
    assert refused.status_code == 400


@pytest.mark.parametrize("host", ["192.0.2.1", "example.org", "2001:db8::1"])
def test_other_machines_cannot_be_reached(host: str) -> None:
    with pytest.raises(OutsideConnectionError):
        socket.create_connection((host, 80), timeout=1)


def test_waiting_returns_what_came_and_fails_after_the_deadline() -> None:
    answers = iter([None, 0, "here"])
    assert wait_until(lambda: next(answers)) == "here"
    with pytest.raises(AssertionError, match=r"not within 0\.05 s: a miracle"):
        wait_until(lambda: None, 0.05, "a miracle")


def test_redis_is_empty_and_answers(redis_url: str) -> None:
    import redis

    with redis.Redis.from_url(redis_url) as connection:
        assert connection.dbsize() == 0
        assert connection.ping()


def test_the_fake_provider_follows_its_script(fake_provider: FakeProvider) -> None:
    first, second = (Order(name, "fruit", "x", "16:9", 8, "720p", 1) for name in ("one", "two"))
    handle = fake_provider.submit(first)
    assert fake_provider.submit(first) == handle
    assert [fake_provider.poll(handle) for _ in range(3)] == [RUNNING, READY, READY]
    assert fake_provider.recover("one") == handle
    assert fake_provider.recover("two") is None
    assert fake_provider.cancel(fake_provider.submit(second))
    assert fake_provider.poll("fake-two").state == "cancelled"
    assert fake_provider.fetch(handle).exists()
    fake_provider.forget(handle)
    assert fake_provider.poll(handle).state == "lost"
