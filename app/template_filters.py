"""What templates need to turn values into words and drawings. Pure functions, registered by name.

Words go through the translations and follow the locale of the request; drawings are SVG geometry,
because the content security policy leaves no room for a `style` attribute.
"""

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from flask import Flask
from flask_babel import format_datetime, format_decimal
from markupsafe import Markup

from app import catalogue, limits
from app.catalogue import VideoType
from app.errors import _l
from app.i18n import gettext, locale, ngettext
from app.models.video import LIVE
from app.services.endings import REASONS

SLANT = math.tan(math.radians(12))
"""The one angle of the design: every cut leans by 12 degrees."""

WAVE_HEIGHT = 40
WAVE_STEP = 4
MINUTE_S, HOUR_S = 60, 3600
FIRST_ESTIMATE_S = 10
"""After so long an estimate has been shown, and was wrong."""

CANCELLABLE = {"local": LIVE}
"""Statuses in which stopping costs us nothing, by provider; elsewhere only while queued."""

DATE_PATTERNS = {"en": "d MMM y, HH:mm", "zh": "y年M月d日 HH:mm"}

STATUS_WORDS = {
    "queued": _l("Waiting in line"),
    "submitting": _l("Handing over"),
    "processing": _l("Rendering"),
    "storing": _l("Saving your copy"),
    "completed": _l("Ready"),
    "failed": _l("Did not work"),
    "cancelled": _l("Cancelled"),
}
ENTRY_WORDS = {
    "spend": _l("Video"),
    "refund": _l("Came back"),
    "welcome": _l("Welcome credits"),
    "adjustment": _l("Correction"),
    "purchase": _l("Purchase"),
}


class Cut(NamedTuple):
    """Geometry of the slanted progress line in a 160 x 100 box."""

    points: str
    top: str
    bottom: str


def wave(peaks: str | None, bars: int = 72) -> str:
    """SVG path of a sound wave: one upright stroke a bar, from comma separated peaks of 0..100."""
    values = [min(100, max(0, int(peak))) for peak in (peaks or "").split(",") if peak.strip()]
    values = values or [0]
    strokes = []
    for bar in range(bars):
        first = bar * len(values) // bars
        last = max(first + 1, (bar + 1) * len(values) // bars)
        half = max(0.6, max(values[first:last]) / 100 * (WAVE_HEIGHT / 2 - 1))
        x, middle = bar * WAVE_STEP + 2, WAVE_HEIGHT / 2
        strokes.append(f"M{x} {middle - half:.1f}V{middle + half:.1f}")
    return "".join(strokes)


def cut(percent: float | None, width: int = 160, height: int = 100) -> Cut:
    """Where the slanted line stands at `percent`, and the area it has crossed."""
    share = min(100.0, max(0.0, float(percent or 0))) / 100
    lean = height * SLANT
    bottom = -lean + (width + lean) * share
    top = bottom + lean
    points = f"-30,0 {top:.1f},0 {bottom:.1f},{height} -30,{height}"
    return Cut(points, f"{top:.1f}", f"{bottom:.1f}")


def when(moment: datetime | None) -> Markup:
    """A `<time>` in the visitor's language, in UTC; a script may turn it into their own zone."""
    if moment is None:
        return Markup("")
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    words = format_datetime(aware.astimezone(UTC), DATE_PATTERNS[locale()], rebase=False)
    stamp = aware.astimezone(UTC).isoformat(timespec="seconds")
    return Markup('<time datetime="{}" data-when>{} UTC</time>').format(stamp, words)


def duration_words(seconds: float | None) -> str:
    """A length of time in words: "40 s", "1 min 28 s", "2 h 5 min"."""
    whole = max(0, round(seconds or 0))
    if whole < MINUTE_S:
        return gettext("%(seconds)d s", seconds=whole)
    if whole < HOUR_S:
        minutes, rest = divmod(whole, MINUTE_S)
        if not rest:
            return gettext("%(minutes)d min", minutes=minutes)
        return gettext("%(minutes)d min %(seconds)d s", minutes=minutes, seconds=rest)
    hours, minutes = divmod(round(whole / MINUTE_S), 60)
    if not minutes:
        return gettext("%(hours)d h", hours=hours)
    return gettext("%(hours)d h %(minutes)d min", hours=hours, minutes=minutes)


def range_words(low: float | None, high: float | None) -> str:
    """An honest estimate in words, no finer than it is known: "20 to 45 s", "about 2 min"."""
    if low is None and high is None:
        return ""
    first, last = sorted((_coarse(low if low is not None else high), _coarse(high or low)))
    if last <= 5:
        return gettext("a few seconds")
    if first == last:
        return gettext("about %(time)s", time=duration_words(last))
    if last <= MINUTE_S or not (first % MINUTE_S or last % MINUTE_S):
        unit = 1 if last < MINUTE_S else MINUTE_S
        if unit == 1:
            return gettext("%(low)d to %(high)d s", low=first, high=last)
        if first >= MINUTE_S:
            return gettext("%(low)d to %(high)d min", low=first // unit, high=last // unit)
    return gettext("%(low)s to %(high)s", low=duration_words(first), high=duration_words(last))


def clock(seconds: float | None) -> str:
    """A length as players show it: 0:08."""
    whole = max(0, round(seconds or 0))
    return f"{whole // MINUTE_S}:{whole % MINUTE_S:02d}"


def file_size(size_bytes: int | None) -> str:
    """A file's size in megabytes, one digit after the point."""
    return gettext("%(size)s MB", size=format_decimal((size_bytes or 0) / 1e6, "0.0"))


def signed(amount: int) -> str:
    """A number of credits with its sign, by the typographic minus."""
    return f"+{amount}" if amount > 0 else minus(amount)


def minus(number: int) -> str:
    """A whole number whose minus sign is as wide as a plus."""
    return f"−{-number}" if number < 0 else str(number)


def type_name(type_id: str) -> str:
    """The name of a type in the visitor's language; an unknown id is shown as it is."""
    found = catalogue.find_type(type_id)
    return found.name(locale()) if found else type_id.replace("-", " ").capitalize()


def type_prompt(type_id: str) -> str:
    """The example prompt of a type in the visitor's language."""
    found = catalogue.find_type(type_id)
    return found.prompt(locale()) if found else ""


def still(type_id: str) -> str:
    """Path below static/ of a picture for a type, or '' where none was ever drawn."""
    found = catalogue.find_type(type_id)
    return f"img/types/{found.poster}" if found and found.poster else ""


def drawn_first(types: Iterable[VideoType]) -> list[VideoType]:
    """Types in the order of the strip: those which the local renderer really draws come first."""
    return sorted(types, key=lambda one: (not one.scene, not still(one.id)))


def error_sentence(text: str | None) -> str:
    """What went wrong, translated; a failure that left no sentence gets a plain one."""
    return gettext(text) if text else gettext("The renderer stopped before the video was done.")


def entry_words(kind: str) -> str:
    """What an entry of the ledger is for."""
    return gettext(ENTRY_WORDS[kind]) if kind in ENTRY_WORDS else kind


def why(entry: Any) -> str:
    """What an entry was for, and why it came back; an operator's correction in his own words."""
    words = entry_words(entry.kind)
    if entry.kind == "adjustment":
        return str(entry.reason)
    if entry.kind != "refund":
        return words
    reason = REASONS.get(entry.reason)
    because = gettext(reason) if reason else gettext("You cancelled in time.")
    return f"{words} · {because}"


def status_words(video: Any) -> str:
    """Where a video is, in two or three words."""
    if video.cancel_requested and video.status in LIVE:
        return gettext("Stopping")
    if video.is_late and video.status in LIVE and video.status != "queued":
        return gettext("Later than expected")
    return gettext(STATUS_WORDS[video.status])


def progress_words(video: Any) -> str:
    """The sentence under it: how long still, or why not."""
    if video.status == "failed":
        return error_sentence(video.error_text)
    if video.status == "cancelled":
        return gettext("Stopped before it was done.")
    if video.cancel_requested:
        return gettext("The credits come back when it has stopped.")
    if video.is_late:
        return _late_words(video)
    if video.status == "storing":
        return gettext("Drawn. Its sound is being measured.")
    if video.eta_high_s is not None:
        left = range_words(video.eta_low_s, video.eta_high_s)
        return gettext("Ready in %(time)s", time=left)
    return _unknown_words(video)


def _late_words(video: Any) -> str:
    if video.status != "queued":
        return gettext("Usually done by now. It goes on, nothing is lost.")
    return gettext(
        "In line for over %(minutes)d minutes: whoever renders is busy or away. "
        "You can cancel and get every credit back.",
        minutes=limits.QUEUE_EXPLAIN_S // MINUTE_S,
    )


def _unknown_words(video: Any) -> str:
    if video.status == "processing" and _age_s(video.started_at) > FIRST_ESTIMATE_S:
        return gettext("Longer than usual; it goes on.")
    return gettext("The first estimate comes in a moment.")


def sound_words(video: Any) -> str:
    """The sound check in a sentence, from the measured loudness and true peak."""
    loudness, peak = _decibels(video.loudness_lufs), _decibels(video.true_peak_dbtp)
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


def people_credits(amount: int) -> str:
    """A number of credits in words."""
    return ngettext("%(amount)s credit", "%(amount)s credits", abs(amount), amount=minus(amount))


def can_cancel(video: Any) -> bool:
    """Whether stopping is offered now: it costs nothing, and was not asked for already."""
    if video.cancel_requested:
        return False
    return video.status in CANCELLABLE.get(video.provider, ("queued",))


def is_live(status: str) -> bool:
    """Whether a video is still on its way."""
    return status in LIVE


def register(app: Flask) -> None:
    """Make the functions above known to every template."""
    for function in (
        wave, cut, when, duration_words, range_words, clock, file_size, signed, minus, why,
        type_name, type_prompt, still, drawn_first, error_sentence, entry_words, status_words,
        progress_words, sound_words, can_cancel,
    ):  # fmt: skip
        app.add_template_filter(function)
    app.add_template_filter(people_credits, "credits")
    app.add_template_test(is_live, "live")


def _age_s(moment: datetime | None) -> float:
    return (datetime.now(UTC) - moment).total_seconds() if moment else 0.0


def _coarse(seconds: float | None) -> int:
    """Rounded up to 5 s below a minute, to half minutes below five, then to whole ones."""
    exact = max(0.0, float(seconds or 0))
    step = 5 if exact <= MINUTE_S else 30 if exact <= 5 * MINUTE_S else MINUTE_S
    return math.ceil(exact / step) * step


def _decibels(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "−∞"
    return format_decimal(value, "0.0;−0.0")
