"""Cloud providers: keys, callbacks, routes, start images, screened prompts."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "callbacks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("dedup_key", sa.String(length=200), nullable=False),
        sa.Column("remote_id", sa.String(length=200), nullable=False),
        sa.Column("attempt_id", sa.String(length=36), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callbacks")),
        sa.UniqueConstraint("provider", "dedup_key", name=op.f("uq_callbacks_provider_dedup_key")),
    )
    with op.batch_alter_table("callbacks", schema=None) as batch_op:
        batch_op.create_index("ix_callbacks_received_at", ["received_at"], unique=False)
        batch_op.create_index("ix_callbacks_attempt_id", ["attempt_id"], unique=False)

    op.create_table(
        "provider_keys",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("fingerprint", sa.String(length=40), nullable=False),
        sa.Column("hint", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("blocked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("errors_in_row", sa.Integer(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("errors", sa.BigInteger(), nullable=False),
        sa.Column("balance", sa.Double(), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_ok_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error_code", sa.String(length=40), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_keys")),
        sa.UniqueConstraint(
            "provider", "fingerprint", name=op.f("uq_provider_keys_provider_fingerprint")
        ),
    )
    op.create_table(
        "stopped_routes",
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("model", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("provider", "model", name=op.f("pk_stopped_routes")),
    )
    op.create_table(
        "screenings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.String(length=8), nullable=False),
        sa.Column("source", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_screenings_user_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_screenings")),
    )
    with op.batch_alter_table("screenings", schema=None) as batch_op:
        batch_op.create_index("ix_screenings_created_at", ["created_at"], unique=False)

    op.create_table(
        "start_images",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("file_key", sa.String(length=120), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_start_images_user_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_start_images")),
    )
    with op.batch_alter_table("start_images", schema=None) as batch_op:
        batch_op.create_index("ix_start_images_created_at", ["created_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_start_images_user_id"), ["user_id"], unique=False)

    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("callback_id", sa.String(length=200), nullable=True))
        batch_op.add_column(
            sa.Column("model", sa.String(length=80), server_default="", nullable=False)
        )
        batch_op.alter_column(
            "remote_id",
            existing_type=sa.VARCHAR(length=200),
            type_=sa.Text(),
            existing_nullable=True,
        )
        batch_op.create_index("ix_attempts_callback", ["provider", "callback_id"], unique=False)
        batch_op.create_index(
            "ix_attempts_provider_created_at", ["provider", "created_at"], unique=False
        )

    with op.batch_alter_table("videos", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("kind", sa.String(length=6), server_default="local", nullable=False)
        )
        batch_op.add_column(sa.Column("image_id", sa.String(length=36), nullable=True))
        batch_op.add_column(
            sa.Column("has_begun", sa.Boolean(), server_default=sa.true(), nullable=False)
        )
        batch_op.add_column(sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("queued_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("wait_reason", sa.String(length=20), nullable=True))
        batch_op.add_column(
            sa.Column("sound_retried", sa.Boolean(), server_default=sa.false(), nullable=False)
        )
        batch_op.add_column(
            sa.Column("sound_refunded", sa.Boolean(), server_default=sa.false(), nullable=False)
        )
        batch_op.create_index("ix_videos_image_id", ["image_id"], unique=False)
        batch_op.create_foreign_key(
            batch_op.f("fk_videos_image_id_start_images"), "start_images", ["image_id"], ["id"]
        )


def downgrade() -> None:
    with op.batch_alter_table("videos", schema=None) as batch_op:
        batch_op.drop_index("ix_videos_image_id")
        batch_op.drop_constraint(batch_op.f("fk_videos_image_id_start_images"), type_="foreignkey")
        batch_op.drop_column("sound_refunded")
        batch_op.drop_column("sound_retried")
        batch_op.drop_column("wait_reason")
        batch_op.drop_column("queued_at")
        batch_op.drop_column("retry_at")
        batch_op.drop_column("has_begun")
        batch_op.drop_column("image_id")
        batch_op.drop_column("kind")

    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.drop_index("ix_attempts_provider_created_at")
        batch_op.drop_index("ix_attempts_callback")
        batch_op.alter_column(
            "remote_id",
            existing_type=sa.Text(),
            type_=sa.VARCHAR(length=200),
            postgresql_using="left(remote_id, 200)",
            existing_nullable=True,
        )
        batch_op.drop_column("model")
        batch_op.drop_column("callback_id")

    with op.batch_alter_table("start_images", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_start_images_user_id"))
        batch_op.drop_index("ix_start_images_created_at")

    op.drop_table("start_images")
    with op.batch_alter_table("screenings", schema=None) as batch_op:
        batch_op.drop_index("ix_screenings_created_at")

    op.drop_table("screenings")
    op.drop_table("stopped_routes")
    op.drop_table("provider_keys")
    with op.batch_alter_table("callbacks", schema=None) as batch_op:
        batch_op.drop_index("ix_callbacks_attempt_id")
        batch_op.drop_index("ix_callbacks_received_at")

    op.drop_table("callbacks")
