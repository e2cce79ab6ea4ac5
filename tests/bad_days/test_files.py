"""Results that are not what the vendor said: each is kept whole, or refunded; never half of one."""

from pathlib import Path

import pytest

from app.services import vendors
from tests.bad_days.conftest import Begin
from tests.bad_days.day import Day

VENDORS = ("kie", "fal", "replicate", "google")
METADATA = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"


def files_of(day: Day) -> list[str]:
    """What lies in the storage, and what is left of downloads."""
    instance = Path(day.app.config["INSTANCE_DIR"])
    folders = (instance / "media", instance / "downloads")
    return sorted(path.name for folder in folders for path in folder.rglob("*") if path.is_file())


WHOLE = ["poster.jpg", "thumbnail.jpg", "video.mp4"]


@pytest.mark.parametrize("fault", ["no_url", "fail_later"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_done_without_a_url_or_failed_there(begin: Begin, vendor: str, fault: str) -> None:
    """Ordered once more, at our cost; then it is said in plain words, and refunded."""
    day = begin(vendor)
    day[vendor].fault(fault, times=None)
    video_id = day.ask()
    assert day.work(video_id, turn_s=20) == ["failed"]
    assert day.is_refunded(video_id)
    assert day.video(video_id)["error_text"] == "The provider could not make it."
    assert len(day.tasks(vendor)) == 2
    assert files_of(day) == []


@pytest.mark.parametrize("vendor", VENDORS)
def test_done_without_a_url_and_good_the_second_time(begin: Begin, vendor: str) -> None:
    day = begin(vendor)
    day[vendor].fault("no_url")
    video_id = day.ask()
    assert day.work(video_id, turn_s=20) == ["completed"]
    assert day.is_charged(video_id)
    assert len(day.tasks(vendor)) == 2


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_link_is_dead(begin: Begin, vendor: str) -> None:
    day = begin(vendor)
    day[vendor].fault("expired", where="file", times=None)
    video_id = day.ask()
    assert day.work(video_id) == ["failed"]
    assert day.video(video_id)["error_code"] == "result_expired"
    assert day.is_refunded(video_id)
    assert files_of(day) == []


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_vendor_has_thrown_the_result_away(begin: Begin, vendor: str) -> None:
    """We were away for too long between its "done" and the download."""
    day = begin(vendor)
    video_id = day.ask()
    day.turn()
    day.pass_time(seconds=25)
    if vendor != "google":
        day.called_back(vendor=vendor)
    day.sweep()
    assert day.status(video_id) == "storing"
    day[vendor].expire(day.tasks(vendor)[0].id)
    assert day.work(video_id) == ["failed"]
    assert day.is_refunded(video_id)
    assert files_of(day) == []


@pytest.mark.parametrize("fault", ["html", "garbage"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_the_file_is_html(begin: Begin, vendor: str, fault: str) -> None:
    day = begin(vendor)
    day[vendor].fault(fault, where="file", times=None)
    video_id = day.ask()
    assert day.work(video_id) == ["failed"]
    assert day.is_refunded(video_id)
    assert files_of(day) == []


def test_the_file_promises_ten_gigabytes(begin: Begin) -> None:
    day = begin("kie")
    day["kie"].fault("huge", where="file", times=None)
    video_id = day.ask()
    assert day.work(video_id) == ["failed"]
    assert day.is_refunded(video_id)
    assert files_of(day) == []


@pytest.mark.parametrize("fault", ["truncated", "stall", "empty_file", "reset", "http_error=500"])
def test_the_file_breaks_off_and_is_good_the_next_time(begin: Begin, fault: str) -> None:
    """Nothing of the first try is kept; the second is the same task's, and costs nothing."""
    day = begin("kie")
    day.impatient("kie")
    name, _, value = fault.partition("=")
    day["kie"].fault(name, value or None, where="file", times=2)
    video_id = day.ask()
    assert day.work(video_id) == ["completed"]
    assert day.last(video_id)["store_tries"] == 3
    assert len(day.tasks()) == 1
    assert files_of(day) == WHOLE


@pytest.mark.parametrize("fault", ["truncated", "stall"])
def test_the_file_never_comes_whole(begin: Begin, fault: str) -> None:
    """Several tries in a quarter of an hour, then the credits come back, and we are told."""
    day = begin("kie")
    day.impatient("kie", stall_s=0.1)
    day["kie"].fault(fault, where="file", times=None)
    video_id = day.ask()
    assert day.work(video_id, turn_s=60) == ["failed"]
    assert day.video(video_id)["error_code"] == "store_timeout"
    assert day.is_refunded(video_id)
    assert "store_timeout" in {kind for kind, _ in day.alerts()}
    assert day.last(video_id)["store_tries"] >= 5
    assert files_of(day) == []


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_redirect_to_the_metadata_service_is_not_followed(begin: Begin, vendor: str) -> None:
    """A socket to it would fail this test: only loopback can be reached here."""
    day = begin(vendor)
    day[vendor].fault("redirect", METADATA, where="file", times=None)
    video_id = day.ask()
    assert day.work(video_id) == ["failed"]
    assert day.is_refunded(video_id)
    assert "169.254" not in (day.video(video_id)["error_text"] or "")


def test_a_link_to_another_host_of_this_machine_is_not_followed(begin: Begin) -> None:
    """Only the simulator's own origin may be here: no vendor sends us to our neighbours."""
    day = begin("kie", public_url="http://127.0.0.1:9")
    video_id = day.ask()
    assert day.work(video_id) == ["failed"]
    assert day.is_refunded(video_id)


@pytest.mark.parametrize(
    ("vendor", "clip"), [*((vendor, "silent") for vendor in VENDORS), ("kie", "quiet")]
)
def test_silent_then_good(begin: Begin, vendor: str, clip: str) -> None:
    """Made once more for nothing; the second one is delivered, and paid once."""
    day = begin(vendor)
    day[vendor].fault(clip)
    video_id = day.ask()
    assert day.work(video_id) == ["completed"]
    video = day.video(video_id)
    assert (video["sound_check"], video["sound_retried"]) == ("passed", 1)
    assert day.is_charged(video_id)
    assert len(day.tasks(vendor)) == 2
    named = [Path(video[key]).name for key in ("poster_key", "thumbnail_key", "file_key")]
    assert files_of(day) == named  # and nothing of the silent one


def test_silent_twice(begin: Begin) -> None:
    """The video stays, the credits come back."""
    day = begin("kie", clip="silent")
    video_id = day.ask()
    assert day.work(video_id) == ["completed"]
    video = day.video(video_id)
    assert (video["sound_check"], video["sound_refunded"]) == ("silent", 1)
    assert day.is_refunded(video_id)
    assert len(day.tasks()) == 2


@pytest.mark.parametrize("second", ["fail_later", "refuse_later", "refuse", "invalid"])
def test_silent_and_then_nothing(begin: Begin, second: str) -> None:
    """The free one fails: the first is delivered and refunded."""
    day = begin("kie")
    day["kie"].fault("silent")
    day["kie"].fault(second, times=None, after=1)
    video_id = day.ask()
    assert day.work(video_id) == ["completed"]
    video = day.video(video_id)
    assert (video["sound_check"], video["sound_refunded"]) == ("silent", 1)
    assert day.is_refunded(video_id)
    assert files_of(day) == WHOLE


def test_silence_that_was_asked_for_is_kept(begin: Begin) -> None:
    day = begin("kie", clip="silent")
    video_id = day.ask(prompt="A silent glass strawberry, cut without any sound")
    assert day.work(video_id) == ["completed"]
    assert day.is_charged(video_id)
    assert len(day.tasks()) == 1


def test_the_disk_fills_up_and_is_cleared(begin: Begin, small_disk: Path) -> None:
    """Ours, not the vendor's fault: it is kept there, we are told, and it is stored later."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(240 * 1024))
    day = begin("kie", env={"STORAGE_URL": small_disk.as_uri()})
    video_id = day.ask()
    for _ in range(3):
        day.turn()
        day.pass_time(seconds=25)
    assert day.status(video_id) == "storing"
    assert "disk_full" in {kind for kind, _ in day.alerts()}
    ballast.unlink()
    assert day.work(video_id) == ["completed"]
    assert len(day.tasks()) == 1


def test_the_disk_stays_full(begin: Begin, small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(bytes(240 * 1024))
    day = begin("kie", env={"STORAGE_URL": small_disk.as_uri()})
    video_id = day.ask()
    assert day.work(video_id, turn_s=60) == ["failed"]
    assert day.is_refunded(video_id)
    assert "disk_full" in {kind for kind, _ in day.alerts()}
    day.call(lambda: vendors.current().storage.delete_all(f"videos/{video_id}"))  # as `tidy` does
    day.call(lambda: vendors.current().storage.sweep_partials(0))
    assert [path.name for path in small_disk.rglob("*") if path.is_file()] == ["ballast"]
