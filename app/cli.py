"""The same verbs from a terminal. A rule that says no ends the command with status 1."""

import secrets
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext
from sqlalchemy import select

from app import tasks
from app.errors import UserError
from app.extensions import db, huey
from app.models import ENDED, User, Video, new_id
from app.services import (
    accounts,
    alerts,
    attempts,
    credits,
    ledger,
    requests,
    sweeps,
    vendors,
    videos,
)

Command = TypeVar("Command", bound=Callable[..., Any])

REASON_MAX_CHARS = 40  # as wide as the ledger's column
SEED_CREDITS = 100
SEED_WAIT_S = 600
SEED_LOOK_EVERY_S = 0.2
SEED_VIDEOS = (
    {
        "type": "glass-fruit",
        "prompt": "Slow slicing of a glass strawberry on a wooden board",
        "aspect_ratio": "16:9",
        "seed": "7",
    },
    {
        "type": "ice-cut",
        "prompt": "A knife cracks through a block of clear ice, close to the ear",
        "aspect_ratio": "1:1",
        "seed": "11",
    },
    {
        "type": "honey-drip",
        "prompt": "Honey folds over a stack of warm pancakes",
        "aspect_ratio": "9:16",
        "seed": "23",
    },
)
SEED_DURATION_S = "4"

users_group = AppGroup("users", help="Accounts.")
credits_group = AppGroup("credits", help="Balances.")
ledger_group = AppGroup("ledger", help="The book of all credits.")
videos_group = AppGroup("videos", help="Videos.")


def init_app(app: Flask) -> None:
    """Register the commands of `flask`."""
    for group in (users_group, credits_group, ledger_group, videos_group):
        app.cli.add_command(group)
    for command in (show_alerts, seed, worker):
        app.cli.add_command(command)


def _says_no(command: Command) -> Command:
    """Turn a rule's refusal into one line on standard error and status 1."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except UserError as error:
            raise click.ClickException(str(error)) from error

    return cast(Command, wrapped)


@users_group.command("create")
@click.argument("email")
@click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True)
@click.option("--credits", "balance", type=click.IntRange(min=0), help="The whole balance.")
@click.option("--admin", "is_admin", is_flag=True, help="May see and do everything.")
@click.option("--verified", "is_verified", is_flag=True, help="The address needs no confirmation.")
@_says_no
def create_user(
    email: str, password: str, balance: int | None, is_admin: bool, is_verified: bool
) -> None:
    """Make an account; with --credits it gets no welcome credits."""
    user = accounts.create_user(
        email, password, is_verified=is_verified, is_admin=is_admin, credits=balance
    )
    click.echo(f"{user.email}: account {user.id}, {_credits(credits.balance_of(user.id))}")


@credits_group.command("grant", context_settings={"ignore_unknown_options": True})
@click.argument("email")
@click.argument("number", type=int)
@click.option("--reason", default="operator", show_default=True, help="Stands in the ledger.")
@_says_no
def grant_credits(email: str, number: int, reason: str) -> None:
    """Add credits to a balance, or with a number below zero take them away."""
    reason = reason.strip()
    if not number or not 0 < len(reason) <= REASON_MAX_CHARS:
        raise click.UsageError(
            f"a number other than 0, a reason of 1 to {REASON_MAX_CHARS} letters"
        )
    user_id = _user(email).id
    credits.adjust(user_id, number, key=f"adjustment:{new_id()}", reason=reason)
    click.echo(f"{email}: {_credits(credits.balance_of(user_id))}")


@credits_group.command("show")
@click.argument("email")
@_says_no
def show_credits(email: str) -> None:
    """Print a balance and the latest entries."""
    user_id = _user(email).id
    totals = ledger.totals(user_id)
    click.echo(f"{email}: {_credits(credits.balance_of(user_id))}")
    click.echo(" ".join(f"{name} {number}" for name, number in totals.items()))
    for entry in ledger.page(user_id)[0]:
        click.echo(
            f"{entry.created_at:%Y-%m-%d %H:%M:%S}Z {entry.amount:+6d} {entry.balance_after:6d}  "
            f"{entry.kind} {entry.reason} {entry.reference or ''}".rstrip()
        )


@ledger_group.command("verify")
def verify_ledger() -> None:
    """Recompute every balance and every video's net; status 1 and the rows if any differs."""
    found = list(credits.verify_ledger())
    for row in found:
        click.echo(f"{row.what}: stored {row.stored}, recomputed {row.recomputed}")
    if found:
        raise click.ClickException(f"{len(found)} differ")
    click.echo("The ledger adds up.")


@click.command("alerts")
@click.option("--resolve", nargs=2, metavar="KIND SUBJECT", help="Close an alert first.")
@with_appcontext
def show_alerts(resolve: tuple[str, str] | None) -> None:
    """List what a person should look at."""
    if resolve and not alerts.resolve(*resolve):
        raise click.ClickException("there is no such open alert")
    found = alerts.open_alerts()
    for alert in found:
        click.echo(
            f"{alert.kind} | {alert.subject} | {alert.count} x, "
            f"{alert.first_seen_at:%Y-%m-%d %H:%M}Z to {alert.last_seen_at:%Y-%m-%d %H:%M}Z | "
            f"{alert.text}"
        )
    if not found:
        click.echo("No open alerts.")


@videos_group.command("sweep")
def sweep_videos() -> None:
    """Look after everything in flight now, whenever the last sweep was."""
    swept = sweeps.refresh_due()
    tasks.videos.ring(swept.to_submit)
    for video_id in swept.to_store:
        tasks.videos.store_video(video_id)
    click.echo(f"{swept.in_flight} in flight")


@click.command("seed")
@click.option("--demo-password", help="Random unless given.")
@click.option("--admin-password", help="Random unless given.")
@with_appcontext
@_says_no
def seed(demo_password: str | None, admin_password: str | None) -> None:
    """Make a demo user, an admin and a few finished videos; run again it changes nothing."""
    demo = _seed_user("demo@example.org", demo_password, credits=SEED_CREDITS)
    _seed_user("admin@example.org", admin_password, is_admin=True, credits=SEED_CREDITS)
    ids = [_seed_video(demo, number) for number in range(len(SEED_VIDEOS))]
    _make(ids)


def _seed_user(email: str, password: str | None, **options: Any) -> int:
    user = accounts.find(email)
    if user is not None:
        click.echo(f"{email}: is there already, with the password it has")
        return user.id
    password = password or secrets.token_urlsafe(12)
    user = accounts.create_user(email, password, is_verified=True, **options)
    click.echo(f"{email}: password {password}")
    return user.id


def _seed_video(user_id: int, number: int) -> str:
    """Ask for one video with a fixed form token: the same command again finds the same video."""
    request = requests.parse({**SEED_VIDEOS[number], "duration": SEED_DURATION_S})
    price = videos.quote(user_id, request).price.total
    token = f"seed-{number}"
    return videos.request_video(user_id, request, token=token, price_credits=price)[0]


def _make(video_ids: list[str]) -> None:
    """Be the worker for these videos, with small fast renders; beside a worker it does no harm."""
    settings = {**current_app.config, "LOCAL_RENDER_QUALITY": "draft"}
    current_app.extensions["vendors"] = vendors.Vendors(settings)
    give_up_at_s = time.monotonic() + SEED_WAIT_S
    waiting = list(video_ids)
    while waiting and time.monotonic() < give_up_at_s:
        attempts.submit(waiting[0])
        sweeps.refresh_due()
        attempts.store(waiting[0])
        video = db.session.get_one(Video, waiting[0], populate_existing=True)
        if video.status in ENDED:
            click.echo(f"video {video.id}: {video.status} {video.title} {video.error_text or ''}")
            waiting.pop(0)
        else:
            time.sleep(SEED_LOOK_EVERY_S)
    states = db.session.scalars(select(Video.status).where(Video.id.in_(video_ids)))
    if not set(states) <= {"completed", "cancelled"}:
        raise click.ClickException("not every video was made; run it again, or look into the log")


@click.command("worker")
@click.option("--threads", type=click.IntRange(1, 64), default=4, show_default=True)
@with_appcontext
def worker(threads: int) -> None:
    """Run a worker until it is told to stop (TERM lets running tasks end, for 15 s).

    Renders end with it, within a second, and start anew with the next worker.
    """
    consumer = huey.create_consumer(
        workers=threads,
        periodic=True,
        initial_delay=0.05,
        backoff=1.0,
        max_delay=0.2,
        graceful_signal="TERM",
        shutdown_timeout=15,
    )
    tasks.on_start()
    click.echo(f"worker ready: {threads} threads")
    consumer.run()


def _user(email: str) -> User:
    user = accounts.find(email)
    if user is None:
        raise click.ClickException(f"{email} has no account")
    return user


def _credits(number: int) -> str:
    return f"{number} credit" if number == 1 else f"{number} credits"
