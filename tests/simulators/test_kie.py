"""kie.ai has no official Python client: its answers, by a reader of our own."""

import json
from typing import Any

import httpx
import pytest

from tests.simulators import Simulator
from tests.simulators.conftest import Start
from tests.simulators.kie_reader import Reader


@pytest.fixture
def kie(begin: Start) -> Simulator:
    return begin("kie", keys={"test-key": "ok", "test-other": "ok"})


@pytest.fixture
def reader(http: httpx.Client, kie: Simulator) -> Reader:
    return Reader(http, kie)


def test_a_video_from_order_to_file(reader: Reader, kie: Simulator) -> None:
    callback = "https://site.example/api/webhooks/kie?attempt=7"
    task_id = reader.generate(callBackUrl=callback)
    running = reader.record(task_id)["data"]
    assert running["successFlag"] == 0 and running["response"] is None
    assert json.loads(running["paramJson"])["callBackUrl"] == callback
    assert "progress" not in running
    kie.finish(task_id)
    done = reader.record(task_id)["data"]
    assert done["successFlag"] == 1 and done["response"]["taskId"] == task_id
    assert done["response"]["originUrls"] is None  # only where the ratio is not 16:9
    [url] = done["response"]["resultUrls"]
    answer = reader.http.get(url)
    assert answer.content[4:8] == b"ftyp" and answer.headers["content-type"] == "video/mp4"
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert kie.tasks[task_id].polls == 2 and kie.tasks[task_id].downloads == 1


def test_a_tall_one_has_the_original_beside_it(reader: Reader, kie: Simulator) -> None:
    task_id = reader.generate(aspect_ratio="9:16")
    kie.finish(task_id)
    assert len(reader.record(task_id)["data"]["response"]["originUrls"]) == 1


@pytest.mark.parametrize(
    ("state", "code"), [("bad", 401), ("empty", 402)], ids=["a bad key", "an empty account"]
)
def test_errors_come_as_200_with_a_code(
    reader: Reader, kie: Simulator, state: str, code: int
) -> None:
    kie.set_key("test-key", state)
    assert reader.code("POST", "/api/v1/veo/generate", json={"prompt": "x"}) == (200, code)


@pytest.mark.parametrize(("state", "said"), [("limited", None), ("limited=30", "30")])
def test_a_limited_key_gets_a_real_429(
    reader: Reader, kie: Simulator, state: str, said: str | None
) -> None:
    kie.set_key("test-key", state)
    answer = reader.http.post(
        f"{reader.base}/api/v1/veo/generate", json={"prompt": "x"}, headers=reader.headers
    )
    assert answer.status_code == 429 and answer.json()["code"] == 429
    assert answer.headers.get("retry-after") == said


def test_429_also_comes_inside_a_200(reader: Reader, kie: Simulator) -> None:
    kie.fault("error=429")
    assert reader.code("POST", "/api/v1/veo/generate", json={"prompt": "x"}) == (200, 429)


def test_twenty_submits_in_ten_seconds(reader: Reader, kie: Simulator) -> None:
    for _ in range(20):
        reader.generate()
    assert reader.code("POST", "/api/v1/veo/generate", json={"prompt": "x"}) == (429, 429)
    assert [account for account, _ in kie.violations] == ["test-key"]
    kie.advance(10.1)
    reader.generate()


def test_two_keys_of_one_account_share_its_tasks_and_its_rate(
    http: httpx.Client, begin: Start
) -> None:
    kie = begin(
        "kie", keys={"test-a": "ok@one", "test-b": "ok@one", "test-c": "ok"}, submits=(1, 10)
    )
    a, b, c = (Reader(http, kie, key) for key in ("test-a", "test-b", "test-c"))
    task_id = a.generate()
    assert b.flag(task_id) == 0
    assert c.record(task_id)["code"] == 422 and c.record(task_id)["msg"] == "record is null"
    assert b.code("POST", "/api/v1/veo/generate", json={"prompt": "x"}) == (429, 429)
    c.generate()


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ({"prompt": ""}, 500),  # "This field is required"
        ({"prompt": "x", "model": "veo9"}, 422),
        ({"prompt": "x", "aspect_ratio": "1:1"}, 422),
        ({"prompt": "x", "duration": 5}, 422),
        ({"prompt": "x", "seeds": 7}, 422),
        ({"prompt": "x", "imageUrls": ["file:///etc/passwd"]}, 451),
    ],
)
def test_what_an_order_may_not_say(reader: Reader, order: dict[str, Any], code: int) -> None:
    assert reader.code("POST", "/api/v1/veo/generate", json=order) == (200, code)


def test_the_old_spelling_of_the_ratio_is_not_read(reader: Reader, kie: Simulator) -> None:
    task_id = reader.generate(aspectRatio="9:16", colour="red")
    assert kie.tasks[task_id].extra["aspect_ratio"] == "16:9"
    assert kie.tasks[task_id].extra["unknown_fields"] == ["colour"]


# 5.4 ---------------------------------------------------------------------------------------------


def test_422_just_after_submit_then_0(reader: Reader, kie: Simulator) -> None:
    kie.fault("not_visible=2")
    task_id = reader.generate()
    assert [reader.record(task_id)["code"] for _ in range(2)] == [422, 422]
    assert reader.flag(task_id) == 0


def test_flag_3(reader: Reader, kie: Simulator) -> None:
    kie.fault("flag3, takes=0")
    data = reader.record(reader.generate())["data"]
    assert data["successFlag"] == 3 and data["errorCode"] == 501 and data["response"] is None


def test_flag_1_with_null_urls(reader: Reader, kie: Simulator) -> None:
    kie.fault("no_url, takes=0")
    data = reader.record(reader.generate())["data"]
    assert data["successFlag"] == 1 and data["response"]["resultUrls"] is None


def test_urls_as_a_string(reader: Reader, kie: Simulator) -> None:
    kie.fault("urls_as_string, takes=0")
    urls = reader.record(reader.generate())["data"]["response"]["resultUrls"]
    assert isinstance(urls, str) and json.loads(urls)[0].startswith("http://127.0.0.1:")


@pytest.mark.parametrize("place", ["data", "info"])
def test_urls_at_their_older_places(reader: Reader, kie: Simulator, place: str) -> None:
    kie.fault(f"urls_at={place}, takes=0")
    data = reader.record(reader.generate())["data"]
    assert "response" not in data
    assert (data if place == "data" else data["info"])["resultUrls"]


def test_a_content_refusal_comes_later(reader: Reader, kie: Simulator) -> None:
    kie.fault("refuse_later=40")
    task_id = reader.generate()
    kie.advance(39)
    assert reader.flag(task_id) == 0
    kie.advance(2)
    data = reader.record(task_id)["data"]
    assert data["successFlag"] == 2 and data["errorCode"] == 400 and "polic" in data["errorMessage"]


def test_a_refusal_by_flow(reader: Reader, kie: Simulator) -> None:
    task_id = reader.generate()
    kie.fail(task_id, "flow")
    data = reader.record(task_id)["data"]
    assert data["successFlag"] == 2 and "rejected by Flow(" in data["errorMessage"]
    assert kie.vendor.callback_body(kie.tasks[task_id])["code"] == 422


def test_a_refusal_at_once(reader: Reader, kie: Simulator) -> None:
    kie.fault("refuse", "Only English prompts are supported")
    status, envelope = reader.call("POST", "/api/v1/veo/generate", json={"prompt": "x"})
    assert (status, envelope["code"], envelope["msg"]) == (
        200, 400, "Only English prompts are supported",
    )  # fmt: skip
    assert not kie.tasks


def test_1080p_is_not_ready_then_ready(http: httpx.Client, begin: Start) -> None:
    kie = begin("kie", upgrade_s=60)
    reader = Reader(http, kie)
    task_id = reader.generate()
    path = f"/api/v1/veo/get-1080p-video?taskId={task_id}&index=0"
    assert reader.call("GET", path)[1]["msg"] == "record status is not success"
    kie.finish(task_id)
    early = reader.call("GET", path)[1]
    assert early["code"] == 400 and "1080P is processing" in early["msg"]
    kie.advance(61)
    kie.fault("not_ready", where="upgrade")
    assert reader.call("GET", path)[1]["code"] == 400
    ready = reader.call("GET", path)[1]
    assert ready["code"] == 200 and ready["data"]["resultUrl"].endswith("1080p.mp4")
    small = reader.record(task_id)["data"]["response"]["resultUrls"][0]
    assert len(http.get(ready["data"]["resultUrl"]).content) > len(http.get(small).content)


@pytest.mark.parametrize("order", [{"aspect_ratio": "9:16"}, {}], ids=["tall", "fallback"])
def test_what_cannot_be_upgraded(reader: Reader, kie: Simulator, order: dict[str, str]) -> None:
    if not order:
        kie.fault("fallback")
    task_id = reader.generate(**order)
    kie.finish(task_id)
    assert reader.call("GET", f"/api/v1/veo/get-1080p-video?taskId={task_id}")[1]["code"] == 400


def test_4k_says_422_with_the_urls(reader: Reader, kie: Simulator) -> None:
    task_id = reader.generate()
    kie.finish(task_id)
    ask = {"taskId": task_id, "index": 0}
    first = reader.call("POST", "/api/v1/veo/get-4k-video", json=ask)[1]
    assert first["code"] == 200 and first["data"]["resultUrls"] is None
    kie.fault("not_ready", where="upgrade")
    working = reader.call("POST", "/api/v1/veo/get-4k-video", json=ask)[1]
    assert working["code"] == 422 and working["data"]["resultUrls"] is None
    ready = reader.call("POST", "/api/v1/veo/get-4k-video", json=ask)[1]
    assert ready["code"] == 422 and ready["data"]["resultUrls"][0].endswith("4k.mp4")


def test_records_and_files_live_14_days(reader: Reader, kie: Simulator) -> None:
    task_id = reader.generate()
    kie.finish(task_id)
    [url] = reader.record(task_id)["data"]["response"]["resultUrls"]
    kie.advance(14 * 86400 + 1)
    late = reader.record(task_id)
    assert late["code"] == 422 and "within 14 days" in late["msg"]
    assert reader.http.get(url).status_code == 404


def test_a_retired_model_and_a_wall_before_the_vendor(http: httpx.Client, begin: Start) -> None:
    kie = begin("kie", retired=("veo3_fast",))
    reader = Reader(http, kie)
    assert reader.code("POST", "/api/v1/veo/generate", json={"prompt": "x"}) == (404, 404)
    kie.fault("cloudflare")
    walled = http.post(f"{kie.base_url}/api/v1/veo/generate", json={}, headers=reader.headers)
    assert walled.status_code == 403 and walled.text == "error code: 1010"
