"""Attacks on the ledger: after every migration, on both databases, an entry stays as it was."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import RowMapping, inspect, text
from sqlalchemy.exc import DBAPIError

from app.extensions import db
from app.models import CreditEntry
from app.models.append_only import MESSAGE, TABLES
from app.services import audits, credits
from config import ROOT
from tests.conftest import Call, Person, Rows

ROW = "(id, user_id, kind, amount, balance_after, reason, reference, key, created_at)"
OTHER_ID = "(999, 1, 'refund', 500, 600, 'x', NULL, 'opening:1', '2026-01-01')"
OTHER_KEY = "(1, 1, 'refund', 500, 600, 'x', NULL, 'another key', '2026-01-01')"
COPY = "id, user_id, kind, 500, 600, reason, reference, key, created_at"
UPSERT = "ON CONFLICT ({}) DO UPDATE SET amount = 500"
MERGE = "MERGE INTO credit_entries e USING (SELECT 1) AS one ON e.id = 1"

EVERYWHERE = (
    "UPDATE credit_entries SET amount = 500",
    "UPDATE credit_entries SET key = 'free again' WHERE id = 1",
    "UPDATE credit_entries SET id = id",
    "DELETE FROM credit_entries",
    "DELETE FROM credit_entries WHERE key = 'opening:1'",
    f"INSERT INTO credit_entries {ROW} VALUES {OTHER_ID}",
    f"INSERT INTO credit_entries {ROW} VALUES {OTHER_KEY}",
    f"INSERT INTO credit_entries {ROW} VALUES {OTHER_ID} {UPSERT.format('key')}",
    f"INSERT INTO credit_entries {ROW} VALUES {OTHER_KEY} {UPSERT.format('id')}",
)
SQLITE = (
    f"INSERT OR REPLACE INTO credit_entries {ROW} VALUES {OTHER_ID}",
    f"INSERT OR REPLACE INTO credit_entries {ROW} VALUES {OTHER_KEY}",
    f"REPLACE INTO credit_entries {ROW} VALUES {OTHER_ID}",
    f"REPLACE INTO credit_entries {ROW.replace('id,', 'rowid,', 1)} VALUES {OTHER_KEY}",
    f"REPLACE INTO credit_entries {ROW} SELECT {COPY} FROM credit_entries",
    "UPDATE OR REPLACE credit_entries SET amount = 500",
    "UPDATE OR IGNORE credit_entries SET amount = 500",
)
POSTGRESQL = (
    "TRUNCATE credit_entries",
    "TRUNCATE credit_entries RESTART IDENTITY CASCADE",
    "WITH gone AS (DELETE FROM credit_entries RETURNING 1) SELECT count(*) FROM gone",
    f"{MERGE} WHEN MATCHED THEN UPDATE SET amount = 500",
    f"{MERGE} WHEN MATCHED THEN DELETE",
)
Attack = Callable[[str], None]


@pytest.fixture
def ledger(rows: Rows) -> Callable[[], list[RowMapping]]:
    return lambda: rows("SELECT * FROM credit_entries ORDER BY id")


@pytest.fixture
def attack(app: Flask, ledger: Callable[[], list[RowMapping]]) -> Attack:
    """Run a statement that must be refused, by the triggers or by a unique key."""

    def attack(statement: str) -> None:
        before = ledger()
        with app.app_context(), db.engine.connect() as connection:
            try:
                connection.execute(text(statement))
                connection.commit()
            except DBAPIError as error:
                told = str(error.orig)
            else:
                told = "done"
        assert MESSAGE in told or "duplicate key" in told, f"{statement}: {told}"
        assert ledger() == before != []

    return attack


def attacks(database: str) -> tuple[str, ...]:
    return EVERYWHERE + (SQLITE if database == "sqlite" else POSTGRESQL)


@pytest.mark.both_databases
def test_an_entry_stays(alice: Person, attack: Attack, database: str) -> None:
    for statement in attacks(database):
        attack(statement)


@pytest.mark.both_databases
def test_entries_may_be_added(alice: Person, call: Call, rows: Rows) -> None:
    assert call(credits.adjust, alice.id, -1, key="one more", reason="test")
    amounts = [row["amount"] for row in rows("SELECT amount FROM credit_entries ORDER BY id")]
    assert amounts == [100, -1]


# Migrations --------------------------------------------------------------------------------------

REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "later"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table("credit_entries", recreate="{recreate}") as table:
        table.add_column(sa.Column("note", sa.String(40), nullable=True))


def downgrade():
    with op.batch_alter_table("credit_entries", recreate="{recreate}") as table:
        table.drop_column("note")
"""


@pytest.fixture
def later(app: Flask, database: str, tmp_path: Path) -> Path:
    """The migrations with one more, which copies the ledger's table on SQLite."""
    folder = tmp_path / "migrations"
    shutil.copytree(ROOT / "migrations", folder, ignore=shutil.ignore_patterns("__pycache__"))
    config = Config()
    config.set_main_option("script_location", str(folder))
    head = ScriptDirectory.from_config(config).get_current_head()
    recreate = "always" if database == "sqlite" else "auto"
    revision = REVISION.format(head=head, recreate=recreate)
    (folder / "versions" / "later.py").write_text(revision)
    return folder


@pytest.fixture
def triggers(app: Flask, database: str) -> Callable[[], Iterator[str]]:
    """The names of the ledger's triggers."""
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        if database == "sqlite"
        else "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
    )

    def names() -> Iterator[str]:
        with app.app_context(), db.engine.connect() as connection:
            yield from sorted(connection.scalars(text(query)))

    return names


@pytest.mark.both_databases
def test_an_entry_stays_after_later_migrations(
    alice: Person,
    later: Path,
    attack: Attack,
    database: str,
    call: Call,
    triggers: Callable[[], Iterator[str]],
    ledger: Callable[[], list[RowMapping]],
) -> None:
    installed, before = list(triggers()), ledger()
    call(upgrade, directory=str(later))
    assert [{**row, "note": None} for row in before] == ledger()
    assert list(triggers()) == installed
    for statement in attacks(database):
        attack(statement)
    call(downgrade, directory=str(later))
    assert (ledger(), list(triggers())) == (before, installed)
    for statement in attacks(database):
        attack(statement)
    assert call(lambda: list(audits.verify_ledger())) == []


def test_without_the_last_line_of_env_a_migration_would_open_the_ledger(
    alice: Person, later: Path, call: Call, rows: Rows
) -> None:
    """What the test above is worth: SQLite's copy of a table has no triggers."""
    env = later / "env.py"
    code = env.read_text()
    assert code.count("    install_triggers(connection)\n") == 1
    env.write_text(code.replace("    install_triggers(connection)\n", ""))
    call(upgrade, directory=str(later))

    def tamper() -> None:
        db.session.execute(text("UPDATE credit_entries SET amount = 500"))
        db.session.commit()

    call(tamper)
    assert rows("SELECT amount FROM credit_entries") == [{"amount": 500}]


@pytest.mark.both_databases
def test_the_ledger_is_among_the_tables_and_has_its_unique_key(app: Flask) -> None:
    assert CreditEntry.__tablename__ in TABLES
    with app.app_context():
        keys = inspect(db.engine).get_unique_constraints("credit_entries")
        assert set(TABLES) <= set(inspect(db.engine).get_table_names())
    assert [key["column_names"] for key in keys] == [["key"]]
