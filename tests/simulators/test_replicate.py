"""Replicate, asked by its own client."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from replicate.client import Client
from replicate.exceptions import ReplicateError
from replicate.prediction import Prediction

from tests.simulators import Simulator
from tests.simulators.conftest import Start
from tests.waiting import wait_until

MODEL = "google/veo-3.1-fast"
ORDER = {"prompt": "soap", "aspect_ratio": "16:9", "duration": 8, "resolution": "720p"}
AUTH = {"Authorization": "Bearer test-key"}
COMPLETED = ["completed"]

Connect = Callable[[str], Client]


@pytest.fixture
def replicate(begin: Start) -> Simulator:
    return begin("replicate", keys={"test-key": "ok", "test-other": "ok"})


@pytest.fixture
def connect(replicate: Simulator) -> Iterator[Connect]:
    clients: list[Client] = []

    def one(key: str) -> Client:
        clients.append(Client(api_token=key, base_url=replicate.base_url))
        return clients[-1]

    yield one
    for client in clients:
        client._client.close()


@pytest.fixture
def client(connect: Connect) -> Client:
    return connect("test-key")


def order(client: Client, **fields: Any) -> Prediction:
    return client.models.predictions.create(model=MODEL, input=ORDER, **fields)


def test_from_order_to_file(replicate: Simulator, client: Client, http: httpx.Client) -> None:
    replicate.set(takes_s=60, queue_s=20)
    prediction = order(client)
    assert (prediction.status, prediction.model, prediction.version) == (
        "starting",
        MODEL,
        "hidden",
    )
    assert prediction.output is None and prediction.started_at is None
    replicate.advance(30)
    prediction.reload()
    assert prediction.status == "processing" and prediction.started_at is not None
    replicate.advance(31)
    prediction.reload()
    assert prediction.status == "succeeded" and isinstance(prediction.output, str)
    assert prediction.metrics == {"predict_time": pytest.approx(40, abs=1)}
    assert http.get(prediction.output).content[4:8] == b"ftyp"
    [submit] = replicate.asked("submit")
    assert submit.path == f"/v1/models/{MODEL}/predictions" and submit.json() == {"input": ORDER}
    assert submit.status == 201


def test_by_model_by_version_and_by_deployment(client: Client) -> None:
    for prediction in (
        client.predictions.create(model=MODEL, input=ORDER),
        client.predictions.create(version=MODEL, input=ORDER),
        client.deployments.predictions.create(deployment=f"acme/{MODEL[7:]}", input=ORDER),
    ):
        assert prediction.model == MODEL


def test_wait_waits(replicate: Simulator, client: Client) -> None:
    replicate.set(takes_s=0.1)
    prediction = client.models.predictions.create(model=MODEL, input=ORDER, wait=5)
    assert replicate.asked("submit")[0].headers["prefer"] == "wait=5"
    assert prediction.status == "succeeded"


def test_list_has_pages_newest_first(replicate: Simulator, client: Client) -> None:
    made = [order(client).id for _ in range(102)]
    first = client.predictions.list()
    assert [one.id for one in first] == made[:1:-1] and first.next
    assert [one.id for one in client.predictions.list(first.next)] == made[1::-1]


def test_cancel(replicate: Simulator, client: Client) -> None:
    prediction = order(client)
    prediction.cancel()
    assert prediction.status == "canceled" and prediction.completed_at
    replicate.finish(prediction.id)
    assert client.predictions.get(prediction.id).status == "canceled"


@pytest.mark.parametrize(
    ("state", "status", "title"),
    [("bad", 401, "Unauthenticated"), ("empty", 402, "Insufficient credit")],
)
def test_keys(replicate: Simulator, client: Client, state: str, status: int, title: str) -> None:
    replicate.set_key("test-key", state)
    with pytest.raises(ReplicateError) as caught:
        order(client)
    assert (caught.value.status, caught.value.title) == (status, title)


@pytest.mark.parametrize(("state", "said"), [("limited", None), ("limited=7", "7")])
def test_429_says_seconds_in_its_text(
    replicate: Simulator, http: httpx.Client, state: str, said: str | None
) -> None:
    replicate.set_key("test-key", state)
    url = f"{replicate.base_url}/v1/models/{MODEL}/predictions"
    answer = http.post(url, json={"input": ORDER}, headers=AUTH)
    assert answer.status_code == 429 and answer.headers.get("retry-after") == said
    assert answer.json() == {
        "detail": f"Request was throttled. Your rate limit resets in ~{said or 30}s."
    }


def test_another_account_does_not_see_it(client: Client, connect: Connect) -> None:
    prediction = order(client)
    with pytest.raises(ReplicateError) as caught:
        connect("test-other").predictions.get(prediction.id)
    assert caught.value.status == 404
    assert list(connect("test-other").predictions.list()) == []


@pytest.mark.parametrize(
    "wrong", [{"duration": "8s"}, {"aspect_ratio": "1:1"}, {"prompt": ""}, {"image": "a.png"}]
)
def test_inputs_are_checked(client: Client, wrong: dict[str, Any]) -> None:
    with pytest.raises(ReplicateError, match="input") as caught:
        client.models.predictions.create(model=MODEL, input={**ORDER, **wrong})
    assert caught.value.status == 422


def test_aborted_is_unknown_to_the_client(
    replicate: Simulator, client: Client, http: httpx.Client
) -> None:
    replicate.fault("aborted, takes=0, queue=5")
    url = f"{replicate.base_url}/v1/models/{MODEL}/predictions"
    made = http.post(url, json={"input": ORDER}, headers=AUTH).json()
    assert made["status"] == "aborted" and made["started_at"] is None
    with pytest.raises(ValueError, match="status"):
        client.predictions.get(made["id"])


@pytest.mark.parametrize(("queue_s", "status"), [(60, "aborted"), (0, "canceled")])
def test_a_deadline(replicate: Simulator, http: httpx.Client, queue_s: float, status: str) -> None:
    replicate.set(queue_s=queue_s)
    url = f"{replicate.base_url}/v1/models/{MODEL}/predictions"
    headers = {**AUTH, "Cancel-After": "30s"}
    made = http.post(url, json={"input": ORDER}, headers=headers).json()
    replicate.advance(31)
    wait_until(lambda: http.get(made["urls"]["get"], headers=AUTH).json()["status"] == status)


def test_data_is_removed_after_an_hour(
    replicate: Simulator, client: Client, http: httpx.Client
) -> None:
    prediction = order(client)
    replicate.advance(7200)
    assert client.predictions.get(prediction.id).input == ORDER  # the hour begins at the end
    replicate.finish(prediction.id)
    output = client.predictions.get(prediction.id).output
    replicate.advance(3601)
    body = http.get(f"{replicate.base_url}/v1/predictions/{prediction.id}", headers=AUTH).json()
    assert (body["status"], body["output"], body["data_removed"]) == ("succeeded", None, True)
    assert http.get(str(output)).status_code == 404


def test_data_removed_at_once(replicate: Simulator, client: Client) -> None:
    replicate.fault("data_removed, takes=0")
    assert order(client).output is None


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("refuse_later=0", "(E005)"),
        ("content_words, takes=0", "flagged as sensitive"),
        ("fail_later=0", "(E1000)"),
    ],
)
def test_failures(replicate: Simulator, client: Client, fault: str, words: str) -> None:
    replicate.fault(fault)
    prediction = order(client)
    assert prediction.status == "failed" and words in (prediction.error or "")


def test_a_post_is_never_tried_again_by_the_client(replicate: Simulator, client: Client) -> None:
    replicate.fault("error=503")
    with pytest.raises(ReplicateError):
        order(client)
    assert len(replicate.asked("submit")) == 1


def test_a_retired_model(begin: Start, http: httpx.Client) -> None:
    replicate = begin("replicate", retired=(MODEL,))
    url = f"{replicate.base_url}/v1/models/{MODEL}/predictions"
    assert http.post(url, json={"input": ORDER}, headers=AUTH).status_code == 404


def test_files(client: Client, http: httpx.Client, tmp_path: Any) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG...")
    file = client.files.create(tmp_path / "a.png")
    assert file.size == 7 and http.get(file.urls["get"]).content == b"\x89PNG..."


def test_account(client: Client) -> None:
    assert client.accounts.current().username == "test-key"
