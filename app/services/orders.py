"""What an attempt asks of a provider, read from the video; and what attempts said before."""

from pathlib import Path

from flask import current_app
from sqlalchemy import func, select

from app import limits
from app.errors import NotFound
from app.extensions import db
from app.media import MediaError
from app.models import Attempt, Video
from app.providers import ErrorCode, Order, Provider, ProviderError
from app.services import images, routes, vendors
from app.services.routes import Wanted

CALLED_BY = ("kie", "fal", "replicate")
"""Who calls us at /api/webhooks/NAME. Replicate is told the address even without its secret: the
attempt's id in it is how a prediction is found again in its list."""
LOOPBACK = ("http://127.0.0.1", "http://localhost", "http://[::1]")


def wanted(video: Video) -> Wanted:
    """What a provider must be able to make for this video."""
    return Wanted(
        video.aspect_ratio, video.resolution, video.duration_s, video.image_id is not None
    )


def of(video: Video, attempt_id: str, provider: Provider, *, with_image: bool = True) -> Order:
    """The order of one attempt; a shape that is cropped afterwards is ordered as its source.

    Raises ProviderError where the picture cannot be had.
    """
    can = provider.capabilities
    return Order(
        attempt_id=attempt_id,
        type=video.type,
        prompt=video.prompt,
        aspect_ratio=can.native_ratio(video.aspect_ratio) or video.aspect_ratio,
        duration_s=video.duration_s,
        resolution=video.resolution,
        seed=(video.seed + int(video.sound_retried)) % (limits.SEED_MAX + 1),
        image=_image(video.image_id) if with_image else None,
        callback_url=callback_url(provider, attempt_id),
    )


def _image(image_id: str | None) -> Path | None:
    """The picture as a file. Raises ProviderError where it cannot be had."""
    if image_id is None:
        return None
    try:
        return images.path_of(image_id)
    except NotFound as error:
        raise ProviderError("permanent", "the picture to start from is gone") from error
    except OSError as error:
        raise ProviderError("transient", f"the picture to start from: {error}") from error
    except MediaError as error:
        code: ErrorCode = "transient" if error.code == "unreachable" else "permanent"
        raise ProviderError(code, f"the picture to start from: {error}") from error


def callback_url(provider: Provider, attempt_id: str) -> str | None:
    """Where the provider may call us; None where it cannot or we have no public address.

    The address names the attempt, so that a callback finds it even if the answer to the submission
    was lost.  A provider calls a plain http address only when it is a simulator on this machine.
    """
    name, site = provider.capabilities.name, current_app.config["APP_URL"]
    if name not in CALLED_BY:
        return None
    base_url = current_app.config["CLOUDS"][name]["base_url"]
    if not site.startswith("https://") and not base_url.startswith(LOOPBACK):
        return None
    return f"{site}/api/webhooks/{name}?attempt={attempt_id}"


def refusals(video_id: str) -> set[str]:
    """The providers that said to this video that they will never make it."""
    rows = db.session.scalars(
        select(Attempt.provider).where(
            Attempt.video_id == video_id, Attempt.error_code == "permanent"
        )
    )
    return set(rows)


def taken_so_far(video_id: str) -> int:
    """How many attempts at this video were accepted by some provider."""
    query = select(func.count()).select_from(Attempt)
    taken = query.where(Attempt.video_id == video_id, Attempt.accepted_at.is_not(None))
    return int(db.session.scalar(taken) or 0)


def may_try_again(video_id: str, provider: str, code: str) -> bool:
    """Whether a video that a cloud took and did not make is ordered once more.

    After a hiccup anywhere, after a lasting no only where another cloud makes it.
    """
    if taken_so_far(video_id) > 1:
        return False
    if code != "permanent":
        return code == "transient"
    others = routes.cloud_makers(wanted(db.session.get_one(Video, video_id)))
    return bool(others - refusals(video_id) - {provider})


def attempts_so_far(video_id: str) -> int:
    """How many attempts there were at this video."""
    query = select(func.count()).select_from(Attempt).where(Attempt.video_id == video_id)
    return int(db.session.scalar(query) or 0)


def provider_of(attempt: Attempt) -> Provider | None:
    """Who has the attempt, while it is still configured."""
    return vendors.current().providers.get(attempt.provider)
