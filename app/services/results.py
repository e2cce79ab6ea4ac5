"""A finished result becomes our own files: fetched, proved to play, measured, stored, completed."""

import contextlib
import logging
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import update

from app import limits, media
from app.extensions import db
from app.media import Measurements, MediaError
from app.models import Attempt, Video, now
from app.providers import Provider, ProviderError, is_cloud
from app.services import alerts, endings, keys, sounds, vendors
from app.services.leases import FREE, Lease
from app.services.transactions import write_transaction

log = logging.getLogger(__name__)

AGAIN = ("transient", "rate_limited", "key_bad", "out_of_credit", "unreachable")
"""The result could not be had this time: the lease runs out, and it is tried again."""
OURS = ("host_refused", "disk_full", "unwritable", "timed_out", "no_ffmpeg")
"""Our own side keeps a paid result from being stored: tried again too, and somebody is told."""


def keep(video_id: str, provider: Provider, handle: str, print_: str, lease: Lease) -> bool:
    """Store the result of `handle` and complete the video, while `lease` is held.

    Returns whether the attempt is over (completed, cancelled, or failed and refunded).
    """
    video = db.session.get_one(Video, video_id, populate_existing=True)
    db.session.expunge(video)
    db.session.rollback()  # no transaction is open while the file comes
    if video.status == "failed" and (video.cancel_requested or video.deleted_at is not None):
        return _close_late(lease)  # nobody wants the gift
    if video.cancel_requested:
        return endings.cancel(video_id, if_asked=True, lease=lease)
    if video.deleted_at is not None:  # nobody will look at it: the charge stands, no file is kept
        return _complete_deleted(video_id, lease)
    try:
        file = _fetch(provider, handle, print_)
        values = _store(video, file, _label_of(provider))
    except (MediaError, ProviderError) as error:
        return _not_kept(video_id, provider, lease, error.code, str(error))
    except OSError as error:  # room for the stills, say
        trouble = media.write_error(error, "stills")
        return _not_kept(video_id, provider, lease, trouble.code, str(trouble))
    first = [video.file_key, video.poster_key, video.thumbnail_key] if video.sound_retried else []
    done = _deliver(video, provider, lease, values) or _drop(video_id, lease)
    if done:
        _remove(first)  # the silent render, now that there is another
    return done


def _remove(keys_: list[str | None]) -> None:
    for key in filter(None, keys_):
        with contextlib.suppress(MediaError):
            vendors.current().storage.delete(key)


def _fetch(provider: Provider, handle: str, print_: str) -> Path:
    if not is_cloud(provider):
        return provider.fetch(handle)
    key = keys.find(provider.capabilities.name, print_)
    if key is None:
        raise ProviderError("key_bad", "the key it was made with is not set any more")
    return provider.fetch(handle, key.secret)


def _deliver(video: Video, provider: Provider, lease: Lease, values: dict[str, Any]) -> bool:
    """Completed; or a gift, after the refund; or silent, and made once more or refunded."""
    if video.status == "failed":
        return _complete(video.id, lease, values, is_gift=True)
    is_silent = values["sound_check"] == "silent" and is_cloud(provider)
    if is_silent and video.sound_retried:
        return sounds.deliver_refunded(video.id, lease, values)
    if is_silent and sounds.is_guaranteed(video):
        return sounds.make_again(video, lease, values)
    return _complete(video.id, lease, values)


def _not_kept(video_id: str, provider: Provider, lease: Lease, code: str, text: str) -> bool:
    """Tried again while that may help; a cloud's result was paid for, and is kept there."""
    is_ours = is_cloud(provider) and code in OURS
    if is_ours:
        can = provider.capabilities
        alerts.raise_alert(code, f"{can.name} {can.model}", f"results cannot be stored: {text}")
    if (is_ours or code in AGAIN) and _is_gift(video_id):
        return _wait_for_gift(lease)
    if is_ours or code in AGAIN:
        log.warning("video %s cannot be stored now: %s: %s", video_id, code, text)
        return False
    return _give_up(video_id, lease, code, text)


def _is_gift(video_id: str) -> bool:
    return db.session.get_one(Video, video_id, populate_existing=True).status == "failed"


def _wait_for_gift(lease: Lease) -> bool:
    """Nobody is waiting for it: it is tried again at the pace of late results."""
    again_at = now() + timedelta(seconds=limits.GIFT_POLL_S)
    with write_transaction() as connection:
        connection.execute(
            update(Attempt)
            .where(*lease.held, Attempt.state == "ready")
            .values(state="late", next_poll_at=again_at, **FREE)
        )
    return False


def _give_up(video_id: str, lease: Lease, code: str, text: str) -> bool:
    """Fail and refund; the files go only once it is sure that they are not another worker's."""
    log.warning("video %s cannot be kept: %s: %s", video_id, code, text)
    was_silent = _has_first(video_id)
    if not endings.fail(video_id, code, text, lease=lease) and not _close_late(lease):
        return False
    if not was_silent:
        _remove_files(video_id)
    return True


def _has_first(video_id: str) -> bool:
    """Whether a first, silent render lies there, to be delivered if the second fails."""
    video = db.session.get_one(Video, video_id, populate_existing=True)
    return video.sound_retried


def _close_late(lease: Lease) -> bool:
    """The gift cannot be had: the video stays failed and refunded."""
    with write_transaction() as connection:
        closed = connection.execute(
            update(Attempt)
            .where(*lease.held, Attempt.state == "ready")
            .values(state="failed", ended_at=now(), **FREE)
        )
    return closed.rowcount == 1


def _drop(video_id: str, lease: Lease) -> bool:
    """Cancelled or deleted while the files were being written: they are not wanted any more."""
    ended = endings.cancel(video_id, if_asked=True, lease=lease)
    if ended or _complete_deleted(video_id, lease):
        _remove_files(video_id)
        return True
    return False


def _remove_files(video_id: str) -> None:
    with contextlib.suppress(MediaError):  # a disk that takes nothing may not give anything back
        vendors.current().storage.delete_all(endings.folder(video_id))


def _label_of(provider: Provider) -> str:
    """What the file says of its maker; the local renderer writes its own."""
    can = provider.capabilities
    return f"Made by AI: {can.label}, through CuttingASMR" if is_cloud(provider) else ""


def _store(video: Video, source: Path, label: str) -> dict[str, Any]:
    """Measure and copy; returns the columns of the finished video. Raises MediaError."""
    vendor, is_square = vendors.current(), video.aspect_ratio == "1:1"
    measured = media.inspect(source, vendor.ffmpeg)
    keys_ = _keys_of(video)
    with tempfile.TemporaryDirectory(prefix="stills-") as name:
        if is_square and measured.width != measured.height:  # its maker knows no squares
            square = Path(name) / "square.mp4"
            media.crop_square(source, square, vendor.ffmpeg)
            source, measured = square, media.inspect(square, vendor.ffmpeg)
        if label:
            labelled = Path(name) / "labelled.mp4"
            media.label(source, labelled, label, vendor.ffmpeg)
            source, measured = labelled, replace(measured, size_bytes=labelled.stat().st_size)
        stills = media.make_stills(source, measured, Path(name), vendor.ffmpeg)
        vendor.storage.put(keys_["poster_key"], stills.poster)
        vendor.storage.put(keys_["thumbnail_key"], stills.thumbnail)
        vendor.storage.put(keys_["file_key"], source)
    return keys_ | _columns(measured)


def _keys_of(video: Video) -> dict[str, str]:
    """Where its files go. A second render lies beside the first, which may yet be delivered."""
    folder, mark = endings.folder(video.id), "-2" if video.sound_retried else ""
    return {
        "file_key": f"{folder}/video{mark}.mp4",
        "poster_key": f"{folder}/poster{mark}{media.STILL_SUFFIX}",
        "thumbnail_key": f"{folder}/thumbnail{mark}{media.STILL_SUFFIX}",
    }


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


def _complete_deleted(video_id: str, lease: Lease) -> bool:
    """A deleted video completes without files, and only that way."""
    return _complete(video_id, lease, {}, is_deleted=True)


def _complete(
    video_id: str,
    lease: Lease,
    values: dict[str, Any],
    *,
    is_deleted: bool = False,
    is_gift: bool = False,
) -> bool:
    """storing -> completed, unless the lease was lost or a cancellation came first.

    A gift was failed and refunded before: it completes at a net of nothing, and is never charged.
    """
    deleted = Video.deleted_at.is_not(None) if is_deleted else Video.deleted_at.is_(None)
    came_from = "failed" if is_gift else "storing"
    if is_gift:
        values = values | {"is_gift": True, "error_code": None, "error_text": None}
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
                    Video.status == came_from,
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
