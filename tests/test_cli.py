"""The command line: what each command does, says, and exits with."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import URL, text

from app.extensions import db
from app.services import accounts, alerts
from config import ROOT
from tests.conftest import PASSWORD, Call, Person, Rows
from tests.fakes import FakeProvider
from tests.media.clips import MakeClip
from tests.waiting import wait_until

Flask_ = Callable[..., Result]


@pytest.fixture
def flask(app: Flask) -> Flask_:
    """`flask("users", "create", …)`: a command's result."""

    def run(*arguments: str, stdin: str | None = None) -> Result:
        return app.test_cli_runner().invoke(args=list(arguments), input=stdin)

    return run


def create(flask: Flask_, *options: str, email: str = "carol@example.org") -> Result:
    return flask("users", "create", email, "--password", PASSWORD, *options)


# Users -----------------------------------------------------------------------------------------


def test_a_user_with_a_balance_signs_in_at_once(flask: Flask_, app: Flask, rows: Rows) -> None:
    result = create(flask, "--credits", "40", "--verified")
    assert (result.exit_code, result.output) == (0, "carol@example.org: account 1, 40 credits\n")
    assert [row["kind"] for row in rows("SELECT kind FROM credit_entries")] == ["adjustment"]
    browser = app.test_client()
    browser.post("/sign-in", data={"email": "carol@example.org", "password": PASSWORD})
    assert browser.get("/studio").status_code == 200


def test_a_verified_user_without_a_balance_gets_the_welcome(flask: Flask_) -> None:
    assert create(flask, "--verified").output == "carol@example.org: account 1, 8 credits\n"


def test_options_say_what_a_user_is(flask: Flask_, rows: Rows) -> None:
    assert create(flask).exit_code == 0
    assert create(flask, "--admin", "--verified", email="dora@example.org").exit_code == 0
    found = rows("SELECT is_admin, email_verified_at FROM users ORDER BY id")
    assert [bool(row["is_admin"]) for row in found] == [False, True]
    assert [row["email_verified_at"] is not None for row in found] == [False, True]


def test_an_operators_user_signs_in_before_confirming(flask: Flask_, call: Call) -> None:
    create(flask, "--credits", "3")
    assert call(accounts.authenticate, "carol@example.org", PASSWORD)


def test_without_an_option_the_password_is_asked_for(flask: Flask_, call: Call) -> None:
    result = flask("users", "create", "carol@example.org", stdin=f"{PASSWORD}\n{PASSWORD}\n")
    assert result.exit_code == 0
    assert PASSWORD not in result.output
    assert call(accounts.authenticate, "carol@example.org", PASSWORD)


def test_a_refusal_is_one_line_and_status_one(flask: Flask_, rows: Rows) -> None:
    create(flask)
    for arguments, words in (
        (("carol@example.org", "--password", PASSWORD), "has an account already"),
        (("no address", "--password", PASSWORD), "does not look like"),
        (("dora@example.org", "--password", "short"), "at least 10 characters"),
    ):
        result = flask("users", "create", *arguments)
        assert result.exit_code == 1
        assert words in result.output
        assert result.output.startswith("Error: ")
    assert len(rows("SELECT 1 FROM users")) == 1


def test_a_negative_balance_is_no_option(flask: Flask_) -> None:
    assert create(flask, "--credits", "-1").exit_code == 2


# Credits ---------------------------------------------------------------------------------------


def test_credits_are_granted_taken_and_shown(flask: Flask_, alice: Person, rows: Rows) -> None:
    given = flask("credits", "grant", alice.email, "25", "--reason", "contest prize")
    assert (given.exit_code, given.output) == (0, f"{alice.email}: 125 credits\n")
    assert flask("credits", "grant", alice.email, "-5").output == f"{alice.email}: 120 credits\n"
    shown = flask("credits", "show", "ALICE@example.org")
    assert shown.exit_code == 0
    assert "120 credits" in shown.output
    assert re.search(r"\+25 +125 +adjustment contest prize", shown.output)
    assert [row["amount"] for row in rows("SELECT amount FROM credit_entries ORDER BY id")] == [
        100,
        25,
        -5,
    ]


def test_the_same_grant_twice_is_two_grants(flask: Flask_, alice: Person) -> None:
    flask("credits", "grant", alice.email, "5")
    assert flask("credits", "grant", alice.email, "5").output == f"{alice.email}: 110 credits\n"


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("grant", "nobody@example.org", "5"), 1),
        (("show", "nobody@example.org"), 1),
        (("grant", "alice@example.org", "0"), 2),
        (("grant", "alice@example.org", "many"), 2),
        (("grant", "alice@example.org", "5", "--reason", "x" * 41), 2),
        (("grant", "alice@example.org", "5", "--reason", " "), 2),
    ],
)
def test_what_makes_no_sense_changes_nothing(
    flask: Flask_, alice: Person, rows: Rows, arguments: tuple[str, ...], status: int
) -> None:
    before = rows("SELECT * FROM credit_entries")
    assert flask("credits", *arguments).exit_code == status
    assert rows("SELECT * FROM credit_entries") == before


def test_a_ledger_that_adds_up(flask: Flask_, alice: Person, bob: Person) -> None:
    result = flask("ledger", "verify")
    assert (result.exit_code, result.output) == (0, "The ledger adds up.\n")


def test_a_ledger_that_does_not_names_the_rows(
    flask: Flask_, app: Flask, alice: Person, bob: Person
) -> None:
    with app.app_context():
        db.session.execute(
            text("UPDATE credit_accounts SET total_credits = 999 WHERE user_id = :id"),
            {"id": bob.id},
        )
        db.session.commit()
    result = flask("ledger", "verify")
    assert result.exit_code == 1
    assert f"user {bob.id} total_credits: stored 999, recomputed 100" in result.output
    assert f"user {alice.id} " not in result.output


# Alerts ----------------------------------------------------------------------------------------


def test_alerts_are_listed_and_resolved(flask: Flask_, call: Call) -> None:
    assert flask("alerts").output == "No open alerts.\n"
    call(alerts.raise_alert, "disk", "media", "full")
    call(alerts.raise_alert, "disk", "media", "full")
    listed = flask("alerts")
    assert listed.exit_code == 0
    assert "disk | media | 2 x" in listed.output
    assert flask("alerts", "--resolve", "disk", "media").output == "No open alerts.\n"
    assert flask("alerts", "--resolve", "disk", "media").exit_code == 1


# Videos ----------------------------------------------------------------------------------------


def test_a_sweep_on_an_empty_table(flask: Flask_, fake_provider: FakeProvider) -> None:
    result = flask("videos", "sweep")
    assert (result.exit_code, result.output) == (0, "0 in flight\n")


def test_seed_makes_people_and_videos_once(
    flask: Flask_,
    app: Flask,
    rows: Rows,
    call: Call,
    fake_provider: FakeProvider,
    make_clip: MakeClip,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake_provider.clip = make_clip("seed.mp4")
    qualities = []

    def fakes(settings: dict[str, Any]) -> Any:
        qualities.append(settings["LOCAL_RENDER_QUALITY"])
        return app.extensions["vendors"]

    monkeypatch.setattr("app.services.vendors.Vendors", fakes)
    first = flask("seed", "--demo-password", "a demo for everyone")
    assert first.exit_code == 0, first.output
    assert "demo@example.org: password a demo for everyone" in first.output
    assert call(accounts.authenticate, "demo@example.org", "a demo for everyone")
    password = re.search(r"admin@example\.org: password (\S+)", first.output)
    assert password is not None
    assert call(lambda: accounts.authenticate("admin@example.org", password[1]).is_admin)
    assert [row["status"] for row in rows("SELECT status FROM videos")] == ["completed"] * 3
    assert set(qualities) == {"draft"}
    state = everything(rows)

    second = flask("seed")
    assert second.exit_code == 0
    assert "is there already" in second.output
    assert everything(rows) == state


def everything(rows: Rows) -> list[Any]:
    return [rows(f"SELECT * FROM {table}") for table in ("users", "videos", "credit_entries")]


def test_seed_says_which_video_could_not_be_made(
    flask: Flask_, app: Flask, fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.vendors.Vendors", lambda _: app.extensions["vendors"])
    result = flask("seed")  # the fake's file is no video
    assert result.exit_code == 1
    assert result.output.count(": failed ") == 3


# The worker ------------------------------------------------------------------------------------


@pytest.fixture
def worker(database_url: URL, app: Flask, call: Call) -> Iterator[subprocess.Popen[str]]:
    """`flask worker` as a process of its own, on this test's database, where a mail waits."""
    call(accounts.sign_up, "carol@example.org", PASSWORD, "en")
    variables = {
        "APP_ENV": "development",
        "SECRET_KEY": app.config["SECRET_KEY"],
        "DATABASE_URL": database_url.render_as_string(hide_password=False),
        "INSTANCE_DIR": str(app.config["INSTANCE_DIR"]),
    }
    command = [sys.executable, "-m", "flask", "worker", "--threads", "2"]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        if process.poll() is None:
            process.kill()


@pytest.mark.slow
def test_a_worker_sends_what_waits_and_stops_when_told(
    worker: subprocess.Popen[str], app: Flask
) -> None:
    assert worker.stdout is not None
    assert worker.stdout.readline() == "worker ready: 2 threads\n"
    folder = app.config["INSTANCE_DIR"] / "mail"
    wait_until(lambda: list(folder.glob("*.eml")), 30, "a mail")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=20) == 0
