"""The numbers of the project: one table, read by pages, services, media, mail and tests.

Nothing here computes; a price or a rule that uses a number lives beside the verb that applies it.
Every name carries its unit. Seconds are whole unless the type says float.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

# Credits and prices ---------------------------------------------------------------------------

WELCOME_CREDITS: Final = 8
"""Granted once a person, when the e-mail address is verified."""

PRICE_CREDITS: Final = 10
PRICE_SECONDS: Final = 8
"""`PRICE_CREDITS` buy `PRICE_SECONDS` of video at 720p; any other length is rounded up."""

RESOLUTION_FACTORS: Final[dict[str, Fraction]] = {"720p": Fraction(1), "1080p": Fraction(3, 2)}
"""What a resolution costs against 720p. Fractions: a float would round 4.9999… the wrong way."""

PROVIDER_FACTORS: Final[dict[str, Fraction]] = {"local": Fraction(1)}
"""What a provider costs against the list price; a provider without a line here costs 1."""


@dataclass(frozen=True)
class FirstVideo:
    """What an account's first video must be to get the first-video price, and that price."""

    max_duration_s: int
    resolution: str
    max_cost_credits: int


FIRST_VIDEO: Final = FirstVideo(max_duration_s=8, resolution="720p", max_cost_credits=8)
"""One video, even in a count of four. Equal to the welcome credits, so a first video is free."""


@dataclass(frozen=True)
class Pack:
    """Credits sold together, and their price in US cents."""

    credits: int
    price_cents: int


PACKS: Final[dict[str, Pack]] = {
    "starter": Pack(115, 990),
    "standard": Pack(355, 3000),
    "premium": Pack(1450, 9900),
}
CURRENCY: Final = "USD"
PAYMENT_FEE_SHARE: Final = Fraction(39, 1000)
PAYMENT_FEE_CENTS: Final = 40
"""What the payment costs us: 3.9 % and 0.40 USD a purchase (Creem)."""

WORST_CREDIT_CENTS: Final = min(
    (pack.price_cents * (1 - PAYMENT_FEE_SHARE) - PAYMENT_FEE_CENTS) / pack.credits
    for pack in PACKS.values()
)
"""What a credit earns at worst. A video that costs more than its credits earn is not offered."""

# What a form may ask for ----------------------------------------------------------------------

PROMPT_MAX_CHARS: Final = 1000
"""Unicode code points, after CRLF became LF and the ends were stripped."""
TITLE_MAX_CHARS: Final = 100
SEARCH_MAX_CHARS: Final = 200
"""Text search in the library: longer than a title, shorter than anything that costs time."""

ASPECT_RATIOS: Final = ("16:9", "9:16", "1:1")
RESOLUTIONS: Final = ("720p", "1080p")
DURATIONS_S: Final = (4, 5, 6, 8, 10)
"""The lengths every form knows. A provider may make any whole length of the range below."""
DURATION_MIN_S: Final = 4
DURATION_ANY_MIN_S: Final = 5
DURATION_ANY_MAX_S: Final = 30
"""From 5 to 30 s any whole length may be offered where a provider makes it; 4 s is the shortest."""

COUNTS: Final = (1, 2, 3, 4)
"""Videos made by one press of the button: all of them or none."""

SEED_MIN: Final = 0
SEED_MAX: Final = 2**32 - 1

DEFAULT_ASPECT_RATIO: Final = "16:9"
DEFAULT_RESOLUTION: Final = "720p"
DEFAULT_DURATION_S: Final = 8
DEFAULT_COUNT: Final = 1

VIDEOS_PER_HOUR: Final = 10
"""Per user, cancelled ones too. Counted as rows inside the transaction that spends."""

BODY_MAX_BYTES: Final = 1024 * 1024
"""The largest request body. Flask's MAX_CONTENT_LENGTH; above it the answer is 413."""

# Waiting for a video --------------------------------------------------------------------------

POLL_PROVIDER_S: Final = 10
FIRST_ANSWER_S: Final = 90
"""How often a provider is asked, and how soon a first answer is expected of it."""

LATE_AFTER_S: Final = 5 * 60
"""After the provider accepted. Late is a flag, never a verdict."""
LOCAL_LATE_ETA_FACTOR: Final = 2
"""The local provider is late when it took this many times its own first estimate."""
DEADLINE_S: Final = 30 * 60
"""After the acceptance, or after the submit call when its outcome is unknown."""

QUEUE_EXPLAIN_S: Final = 15 * 60
"""Queued longer than this, a video says why and offers cancelling."""
QUEUE_GIVE_UP_S: Final = 24 * 60 * 60
"""Queued longer than this, it fails and is refunded."""

STORE_GIVE_UP_S: Final = 15 * 60
STORE_TRIES: Final = 5
"""A finished result that could not be stored for so long, tried so often, fails and is refunded."""

LEASE_S: Final = 20
HEARTBEAT_S: Final = 5
REAPER_S: Final = 10
"""A claim on a row lasts a lease, is renewed by heartbeats, and dead ones are freed by a reaper."""

CARD_POLL_S: Final = 2
"""How often a live card asks for itself again."""

# Cloud providers ------------------------------------------------------------------------------

KEY_ERRORS_IN_ROW: Final = 3
KEY_BLOCK_S: Final = 5 * 60
"""A key that failed so often in a row is left alone for so long."""
KEY_CHECK_S: Final = 60
KEY_RECOVERY_S: Final = 5 * 60
"""How often healthy keys are checked, and how often the others get another chance."""
RATE_LIMIT_WAIT_S: Final = 10
"""A key over its rate rests so long where the provider does not say how long."""

SUBMIT_TRIES: Final = 3
SUBMIT_BACKOFF_S: Final = 1.0
"""Tries of one submission whose refusal is certain; the wait doubles each time, with jitter."""
ROUTE_RETRY_S: Final = 15
ROUTE_RETRY_MAX_S: Final = 5 * 60
"""A video that nobody could take now is tried again after so long, doubling."""

ASK_AT_ONCE: Final = 10
"""Questions to a provider at the same time: more burn processor, not time (docs/benchmarks.md)."""
ASK_BATCH: Final = 500
SOON_FACTOR: Final = 0.5
LATE_FACTORS: Final = ((15 * 60, 3.0), (LATE_AFTER_S, 2.0))
"""How a provider's pace of questions changes: near the expected end, and once it is late."""
UNKNOWN_GRACE_S: Final = 15 * 60
"""A provider that does not know its task is not believed before: one wrong answer of a gateway
would end every video under way.
"""
SURELY_NOT_S: Final = 180
"""An order may not be in its provider's list before: only then "never got it" is believed."""
SUBMITS_AT_ONCE: Final = 2
"""In one worker: a provider that never answers must not hold all its threads."""
GIFT_WATCH_S: Final = 24 * 60 * 60
GIFT_POLL_S: Final = 5 * 60
"""After its refund a video is asked about for so long, so often: late, it becomes a gift."""

SOUND_RETRIES_PER_DAY: Final = 3
"""Silent videos of one user that are made again for free, or refunded, in 24 hours."""

# Payments -------------------------------------------------------------------------------------

PAYMENTS_PER_HOUR: Final = 5
"""Purchases begun per user. Counted as rows inside the transaction that begins one more."""
OPENING_S: Final = 20
"""So long a purchase without a payment page is taken to be opening in another request."""
PAYMENT_CHECK_S: Final = 10 * 60
PAYMENT_GIVE_UP_S: Final = 24 * 60 * 60
"""A purchase pending for so long is asked for at Creem, then at doubling intervals; at last it is
expired. A payment that comes later still counts.
"""
LOOK_BACK_S: Final = 24 * 60 * 60
LOOKS_BACK: Final = 8
"""A paid purchase's transaction is read again after a day and at doubling intervals, so often: for
refunds and chargebacks whose events got lost, which come within months.
"""
RETURN_GIVE_UP_S: Final = 60 * 60
"""A refund of ours whose answer was lost is given up when Creem knows of none by then."""
RETURN_ALERT_S: Final = 7 * 24 * 60 * 60
"""A refund that is pending for so long is worth a person's look."""
COMPARE_DAYS: Final = 3
"""How far back the daily comparison with Creem's books looks."""
MONEY_BACK_DAYS: Final = 14
"""A pack of which nothing is spent is refunded in full on request."""
USE_DAYS: Final = 30
"""The use by which a pack is recommended."""
PURCHASE_POLL_S: Final = 2
"""How often a waiting purchase asks for itself again."""

# Files ----------------------------------------------------------------------------------------

VIDEO_MAX_BYTES: Final = 1024**3
"""A result larger than this is refused unread; a 30 s 1080p video has about 40 MB."""

STILL_AT_S: Final = 2.0
"""Where poster and thumbnail are taken; in a shorter video, its middle."""
THUMBNAIL_WIDTH_PX: Final = 320
THUMBNAIL_HEIGHT_PX: Final = 180
"""At 16:9. Other ratios get the same area, with even sides."""

SILENT_BELOW_LUFS: Final = -60.0
TOO_QUIET_BELOW_LUFS: Final = -40.0
CLIPPED_ABOVE_DBTP: Final = -0.5
"""Sound check: silent, too quiet or clipped by integrated loudness and true peak; else passed."""

WAVE_PEAKS: Final = 96
"""How many bars of the sound are kept for drawing its wave, each 0 to 100."""

IMAGE_MAX_BYTES: Final = 8 * 1024 * 1024
IMAGE_MAX_PIXELS: Final = 50_000_000
IMAGE_MAX_PIXELS_WHOLE: Final = 16_000_000
"""A picture to start with, as it is sent: pixels that its header promises, in a JPEG (which is
decoded smaller) and in the other kinds (decoded whole).
"""
IMAGE_MIN_PX: Final = 256
IMAGE_MAX_PX: Final = 1920
"""Its shorter side at least, its longer side at most, as it is kept."""
IMAGE_BODY_MAX_BYTES: Final = IMAGE_MAX_BYTES + BODY_MAX_BYTES
"""The largest body where a picture may come along with a form."""
IMAGES_PER_HOUR: Final = 60
"""Pictures kept per user. Counted as rows inside the transaction that keeps one more."""
IMAGE_UNUSED_H: Final = 24
"""A picture that no video uses is kept so long."""

# Accounts -------------------------------------------------------------------------------------

PASSWORD_MIN_CHARS: Final = 10
PASSWORD_MAX_CHARS: Final = 256
"""The upper bound only keeps argon2 from being fed a megabyte."""
EMAIL_MAX_CHARS: Final = 254
"""RFC 5321, 4.5.3.1.3: a path of 256 octets with its two angle brackets."""

SESSION_DAYS: Final = 30
"""Rolling: each visit renews it."""
VERIFY_HOURS: Final = 24
"""How long the link of a verification mail works, once."""

# Lists ----------------------------------------------------------------------------------------

LIBRARY_PAGE_VIDEOS: Final = 12
STUDIO_RECENT_VIDEOS: Final = 8
CREDITS_PAGE_ENTRIES: Final = 25
