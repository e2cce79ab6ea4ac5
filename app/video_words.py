"""Where a video is, in words: for cards, pages, lists. Pure but for the visitor's language."""

import math
from datetime import UTC, datetime
from typing import Any

from flask_babel import format_decimal

from app import limits
from app.errors import _l
from app.i18n import gettext
from app.models.video import LIVE
from app.services import vendors, videos
from app.services.endings import REASONS
from app.services.orders import wanted
from app.time_words import MINUTE_S, range_words

FIRST_ESTIMATE_S = 10
"""After so long an estimate has been shown, and was wrong."""

STATUS_WORDS = {
    "queued": _l("Waiting in line"),
    "submitting": _l("Handing over"),
    "processing": _l("Rendering"),
    "storing": _l("Saving your copy"),
    "completed": _l("Ready"),
    "failed": _l("Did not work"),
    "cancelled": _l("Cancelled"),
}
PROVIDER_NAMES = {
    "kie": "kie.ai",
    "fal": "fal",
    "replicate": "Replicate",
    "google": "Google",
}
WAIT_WORDS = {
    "spend_cap": _l("Today's budget for cloud videos is used up; it goes on at midnight UTC."),
    "no_key": _l(
        "The cloud provider takes no orders from us right now; we try again by ourselves."
    ),
    "busy": _l("The cloud provider takes a few at a time; yours is next in a moment."),
    "provider_down": _l("The cloud provider does not answer right now; we try again by ourselves."),
    "once_more": _l("The provider could not make it; it is being ordered once more."),
    "no_maker": _l("No cloud provider makes this right now; we have been told."),
}


def error_sentence(text: str | None) -> str:
    """What went wrong, translated; a failure that left no sentence gets a plain one."""
    return gettext(text) if text else gettext("The renderer stopped before the video was done.")


def status_words(video: Any) -> str:
    """Where a video is, in two or three words."""
    if video.cancel_requested and video.status in LIVE:
        return gettext("Stopping")
    if video.is_late and video.status in LIVE and video.status != "queued":
        return gettext("Later than expected")
    return gettext(STATUS_WORDS[video.status])


def progress_words(video: Any) -> str:
    """The sentence under it: how long still, or why not."""
    if video.status in ("failed", "cancelled"):
        return _ending_words(video)
    if video.cancel_requested:
        return gettext("The credits come back when it has stopped.")
    if video.is_late:
        return _late_words(video)
    if video.sound_retried:
        return gettext("It came out silent, so it is being made once more, for free.")
    if video.status == "queued" and video.wait_reason in WAIT_WORDS:
        return gettext(WAIT_WORDS[video.wait_reason])
    if video.status == "storing":
        return _storing_words(video)
    return _estimate_words(video)


def _ending_words(video: Any) -> str:
    if video.status == "cancelled":
        return gettext("Stopped before it was done.")
    if video.error_code == "content_rejected":
        return gettext("The provider refused this prompt: %(reason)s", reason=_rejection(video))
    return error_sentence(video.error_text)


def _storing_words(video: Any) -> str:
    if video.kind == "cloud":
        return gettext("Made. Its picture and sound are being checked.")
    return gettext("Drawn. Its sound is being measured.")


def _estimate_words(video: Any) -> str:
    if video.eta_high_s is None:
        return _unknown_words(video)
    left = range_words(video.eta_low_s, video.eta_high_s)
    return gettext("Ready in %(time)s", time=left)


def _late_words(video: Any) -> str:
    if video.status != "queued":
        return gettext("Usually done by now. It goes on, nothing is lost.")
    if video.kind == "local":
        return gettext(
            "In line for over %(minutes)d minutes: whoever renders is busy or away. "
            "You can cancel and get every credit back.",
            minutes=limits.QUEUE_EXPLAIN_S // MINUTE_S,
        )
    reason = gettext(WAIT_WORDS.get(video.wait_reason or "", WAIT_WORDS["provider_down"]))
    return gettext(
        "%(reason)s In line for over %(minutes)d minutes; "
        "you can cancel and get every credit back.",
        reason=reason,
        minutes=limits.QUEUE_EXPLAIN_S // MINUTE_S,
    )


def _rejection(video: Any) -> str:
    """The provider's own words, or that it gave none."""
    own = REASONS["content_rejected"]
    return gettext("no reason given") if video.error_text in (None, own) else str(video.error_text)


def _unknown_words(video: Any) -> str:
    if video.status == "processing" and _age_s(video.started_at) > FIRST_ESTIMATE_S:
        return gettext("Longer than usual; it goes on.")
    return gettext("The first estimate comes in a moment.")


def sound_words(video: Any) -> str:
    """The sound check in a sentence, from the measured loudness and true peak."""
    loudness, peak = _decibels(video.loudness_lufs), _decibels(video.true_peak_dbtp)
    if video.sound_check == "silent" and video.sound_refunded:
        return gettext("No sound was found, twice. The credits came back, and the video is yours.")
    if video.sound_check == "silent":
        return gettext("No sound was found in this video.")
    if video.sound_check == "too_quiet":
        return gettext("Very quiet, %(loudness)s LUFS: headphones help.", loudness=loudness)
    if video.sound_check == "clipped":
        return gettext("Loud: peaks reach %(peak)s dBTP and may crackle.", peak=peak)
    if video.sound_check != "passed":
        return gettext("The sound has not been measured.")
    channels = gettext("Stereo") if video.audio_channels == 2 else gettext("Mono")
    return gettext(
        "%(channels)s, %(loudness)s LUFS, true peak %(peak)s dBTP: nothing clips.",
        channels=channels,
        loudness=loudness,
        peak=peak,
    )


def can_cancel(video: Any) -> bool:
    """Whether stopping is offered now: it costs nothing, and was not asked for already."""
    if video.cancel_requested:
        return False
    states, may_have_begun = videos.cancellable(video.provider)
    has_begun = video.status == "processing" and video.has_begun
    return video.status in states and (may_have_begun or not has_begun)


def can_draw_locally(video: Any) -> bool:
    """Whether our own renderer is offered instead of the cloud, which is away."""
    waits = video.status == "queued" and video.kind == "cloud" and video.is_late
    if not waits or video.sound_retried or "local" not in vendors.current().providers:
        return False
    want = wanted(video)
    can = vendors.provider("local").capabilities
    return can.makes(
        want.aspect_ratio, want.resolution, want.duration_s, with_image=want.with_image
    )


def maker_words(provider: str) -> str:
    """Who makes a video, as a person reads it: the model and its provider, or our renderer."""
    if provider == "local":
        return gettext("Local renderer")
    configured = vendors.current().providers.get(provider)
    label = configured.capabilities.label if configured else ""
    name = PROVIDER_NAMES.get(provider, provider)
    return gettext("%(model)s by %(provider)s", model=label, provider=name) if label else name


def _age_s(moment: datetime | None) -> float:
    return (datetime.now(UTC) - moment).total_seconds() if moment else 0.0


def _decibels(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "−∞"
    return format_decimal(value, "0.0;−0.0")
