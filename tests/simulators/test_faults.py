"""Each fault that all vendors share, as it looks on the wire."""

import re
import time
from pathlib import Path

import httpx
import pytest

from tests.simulators import KINDS, VENDORS, Simulator
from tests.simulators.conftest import Start
from tests.simulators.orders import BEARER, ORDERS, submit_to


@pytest.fixture(params=list(VENDORS))
def house(request: pytest.FixtureRequest, begin: Start) -> Simulator:
    """Each vendor in turn."""
    return begin(request.param)


@pytest.fixture
def kie(begin: Start) -> Simulator:
    return begin("kie")


# Submits -----------------------------------------------------------------------------------------


def test_delay(house: Simulator, http: httpx.Client) -> None:
    began_s = time.perf_counter()
    house.fault("delay=0.2")
    assert submit_to(house, http).is_success
    assert time.perf_counter() - began_s >= 0.2


@pytest.mark.parametrize(
    ("fault", "tasks"), [("hang", 0), ("accept_then_hang", 1)], ids=["not taken", "taken"]
)
def test_no_answer(house: Simulator, http: httpx.Client, fault: str, tasks: int) -> None:
    house.fault(fault)
    http.timeout = httpx.Timeout(0.3)
    with pytest.raises(httpx.ReadTimeout):
        submit_to(house, http)
    assert len(house.tasks) == tasks
    assert house.asked("submit")[0].status is None


def test_a_hang_may_end(house: Simulator, http: httpx.Client) -> None:
    house.fault("hang=0.1")
    with pytest.raises(httpx.RemoteProtocolError):
        submit_to(house, http)


@pytest.mark.parametrize(
    ("fault", "tasks", "error"),
    [
        ("reset", 0, httpx.ReadError),
        ("close", 0, httpx.RemoteProtocolError),
        ("accept_then_reset", 1, httpx.ReadError),
        ("accept_then_close", 1, httpx.RemoteProtocolError),
    ],
)
def test_broken_connections(
    house: Simulator, http: httpx.Client, fault: str, tasks: int, error: type[Exception]
) -> None:
    house.fault(fault)
    with pytest.raises(error):
        submit_to(house, http)
    assert len(house.tasks) == tasks
    assert submit_to(house, http).is_success


@pytest.mark.parametrize(("fault", "tasks"), [("bare=504", 0), ("accept_then_bare=504", 1)])
def test_a_proxys_page(house: Simulator, http: httpx.Client, fault: str, tasks: int) -> None:
    house.fault(fault)
    answer = submit_to(house, http)
    assert answer.status_code == 504 and answer.headers["content-type"] == "text/html"
    assert len(house.tasks) == tasks


@pytest.mark.parametrize("code", [500, 503])
def test_the_vendors_own_envelope(house: Simulator, http: httpx.Client, code: int) -> None:
    house.fault("error", code)
    house.fault("http_error", code)
    usual, real = submit_to(house, http), submit_to(house, http)
    assert usual.status_code == (200 if house.vendor.name == "kie" else code)
    assert real.status_code == code
    assert usual.json() == real.json() and not house.tasks


@pytest.mark.parametrize(("fault", "body"), [("garbage", b"<oops"), ("empty_answer", b"")])
def test_200_without_json(house: Simulator, http: httpx.Client, fault: str, body: bytes) -> None:
    house.fault(fault)
    answer = submit_to(house, http)
    assert answer.status_code == 200 and answer.content == body


def test_rate_limited(house: Simulator, http: httpx.Client) -> None:
    house.fault("rate_limited")
    house.fault("rate_limited=9")
    answers = [submit_to(house, http) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [429, 429]
    assert [answer.headers.get("retry-after") for answer in answers] == [None, "9"]


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ("bad_key", {"kie": 200, "fal": 401, "replicate": 401, "google": 400}),
        ("out_of_credit", {"kie": 200, "fal": 403, "replicate": 402, "google": 402}),
        ("cloudflare", dict.fromkeys(VENDORS, 403)),
        ("redirect=http://127.0.0.1:9/x", dict.fromkeys(VENDORS, 302)),
        ("refuse", {"kie": 200, "fal": 422, "replicate": 422, "google": 400}),
        ("invalid", {"kie": 200, "fal": 422, "replicate": 422, "google": 400}),
        ("retired", dict.fromkeys(VENDORS, 404)),
        ("unknown_id", {"kie": 200, "fal": 404, "replicate": 404, "google": 404}),
    ],
)
def test_refusals(
    house: Simulator, http: httpx.Client, fault: str, statuses: dict[str, int]
) -> None:
    house.fault(fault)
    answer = submit_to(house, http)
    assert answer.status_code == statuses[house.vendor.name]
    assert not answer.is_success or answer.json()["code"] >= 400
    assert not house.tasks


def test_an_unlisted_key_is_bad(house: Simulator, http: httpx.Client) -> None:
    path, body, auth = ORDERS[house.vendor.name]
    wrong = {name: value.replace("test-key", "test-none") for name, value in auth.items()}
    answer = http.post(house.base_url + path, json=body, headers=wrong)
    assert answer.status_code in (400, 401) or answer.json()["code"] == 401
    assert not house.tasks


# Lives -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ("takes=10", "succeeded"),
        ("refuse_later=10", "failed"),
        ("fail_later=10", "failed"),
        ("timeout_later=10", "failed"),
        ("never", "running"),
    ],
)
def test_lives(house: Simulator, http: httpx.Client, fault: str, state: str) -> None:
    house.set(takes_s=10)
    house.fault(f"{fault}, queue=5")
    submit_to(house, http)
    [task] = house.tasks.values()
    assert task.state == "queued"
    house.advance(6)
    assert task.state == "running"
    house.advance(6)
    assert task.state == state


def test_a_test_may_end_it(house: Simulator, http: httpx.Client) -> None:
    for _ in range(2):
        submit_to(house, http)
    one, other = house.tasks.values()
    house.fail(one.id, "error", "the words of the test")
    house.finish(one.id)
    house.finish(other.id)
    assert (one.state, one.message, other.state) == ("failed", "the words of the test", "succeeded")


# Which fault strikes when ------------------------------------------------------------------------


def test_one_after_the_other_and_modifiers_on_top(kie: Simulator, http: httpx.Client) -> None:
    kie.fault("silent", times=None)
    kie.fault("http_error=500", after=1)
    kie.fault("http_error=503", times=2)
    assert [submit_to(kie, http).status_code for _ in range(5)] == [503, 500, 503, 200, 200]
    assert {task.clip for task in kie.tasks.values()} == {"silent"}
    kie.clear()
    assert kie.faults == []


def test_only_for_a_key_or_a_task(begin: Start, http: httpx.Client) -> None:
    kie = begin("kie", keys={"test-key": "ok", "test-other": "ok"})
    kie.fault("http_error=500", times=None, key="test-other")
    assert submit_to(kie, http).status_code == 200
    assert submit_to(kie, http, Authorization="Bearer test-other").status_code == 500
    one, other = (submit_to(kie, http).json()["data"]["taskId"] for _ in range(2))
    kie.fault("http_error=500", where="poll", times=None, task=one)
    url = f"{kie.base_url}/api/v1/veo/record-info"
    statuses = [
        http.get(url, params={"taskId": task_id}, headers=BEARER).status_code
        for task_id in (one, other)
    ]
    assert statuses == [500, 200]


def test_by_header(house: Simulator, http: httpx.Client) -> None:
    slow = submit_to(house, http, **{"X-Simulate": "delay=0.1, http_error=500"})
    assert slow.status_code == 500 and slow.elapsed.total_seconds() >= 0.1
    assert submit_to(house, http, **{"X-Simulate": "takes=0, black"}).is_success
    [task] = house.tasks.values()
    assert (task.state, task.clip) == ("succeeded", "black")
    assert submit_to(house, http, **{"X-Simulate": "no_such_fault"}).status_code == 400


@pytest.mark.parametrize(
    ("vendor", "name", "where"),
    [("kie", "nothing", None), ("kie", "rai", None), ("fal", "html", "submit"), ("fal", "", None)],
)
def test_what_does_not_exist(begin: Start, vendor: str, name: str, where: str | None) -> None:
    with pytest.raises(ValueError, match="fault"):
        begin(vendor).fault(name, where=where)


def test_every_fault_has_a_test() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert [name for name in KINDS if not re.search(rf'[" ]{name}["=,]', tests)] == []


def test_links_to_wherever(house: Simulator, http: httpx.Client) -> None:
    there = "http://169.254.169.254/latest?a=b"
    house.fault("link", there)
    house.fault("takes=0", times=None)
    submit_to(house, http)
    [task] = house.tasks.values()
    if house.vendor.name == "google":
        path, auth = f"/v1beta/{task.id}", ORDERS["google"][2]
    elif house.vendor.name == "kie":
        path, auth = f"/api/v1/veo/record-info?taskId={task.id}", BEARER
    elif house.vendor.name == "fal":
        path, auth = f"/fal-ai/veo3.1/requests/{task.id}", ORDERS["fal"][2]
    else:
        path, auth = f"/v1/predictions/{task.id}", BEARER
    assert there in http.get(house.base_url + path, headers=auth).text


def test_links_on_another_name_of_this_machine(begin: Start, http: httpx.Client) -> None:
    kie = begin("kie", public_url="http://localhost:{port}", takes_s=0)
    task_id = submit_to(kie, http).json()["data"]["taskId"]
    url = f"{kie.base_url}/api/v1/veo/record-info?taskId={task_id}"
    [link] = http.get(url, headers=BEARER).json()["data"]["response"]["resultUrls"]
    assert link.startswith("http://localhost:") and http.get(link).is_success


def test_a_body_in_chunks(kie: Simulator, http: httpx.Client) -> None:
    body = iter([b'{"prompt":', b' "in pieces"}'])
    url = kie.base_url + ORDERS["kie"][0]
    assert http.post(url, content=body, headers=BEARER).json()["code"] == 200
    assert kie.asked("submit")[0].json() == {"prompt": "in pieces"}
