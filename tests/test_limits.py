"""The numbers agree with each other and with what the site promises in words."""

from fractions import Fraction

import pytest

from app import limits


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WELCOME_CREDITS", 8),
        ("PROMPT_MAX_CHARS", 1000),
        ("TITLE_MAX_CHARS", 100),
        ("ASPECT_RATIOS", ("16:9", "9:16", "1:1")),
        ("RESOLUTIONS", ("720p", "1080p")),
        ("DURATIONS_S", (4, 5, 6, 8, 10)),
        ("COUNTS", (1, 2, 3, 4)),
        ("SEED_MIN", 0),
        ("SEED_MAX", 4_294_967_295),
        ("VIDEOS_PER_HOUR", 10),
        ("POLL_PROVIDER_S", 10),
        ("LATE_AFTER_S", 300),
        ("DEADLINE_S", 1800),
        ("QUEUE_EXPLAIN_S", 900),
        ("QUEUE_GIVE_UP_S", 86_400),
        ("LEASE_S", 20),
        ("HEARTBEAT_S", 5),
        ("REAPER_S", 10),
        ("SESSION_DAYS", 30),
        ("VERIFY_HOURS", 24),
        ("BODY_MAX_BYTES", 1_048_576),
        ("SILENT_BELOW_LUFS", -60.0),
        ("TOO_QUIET_BELOW_LUFS", -40.0),
        ("CLIPPED_ABOVE_DBTP", -0.5),
    ],
)
def test_a_promised_number_changes_only_on_purpose(name: str, value: object) -> None:
    assert getattr(limits, name) == value


def test_welcome_credits_pay_for_a_first_video() -> None:
    assert limits.FIRST_VIDEO.max_cost_credits <= limits.WELCOME_CREDITS
    assert limits.FIRST_VIDEO.max_duration_s == 8
    assert limits.FIRST_VIDEO.resolution == "720p"


def test_a_lease_outlives_missed_heartbeats_and_is_reaped_within_a_minute() -> None:
    assert limits.LEASE_S >= 3 * limits.HEARTBEAT_S
    assert limits.LEASE_S + limits.REAPER_S < 60


def test_defaults_are_among_the_offers() -> None:
    assert limits.DEFAULT_ASPECT_RATIO in limits.ASPECT_RATIOS
    assert limits.DEFAULT_RESOLUTION in limits.RESOLUTIONS
    assert limits.DEFAULT_DURATION_S in limits.DURATIONS_S
    assert limits.DEFAULT_COUNT in limits.COUNTS


def test_every_resolution_has_a_factor() -> None:
    assert set(limits.RESOLUTION_FACTORS) == set(limits.RESOLUTIONS)
    assert limits.RESOLUTION_FACTORS["720p"] == 1
    assert limits.RESOLUTION_FACTORS["1080p"] == Fraction(3, 2)


def test_lengths_fit_the_outer_range() -> None:
    assert min(limits.DURATIONS_S) == limits.DURATION_MIN_S
    assert max(limits.DURATIONS_S) <= limits.DURATION_ANY_MAX_S


def test_waits_come_in_order() -> None:
    assert limits.FIRST_ANSWER_S < limits.LATE_AFTER_S < limits.DEADLINE_S
    assert limits.QUEUE_EXPLAIN_S < limits.QUEUE_GIVE_UP_S


def test_the_thumbnail_is_16_to_9() -> None:
    assert limits.THUMBNAIL_WIDTH_PX * 9 == limits.THUMBNAIL_HEIGHT_PX * 16
