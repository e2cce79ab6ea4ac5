"""A finished result becomes our own files: fetched, proved to play, measured, stored, completed."""

import contextlib
import logging
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import update

from app import media
from app.extensions import db
from app.media import Measurements, MediaError
from app.models import Attempt, Video, now
from app.providers import Provider, ProviderError
from app.services import endings, vendors
from app.services.leases import FREE, Lease
from app.services.transactions import write_transaction

log = logging.getLogger(__name__)


def keep(video_id: str, provider: Provider, handle: str, lease: Lease) -> bool:
    """Store the result of `handle` and complete the video, while `lease` is held.

    Returns whether the attempt is over (completed, cancelled, or failed and refunded).
    """
    video = db.session.get_one(Video, video_id, populate_existing=True)
    if video.cancel_requested:
        return endings.cancel(video_id, if_asked=True, lease=lease)
    if video.deleted_at is not None:  # nobody will look at it: the charge stands, no file is kept
        return _complete(video_id, lease, {}, is_deleted=True)
    try:
        values = _store(video_id, provider.fetch(handle))
    except (MediaError, ProviderError) as error:
        return _give_up(video_id, lease, error.code, str(error))
    except OSError as error:  # room for the stills, say
        trouble = media.write_error(error, "stills")
        return _give_up(video_id, lease, trouble.code, str(trouble))
    return _complete(video_id, lease, values) or _drop(video_id, lease)


def _give_up(video_id: str, lease: Lease, code: str, text: str) -> bool:
    """Fail and refund; the files go only once it is sure that they are not another worker's."""
    log.warning("video %s cannot be kept: %s: %s", video_id, code, text)
    if not endings.fail(video_id, code, text, lease=lease):
        return False
    _remove_files(video_id)
    return True


def _drop(video_id: str, lease: Lease) -> bool:
    """Cancelled or deleted while the files were being written: they are not wanted any more."""
    ended = endings.cancel(video_id, if_asked=True, lease=lease)
    if ended or _complete(video_id, lease, {}, is_deleted=True):
        _remove_files(video_id)
        return True
    return False


def _remove_files(video_id: str) -> None:
    with contextlib.suppress(MediaError):  # a disk that takes nothing may not give anything back
        vendors.current().storage.delete_all(endings.folder(video_id))


def _store(video_id: str, source: Path) -> dict[str, Any]:
    """Measure and copy; returns the columns of the finished video. Raises MediaError."""
    vendor = vendors.current()
    measured = media.inspect(source, vendor.ffmpeg)
    folder = endings.folder(video_id)
    keys = {
        "file_key": f"{folder}/video.mp4",
        "poster_key": f"{folder}/poster{media.STILL_SUFFIX}",
        "thumbnail_key": f"{folder}/thumbnail{media.STILL_SUFFIX}",
    }
    with tempfile.TemporaryDirectory(prefix="stills-") as name:
        stills = media.make_stills(source, measured, Path(name), vendor.ffmpeg)
        vendor.storage.put(keys["poster_key"], stills.poster)
        vendor.storage.put(keys["thumbnail_key"], stills.thumbnail)
    vendor.storage.put(keys["file_key"], source)
    return keys | _columns(measured)


def _columns(measured: Measurements) -> dict[str, Any]:
    return {
        "width": measured.width,
        "height": measured.height,
        "fps": measured.fps,
        "measured_duration_s": measured.duration_s,
        "size_bytes": measured.size_bytes,
        "video_codec": measured.video_codec,
        "audio_codec": measured.audio_codec,
        "audio_channels": measured.audio_channels,
        "loudness_lufs": measured.loudness_lufs,
        "true_peak_dbtp": measured.true_peak_dbtp,
        "sound_check": measured.sound_check,
        "peaks": ",".join(map(str, measured.peaks)),
    }


def _complete(
    video_id: str, lease: Lease, values: dict[str, Any], *, is_deleted: bool = False
) -> bool:
    """storing -> completed, unless the lease was lost or a cancellation came first.

    A deleted video completes without files, and only that way.
    """
    deleted = Video.deleted_at.is_not(None) if is_deleted else Video.deleted_at.is_(None)
    try:
        with write_transaction() as connection:  # attempt before video, everywhere: no deadlock
            closed = connection.execute(
                update(Attempt)
                .where(*lease.held, Attempt.state == "ready")
                .values(state="done", ended_at=now(), **FREE)
            )
            completed = connection.execute(
                update(Video)
                .where(
                    Video.id == video_id,
                    Video.status == "storing",
                    ~Video.cancel_requested,
                    deleted,
                )
                .values(
                    status="completed",
                    progress=100,
                    completed_at=now(),
                    prompt=endings.prompt_kept(),
                    eta_low_s=None,
                    eta_high_s=None,
                    **values,
                )
            )
            if (closed.rowcount, completed.rowcount) != (1, 1):
                raise endings.TooLate
    except endings.TooLate:
        return False
    return True
