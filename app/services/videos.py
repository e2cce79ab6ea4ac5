"""What a user does with videos: ask for them, look, rename, favourite, cancel, delete.

How a video is made is services/attempts.py. Each verb here is one transaction.
"""

import contextlib
import secrets
from dataclasses import dataclass

from sqlalchemy import bindparam, case, insert, or_, select, update

from app import limits, media
from app.errors import NotFound, UserError, _l
from app.extensions import db
from app.models import LIVE, Video, is_id, new_id, now
from app.services import (
    allowances,
    credits,
    endings,
    form_tokens,
    images,
    moderation,
    orders,
    pricing,
    requests,
    routes,
    vendors,
)
from app.services.requests import VideoRequest
from app.services.transactions import Statement, write_transaction


class PriceChanged(UserError):
    """The price in the form is not the server's at this moment. Nothing was charged."""

    def __init__(self) -> None:
        super().__init__(_l("The price has changed. Nothing was charged; this is the new price."))


class MakerChanged(UserError):
    """A provider of another kind than the form named would make it. Nothing was charged."""

    def __init__(self) -> None:
        super().__init__(
            _l("Another renderer would make this now. Nothing was charged; look, and press again.")
        )


@dataclass(frozen=True)
class Quote:
    """What a request would cost this user now."""

    price: pricing.Price
    balance: int


_INSERT_FIELDS = (
    "id", "user_id", "type", "title", "prompt", "aspect_ratio", "duration_s", "resolution", "seed",
    "provider", "kind", "image_id", "scene", "scene_recognised", "request_token", "cost_credits",
    "discount_credits", "created_at",
)  # fmt: skip
_INSERT = Statement(
    insert(Video.__table__).values(
        {name: bindparam(name) for name in _INSERT_FIELDS}
        | {
            "refunded_credits": 0,
            "status": "queued",
            "is_late": False,
            "is_gift": False,
            "cancel_requested": False,
            "is_favourite": False,
            "has_begun": True,
            "sound_retried": False,
            "sound_refunded": False,
        }
    )
)


def quote(user_id: int, request: VideoRequest) -> Quote:
    """Price of `request` for this user, and the balance it would come from."""
    is_first = allowances.has_first_video(user_id)
    return Quote(_price(request, is_first), credits.balance_of(user_id))


def request_video(
    user_id: int, request: VideoRequest, *, token: str, price_credits: int, kind: str = ""
) -> list[str]:
    """Charge for `request.count` videos and queue them, all or none. Returns their ids.

    `kind` is what the form named before the button, if it did: local or cloud.  The same token and
    fields again return the same ids and charge nothing.  Raises FormReused, PriceChanged,
    MakerChanged, PromptRefused, NotEnoughCredits and TooMany; a refusal does not use the token up.
    """
    if made := form_tokens.find_ids(user_id, token, request.digest):
        return made
    if kind and kind != request.kind:
        raise MakerChanged
    _look_before_asking(user_id, price_credits)
    moderation.screen(user_id, request.prompt)
    described = vendors.provider(request.provider).describe(request.type, request.prompt)
    ids = [new_id() for _ in range(request.count)]
    with write_transaction() as connection:
        if not form_tokens.accept(connection, user_id, token, request.digest):
            return form_tokens.ids_of(connection, user_id, token, request.digest)
        balance = credits.lock(connection, user_id)  # the account first, as everywhere
        if request.image_id:
            images.hold(connection, user_id, request.image_id)
        allowances.check_hourly_limit(connection, user_id, request.count)
        is_first = allowances.claim_first_video(connection, user_id, ids[0], request)
        price = _price(request, is_first)
        if price.total != price_credits:
            raise PriceChanged
        if price.total > balance:
            raise credits.not_enough(price.total, balance)
        for number, (video_id, cost) in enumerate(zip(ids, price.each, strict=True)):
            credits.spend(connection, user_id, cost, key=f"spend:{video_id}", reference=video_id)
            _INSERT(
                connection,
                id=video_id,
                user_id=user_id,
                type=request.type,
                title=requests.title_from(request.prompt),
                prompt=request.prompt,
                aspect_ratio=request.aspect_ratio,
                duration_s=request.duration_s,
                resolution=request.resolution,
                seed=_seed(request.seed, number),
                provider=request.provider,
                kind=request.kind,
                image_id=request.image_id,
                scene=described.name,
                scene_recognised=described.recognised,
                request_token=token,
                cost_credits=cost,
                discount_credits=price.list_credits - cost,
                created_at=now(),
            )
    return ids


def _look_before_asking(user_id: int, price_credits: int) -> None:
    """Who cannot pay is told so before anybody is asked about the prompt, which costs us."""
    balance = credits.balance_of(user_id)
    if price_credits > balance:
        raise credits.not_enough(price_credits, balance)


def _price(request: VideoRequest, is_first: bool) -> pricing.Price:
    return pricing.price(
        request.duration_s, request.resolution, request.count, request.provider, is_first=is_first
    )


def _seed(seed: int | None, number: int) -> int:
    if seed is None:
        return secrets.randbelow(limits.SEED_MAX + 1)
    return (seed + number) % (limits.SEED_MAX + 1)


def get_owned(user_id: int, video_id: str) -> Video:
    """The user's video. Raises NotFound when it is not there, deleted, or another's."""
    video: Video | None = None
    if is_id(video_id):
        video = db.session.scalar(
            select(Video).where(
                Video.id == video_id, Video.user_id == user_id, Video.deleted_at.is_(None)
            )
        )
    if video is None:
        raise NotFound(_l("That video is not here."))
    return video


def rename(user_id: int, video_id: str, title: str) -> Video:
    """Give the video another title of 1 to 100 characters."""
    get_owned(user_id, video_id)
    title = " ".join(requests.clean_text(title).split())
    if not title or not requests.is_text(title) or len(title) > limits.TITLE_MAX_CHARS:
        raise UserError(
            _l("A title has 1 to %(most)d characters."), field="title", most=limits.TITLE_MAX_CHARS
        )
    return _set(user_id, video_id, title=title)


def set_favourite(user_id: int, video_id: str, is_favourite: bool) -> Video:
    """Mark the video as a favourite, or take the mark away."""
    get_owned(user_id, video_id)
    return _set(user_id, video_id, is_favourite=is_favourite)


def _set(user_id: int, video_id: str, **values: object) -> Video:
    with write_transaction() as connection:
        connection.execute(
            update(Video)
            .where(Video.id == video_id, Video.user_id == user_id, Video.deleted_at.is_(None))
            .values(**values)
        )
    return get_owned(user_id, video_id)


def cancel(user_id: int, video_id: str) -> Video:
    """Cancel while stopping costs nothing: at once in the queue, else as a request to the worker.

    A video that a provider has is refunded when its stop is certain; if the result comes first, the
    video completes and the charge stands (money rules).  Raises UserError where it is too late.
    """
    if not _ask_to_stop(get_owned(user_id, video_id)):
        raise UserError(_l("This video can no longer be cancelled."))
    return get_owned(user_id, video_id)


def _ask_to_stop(video: Video) -> bool:
    video_id, provider = video.id, video.provider
    if video.status == "queued" and endings.cancel(video_id, only_from=("queued",)):
        return True
    states, may_have_begun = cancellable(provider)
    not_begun = () if may_have_begun else (or_(Video.status != "processing", ~Video.has_begun),)
    with write_transaction() as connection:
        asked = connection.execute(
            update(Video)
            .where(Video.id == video_id, Video.status.in_(states), *not_begun)
            .values(cancel_requested=True)
        )
    return asked.rowcount == 1


def cancellable(provider: str) -> tuple[tuple[str, ...], bool]:
    """The states in which a video of this provider may be cancelled, and whether begun ones too."""
    configured = vendors.current().providers.get(provider)
    how = configured.capabilities.cancel if configured else "never"
    if how == "always":
        return LIVE, True
    return ("queued", "submitting", "processing") if how == "until_started" else ("queued",), False


def draw_locally(user_id: int, video_id: str) -> Video:
    """Let our own renderer make a cloud video that nobody could take for a quarter of an hour.

    Only the owner's wish does this, never we (money rules: no bait and switch).  The price stays.
    Raises UserError where it is not offered.
    """
    video = get_owned(user_id, video_id)
    wanted = orders.wanted(video)
    local = "local" if "local" in routes.makers(wanted) else None
    moved = 0
    if local and video.kind == "cloud":
        drawn = vendors.provider(local).describe(video.type, video.prompt)
        with write_transaction() as connection:
            moved = connection.execute(
                update(Video)
                .where(
                    Video.id == video_id,
                    Video.status == "queued",
                    Video.kind == "cloud",
                    Video.is_late,
                    ~Video.sound_retried,
                )
                .values(
                    provider=local,
                    kind="local",
                    scene=drawn.name,
                    scene_recognised=drawn.recognised,
                    is_late=False,
                    wait_reason=None,
                    retry_at=None,
                )
            ).rowcount
    if not moved:
        raise UserError(_l("This video cannot be drawn locally now."))
    return get_owned(user_id, video_id)


def delete(user_id: int, video_id: str) -> None:
    """Hide the video for good: files gone, prompt and title blank, row and ledger kept.

    What is still being made keeps its prompt until it ends.

    An unfinished one is cancelled where that is allowed; otherwise it runs to its end unseen and
    keeps its charge or refund.
    """
    _ask_to_stop(get_owned(user_id, video_id))
    with write_transaction() as connection:
        connection.execute(
            update(Video)
            .where(Video.id == video_id, Video.deleted_at.is_(None))
            .values(
                deleted_at=now(),
                title="",
                prompt=case((Video.status.in_(LIVE), Video.prompt), else_=""),
                file_key=None,
                poster_key=None,
                thumbnail_key=None,
                peaks=None,
            )
        )
    with contextlib.suppress(media.MediaError):  # hidden all the same; tidying.tidy comes again
        vendors.current().storage.delete_all(endings.folder(video_id))
