"""A factory of bad days: it starts vendors and the app, and looks at the books at night."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
import time_machine
from flask import Flask
from sqlalchemy import text

from app import limits
from app.extensions import db
from app.models import base, now
from app.providers import http
from app.services import accounts, keys
from tests.bad_days.day import Day, Site
from tests.cast import PASSWORD, Person
from tests.databases import free_port
from tests.simulators import Simulator, start

BELOW_COST = "fal,replicate,google"
NAMES = {
    "kie": ("VEO3_API_KEY", *(f"VEO3_API_KEY_{number}" for number in range(2, 6))),
    "fal": ("FAL_KEY",),
    "replicate": ("REPLICATE_API_TOKEN",),
    "google": ("GOOGLE_GENAI_API_KEY",),
}
TAKES_S = 20.0
CLIP_S = 0.6  # enough to be measured, soon decoded
PATIENCE_S = 0.5  # of a socket, where a vendor never answers

Begin = Callable[..., Day]


def key_of(vendor: str, number: int = 1) -> str:
    """A key as long as a real one."""
    return f"test-{vendor}-secret-key-{number:04d}"


@pytest.fixture
def begin(
    make_app: Callable[..., Flask],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Begin]:
    """`begin("kie", "fal", keys=["ok", "bad"], env={...}, takes_s=None)`: a day with these vendors.

    `keys` are the states of the first vendor's keys; other options go to its simulator. The clock
    is the test's. The day's books are checked when the test is over.
    """
    monkeypatch.setattr(base, "_newest", [0, 0])  # the clock of the test before went further
    monkeypatch.setattr(limits, "SUBMIT_BACKOFF_S", 0.01)
    days: list[Day] = []
    with ExitStack() as stack:
        clock = stack.enter_context(time_machine.travel(now(), tick=True))

        def day(
            *vendors: str,
            keys: tuple[str, ...] = ("ok",),
            env: dict[str, str] | None = None,
            **options: Any,
        ) -> Day:
            states = dict.fromkeys(vendors, ("ok",)) | {vendors[0]: keys}
            started = {
                vendor: stack.enter_context(
                    start(
                        vendor,
                        keys=dict(_named(vendor, states[vendor])),
                        **{
                            "takes_s": TAKES_S,
                            "clip_s": CLIP_S,
                            **(options if vendor == vendors[0] else {}),
                        },
                    )
                )
                for vendor in vendors
            }
            port = free_port()
            app = make_app(**settings_of(started, port) | (env or {}))
            for name in ("app", "httpx"):  # the app has turned these down
                stack.enter_context(caplog.at_level(logging.DEBUG, name))
            stack.callback(Site(app, port).close)
            days.append(_day(app, started, clock, caplog))
            return days[-1]

        yield day
        for one in days:
            one.check()


def _named(vendor: str, states: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for number, state in enumerate(states, start=1):
        yield key_of(vendor, number), state


def settings_of(started: dict[str, Simulator], port: int) -> dict[str, str]:
    """The environment of an app that has these vendors, in this order, and none else."""
    env = {
        "VIDEO_PROVIDERS": ",".join(started),
        "ALLOW_BELOW_COST": BELOW_COST,
        "APP_URL": f"http://127.0.0.1:{port}",
    }
    for vendor, simulator in started.items():
        env |= dict(zip(NAMES[vendor], simulator.keys, strict=False))
        url = simulator.base_url
        if vendor == "kie":
            env |= {"VEO3_API_BASE_URL": url, "VEO3_UPLOAD_BASE_URL": url}
            env |= {"VEO3_WEBHOOK_HMAC_KEY": simulator.webhook_secret}
        elif vendor == "fal":
            env |= {"FAL_QUEUE_BASE_URL": url, "FAL_JWKS_URL": simulator.keys_url}
        elif vendor == "replicate":
            env |= {"REPLICATE_BASE_URL": url}
            env |= {"REPLICATE_WEBHOOK_SECRET": simulator.webhook_secret}
        else:
            env |= {"GOOGLE_GENAI_BASE_URL": url}
            env |= {"GOOGLE_GENAI_MODEL": "veo-3.1-fast-generate-preview"}
    return env


def _day(
    app: Flask,
    started: dict[str, Simulator],
    clock: time_machine.Traveller,
    log: pytest.LogCaptureFixture,
) -> Day:
    def call(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        with app.app_context():
            return function(*arguments, **options)

    def rows(sql: str, **values: Any) -> list[Any]:
        with app.app_context(), db.engine.connect() as connection:
            return list(connection.execute(text(sql), values).mappings())

    def alice() -> int:
        user = accounts.create_user("alice@example.org", PASSWORD, is_verified=True, credits=100)
        return int(user.id)

    call(keys.sync)
    secrets = [key for one in started.values() for key in (*one.keys, one.webhook_secret) if key]
    return Day(
        call,
        rows,
        None,
        Person(call(alice), "alice@example.org"),
        app=app,
        simulators=started,
        clock=clock,
        log=log,
        secrets=tuple(secrets),
    )


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is asked and says nothing is given up soon: sockets do not follow a moved clock."""
    for phase in ("submit", "poll"):
        monkeypatch.setitem(http.TIMEOUTS, phase, httpx.Timeout(PATIENCE_S, connect=5.0))
