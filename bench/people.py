"""Rows that measurements need: a person, a browser that is signed in, a video being made."""

from dataclasses import dataclass

from flask import Flask
from sqlalchemy import update

from app.extensions import db
from app.models import Video, now
from app.services import accounts, sessions, videos
from app.services.requests import VideoRequest

REQUEST = VideoRequest(
    type="glass-fruit",
    prompt="slow slicing of a glass strawberry on a wooden board",
    aspect_ratio="16:9",
    duration_s=8,
    resolution="720p",
    seed=1,
    count=1,
    provider="local",
    kind="local",
)


@dataclass(frozen=True)
class Watcher:
    """Someone whose browser shows a card that asks for itself every few seconds."""

    path: str
    headers: dict[str, str]


def watcher(app: Flask) -> Watcher:
    """A signed-in browser and its video, rendering: 42 %, 20 to 45 s left."""
    with app.app_context():
        user = accounts.create_user(
            "bench@example.org", "seven quiet strawberries",
            is_verified=True, is_admin=False, credits=100,
        )  # fmt: skip
        token = sessions.start(user.id, "bench")
        price = videos.quote(user.id, REQUEST).price.total
        [video_id] = videos.request_video(user.id, REQUEST, token="b" * 32, price_credits=price)
        db.session.execute(
            update(Video)
            .where(Video.id == video_id)
            .values(status="processing", progress=42, eta_low_s=20, eta_high_s=45, started_at=now())
        )
        db.session.commit()
    return Watcher(f"/videos/{video_id}", _headers(app, token, video_id))


def _headers(app: Flask, token: str, video_id: str) -> dict[str, str]:
    """What a browser sends with a poll: both cookies, and htmx's own headers."""
    browser = app.test_client()
    page = browser.get("/sign-in", base_url="https://asmr.example")
    state = next(
        line.partition(";")[0]
        for line in page.headers.getlist("Set-Cookie")
        if "state=" in line.partition(";")[0]
    )
    return {
        "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "Accept": "text/html",
        "Accept-Language": "en-GB,en;q=0.5",
        "Accept-Encoding": "gzip, deflate, br, zstd",
        "HX-Request": "true",
        "HX-Current-URL": "https://asmr.example/studio",
        "HX-Source": f"article#video-{video_id}",
        "HX-Target": f"article#video-{video_id}",
        "Cookie": f"__Host-session={token}; {state}; theme=dark",
    }
