"""Every state that a service writes is one that the others know."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import inspect, text

from app.extensions import db
from app.models import ENDED, LIVE
from app.services import endings
from config import ROOT
from tests.money.conftest import no_ffmpeg as _no_ffmpeg

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
}  # fmt: skip
WITHOUT_CSRF = {"webhooks.receive"}  # signed by its sender; and token-authenticated API
ADMIN = {"provider_status.show"}  # to everybody else it is not there


@dataclass(frozen=True)
class Route:
    """An endpoint, a method, and an address that reaches it."""

    endpoint: str
    method: str
    path: str


def routes(app: Flask, video_id: str = NOBODY, token: str = "no-token") -> Iterator[Route]:
    """Every endpoint with every method it takes, HEAD and OPTIONS aside."""
    values = {"video_id": video_id, "image_id": NOBODY, "token": token, "provider": "kie"}
    values["filename"] = "css/base.css"
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


# Words that the code may write -------------------------------------------------------------------

ATTEMPT_STATES = {*endings.OPEN_ATTEMPT, "done", "failed", "lost", "cancelled", "late"}
KEY_STATES = {"healthy", "parked", "disabled"}
BY_PLACE = {
    "_end": ("status", 1),
    "_back_to_queue": ("state", 2),
    "give_back": ("state", 2),
    "Rest": ("state", 0),
}


def written() -> Iterator[tuple[str, str, str]]:
    """(`status` or `state`, the word, where): every literal that a service passes or stores."""
    for path in sorted((ROOT / "app" / "services").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            for name, value in _named(node):
                if name in ("status", "state") and isinstance(value, ast.Constant):
                    yield name, str(value.value), f"{path.name}:{value.lineno}"


def _named(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant):
                yield str(key.value), value
    if isinstance(node, ast.Call):
        for keyword in node.keywords:
            yield keyword.arg or "", keyword.value
        called = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        if called in BY_PLACE:
            name, place = BY_PLACE[called]
            yield name, node.args[place]


def test_every_status_that_is_written_is_in_the_list() -> None:
    allowed = {"status": {*LIVE, *ENDED}, "state": ATTEMPT_STATES | KEY_STATES}
    found: dict[str, set[str]] = {"status": set(), "state": set()}
    for name, word, where in written():
        assert word in allowed[name], where
        found[name].add(word)
    assert found["status"] == allowed["status"]  # and every one of them is written somewhere
    assert found["state"] == ATTEMPT_STATES | KEY_STATES - {"disabled"}  # of `keys.STATES_OF`
    assert set(LIVE).isdisjoint(ENDED)
