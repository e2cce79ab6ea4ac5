"""A demo user, an admin and a few finished videos."""

import secrets
import time
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy import select

from app.cli.refusals import says_no
from app.extensions import db
from app.models import ENDED, Video
from app.services import accounts, attempts, requests, sweeps, vendors, videos

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


@click.command("seed")
@click.option("--demo-password", help="Random unless given.")
@click.option("--admin-password", help="Random unless given.")
@with_appcontext
@says_no
def seed(demo_password: str | None, admin_password: str | None) -> None:
    """Make a demo user, an admin and a few finished videos; run again it changes nothing."""
    draw_locally = {
        **current_app.config,
        "VIDEO_PROVIDERS": ("local",),
        "LOCAL_RENDER_QUALITY": "draft",
    }
    current_app.extensions["vendors"] = vendors.Vendors(draw_locally)  # never on a cloud's bill
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
    """Be the worker for these videos; beside a worker it does no harm."""
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


COMMANDS = (seed,)
