"""fal.ai's queue, asked by its own client."""

import base64
import hashlib
import json
from collections.abc import Iterator

import fal_client
import fal_client.client
import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.simulators import Simulator
from tests.simulators.conftest import Start
from tests.simulators.inbox import Inbox
from tests.simulators.wire import Request
from tests.waiting import wait_until

MODEL = "fal-ai/veo3.1/fast"
ORDER = {"prompt": "soap", "aspect_ratio": "16:9", "duration": "8s", "resolution": "720p"}
AUTH = {"Authorization": "Key test-key"}


@pytest.fixture
def fal(begin: Start, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    """The client has https hard-coded: its format of queue addresses is overridden (3.4)."""
    fal = begin("fal", keys={"test-key": "ok", "test-other": "ok"})
    monkeypatch.setattr(fal_client.client, "QUEUE_URL_FORMAT", f"{fal.base_url}/")
    return fal


@pytest.fixture
def client(fal: Simulator) -> Iterator[fal_client.SyncClient]:
    client = fal_client.SyncClient(key="test-key", default_timeout=5.0)
    yield client
    client._client.close()


def failure(client: fal_client.SyncClient, task_id: str) -> fal_client.FalClientHTTPError:
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        client.result(MODEL, task_id)
    return caught.value


def test_from_order_to_file(
    fal: Simulator, client: fal_client.SyncClient, http: httpx.Client
) -> None:
    fal.set(takes_s=60, queue_s=20)
    handle = client.submit(MODEL, ORDER)
    base = f"{fal.base_url}/fal-ai/veo3.1/requests/{handle.request_id}"
    assert (handle.response_url, handle.status_url) == (base, f"{base}/status")
    assert handle.status() == fal_client.Queued(position=0)
    fal.advance(30)
    assert isinstance(handle.status(with_logs=True), fal_client.InProgress)
    fal.advance(31)
    done = handle.status(with_logs=True)
    assert isinstance(done, fal_client.Completed) and done.logs and done.error is None
    assert done.metrics["inference_time"] == pytest.approx(60, abs=1)
    video = handle.get()["video"]
    assert (video["content_type"], video["file_name"]) == ("video/mp4", "output.mp4")
    clip = http.get(video["url"])
    assert len(clip.content) == video["file_size"] and clip.content[4:8] == b"ftyp"
    [submit] = fal.asked("submit")
    assert submit.headers["authorization"] == "Key test-key" and submit.json() == ORDER


def test_subscribe(fal: Simulator, client: fal_client.SyncClient) -> None:
    fal.set(takes_s=0.2)
    seen: list[fal_client.Status] = []
    output = client.subscribe(MODEL, ORDER, on_queue_update=seen.append)
    assert output["video"]["url"].startswith(fal.base_url)
    assert isinstance(seen[-1], fal_client.Completed)


def test_http_202_until_completed(fal: Simulator, http: httpx.Client) -> None:
    reply = http.post(f"{fal.base_url}/{MODEL}", json=ORDER, headers=AUTH).json()
    assert reply["status"] == "IN_QUEUE"
    assert http.get(reply["status_url"], headers=AUTH).status_code == 202
    assert http.get(reply["response_url"], headers=AUTH).status_code == 400
    fal.finish(reply["request_id"])
    assert http.get(reply["status_url"], headers=AUTH).status_code == 200


def test_the_position_counts_those_before(fal: Simulator, client: fal_client.SyncClient) -> None:
    fal.set(queue_s=60)
    handles = [client.submit(MODEL, ORDER) for _ in range(3)]
    statuses = [handle.status() for handle in handles]
    assert statuses == [fal_client.Queued(position=position) for position in range(3)]


def test_the_urls_use_only_owner_and_app(fal: Simulator, http: httpx.Client) -> None:
    reply = http.post(f"{fal.base_url}/{MODEL}", json=ORDER, headers=AUTH).json()
    naive = f"{fal.base_url}/{MODEL}/requests/{reply['request_id']}/status"
    assert "/fast/" not in reply["status_url"]
    assert http.get(naive, headers=AUTH).status_code == 405


def test_the_status_as_a_stream_of_events(fal: Simulator, http: httpx.Client) -> None:
    reply = http.post(f"{fal.base_url}/{MODEL}", json=ORDER, headers=AUTH).json()
    fal.finish(reply["request_id"])
    answer = http.get(f"{reply['status_url']}/stream", headers=AUTH)
    assert answer.headers["content-type"] == "text/event-stream"
    assert json.loads(answer.text.removeprefix("data: "))["status"] == "COMPLETED"


@pytest.mark.parametrize(
    ("state", "status", "said"),
    [("bad", 401, "Authentication"), ("empty", 403, "Exhausted balance")],
)
def test_keys(
    fal: Simulator, client: fal_client.SyncClient, state: str, status: int, said: str
) -> None:
    fal.set_key("test-key", state)
    with pytest.raises(fal_client.FalClientHTTPError, match=said) as caught:
        client.submit(MODEL, ORDER)
    assert caught.value.status_code == status


def test_another_account_does_not_see_it(fal: Simulator, client: fal_client.SyncClient) -> None:
    handle = client.submit(MODEL, ORDER)
    stranger = fal_client.SyncClient(key="test-other")
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        stranger.status(MODEL, handle.request_id)
    assert caught.value.status_code == 404
    stranger._client.close()


def test_completed_then_422_for_content(fal: Simulator, client: fal_client.SyncClient) -> None:
    fal.fault("refuse_later=0")
    handle = client.submit(MODEL, ORDER)
    assert isinstance(handle.status(), fal_client.Completed)
    refusal = failure(client, handle.request_id)
    assert refusal.status_code == 422
    [detail] = refusal.response.json()["detail"]
    assert detail["type"] == "content_policy_violation" and detail["input"] == "soap"
    assert refusal.response_headers["x-fal-retryable"] == "false"


@pytest.mark.parametrize(
    "order", [{**ORDER, "duration": 8}, {**ORDER, "aspect_ratio": "1:1"}, {"duration": "8s"}]
)
def test_the_queue_takes_what_the_model_refuses(
    fal: Simulator, client: fal_client.SyncClient, order: dict[str, object]
) -> None:
    handle = client.submit(MODEL, order)
    assert isinstance(handle.status(), fal_client.Completed)
    refusal = failure(client, handle.request_id)
    assert refusal.status_code == 422
    assert refusal.response.json()["detail"][0]["type"] != "content_policy_violation"


def test_result_422(fal: Simulator, client: fal_client.SyncClient) -> None:
    fal.fault("result_422, takes=0")
    assert failure(client, client.submit(MODEL, ORDER).request_id).status_code == 422


def test_a_504_on_the_result_is_passing(fal: Simulator, client: fal_client.SyncClient) -> None:
    handle = client.submit(MODEL, ORDER)
    fal.finish(handle.request_id)
    fal.fault("error=504", where="result")
    trouble = failure(client, handle.request_id)
    assert (trouble.status_code, trouble.error_type) == (504, "request_timeout")
    assert client.result(MODEL, handle.request_id)["video"]["url"]


def test_completed_with_an_error_type(fal: Simulator, client: fal_client.SyncClient) -> None:
    fal.fault("completed_error=startup_timeout, takes=0")
    handle = client.submit(MODEL, ORDER)
    done = handle.status()
    assert isinstance(done, fal_client.Completed) and done.error_type == "startup_timeout"
    trouble = failure(client, handle.request_id)
    assert trouble.status_code == 504
    assert trouble.response_headers["x-fal-error-type"] == "startup_timeout"
    assert trouble.response_headers["x-fal-retryable"] == "true"


def test_done_without_a_link(fal: Simulator, client: fal_client.SyncClient) -> None:
    fal.fault("no_url, takes=0")
    assert client.submit(MODEL, ORDER).get() == {"video": None}


def test_cancel(fal: Simulator, client: fal_client.SyncClient, http: httpx.Client) -> None:
    fal.set(queue_s=60)
    queued = client.submit(MODEL, ORDER)
    queued.cancel()
    assert fal.tasks[queued.request_id].state == "cancelled"
    assert failure(client, queued.request_id).error_type == "client_cancelled"
    fal.set(queue_s=0)
    fal.fault("keeps_running")
    running, done = client.submit(MODEL, ORDER), client.submit(MODEL, ORDER)
    fal.finish(done.request_id)
    answers = [http.put(one.cancel_url, headers=AUTH) for one in (running, done)]
    assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [
        (202, "CANCELLATION_REQUESTED"), (400, "ALREADY_COMPLETED"),
    ]  # fmt: skip
    assert fal.tasks[running.request_id].state == "running"
    unknown = http.put(f"{fal.base_url}/fal-ai/veo3.1/requests/none/cancel", headers=AUTH)
    assert (unknown.status_code, unknown.json()) == (404, {"status": "NOT_FOUND"})


def test_results_live_an_hour_and_files_longer(
    fal: Simulator, client: fal_client.SyncClient, http: httpx.Client
) -> None:
    handle = client.submit(MODEL, ORDER)
    fal.advance(7200)
    assert isinstance(handle.status(), fal_client.InProgress)  # the hour begins at the end
    fal.finish(handle.request_id)
    url = handle.get()["video"]["url"]
    fal.advance(3601)
    assert failure(client, handle.request_id).status_code == 404
    assert http.get(url).is_success


def test_a_retired_model(begin: Start, http: httpx.Client) -> None:
    fal = begin("fal", retired=(MODEL,))
    answer = http.post(f"{fal.base_url}/{MODEL}", json=ORDER, headers=AUTH)
    assert answer.status_code == 404 and MODEL in answer.json()["detail"]


def test_the_client_tries_a_throttled_submit_again(
    fal: Simulator, client: fal_client.SyncClient
) -> None:
    fal.fault("rate_limited", times=1)
    client.submit(MODEL, ORDER)
    assert [request.status for request in fal.asked("submit")] == [429, 200]


# Webhooks: fal-client 1.0.3 has no verification; this one is 3.2 read again ---------------------


def is_genuine(letter: Request, jwks: dict[str, list[dict[str, str]]]) -> bool:
    names = ("request-id", "user-id", "timestamp", "signature")
    said = [letter.headers[f"x-fal-webhook-{name}"] for name in names]
    message = "\n".join([*said[:3], hashlib.sha256(letter.body).hexdigest()]).encode()
    for key in jwks["keys"]:
        assert key["kty"] == "OKP"
        raw = base64.urlsafe_b64decode(key["x"] + "=" * (-len(key["x"]) % 4))
        try:
            Ed25519PublicKey.from_public_bytes(raw).verify(bytes.fromhex(said[3]), message)
        except InvalidSignature:
            continue
        return True
    return False


def test_the_vector_of_the_reference(fal: Simulator, http: httpx.Client) -> None:
    body = b'{"request_id":"r1","status":"OK","payload":{}}'
    headers = fal.vendor.sign("r1", body, 1767225600, set())
    assert headers["X-Fal-Webhook-User-Id"] == "user1"
    assert headers["X-Fal-Webhook-Signature"] == (
        "8fc1e86e377f4ee08c9edc2fea3900079349800a6587f7e13564d005fdca3548"
        "87f743294e5c2678d3983b14e404d6e3de976bb6c391ed8360f699d51183b00d"
    )
    keys = http.get(fal.keys_url).json()["keys"]
    assert [key["x"] for key in keys] == ["iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w"]


def test_a_webhook_is_signed(
    fal: Simulator, client: fal_client.SyncClient, http: httpx.Client, inbox: Inbox
) -> None:
    handle = client.submit(MODEL, ORDER, webhook_url=inbox.url)
    fal.finish(handle.request_id)
    wait_until(lambda: inbox.letters)
    [letter] = inbox.letters
    assert is_genuine(letter, http.get(fal.keys_url).json())
    said = letter.json()
    assert (said["request_id"], said["status"]) == (handle.request_id, "OK")
    assert said["payload"] == handle.get()


def test_a_failure_is_told_too(fal: Simulator, client: fal_client.SyncClient, inbox: Inbox) -> None:
    handle = client.submit(MODEL, ORDER, webhook_url=inbox.url)
    fal.fail(handle.request_id, "content")
    wait_until(lambda: inbox.letters)
    said = inbox.letters[0].json()
    assert said["status"] == "ERROR" and said["error"] == "Unexpected status code: 422"
    assert said["payload"]["detail"][0]["type"] == "content_policy_violation"


@pytest.mark.parametrize("fault", ["forged_key", "wrong_signature", "tampered"])
def test_a_webhook_that_lies(
    fal: Simulator,
    client: fal_client.SyncClient,
    http: httpx.Client,
    inbox: Inbox,
    fault: str,
) -> None:
    handle = client.submit(MODEL, ORDER, webhook_url=inbox.url)
    fal.fault(fault, where="callback")
    fal.finish(handle.request_id)
    wait_until(lambda: inbox.letters)
    assert not is_genuine(inbox.letters[0], http.get(fal.keys_url).json())
