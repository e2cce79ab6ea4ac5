"""Videos (what a user asked for) and attempts (one submission of a video to a provider)."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, false, true
from sqlalchemy.orm import Mapped, mapped_column

from app.extensions import db
from app.models.base import UtcDateTime, new_id, now

LIVE = ("queued", "submitting", "processing", "storing")
ENDED = ("completed", "failed", "cancelled")


class Video(db.Model):
    """What a user asked for. Every change of `status` is one guarded UPDATE in services/."""

    __tablename__ = "videos"
    __table_args__ = (
        Index("ix_videos_user_id_id", "user_id", "id"),
        Index("ix_videos_user_id_created_at", "user_id", "created_at"),
        Index("ix_videos_status_id", "status", "id"),  # the queue, and the sweep's other questions
        Index("ix_videos_deleted_at", "deleted_at"),
        Index("ix_videos_recent", "provider", "completed_at"),
        Index("ix_videos_image_id", "image_id"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    # what was asked for
    type: Mapped[str] = mapped_column(String(40))
    title: Mapped[str] = mapped_column(String(100))
    prompt: Mapped[str] = mapped_column(Text)
    aspect_ratio: Mapped[str] = mapped_column(String(8))
    duration_s: Mapped[int]
    resolution: Mapped[str] = mapped_column(String(8))
    seed: Mapped[int] = mapped_column(BigInteger)
    provider: Mapped[str] = mapped_column(String(20))  # who makes it, or is first to be asked
    kind: Mapped[str] = mapped_column(String(6), default="local", server_default="local")
    image_id: Mapped[str | None] = mapped_column(ForeignKey("start_images.id"))
    scene: Mapped[str] = mapped_column(String(40), default="")
    scene_recognised: Mapped[bool] = mapped_column(default=True)
    request_token: Mapped[str] = mapped_column(String(64), index=True)
    # money
    cost_credits: Mapped[int]
    discount_credits: Mapped[int] = mapped_column(default=0)
    refunded_credits: Mapped[int] = mapped_column(default=0)
    # where it is
    status: Mapped[str] = mapped_column(String(12), default="queued")
    progress: Mapped[int | None]
    queue_position: Mapped[int | None]
    eta_low_s: Mapped[int | None]
    eta_high_s: Mapped[int | None]
    is_late: Mapped[bool] = mapped_column(default=False)
    is_gift: Mapped[bool] = mapped_column(default=False)
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    has_begun: Mapped[bool] = mapped_column(default=True, server_default=true())  # at the provider
    retry_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # queued: not before
    wait_reason: Mapped[str | None] = mapped_column(String(20))  # queued: why, see services/routes
    sound_retried: Mapped[bool] = mapped_column(default=False, server_default=false())
    sound_refunded: Mapped[bool] = mapped_column(default=False, server_default=false())
    error_code: Mapped[str | None] = mapped_column(String(40))
    error_text: Mapped[str | None] = mapped_column(String(300))
    is_favourite: Mapped[bool] = mapped_column(default=False)
    # the result
    file_key: Mapped[str | None] = mapped_column(String(120))
    poster_key: Mapped[str | None] = mapped_column(String(120))
    thumbnail_key: Mapped[str | None] = mapped_column(String(120))
    width: Mapped[int | None]
    height: Mapped[int | None]
    fps: Mapped[float | None]
    measured_duration_s: Mapped[float | None]
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    video_codec: Mapped[str | None] = mapped_column(String(20))
    audio_codec: Mapped[str | None] = mapped_column(String(20))
    audio_channels: Mapped[int | None]
    loudness_lufs: Mapped[float | None]
    true_peak_dbtp: Mapped[float | None]
    sound_check: Mapped[str | None] = mapped_column(String(12))
    peaks: Mapped[str | None] = mapped_column(Text)
    # when
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    queued_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # when it came back in line
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    rendered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @property
    def is_live(self) -> bool:
        return self.status in LIVE


class Attempt(db.Model):
    """One submission of a video to a provider.

    states: submitting (intent stored, outcome not yet known), processing (the provider has it),
    ready (finished there, being stored here), done, failed, lost, cancelled, and late (the video
    failed and was refunded while the provider may still deliver: then it becomes a gift).
    `lease_token` and `lease_until` say which worker is at it; a write-back names the token, so that
    a worker which overslept its lease changes nothing.

    `remote_id` is the provider's handle, whose first word (`callback_id`) is what its callbacks
    call it; `provider_key` is the fingerprint of the key that made it and alone may ask about it.
    """

    __tablename__ = "attempts"
    __table_args__ = (
        Index("ix_attempts_state_next_poll_at", "state", "next_poll_at"),
        Index("ix_attempts_ended_at", "ended_at"),
        Index("ix_attempts_provider_created_at", "provider", "created_at"),  # caps and rates
        Index("ix_attempts_callback", "provider", "callback_id"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    video_id: Mapped[str] = mapped_column(ForeignKey("videos.id"), index=True)
    number: Mapped[int]
    provider: Mapped[str] = mapped_column(String(20))
    provider_key: Mapped[str] = mapped_column(String(40), default="")
    worker: Mapped[str] = mapped_column(String(120), default="")  # who submitted it
    store_tries: Mapped[int] = mapped_column(default=0)
    remote_id: Mapped[str | None] = mapped_column(Text)
    callback_id: Mapped[str | None] = mapped_column(String(200))
    model: Mapped[str] = mapped_column(String(80), default="", server_default="")
    state: Mapped[str] = mapped_column(String(12), default="submitting")
    lease_token: Mapped[str | None] = mapped_column(String(36))
    lease_owner: Mapped[str | None] = mapped_column(String(120))
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    next_poll_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expected_s: Mapped[float | None]  # the provider's own first estimate of the whole
    cost_cents: Mapped[int] = mapped_column(default=0)
    error_code: Mapped[str | None] = mapped_column(String(40))
    error_text: Mapped[str | None] = mapped_column(String(300))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    accepted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class FormToken(db.Model):
    """A form that was accepted: the same token and fields again show the same videos."""

    __tablename__ = "form_tokens"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    token: Mapped[str] = mapped_column(String(64), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class StartImage(db.Model):
    """A picture to start a video with, decoded and encoded anew: pixels, and nothing else."""

    __tablename__ = "start_images"
    __table_args__ = (Index("ix_start_images_created_at", "created_at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    file_key: Mapped[str] = mapped_column(String(120))
    digest: Mapped[str] = mapped_column(String(64))  # SHA-256 of what was stored
    width: Mapped[int]
    height: Mapped[int]
    size_bytes: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
