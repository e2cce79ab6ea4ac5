"""The simulators as programs, their admin path, and how much they can take."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from config import ROOT
from tests.simulators import VENDORS, Simulator
from tests.simulators.conftest import Start
from tests.waiting import wait_until

BEARER = {"Authorization": "Bearer test-key"}


@pytest.fixture
def kie(begin: Start) -> Simulator:
    return begin("kie", submits=None)


def admin(http: httpx.Client, house: Simulator, wish: dict[str, object]) -> httpx.Response:
    return http.post(f"{house.base_url}/_simulate", json=wish)


def submit(http: httpx.Client, house: Simulator) -> httpx.Response:
    url = f"{house.base_url}/api/v1/veo/generate"
    return http.post(url, json={"prompt": "soap"}, headers=BEARER)


def test_everything_by_the_admin_path(kie: Simulator, http: httpx.Client) -> None:
    assert admin(http, kie, {"fault": "http_error", "value": 503, "times": 2}).json() == {
        "fault": "http_error=503", "where": "submit", "times": 2, "used": 0,
    }  # fmt: skip
    assert [submit(http, kie).status_code for _ in range(3)] == [503, 503, 200]
    [task] = kie.tasks.values()
    assert admin(http, kie, {"fail": task.id, "reason": "content"}).is_success
    assert task.state == "failed"
    admin(http, kie, {"takes_s": 50, "clip": "silent"})
    submit(http, kie)
    admin(http, kie, {"advance": 51})
    other = list(kie.tasks.values())[-1]
    assert (other.state, other.clip) == ("succeeded", "silent")
    admin(http, kie, {"expire": other.id})
    admin(http, kie, {"key": "test-key", "state": "empty"})
    assert submit(http, kie).json()["code"] == 402
    admin(http, kie, {"fault": "html", "where": "file", "times": None})
    state = http.get(f"{kie.base_url}/_simulate").json()
    assert state["vendor"] == "kie" and state["keys"] == {"test-key": "empty"}
    assert [one["state"] for one in state["tasks"]] == ["failed", "succeeded"]
    assert [one["fault"] for one in state["faults"]] == ["html"]
    assert "rai" not in state["known_faults"] and "flag3" in state["known_faults"]
    admin(http, kie, {"clear": True})
    assert kie.faults == []


@pytest.mark.parametrize(
    "wish",
    [
        {"fault": "nothing"},
        {"fault": "html", "where": "submit"},
        {"fault": "html", "colour": "red"},
        {"finish": "unknown"},
        {"key": "test-key", "state": "odd"},
        {"clip": "odd"},
        {},
    ],
)
def test_wishes_that_make_no_sense(
    kie: Simulator, http: httpx.Client, wish: dict[str, object]
) -> None:
    answer = admin(http, kie, wish)
    assert answer.status_code == 400 and answer.json()["error"]


def test_down_for_a_while(kie: Simulator, http: httpx.Client) -> None:
    assert admin(http, kie, {"down": 0.3}).is_success

    def is_up() -> bool:
        try:
            return submit(http, kie).is_success
        except httpx.TransportError:
            return False

    wait_until(lambda: not is_up())
    wait_until(is_up)


def test_a_callback_by_hand(kie: Simulator, http: httpx.Client) -> None:
    kie.finish(submit(http, kie).json()["data"]["taskId"])
    [task_id] = kie.tasks
    kie.tasks[task_id].callback_url = "http://127.0.0.1:9/nobody"
    wish: dict[str, object] = {"callback": task_id, "faults": ["duplicate", "stale=9"]}
    assert admin(http, kie, wish).json()["answer"] == [None, None]


# As programs -------------------------------------------------------------------------------------


@pytest.fixture
def program() -> Iterator[subprocess.Popen[str]]:
    """All four, on free ports."""
    command = [
        sys.executable,
        "-m",
        "tests.simulators",
        "all",
        "--takes",
        "0",
        "--key",
        "test-k=ok",
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def test_by_hand(program: subprocess.Popen[str], http: httpx.Client) -> None:
    assert program.stdout is not None
    urls = {}
    for vendor in VENDORS:
        name, url = program.stdout.readline().split()
        settings = program.stdout.readline()
        assert name == vendor
        assert url in settings and "=test-k " in settings
        urls[name] = url
    for name, url in urls.items():
        assert http.get(f"{url}/_simulate").json()["vendor"] == name
    answer = http.post(
        f"{urls['fal']}/fal-ai/veo3.1/fast",
        json={"prompt": "x"},
        headers={"Authorization": "Key test-k"},
    )
    assert answer.json()["status"] == "IN_QUEUE"
    program.send_signal(signal.SIGTERM)
    assert program.wait(10) == 0


def test_nothing_of_the_app_is_imported() -> None:
    code = "import sys, tests.simulators; print(any(n.split('.')[0] == 'app' for n in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert done.stdout.strip() == "False", done.stderr
    sources = Path(__file__).parent.glob("[!t]*.py")
    wrong = re.compile(r"^\s*(from|import) app\b", re.MULTILINE)
    assert not [path for path in sources if wrong.search(path.read_text())]


# Load --------------------------------------------------------------------------------------------

ASK = """
import http.client, sys, time
host, ids, count = sys.argv[1], sys.argv[2].split(","), int(sys.argv[3])
connection = http.client.HTTPConnection(host)
began_s = time.perf_counter()
for number in range(count):
    path = f"/api/v1/veo/record-info?taskId={ids[number % len(ids)]}"
    connection.request("GET", path, headers={"Authorization": "Bearer test-key"})
    assert b'"successFlag": 0' in connection.getresponse().read()
print(count / (time.perf_counter() - began_s))
connection.close()
"""


def test_300_in_flight_are_polled_500_times_a_second(kie: Simulator, http: httpx.Client) -> None:
    ids = [submit(http, kie).json()["data"]["taskId"] for _ in range(300)]
    host = kie.base_url.removeprefix("http://")
    command = [sys.executable, "-c", ASK, host, ",".join(ids), "1500"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    polls_per_s = float(done.stdout)
    busy = os.getloadavg()[0] / (os.cpu_count() or 1)
    assert polls_per_s >= 500 / max(1.0, busy), done.stderr
    assert sum(task.polls for task in kie.tasks.values()) == 1500


def test_200_connections_at_once(kie: Simulator) -> None:
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    statuses: list[int] = []
    with httpx.Client(trust_env=False, verify=False, limits=limits, timeout=30.0) as client:
        gate = threading.Barrier(200)

        def one() -> None:
            gate.wait()
            statuses.append(submit(client, kie).status_code)

        threads = [threading.Thread(target=one) for _ in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert statuses == [200] * 200 and len(kie.tasks) == 200


def test_closing_is_quick_and_complete(begin: Start, http: httpx.Client) -> None:
    houses = [begin(name) for name in VENDORS]
    for house in houses:
        http.get(f"{house.base_url}/_simulate")
    began_s = time.perf_counter()
    for house in houses:
        house.close()
    assert time.perf_counter() - began_s < 2.0
    names = {thread.name for thread in threading.enumerate()}
    assert not [name for name in names if name.startswith("simulator-")]
