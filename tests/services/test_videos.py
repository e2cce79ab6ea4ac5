"""What a person may do with a video of their own, and until when it can be cancelled."""

from typing import Any

import pytest

from app.errors import NotFound, UserError
from app.services import attempts, endings, vendors, videos
from tests.conftest import Call, Person
from tests.fakes import RUNNING, FakeProvider
from tests.faults.making import COST_CREDITS, Making

pytest_plugins = ["tests.faults.fixtures"]

LIVE = ("queued", "submitting", "processing", "storing")


# Whose it is -------------------------------------------------------------------------------------


@pytest.mark.both_databases
@pytest.mark.parametrize("which", ["another's", "deleted", "no such", "no id"])
def test_what_is_not_there_cannot_be_touched(making: Making, bob: Person, which: str) -> None:
    kept = making.ask()
    video_id = {"another's": kept, "no id": "7", "no such": "0" * 36}.get(which)
    person = bob if which == "another's" else making.person
    if video_id is None:
        video_id = making.ask()
        making.delete(video_id)
    for verb, more in (
        (videos.get_owned, ()), (videos.rename, ("title",)), (videos.set_favourite, (True,)),
        (videos.cancel, ()), (videos.delete, ()),
    ):  # fmt: skip
        with pytest.raises(NotFound):
            making.call(verb, person.id, video_id, *more)
    assert making.status(kept) == "queued"
    assert making.video(kept)["title"] == making.video(kept)["prompt"]


@pytest.mark.both_databases
def test_a_nul_is_no_id(making: Making) -> None:
    with pytest.raises(NotFound):
        making.call(videos.get_owned, making.person.id, "\x00")


# Naming and keeping ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Ice \r\n and  glass ", "Ice and glass"),
        ("x" * 100, "x" * 100),
        ("🍓" * 100, "🍓" * 100),
        ("<b>bold</b>", "<b>bold</b>"),
    ],
)
def test_a_title_is_one_line_of_1_to_100_letters(making: Making, typed: str, kept: str) -> None:
    video_id = making.ask()
    assert making.call(videos.rename, making.person.id, video_id, typed).title == kept
    assert making.video(video_id)["title"] == kept


@pytest.mark.both_databases
@pytest.mark.parametrize("typed", ["", " \r\n ", "x" * 101, "a\x00b", "\ud800"])
def test_another_title_is_refused_and_the_old_one_stays(making: Making, typed: str) -> None:
    video_id = making.ask(prompt="Ice")
    with pytest.raises(UserError) as refusal:
        making.call(videos.rename, making.person.id, video_id, typed)
    assert refusal.value.field == "title"
    assert making.video(video_id)["title"] == "Ice"


def test_a_favourite_is_marked_and_unmarked_as_often_as_one_likes(making: Making) -> None:
    video_id = making.ask()
    for is_favourite in (True, True, False, False):
        video = making.call(videos.set_favourite, making.person.id, video_id, is_favourite)
        assert video.is_favourite is is_favourite


# Cancelling --------------------------------------------------------------------------------------


def take_to(making: Making, video_id: str, status: str) -> None:
    if status == "submitting":
        making.call(
            lambda: attempts._claim(
                videos.get_owned(making.person.id, video_id), vendors.provider("local")
            )
        )
    elif status == "processing":
        making.submit(video_id)
    elif status == "storing":
        making.finish_render(video_id)
    elif status == "completed":
        making.set_video(video_id, status="completed")
    elif status == "failed":
        making.call(endings.fail, video_id, "deadline", "")
    assert making.status(video_id) == status


def _switch_off() -> None:
    vendors.current().providers.clear()


@pytest.mark.parametrize("status", [*LIVE, "completed", "failed"])
@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        ("always", LIVE),
        ("until_started", ("queued", "submitting")),
        ("never", ("queued",)),
        ("off", ("queued",)),
    ],
)
def test_cancelling_is_for_where_stopping_costs_nothing(
    making: Making, fake_provider: FakeProvider, rule: Any, allowed: tuple[str, ...], status: str
) -> None:
    video_id = making.ask()
    take_to(making, video_id, status)
    fake_provider.cancel_rule = rule
    if rule == "off":  # the provider is configured no more
        making.call(_switch_off)
    if status not in allowed:
        with pytest.raises(UserError, match="can no longer be cancelled"):
            making.cancel(video_id)
        assert not making.video(video_id)["cancel_requested"]
        assert making.status(video_id) == status
        return
    making.cancel(video_id)
    if status == "queued":
        assert making.status(video_id) == "cancelled"
        assert making.is_refunded(video_id)
    else:  # the refund comes when the stop is certain
        assert making.video(video_id)["cancel_requested"]
        assert making.status(video_id) == status
        assert making.is_charged(video_id)


@pytest.mark.both_databases
def test_a_cancelled_render_is_stopped_and_refunded_once(
    making: Making, fake_provider: FakeProvider
) -> None:
    fake_provider.script = (RUNNING,)
    video_id = making.ask()
    making.submit(video_id)
    making.cancel(video_id)
    making.cancel(video_id)  # asked again, before anybody looked
    making.sweep()
    assert making.status(video_id) == "cancelled"
    assert making.is_refunded(video_id)
    with pytest.raises(UserError):
        making.cancel(video_id)
    assert making.balance() == 100


# Deleting ----------------------------------------------------------------------------------------


@pytest.mark.both_databases
@pytest.mark.parametrize("status", [*LIVE, "completed", "failed"])
def test_a_deleted_video_is_blank_and_its_ledger_stays(
    making: Making, status: str, call: Call
) -> None:
    video_id = making.ask()
    if status == "completed":  # with files
        take_to(making, video_id, status)
        making.set_video(video_id, file_key="x", poster_key="y", thumbnail_key="z", peaks="1")
    else:
        take_to(making, video_id, status)
    before = making.entries(video_id)
    making.delete(video_id)
    video = making.video(video_id)
    assert video["deleted_at"] is not None
    is_being_made = status in ("submitting", "processing", "storing")
    assert video["title"] == "" and bool(video["prompt"]) == is_being_made
    keys = ("file_key", "poster_key", "thumbnail_key", "peaks")
    assert [video[key] for key in keys] == [None] * 4
    assert making.entries(video_id)[: len(before)] == before
    if status == "queued":
        assert making.is_refunded(video_id)
    elif status in LIVE:
        assert video["cancel_requested"]


def test_deleting_takes_the_files(making: Making, tmp_path: Any) -> None:
    video_id, other = making.ask_for(count="2")
    source = tmp_path / "video.mp4"
    source.write_bytes(b"video")

    def put() -> Any:
        storage = vendors.current().storage
        for one in (video_id, other):
            storage.put(f"{endings.folder(one)}/video.mp4", source)
        return storage

    storage = making.call(put)
    making.delete(video_id)
    assert not storage.path(endings.folder(video_id)).exists()
    assert storage.exists(f"{endings.folder(other)}/video.mp4")


def test_where_stopping_would_cost_a_deleted_video_runs_on_unseen(
    making: Making, fake_provider: FakeProvider
) -> None:
    fake_provider.cancel_rule = "never"
    video_id = making.ask()
    making.submit(video_id)
    making.delete(video_id)
    assert making.status(video_id) == "processing"
    assert making.make(video_id) == "completed"
    assert making.is_charged(video_id)
    assert making.video(video_id)["file_key"] is None
    assert making.balance() == 100 - COST_CREDITS
