"""What templates need to turn values into words and drawings. Pure functions, registered by name.

Words go through the translations and follow the locale of the request; drawings are SVG geometry,
because the content security policy leaves no room for a `style` attribute.
"""

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from flask import Flask
from flask_babel import format_date, format_datetime, format_decimal
from markupsafe import Markup

from app import catalogue
from app.catalogue import VideoType
from app.errors import _l
from app.i18n import gettext, locale
from app.models.video import LIVE
from app.payment_words import (
    credits_words,
    discount_cents,
    money,
    pack_name,
    purchase_headline,
    purchase_sentence,
    purchase_state,
    reversal_words,
    short_money,
)
from app.services.endings import REASONS
from app.time_words import duration_words, range_words
from app.video_words import (
    can_cancel,
    can_draw_locally,
    error_sentence,
    maker_words,
    progress_words,
    sound_words,
    status_words,
)

SLANT = math.tan(math.radians(12))
"""The one angle of the design: every cut leans by 12 degrees."""

WAVE_HEIGHT = 40
WAVE_STEP = 4
SLICES_WIDTH, SLICE_HEIGHT, SLICE_STEP = 300, 17, 20
SLICE_SHARE = 0.58
"""Of a slice in its column; the rest is the gap to the next."""
MINUTE_S = 60
DAY_PATTERNS = {"en": "d MMM y", "zh": "y年M月d日"}
DATE_PATTERNS = {"en": "d MMM y, HH:mm", "zh": "y年M月d日 HH:mm"}

ENTRY_WORDS = {
    "spend": _l("Video"),
    "refund": _l("Came back"),
    "welcome": _l("Welcome credits"),
    "adjustment": _l("Correction"),
    "purchase": _l("Purchase"),
    "recovery": _l("Found payment"),
    "clawback": _l("Taken back"),
    "reinstatement": _l("Given again"),
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


def slices(count: int, a_row: int = 49) -> tuple[int, str]:
    """Height and SVG path of as many slices as a pack makes videos, piled up in a box 300 wide.

    A slice has the same size in every pack, so that packs can be compared by eye.
    """
    lean = SLICE_HEIGHT * SLANT
    step = (SLICES_WIDTH - lean) / a_row
    height = SLICE_STEP * math.ceil(count / a_row)
    drawn = []
    for number in range(count):
        row, column = divmod(number, a_row)
        x, y = column * step + lean, height - (row + 1) * SLICE_STEP + SLICE_STEP - SLICE_HEIGHT
        width = step * SLICE_SHARE
        drawn.append(f"M{x:.1f} {y}h{width:.1f}l{-lean:.1f} {SLICE_HEIGHT}h{-width:.1f}z")
    return height, "".join(drawn)


def when(moment: datetime | None) -> Markup:
    """A `<time>` in the visitor's language, in UTC; a script may turn it into their own zone."""
    if moment is None:
        return Markup("")
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    words = format_datetime(aware.astimezone(UTC), DATE_PATTERNS[locale()], rebase=False)
    stamp = aware.astimezone(UTC).isoformat(timespec="seconds")
    return Markup('<time datetime="{}" data-when>{} UTC</time>').format(stamp, words)


def day(moment: datetime) -> str:
    """A date without the time of day, in UTC."""
    return str(format_date(moment.astimezone(UTC), DAY_PATTERNS[locale()], rebase=False))


def clock(seconds: float | None) -> str:
    """A length as players show it: 0:08."""
    whole = max(0, round(seconds or 0))
    return f"{whole // MINUTE_S}:{whole % MINUTE_S:02d}"


def file_size(size_bytes: int | None) -> str:
    """A file's size in megabytes, one digit after the point."""
    return gettext("%(size)s MB", size=format_decimal((size_bytes or 0) / 1e6, "0.0"))


def signed(amount: int) -> str:
    """A number of credits with its sign, by the typographic minus."""
    return f"+{amount:,}" if amount > 0 else minus(amount)


def minus(number: int) -> str:
    """A whole number with separators, whose minus sign is as wide as a plus."""
    return f"−{-number:,}" if number < 0 else f"{number:,}"


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


def people_credits(amount: int) -> str:
    """A number of credits in words."""
    return credits_words(amount)


def is_live(status: str) -> bool:
    """Whether a video is still on its way."""
    return status in LIVE


def register(app: Flask) -> None:
    """Make the functions above known to every template."""
    for function in (
        wave, cut, when, day, duration_words, range_words, clock, file_size, signed, minus, why,
        type_name, type_prompt, still, drawn_first, entry_words, error_sentence, status_words,
        progress_words, sound_words, can_cancel, can_draw_locally, maker_words, slices, money,
        short_money, pack_name, purchase_state, purchase_headline, purchase_sentence,
        reversal_words, discount_cents,
    ):  # fmt: skip
        app.add_template_filter(function)
    app.add_template_filter(people_credits, "credits")
    app.add_template_test(is_live, "live")
