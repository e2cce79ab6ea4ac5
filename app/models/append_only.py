"""Triggers that keep the ledger append-only, whoever connects, on SQLite and PostgreSQL.

They refuse UPDATE, DELETE, TRUNCATE and an INSERT over an existing id or key.  SQLite's triggers do
not see `INSERT OR REPLACE` as a delete, so the insert itself is checked there; on PostgreSQL the
unique constraints refuse it, and ON CONFLICT DO UPDATE meets the UPDATE trigger.
"""

from sqlalchemy import Connection, inspect

TABLES = ("credit_entries",)
MESSAGE = "is append-only"

_SQLITE = (
    """CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table}
       BEGIN SELECT RAISE(ABORT, '{table} {message}'); END""",
    """CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table}
       BEGIN SELECT RAISE(ABORT, '{table} {message}'); END""",
    """CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table}
       WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id OR key = NEW.key)
       BEGIN SELECT RAISE(ABORT, '{table} {message}'); END""",
)
_POSTGRESQL = (
    """CREATE OR REPLACE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE EXCEPTION '{table} {message}'; END $$""",
    """CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table}
       FOR EACH ROW EXECUTE FUNCTION {table}_refuse()""",
    """CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
       FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()""",
)
_NAMES = {
    "sqlite": ("no_update", "no_delete", "no_replace"),
    "postgresql": ("no_change", "no_truncate"),
}


def install_triggers(connection: Connection) -> None:
    """Make the triggers of every append-only table that exists, replacing older ones."""
    dialect = connection.dialect.name
    existing = set(inspect(connection).get_table_names())
    for table in TABLES:
        if table not in existing:
            continue
        on_table = f" ON {table}" if dialect == "postgresql" else ""
        for name in _NAMES[dialect]:
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {table}_{name}{on_table}")
        for statement in _SQLITE if dialect == "sqlite" else _POSTGRESQL:
            connection.exec_driver_sql(statement.format(table=table, message=MESSAGE))
