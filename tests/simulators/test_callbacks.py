"""Callbacks that are lost, early, late, doubled or about something else."""

import threading
from collections.abc import Callable

import httpx
import pytest

from tests.simulators import VENDORS, Simulator
from tests.simulators.conftest import Start
from tests.simulators.inbox import Inbox
from tests.simulators.wire import Request
from tests.waiting import wait_until

CALLERS = [name for name in VENDORS if name != "google"]  # UNCONFIRMED for Veo (2.1)

Order = Callable[..., str]


@pytest.fixture(params=CALLERS)
def house(request: pytest.FixtureRequest, begin: Start) -> Simulator:
    return begin(request.param, **({"hmac_key": "test-hmac"} if request.param == "kie" else {}))


def order(house: Simulator, http: httpx.Client, callback: str, **headers: str) -> str:
    name = house.vendor.name
    word = "Key" if name == "fal" else "Bearer"
    headers = {"Authorization": f"{word} test-key", **headers}
    if name == "kie":
        path, body = "/api/v1/veo/generate", {"prompt": "x", "callBackUrl": callback}
    elif name == "fal":
        path, body = (
            f"/fal-ai/veo3.1/fast?{httpx.QueryParams(fal_webhook=callback)}",
            {"prompt": "x"},
        )
    else:
        path = "/v1/models/google/veo-3.1-fast/predictions"
        body = {"input": {"prompt": "x"}, "webhook": callback}  # type: ignore[dict-item]
    answer = http.post(house.base_url + path, json=body, headers=headers).json()
    return str(answer.get("request_id") or answer.get("id") or answer["data"]["taskId"])


def id_in(letter: Request) -> str:
    body = letter.json()
    return str(body.get("request_id") or body.get("id") or body["data"]["taskId"])


def test_comes_by_itself_when_the_time_is_there(
    house: Simulator, http: httpx.Client, inbox: Inbox
) -> None:
    house.set(takes_s=0.1)
    task_id = order(house, http, inbox.url)
    wait_until(lambda: house.callbacks)  # nobody polls
    assert [id_in(letter) for letter in inbox.letters] == [task_id]
    assert house.callbacks[0].status == 200 and house.callbacks[0].task_id == task_id


def test_never_before_the_submit_answer(house: Simulator, http: httpx.Client, inbox: Inbox) -> None:
    house.set(takes_s=0)
    house.fault("delay=0.3")
    order(house, http, inbox.url)
    wait_until(lambda: inbox.letters)
    assert inbox.letters[0].at - house.asked("submit")[0].at >= 0.3


def test_early(house: Simulator, http: httpx.Client) -> None:
    answered = threading.Event()
    http.event_hooks["response"] = [lambda _: answered.set()]
    seen: list[bool] = []
    with Inbox(hook=lambda _: seen.append(answered.is_set())) as inbox:
        house.fault("early", where="callback")
        task_id = order(house, http, inbox.url)
        assert seen == [False] and [id_in(letter) for letter in inbox.letters] == [task_id]
    assert house.tasks[task_id].state == "succeeded"


def test_lost(house: Simulator, http: httpx.Client, inbox: Inbox) -> None:
    house.fault("lost", where="callback")
    lost, other = (order(house, http, inbox.url) for _ in range(2))
    house.finish(lost)
    house.finish(other)
    wait_until(lambda: inbox.letters)
    assert [id_in(letter) for letter in inbox.letters] == [other]


def test_late(house: Simulator, http: httpx.Client, inbox: Inbox) -> None:
    late = order(house, http, inbox.url, **{"X-Simulate": "late=600"})
    other = order(house, http, inbox.url)
    house.finish(late)
    house.finish(other)
    wait_until(lambda: inbox.letters)
    assert [id_in(letter) for letter in inbox.letters] == [other]
    house.advance(601)
    wait_until(lambda: len(inbox.letters) == 2)
    assert id_in(inbox.letters[1]) == late


def test_duplicate(house: Simulator, http: httpx.Client, inbox: Inbox) -> None:
    house.fault("duplicate=2", where="callback")
    task_id = order(house, http, inbox.url)
    house.finish(task_id)
    wait_until(lambda: len(inbox.letters) == 3)
    assert {id_in(letter) for letter in inbox.letters} == {task_id}


def test_about_another_task(house: Simulator, http: httpx.Client, inbox: Inbox) -> None:
    other = order(house, http, "http://127.0.0.1:9/nobody")
    mine = order(house, http, inbox.url)
    house.fault("other_task", where="callback", task=mine)
    house.finish(mine)
    wait_until(lambda: inbox.letters)
    assert id_in(inbox.letters[0]) == other


@pytest.mark.parametrize("fault", ["unsigned", "stale=600", "wrong_signature", "skew=60"])
def test_signatures(house: Simulator, http: httpx.Client, inbox: Inbox, fault: str) -> None:
    task_id = order(house, http, inbox.url)
    good = house.send_callback(task_id)[0].headers
    bad = house.send_callback(task_id, fault)[0].headers
    times = [name for name in good if name.lower().endswith("timestamp")]
    signatures = [name for name in good if name.lower().endswith("signature")]
    assert len(times) == len(signatures) == 1
    if fault == "unsigned":
        assert not bad.keys() & {*times, *signatures}
        return
    assert bad[signatures[0]] != good[signatures[0]]
    moved_s = int(bad[times[0]]) - int(good[times[0]])
    assert moved_s == pytest.approx({"stale=600": -600, "skew=60": 60}.get(fault, 0), abs=2)


def test_tried_again_as_often_as_documented(house: Simulator, http: httpx.Client) -> None:
    tries = {"kie": 4, "fal": 11, "replicate": 4}[house.vendor.name]
    house.sender.retry_waits_s = (0.0,) * (tries - 1)
    with Inbox(503) as inbox:
        house.finish(order(house, http, inbox.url))
        wait_until(lambda: len(house.callbacks) == tries)
    assert len(house.vendor.retry_waits_s) == tries - 1
    assert {one.status for one in house.callbacks} == {503}


def test_nobody_answers_and_nobody_elsewhere_is_called(
    house: Simulator, http: httpx.Client
) -> None:
    for url in ("http://127.0.0.1:9/nobody", "https://site.example/api/webhooks/x"):
        task_id = order(house, http, url)
        house.finish(task_id)
        wait_until(lambda: any(one.url == url for one in house.callbacks))  # noqa: B023 - at once
    assert {one.status for one in house.callbacks} == {None}


def test_a_hung_receiver_does_not_hold_up_the_end(begin: Start, http: httpx.Client) -> None:
    release = threading.Event()

    def hang(_: Request) -> None:
        release.wait(20)

    with Inbox(hook=hang) as inbox:
        kie = begin("kie")
        kie.finish(order(kie, http, inbox.url))
        wait_until(lambda: kie.sender.line.is_busy)
        kie.close()
        release.set()
    assert [one.status for one in kie.callbacks] == [None]
