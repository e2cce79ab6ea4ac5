"""The library: found by text, type and state, page by page, and never another's."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.services import endings, library, videos
from app.services.library import Filters
from tests.conftest import Call, Person
from tests.fakes import FakeProvider
from tests.faults.making import Making

pytest_plugins = ["tests.faults.fixtures"]
pytestmark = pytest.mark.both_databases

Find = Callable[..., list[str]]


@pytest.fixture
def find(making: Making) -> Find:
    """`find(q="ice")`: ids of the first page, newest first."""

    def find(**filters: Any) -> list[str]:
        rows, _ = making.call(library.page, making.person.id, Filters(**filters), size=50)
        return [video.id for video in rows]

    return find


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
def test_pages_hold_every_video_once_newest_first(making: Making, size: int) -> None:
    ids = making.ask_for(count="4") + making.ask_for(count="3")

    def pages() -> Iterator[list[str]]:
        before: str | None = ""
        while before is not None:
            rows, before = making.call(
                library.page, making.person.id, Filters(), before=before, size=size
            )
            yield [video.id for video in rows]

    found = list(pages())
    assert [video_id for page in found for video_id in page] == ids[::-1]
    assert [len(page) for page in found[:-1]] == [size] * (len(found) - 1)
    assert len(found) == -(-7 // size)


def test_what_comes_or_goes_between_two_pages_moves_nothing(making: Making) -> None:
    ids = making.ask_for(count="4")
    first, cursor = making.call(library.page, making.person.id, Filters(), size=2)
    making.ask()
    making.delete(first[-1].id)  # the very video that the cursor names
    second, end = making.call(library.page, making.person.id, Filters(), before=cursor, size=2)
    assert [video.id for video in [*first, *second]] == ids[::-1]
    assert end is None


def test_others_videos_and_deleted_ones_are_not_there(
    making: Making, bob: Person, find: Find
) -> None:
    kept, deleted = making.ask_for(count="2")
    making.delete(deleted)
    assert find() == [kept]
    assert making.call(library.page, bob.id, Filters()) == ([], None)
    assert making.call(library.recent, bob.id, 8) == []
    assert [video.id for video in making.call(library.recent, making.person.id, 8)] == [kept]


def test_text_is_found_in_title_and_prompt(making: Making, find: Find) -> None:
    glass = making.ask(prompt="Slicing a GLASS strawberry\nthe knife rings 100% softly")
    under = making.ask(prompt="a_b")
    chinese = making.ask(prompt="慢切玻璃草莓，声音清脆")
    making.call(videos.rename, making.person.id, under, "quiet")
    assert find(q="glass") == find(q="Knife") == find(q="100% s") == [glass]
    assert find(q="a_b") == find(q="QUIET") == [under]
    assert find(q="玻璃") == [chinese]


@pytest.mark.parametrize("typed", ["%", "_", "\\", "a%b", "'; DROP TABLE videos; --"])
def test_signs_that_mean_something_to_a_database_mean_themselves(
    making: Making, find: Find, typed: str
) -> None:
    making.ask(prompt="axb")
    assert find(q=typed) == []
    named = making.ask(prompt=f"here {typed} it is")
    assert find(q=typed) == [named]


@pytest.mark.parametrize(
    "filters", [{"q": "\x00"}, {"q": "\ud800"}, {"type": "\x00"}, {"state": "\x00"}]
)
def test_what_no_database_can_look_for_filters_nothing(
    making: Making, find: Find, filters: dict[str, str]
) -> None:
    video_id = making.ask()
    assert find(**filters) == [video_id]


@pytest.mark.parametrize("before", ["\x00", "x", "'", "9" * 500])
def test_a_strange_cursor_is_the_first_page(making: Making, before: str) -> None:
    video_id = making.ask()
    rows, _ = making.call(library.page, making.person.id, Filters(), before=before)
    assert [video.id for video in rows] == [video_id]


def test_filters_by_type_state_and_favourite(
    making: Making, find: Find, fake_provider: FakeProvider, call: Call
) -> None:
    ready, live, failed, cancelled = (
        making.ask(type=name) for name in ("glass-fruit", "ice-cut", "glass-fruit", "ice-cut")
    )
    making.call(endings.fail, failed, "deadline", "")
    making.cancel(cancelled)
    making.finish_render(ready)
    assert set(find(state="live")) == {live, ready}
    assert find(state="ready") == []
    assert find(state="failed") == [cancelled, failed]
    assert find(type="ice-cut") == [cancelled, live]
    assert find(type="ice-cut", state="live") == [live]
    making.call(videos.set_favourite, making.person.id, failed, True)
    assert find(favourite=True) == [failed]
    assert find(favourite=True, state="live") == []


def test_recent_shows_those_being_made_first(making: Making, call: Call) -> None:
    oldest, failed, newer_failed, live = making.ask_for(count="4")
    for video_id in (failed, newer_failed):
        making.call(endings.fail, video_id, "deadline", "")
    recent = making.call(library.recent, making.person.id, 1)
    assert [video.id for video in recent] == [live, oldest, newer_failed]
