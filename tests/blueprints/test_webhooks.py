"""Callbacks over HTTP: 204 for what is believed, 401 for what is not, and nothing else is open."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app.extensions import huey
from app.providers import Report
from tests.cast import Browser
from tests.clouds import Clouds
from tests.conftest import Rows
from tests.fakes import READY
from tests.faults.making import Making, later

pytest_plugins = ["tests.faults.fixtures"]

GOOD = {"X-Signature": "good"}
KIE = "/api/webhooks/kie"


@pytest.fixture
def waiting(cloudy: Making, clouds: Clouds) -> str:
    """A video that kie is making."""
    clouds.kie.script = (Report("running"), READY)
    video_id = cloudy.ask()
    cloudy.step(video_id)
    return video_id


def tell(browser: Browser, path: str, body: str, **options: Any) -> Any:
    return browser.post(path, data=body, csrf=False, **{"headers": GOOD, **options})


def test_what_is_believed_is_answered_with_nothing_and_brings_the_video_home(
    cloudy: Making,
    clouds: Clouds,
    client: Browser,
    waiting: str,
    run_tasks: Callable[[], int],
) -> None:
    (attempt,) = cloudy.attempts(waiting)
    answer = tell(client, f"{KIE}?attempt={attempt['id']}", attempt["callback_id"])
    assert (answer.status_code, answer.data) == (204, b"")
    assert "Set-Cookie" not in answer.headers
    assert cloudy.status(waiting) == "processing"  # nothing is believed of what it says
    run_tasks()
    assert len(clouds.kie.keys_of("poll")) == 2
    assert clouds.kie.keys_of("fetch") == [clouds.kie.keys_of("submit")[0]]


def test_the_same_again_is_204_and_rings_no_bell(
    cloudy: Making, client: Browser, waiting: str, rows: Rows
) -> None:
    (attempt,) = cloudy.attempts(waiting)
    huey.flush()
    answers = [tell(client, KIE, attempt["callback_id"]).status_code for _ in range(3)]
    assert answers == [204] * 3
    assert len(rows("SELECT id FROM callbacks")) == 1
    assert huey.pending_count() == 1
    huey.flush()


@pytest.mark.parametrize("headers", [{}, {"X-Signature": "wrong"}], ids=["none", "wrong"])
def test_a_signature_that_does_not_fit_is_a_problem(
    cloudy: Making, client: Browser, waiting: str, rows: Rows, headers: dict[str, str]
) -> None:
    (before,) = cloudy.attempts(waiting)
    answer = tell(client, KIE, before["callback_id"], headers=headers)
    assert answer.status_code == 401
    assert answer.mimetype == "application/problem+json"
    assert json.loads(answer.data)["status"] == 401
    assert rows("SELECT id FROM callbacks") == []
    assert cloudy.attempts(waiting) == [before]


@pytest.mark.parametrize("name", ["replicate", "google", "local", "nobody"])
def test_who_is_off_or_unknown_is_not_there(clouds: Clouds, client: Browser, name: str) -> None:
    answer = tell(client, f"/api/webhooks/{name}", "task")
    assert answer.status_code == 404
    assert answer.mimetype == "application/problem+json"


def test_a_callback_for_anothers_task_changes_nothing(
    cloudy: Making, clouds: Clouds, client: Browser, waiting: str
) -> None:
    (before,) = cloudy.attempts(waiting)
    for path in (f"{KIE}?attempt={before['id']}", f"/api/webhooks/fal?attempt={before['id']}"):
        assert tell(client, path, "another-task").status_code == 204
    assert cloudy.attempts(waiting) == [before]
    with later(seconds=11):
        cloudy.sweep()
    assert clouds.kie.keys_of("adopt") == []


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"\x00", b"[" * 5000, b"x" * 3000])
def test_a_strange_body_is_no_bug(clouds: Clouds, client: Browser, body: bytes) -> None:
    answer = client.post(KIE, data=body, headers=GOOD, csrf=False)
    assert answer.status_code == 401


def test_a_body_above_the_limit_is_not_read(clouds: Clouds, client: Browser) -> None:
    assert tell(client, KIE, "x" * (1024 * 1024 + 1)).status_code == 413


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_another_method_is_not_taken(clouds: Clouds, client: Browser, method: str) -> None:
    assert client.open(KIE, method=method).status_code == 405


def test_only_webhooks_go_without_a_token(
    app: Flask, cloudy: Making, waiting: str, client_of: Callable[..., Browser]
) -> None:
    """The rest of the map is walked by tests/test_rules.py."""
    browser = client_of(cloudy.person)
    answer = browser.post(f"/videos/{waiting}/cancellation", csrf=False, headers=GOOD)
    assert answer.status_code == 400
    assert "Set-Cookie" not in tell(browser, KIE, "a-task").headers
