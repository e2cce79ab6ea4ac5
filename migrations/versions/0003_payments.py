"""Payments: purchases, money that went back, signed events."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "payment_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.String(length=100), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("outcome", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("purchase_id", sa.String(length=36), nullable=True),
        sa.Column("order_id", sa.String(length=100), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_events")),
        sa.UniqueConstraint("event_id", name=op.f("uq_payment_events_event_id")),
    )
    with op.batch_alter_table("payment_events", schema=None) as batch_op:
        batch_op.create_index("ix_payment_events_order_id", ["order_id"], unique=False)
        batch_op.create_index("ix_payment_events_outcome", ["outcome", "resolved_at"], unique=False)
        batch_op.create_index("ix_payment_events_received_at", ["received_at"], unique=False)

    op.create_table(
        "purchases",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("road", sa.String(length=8), nullable=False),
        sa.Column("pack", sa.String(length=20), nullable=False),
        sa.Column("product_id", sa.String(length=100), nullable=False),
        sa.Column("credits", sa.Integer(), nullable=False),
        sa.Column("price_cents", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("mode", sa.String(length=4), nullable=False),
        sa.Column("checkout_id", sa.String(length=100), nullable=True),
        sa.Column("checkout_url", sa.String(length=2000), nullable=True),
        sa.Column("order_id", sa.String(length=100), nullable=True),
        sa.Column("transaction_id", sa.String(length=100), nullable=True),
        sa.Column("customer_id", sa.String(length=100), nullable=True),
        sa.Column("payer_email", sa.String(length=254), nullable=True),
        sa.Column("paid_cents", sa.Integer(), nullable=True),
        sa.Column("tax_cents", sa.Integer(), nullable=True),
        sa.Column("returned_cents", sa.Integer(), nullable=False),
        sa.Column("clawed_credits", sa.Integer(), nullable=False),
        sa.Column("failure", sa.String(length=20), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replaced_by", sa.String(length=36), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("check_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checks", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["replaced_by"], ["purchases.id"], name=op.f("fk_purchases_replaced_by_purchases")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_purchases_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purchases")),
        sa.UniqueConstraint("order_id", name=op.f("uq_purchases_order_id")),
    )
    with op.batch_alter_table("purchases", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_purchases_checkout_id"), ["checkout_id"], unique=False)
        batch_op.create_index("ix_purchases_failed_at", ["failed_at"], unique=False)
        batch_op.create_index("ix_purchases_status_check_at", ["status", "check_at"], unique=False)
        batch_op.create_index("ix_purchases_transaction_id", ["transaction_id"], unique=False)
        batch_op.create_index(
            "ix_purchases_user_id_created_at", ["user_id", "created_at"], unique=False
        )

    op.create_table(
        "reversals",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("remote_id", sa.String(length=100), nullable=True),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("purchase_id", sa.String(length=36), nullable=True),
        sa.Column("named_id", sa.String(length=36), nullable=True),
        sa.Column("transaction_id", sa.String(length=100), nullable=True),
        sa.Column("order_id", sa.String(length=100), nullable=True),
        sa.Column("amount_cents", sa.Integer(), nullable=False),
        sa.Column("total_cents", sa.Integer(), nullable=False),
        sa.Column("paid_cents", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("moves", sa.Integer(), nullable=False),
        sa.Column("check_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checks", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["purchase_id"], ["purchases.id"], name=op.f("fk_reversals_purchase_id_purchases")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reversals")),
        sa.UniqueConstraint("remote_id", name=op.f("uq_reversals_remote_id")),
    )
    with op.batch_alter_table("reversals", schema=None) as batch_op:
        batch_op.create_index("ix_reversals_order_id", ["order_id"], unique=False)
        batch_op.create_index("ix_reversals_purchase_id", ["purchase_id"], unique=False)
        batch_op.create_index("ix_reversals_status_check_at", ["status", "check_at"], unique=False)
        batch_op.create_index("ix_reversals_transaction_id", ["transaction_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("reversals", schema=None) as batch_op:
        batch_op.drop_index("ix_reversals_transaction_id")
        batch_op.drop_index("ix_reversals_status_check_at")
        batch_op.drop_index("ix_reversals_purchase_id")
        batch_op.drop_index("ix_reversals_order_id")

    op.drop_table("reversals")
    with op.batch_alter_table("purchases", schema=None) as batch_op:
        batch_op.drop_index("ix_purchases_user_id_created_at")
        batch_op.drop_index("ix_purchases_transaction_id")
        batch_op.drop_index("ix_purchases_status_check_at")
        batch_op.drop_index("ix_purchases_failed_at")
        batch_op.drop_index(batch_op.f("ix_purchases_checkout_id"))

    op.drop_table("purchases")
    with op.batch_alter_table("payment_events", schema=None) as batch_op:
        batch_op.drop_index("ix_payment_events_received_at")
        batch_op.drop_index("ix_payment_events_outcome")
        batch_op.drop_index("ix_payment_events_order_id")

    op.drop_table("payment_events")
