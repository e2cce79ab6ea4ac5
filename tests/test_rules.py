"""Safety rules, walked over the whole map of addresses and the whole source: no route is forgotten.

What templates promise (needs on the first line, one root) is in test_templates.py, settings and
their documents in test_settings.py.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import inspect, text

from app.extensions import db
from app.services import accounts, credits, endings, links
from tests.conftest import PASSWORD, Call, Person, Rows
from tests.fakes import READY, FakeProvider
from tests.faults.making import COST_CREDITS, Making
from tests.money.conftest import no_ffmpeg as _no_ffmpeg
from tests.money.invariants import broken

pytest_plugins = ["tests.faults.fixtures"]
no_ffmpeg = _no_ffmpeg

UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
HTMX = {"HX-Request": "true"}
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"

# Whoever adds a line here says to everybody in the world: come in.
PUBLIC = {
    "static", "health.show", "pages.home", "pages.preferences",
    "accounts.sign_up", "accounts.check_mail", "accounts.sign_in", "accounts.sign_out",
    "accounts.verify", "accounts.confirm", "accounts.resend",
    "payments.pricing", "payments.cancel",
}  # fmt: skip
WITHOUT_CSRF = {"webhooks.receive", "webhooks.creem"}  # signed by senders; token-authenticated API
ADMIN = {"provider_status.show"}  # to everybody else it is not there


@dataclass(frozen=True)
class Route:
    """An endpoint, a method, and an address that reaches it."""

    endpoint: str
    method: str
    path: str


def routes(
    app: Flask, video_id: str = NOBODY, token: str = "no-token", purchase_id: str = NOBODY
) -> Iterator[Route]:
    """Every endpoint with every method it takes, HEAD and OPTIONS aside."""
    values = {"video_id": video_id, "image_id": NOBODY, "token": token, "provider": "kie"}
    values |= {"purchase_id": purchase_id, "road": "api", "filename": "css/base.css"}
    for rule in app.url_map.iter_rules():
        assert rule.arguments <= values.keys(), f"tell this walk what {rule} wants"
        _, path = rule.build(values, append_unknown=False) or ("", "")
        assert path, rule
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield Route(rule.endpoint, method, path)


def send(browser: Any, route: Route, **options: Any) -> Any:
    return browser.open(route.path, method=route.method, **options)


@pytest.fixture
def tables(app: Flask) -> Callable[[], dict[str, list[Any]]]:
    """Everything the database holds, but for when a session was last seen."""

    def read() -> dict[str, list[Any]]:
        with app.app_context(), db.engine.connect() as connection:
            found = {}
            for name in inspect(connection).get_table_names():
                rows = connection.execute(text(f'SELECT * FROM "{name}"')).mappings()
                found[name] = [
                    {
                        key: value
                        for key, value in row.items()
                        if key not in ("seen_at", "expires_at")
                    }
                    for row in rows
                ]
        return found

    return read


# Addresses ---------------------------------------------------------------------------------------


def test_the_lists_name_only_what_is_there(app: Flask) -> None:
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    assert endpoints >= PUBLIC | WITHOUT_CSRF | ADMIN


def test_every_unsafe_method_wants_a_csrf_token(
    app: Flask, making: Making, alice_client: FlaskClient, tables: Callable[[], Any]
) -> None:
    video_id = making.ask()
    before = tables_after_a_visit(alice_client, tables)
    for route in routes(app, video_id):
        if route.method in UNSAFE and route.endpoint not in WITHOUT_CSRF:
            for headers in ({}, HTMX):
                answer = send(alice_client, route, csrf=False, headers=headers)
                assert answer.status_code == 400, route
    assert tables() == before


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "fragment"])
def test_every_address_but_the_public_ones_wants_sign_in(
    app: Flask,
    making: Making,
    client: FlaskClient,
    tables: Callable[[], Any],
    headers: dict[str, str],
) -> None:
    video_id = making.ask()
    before = tables()
    for route in routes(app, video_id):
        if route.endpoint in PUBLIC | WITHOUT_CSRF | ADMIN:
            continue
        answer = send(client, route, headers=headers)
        if route.path.startswith("/api/"):
            assert answer.status_code == 401, route
            assert answer.mimetype == "application/problem+json", route
            assert "WWW-Authenticate" in answer.headers, route
        elif headers:
            assert answer.status_code == 401, route
            assert answer.headers["HX-Redirect"].startswith("/sign-in"), route
        else:
            assert answer.status_code == 302, route
            assert answer.location.startswith("/sign-in"), route
    assert tables() == before


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "fragment"])
def test_what_is_for_administrators_is_not_there_for_others(
    app: Flask,
    client: FlaskClient,
    alice_client: FlaskClient,
    root_client: FlaskClient,
    headers: dict[str, str],
) -> None:
    found = [route for route in routes(app) if route.endpoint in ADMIN]
    assert {route.endpoint for route in found} == ADMIN
    for route in found:
        for browser in (client, alice_client):
            assert send(browser, route, headers=headers).status_code == 404, route
        if route.method == "GET":
            assert send(root_client, route, headers=headers).status_code == 200, route


def test_a_webhook_that_nobody_signed_changes_nothing(
    app: Flask, client: FlaskClient, tables: Callable[[], Any]
) -> None:
    before = tables()
    for route in routes(app):
        if route.endpoint in WITHOUT_CSRF:
            answer = send(client, route, csrf=False, data=b"{}")
            assert answer.status_code in (401, 404), route
            assert answer.mimetype == "application/problem+json", route
    assert tables() == before


def test_public_addresses_ask_nobody_to_sign_in(app: Flask, client: FlaskClient) -> None:
    for route in routes(app):
        if route.endpoint in PUBLIC and route.method == "GET":
            answer = send(client, route)
            assert answer.status_code in (200, 404), route
            answer.close()  # static files are streamed


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "fragment"])
def test_anothers_video_is_not_there_by_any_address(
    app: Flask,
    making: Making,
    bob_client: FlaskClient,
    tables: Callable[[], Any],
    headers: dict[str, str],
) -> None:
    video_id = making.ask()
    before = tables_after_a_visit(bob_client, tables)
    found = [route for route in routes(app, video_id) if video_id in route.path]
    assert len(found) > 8
    for route in found:
        assert send(bob_client, route, headers=headers).status_code == 404, route
    assert bob_client.get(f"/studio?again={video_id}", headers=headers).status_code == 404
    assert tables() == before


def test_a_method_that_a_route_does_not_take_is_405(app: Flask, alice_client: FlaskClient) -> None:
    taken: dict[str, set[str]] = {}
    for route in routes(app):
        taken.setdefault(route.path, set()).add(route.method)
    for path, methods in taken.items():
        for method in ({"GET"} | UNSAFE) - methods:
            answer = alice_client.open(path, method=method)
            assert answer.status_code == 405, (method, path)
            assert methods <= set(answer.headers["Allow"].split(", ")), (method, path)


def test_no_get_changes_anything(
    app: Flask,
    making: Making,
    alice_client: FlaskClient,
    client: FlaskClient,
    call: Call,
    tables: Callable[[], Any],
) -> None:
    failed, queued = making.ask_for(count="2")
    call(endings.fail, failed, "deadline", "")
    call(accounts.sign_up, "carol@example.org", PASSWORD, "en")
    token = call(lambda: links.verification(_user("carol@example.org"))).rpartition("/")[2]
    before = tables_after_a_visit(alice_client, tables)
    for video_id in (failed, queued):
        for route in routes(app, video_id, token):
            if route.method == "GET":
                for browser in (alice_client, client):
                    for method in ("GET", "HEAD", "OPTIONS"):
                        answer = browser.open(route.path, method=method)
                        assert answer.status_code < 500, (method, route)
                        answer.close()
                    browser.get(route.path, headers=HTMX).close()
    assert tables() == before


def tables_after_a_visit(browser: FlaskClient, tables: Callable[[], Any]) -> Any:
    """A first visit may make what is made once."""
    assert browser.get("/credits").status_code == 200
    return tables()


def _user(email: str) -> Any:
    user = accounts.find(email)
    assert user is not None
    return user


# Money -------------------------------------------------------------------------------------------


@pytest.mark.both_databases
@pytest.mark.usefixtures("no_ffmpeg")
def test_after_a_days_work_the_ledger_is_the_balance(
    app: Flask, making: Making, bob: Person, fake_provider: FakeProvider, rows: Rows, call: Call
) -> None:
    fake_provider.script = (READY,)
    made, failed, cancelled, deleted, waiting = making.ask_for(count="3") + making.ask_for(
        count="2"
    )
    assert making.make(made) == "completed"
    call(endings.fail, failed, "deadline", "")
    making.cancel(cancelled)
    making.delete(deleted)
    call(credits.adjust, bob.id, -101, key="claw", reason="chargeback")
    making.make(waiting)
    assert broken(app) == {}
    sums = rows("SELECT user_id, SUM(amount) AS balance FROM credit_entries GROUP BY user_id")
    balances = {row["user_id"]: row["balance"] for row in sums}
    assert balances[bob.id] == call(credits.balance_of, bob.id) == -1
    assert balances[making.person.id] == making.balance()
    net = {one: sum(amount for _, amount in making.entries(one)) for one in making.asked}
    assert (net[made], net[failed]) == (-COST_CREDITS, 0)
