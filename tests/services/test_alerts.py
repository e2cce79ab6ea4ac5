"""Alerts: one open row a kind and subject, and at most one mail an hour a kind."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import time_machine
from flask import Flask

from app.extensions import huey
from app.services import alerts
from app.tasks.mail import look_for_mails, send_due
from tests.conftest import Call, Rows
from tests.services.test_accounts import together
from tests.services.test_mails import body, outbox

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def test_the_same_again_counts_up(call: Call, rows: Rows) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        call(alerts.raise_alert, "disk", "media", "80 % full")
        clock.shift(60)
        call(alerts.raise_alert, "disk", "media", "90 % full")
        call(alerts.raise_alert, "disk", "renders", "full")
    found = rows("SELECT subject, text, count, first_seen_at, last_seen_at FROM alerts ORDER BY id")
    assert [(row["subject"], row["text"], row["count"]) for row in found] == [
        ("media", "90 % full", 2),
        ("renders", "full", 1),
    ]
    assert found[0]["first_seen_at"] < found[0]["last_seen_at"]


@pytest.mark.both_databases
def test_raised_at_the_same_moment_it_is_one_row(app: Flask, rows: Rows) -> None:
    together(app, 6, lambda: alerts.raise_alert("disk", "media", "full"))
    (row,) = rows("SELECT count FROM alerts")
    assert row["count"] == 6


def test_a_resolved_alert_is_not_listed_and_may_come_back(call: Call) -> None:
    call(alerts.raise_alert, "disk", "media", "full")
    assert call(alerts.resolve, "disk", "media") is True
    assert call(alerts.resolve, "disk", "media") is False
    assert call(alerts.open_alerts) == []
    call(alerts.raise_alert, "disk", "media", "full again")
    assert [alert.count for alert in call(alerts.open_alerts)] == [1]


def test_long_texts_are_cut_to_what_the_table_holds(call: Call) -> None:
    call(alerts.raise_alert, "disk", "s" * 500, "t" * 5000)
    call(alerts.raise_alert, "disk", "s" * 500, "t" * 5000)
    (alert,) = call(alerts.open_alerts)
    assert (len(alert.subject), len(alert.text), alert.count) == (120, 500, 2)


@pytest.mark.both_databases
def test_a_kind_is_mailed_at_most_once_an_hour(make_app: Callable[..., Flask], rows: Rows) -> None:
    app = make_app(ADMIN_EMAILS="root@example.org, ops@example.org")
    with time_machine.travel(NOON, tick=False) as clock, app.app_context():
        alerts.raise_alert("disk", "media", "full")
        alerts.raise_alert("disk", "renders", "full")
        alerts.raise_alert("mail", "mail 1", "not sent")
        assert alerts.queue_mails() == 4  # two kinds, two administrators
        clock.shift(60)
        alerts.raise_alert("disk", "media", "still full")
        alerts.raise_alert("disk", "backup", "full too")
        clock.shift(58 * 60)
        assert alerts.queue_mails() == 0
        clock.shift(2 * 60)
        assert alerts.queue_mails() == 2
        clock.shift(2 * 3600)
        assert alerts.queue_mails() == 0  # nothing new was seen
        assert send_due() == 6
    assert {message["To"] for message in outbox(app)} == {"root@example.org", "ops@example.org"}
    subjects = [str(message["Subject"]) for message in outbox(app)]
    assert subjects.count("CuttingASMR alert: disk") == 4
    assert "- media: still full (2 times)" in "".join(map(body, outbox(app)))


def test_without_an_administrator_nothing_is_queued(
    make_app: Callable[..., Flask], rows: Rows
) -> None:
    with make_app(ADMIN_EMAILS="").app_context():
        alerts.raise_alert("disk", "media", "full")
        assert alerts.queue_mails() == 0
    assert rows("SELECT 1 FROM mails") == []


def test_the_task_of_each_minute_mails_alerts(app: Flask, call: Call) -> None:
    huey.flask_app = app
    call(alerts.raise_alert, "disk", "media", "<b>full</b>")
    look_for_mails.call_local()
    (message,) = outbox(app)
    assert "<b>full</b>" in body(message)
    assert "&lt;b&gt;full&lt;/b&gt;" in body(message, "html")
