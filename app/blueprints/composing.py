"""What the composer shows: the form as typed, its errors, and the quote that goes with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from flask_login import current_user

from app import catalogue, limits
from app.error_pages import text_of
from app.errors import InvalidForm, UserError, _l
from app.i18n import locale
from app.models import StartImage, Video
from app.services import form_tokens, images, pricing, prompting, requests, routes, vendors, videos
from app.video_words import maker_words

LONG_DURATIONS_S = (15, 20, 30)
FIELDS = (
    "type", "prompt", "aspect_ratio", "duration", "resolution", "seed", "count", "image_id",
    "token",
)  # fmt: skip
SCENES = {  # what the local renderer can draw, in words that go through gettext
    "fruit:strawberry": _l("a glass strawberry, cut in slices"),
    "fruit:orange": _l("a glass orange, cut in slices"),
    "fruit:kiwi": _l("a glass kiwi, cut in slices"),
    "fruit:lemon": _l("a glass lemon, cut in slices"),
    "fruit:watermelon": _l("a glass watermelon, cut in slices"),
    "fruit:mango": _l("a glass mango, cut in slices"),
    "fruit:grape": _l("a glass grape, cut in slices"),
    "fruit:apple": _l("a glass apple, cut in slices"),
    "sand": _l("a block of kinetic sand, cut and slumping"),
    "soap:layers": _l("a bar of layered soap, cut in slabs"),
    "soap:marble": _l("a bar of marbled soap, cut in slabs"),
    "ice": _l("a clear block of ice, cut"),
    "planet": _l("a small planet, cut open to its glowing core"),
    "keyboard": _l("a mechanical keyboard, typed on"),
    "honey": _l("honey, poured in a thick strand"),
    "slime": _l("slime, poured in a coil"),
    "rain:street": _l("rain on a window, with the lights of a street behind"),
    "rain:candle": _l("rain on a window, by candlelight"),
}


def blank(**chosen: str) -> dict[str, Any]:
    """An untouched form with a fresh token, and its quote."""
    form = {
        "type": catalogue.all_types()[0].id,
        "prompt": "",
        "aspect_ratio": limits.DEFAULT_ASPECT_RATIO,
        "duration": str(limits.DEFAULT_DURATION_S),
        "resolution": limits.DEFAULT_RESOLUTION,
        "seed": "",
        "count": str(limits.DEFAULT_COUNT),
    } | chosen
    found = catalogue.find_type(form["type"])
    if found and not form["prompt"]:
        form["prompt"] = found.prompt(locale())
    return composed(form, fresh=True, is_new=True)


def again(video: Video) -> dict[str, Any]:
    """A form with every setting of `video`: remix."""
    return blank(
        type=video.type,
        prompt=video.prompt,
        aspect_ratio=video.aspect_ratio,
        duration=str(video.duration_s),
        resolution=video.resolution,
        seed=str(video.seed),
        image_id=video.image_id or "",
    )


def composed(
    typed: Mapping[str, str],
    *,
    fresh: bool = False,
    is_new: bool = False,
    error: UserError | None = None,
) -> dict[str, Any]:
    """Context of the composer for a form as typed: values, errors and the quote.

    `fresh` gives it a new token. A form nobody has filled in yet is not told what is wrong with it.
    """
    form = {name: typed.get(name, "") for name in FIELDS}
    if fresh or not form["token"]:
        form["token"] = form_tokens.new_token()
    errors: dict[str, str] = {}
    try:
        request = requests.parse(form)
    except InvalidForm as invalid:
        request = None
        if not is_new:
            errors = {name: _(text, **values) for name, (text, values) in invalid.errors.items()}
    if error is not None and not isinstance(error, InvalidForm):
        errors[error.field] = text_of(error)
    quote = quote_of(form, request)
    form["price"] = "" if quote is None else str(quote["total"])
    return {
        "form": form,
        "errors": errors,
        "quote": quote,
        "preview": prompting.preview(request) if request else None,
        "image": _image(form["image_id"]),
        "offers": _offers(form["duration"]),
        "catalogue": choices(),
    }


def _image(image_id: str) -> StartImage | None:
    """The visitor's picture to start with, while it is there."""
    if not image_id or not current_user.is_authenticated:
        return None
    return images.find_owned(current_user.id, image_id)


@dataclass(frozen=True)
class Choice:
    """A type as the form lists it; `scene` is what the local renderer draws for it, or empty."""

    id: str
    scene: str


def choices() -> list[Choice]:
    """Every type of the catalogue."""
    describe = next(iter(vendors.current().providers.values())).describe
    found = ((one.id, describe(one.id, "")) for one in catalogue.all_types())
    return [Choice(name, seen.scene if seen.recognised else "") for name, seen in found]


def _offers(duration: str) -> dict[str, Any]:
    """What the form lists: the usual lengths, and the one it came with where that is another."""
    offered = routes.offer()
    wanted = {*limits.DURATIONS_S, *LONG_DURATIONS_S}
    if duration.isascii() and duration.isdigit():
        wanted.add(int(duration))
    return {
        "aspect_ratios": offered.aspect_ratios,
        "resolutions": offered.resolutions,
        "takes_image": offered.takes_image,
        "durations": [seconds for seconds in offered.durations_s if seconds in wanted],
    }


def quote_of(
    form: Mapping[str, str], request: requests.VideoRequest | None
) -> dict[str, Any] | None:
    """Price, balance and what will be drawn; None while the settings have no price."""
    if request is None:
        request = _priced_anyway(form)
    if request is None:
        return None
    if current_user.is_authenticated:
        asked = videos.quote(current_user.id, request)
        price, balance = asked.price, asked.balance
    else:  # a visitor sees what a first video would cost
        price = pricing.price(
            request.duration_s, request.resolution, request.count, request.provider, is_first=True
        )
        balance = limits.WELCOME_CREDITS
    return {
        "lines": [(_(line.label, **line.values), line.credits) for line in price.lines],
        "total": price.total,
        "balance": balance,
        "balance_after": balance - price.total,
        "enough": balance >= price.total,
        "provider": request.provider,
        "kind": request.kind,
        "maker": maker_words(request.provider),
        **_scene(request),
    }


def _priced_anyway(form: Mapping[str, str]) -> requests.VideoRequest | None:
    """The price depends neither on prompt nor on seed: show it while those are still wrong."""
    try:
        return requests.parse({**form, "prompt": "-", "seed": ""})
    except InvalidForm:
        return None


def scene_words(name: str) -> str:
    """A scene in the visitor's language; one that is drawn no more keeps its name."""
    return _(SCENES[name]) if name in SCENES else name


def _scene(request: requests.VideoRequest) -> dict[str, Any]:
    """What the local renderer will draw, said before the button is pressed."""
    provider = vendors.provider(request.provider)
    if provider.capabilities.kind != "local":
        return {"scene_note": "", "scene_recognised": True}
    described = provider.describe(request.type, request.prompt)
    scene = scene_words(described.name)
    if described.recognised:
        note = _("Our local renderer will draw: %(scene)s.", scene=scene)
    else:
        note = _(
            "Our local renderer has no scene of its own for this. It will draw: %(scene)s.",
            scene=scene,
        )
    return {"scene_note": note, "scene_recognised": described.recognised}
