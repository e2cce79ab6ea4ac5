"""Reading the ledger: every entry once, with what it was for, and to its owner only."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.services import credits, endings, ledger
from tests.conftest import Person
from tests.faults.making import COST_CREDITS, Making

pytest_plugins = ["tests.faults.fixtures"]
pytestmark = pytest.mark.both_databases


@pytest.mark.parametrize("size", [1, 2, 4, 5, 6])
def test_pages_hold_every_entry_once_newest_first(making: Making, bob: Person, size: int) -> None:
    making.ask_for(count="4")
    making.call(credits.adjust, bob.id, 1, key="gift", reason="test")

    def pages() -> Iterator[list[Any]]:
        before: int | None = None
        while True:
            rows, before = making.call(ledger.page, making.person.id, before, size)
            yield rows
            if before is None:
                return

    found = [row for page in pages() for row in page]
    assert [row.balance_after for row in found] == [80, 85, 90, 95, 100]
    assert [row.kind for row in found] == ["spend"] * 4 + ["adjustment"]
    assert found == making.call(lambda: list(ledger.every(making.person.id)))
    rows, cursor = making.call(ledger.page, making.person.id, None, 5)
    assert (len(rows), cursor) == (5, None)


def test_an_entry_knows_its_video_until_that_is_deleted(making: Making) -> None:
    kept, deleted = making.ask(prompt="Kept"), making.ask(prompt="Deleted")
    making.delete(deleted)
    rows, _ = making.call(ledger.page, making.person.id)
    about = [(row.kind, row.video_id, row.title) for row in rows]
    assert about == [
        ("refund", None, ""), ("spend", None, ""), ("spend", kept, "Kept"),
        ("adjustment", None, ""),
    ]  # fmt: skip
    assert rows[0].reference == deleted


def test_totals_add_up_to_the_balance(making: Making) -> None:
    failed, *_ = making.ask_for(count="3")
    making.call(endings.fail, failed, "deadline", "")
    making.call(credits.adjust, making.person.id, -20, key="claw", reason="test")
    totals = making.call(ledger.totals, making.person.id)
    spent = 3 * COST_CREDITS
    assert totals == {"granted": 100, "taken": 20, "spent": spent, "returned": COST_CREDITS}
    assert 100 - 20 - spent + COST_CREDITS == making.balance() == 70
    assert set(making.call(ledger.totals, 999).values()) == {0}


def test_a_video_has_its_entries_and_attempts_in_order(making: Making) -> None:
    video_id, other = making.ask_for(count="2")
    making.submit(video_id)
    making.call(endings.fail, video_id, "deadline", "")
    entries = making.call(ledger.of_video, video_id)
    assert [(entry.kind, entry.amount) for entry in entries] == [
        ("spend", -COST_CREDITS), ("refund", COST_CREDITS),
    ]  # fmt: skip
    assert [attempt.number for attempt in making.call(ledger.attempts_of, video_id)] == [1]
    assert making.call(ledger.attempts_of, other) == []
