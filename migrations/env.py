"""Runs the migrations of the current app's database, then makes the ledger's triggers anew.

SQLite changes a table by copying it, which drops its triggers: they are installed after every run,
so that no migration can leave the ledger open.
"""

from alembic import context
from flask import current_app
from sqlalchemy import text

from app.models.append_only import install_triggers
from app.models.base import UtcDateTime

database = current_app.extensions["migrate"].db
MIGRATION_LOCK = 7_041_776  # any number: one migration at a time on PostgreSQL


def leave_out_nothing(_context, _revision, directives):
    """Do not write a revision that changes nothing."""
    is_automatic = getattr(context.config.cmd_opts, "autogenerate", False)
    if is_automatic and directives[0].upgrade_ops.is_empty():
        directives[:] = []


def render(kind, item, _context):
    """Our column type is a plain one in migrations: they must run whatever the app becomes."""
    is_time = kind == "type" and isinstance(item, UtcDateTime)
    return "sa.DateTime(timezone=True)" if is_time else False


def migrate(connection):
    """Run what is missing, in one transaction, and put the triggers back."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    context.configure(
        connection=connection,
        target_metadata=database.metadatas[None],
        render_as_batch=True,
        compare_type=True,
        render_item=render,
        process_revision_directives=leave_out_nothing,
    )
    with context.begin_transaction():
        context.run_migrations()
    install_triggers(connection)


def migrate_sqlite(connection):
    """The same without foreign keys: a table that is copied and dropped must not take others along.

    They cannot be switched inside a transaction; what they refer to is checked before its end.
    """
    driver = connection.connection.dbapi_connection
    driver.execute("PRAGMA foreign_keys=OFF")
    try:
        with connection.begin():
            migrate(connection)
            if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all():
                raise RuntimeError(
                    f"the migration leaves rows without what they refer to: {broken}"
                )
    finally:
        driver.execute("PRAGMA foreign_keys=ON")


engine = database.engine.execution_options(immediate=True)
with engine.connect() as connection:
    if connection.dialect.name == "sqlite":
        migrate_sqlite(connection)
    else:
        with connection.begin():
            migrate(connection)
