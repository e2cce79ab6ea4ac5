"""kie.ai beside its videos: balance, uploads, links, and signed callbacks."""

import base64
import hashlib
import hmac
import json
from typing import Any

import httpx
import pytest

from tests.simulators import Simulator
from tests.simulators.conftest import Start
from tests.simulators.inbox import Inbox
from tests.simulators.kie_reader import Reader
from tests.waiting import wait_until

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def kie(begin: Start) -> Simulator:
    return begin("kie")


@pytest.fixture
def reader(http: httpx.Client, kie: Simulator) -> Reader:
    return Reader(http, kie)


def test_credits_go_down(http: httpx.Client, begin: Start) -> None:
    kie = begin("kie", credits=400)
    reader = Reader(http, kie)
    assert reader.call("GET", "/api/v1/chat/credit")[1]["data"] == 400
    reader.generate()
    reader.generate(model="veo3")
    assert reader.call("GET", "/api/v1/chat/credit")[1]["data"] == 400 - 60 - 250
    task_id = next(iter(kie.tasks))
    kie.finish(task_id)
    for _ in range(2):  # paid once
        reader.call("GET", f"/api/v1/veo/get-1080p-video?taskId={task_id}")
    assert reader.call("GET", "/api/v1/chat/credit")[1]["data"] == 400 - 60 - 250 - 5
    assert reader.code("POST", "/api/v1/veo/generate", json={"prompt": "x", "model": "veo3"}) == (
        200, 402,
    )  # fmt: skip
    kie.set_key("test-key", "empty")
    assert reader.call("GET", "/api/v1/chat/credit")[1]["data"] == 0


@pytest.mark.parametrize("encoded", [base64.b64encode(PNG).decode(), None], ids=["base64", "form"])
def test_uploads_give_a_link_that_an_order_may_name(reader: Reader, encoded: str | None) -> None:
    if encoded:
        sent: dict[str, Any] = {"json": {"base64Data": encoded, "uploadPath": "images"}}
        path = "/api/file-base64-upload"
    else:
        sent = {"files": {"file": ("a.png", PNG, "image/png")}, "data": {"uploadPath": "images"}}
        path = "/api/file-stream-upload"
    _, reply = reader.call("POST", path, **sent)
    data = reply["data"]
    assert reply["success"] is True and data["mimeType"] == "image/png"
    assert {"fileName", "filePath", "downloadUrl", "fileSize", "uploadedAt"} <= data.keys()
    assert "fileUrl" not in data
    assert reader.http.get(data["downloadUrl"]).content == PNG
    reader.generate(imageUrls=[data["downloadUrl"]])


def test_an_upload_lives_a_day(reader: Reader, kie: Simulator) -> None:
    order = {"base64Data": base64.b64encode(PNG).decode(), "uploadPath": "images"}
    url = reader.call("POST", "/api/file-base64-upload", json=order)[1]["data"]["downloadUrl"]
    kie.advance(86400 + 1)
    late = {"prompt": "x", "imageUrls": [url]}
    assert reader.code("POST", "/api/v1/veo/generate", json=late) == (200, 451)


def test_no_upload_of_anything_else(reader: Reader) -> None:
    order = {"base64Data": base64.b64encode(b"#!/bin/sh").decode(), "uploadPath": "images"}
    _, reply = reader.call("POST", "/api/file-base64-upload", json=order)
    assert reply["success"] is False


def test_a_temporary_link_lives_20_minutes(reader: Reader, kie: Simulator) -> None:
    task_id = reader.generate()
    kie.finish(task_id)
    [url] = reader.record(task_id)["data"]["response"]["resultUrls"]
    link = reader.call("POST", "/api/v1/common/download-url", json={"url": url})[1]["data"]
    assert reader.http.get(link).status_code == 200
    kie.advance(21 * 60)
    assert reader.http.get(link).status_code == 404
    foreign = {"url": "https://elsewhere.example/x.mp4"}
    assert reader.code("POST", "/api/v1/common/download-url", json=foreign) == (200, 422)


# Callbacks ---------------------------------------------------------------------------------------


def verified(headers: dict[str, str], body: bytes, key: str) -> bool:
    """1.5: base64(HMAC-SHA256(key, taskId + "." + timestamp))."""
    signed = f"{json.loads(body)['data']['taskId']}.{headers['x-webhook-timestamp']}"
    digest = hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode() == headers["x-webhook-signature"]


def test_the_vector_of_the_reference(begin: Start) -> None:
    kie = begin("kie", hmac_key="test-hmac-key")
    headers = kie.vendor.sign("veo_task_abcdef123456", b"{}", 1767225600, set())
    assert headers == {
        "X-Webhook-Timestamp": "1767225600",
        "X-Webhook-Signature": "5flXU1SFm+cpPGyUT8YPMzeNb7UE2ltw7LX8qJPF8wY=",
    }


def test_a_signed_callback(http: httpx.Client, begin: Start, inbox: Inbox) -> None:
    kie = begin("kie", hmac_key="test-hmac-key", takes_s=0.0)
    task_id = Reader(http, kie).generate(callBackUrl=inbox.url)
    wait_until(lambda: inbox.letters)
    [letter] = inbox.letters
    assert letter.method == "POST" and letter.query == {"attempt": "7"}
    assert verified(letter.headers, letter.body, "test-hmac-key")
    said = letter.json()
    assert said["code"] == 200 and said["data"]["taskId"] == task_id
    assert said["data"]["info"]["resultUrls"][0].startswith(kie.base_url)
    assert said["data"]["info"]["resolution"] == "720p"


def test_without_a_key_no_headers_and_failures_are_told(
    reader: Reader, kie: Simulator, inbox: Inbox
) -> None:
    task_id = reader.generate(callBackUrl=inbox.url)
    kie.fail(task_id, "content")
    wait_until(lambda: inbox.letters)
    [letter] = inbox.letters
    assert not any(name.startswith("x-webhook") for name in letter.headers)
    said = letter.json()
    assert said["code"] == 400 and said["data"] == {"taskId": task_id, "fallbackFlag": False}


def test_the_body_can_be_changed_without_harm_to_the_signature(
    http: httpx.Client, begin: Start, inbox: Inbox
) -> None:
    kie = begin("kie", hmac_key="test-hmac-key")
    task_id = Reader(http, kie).generate(callBackUrl=inbox.url)
    kie.fault("tampered", where="callback")
    kie.finish(task_id)
    wait_until(lambda: inbox.letters)
    [letter] = inbox.letters
    assert verified(letter.headers, letter.body, "test-hmac-key")
    assert letter.json()["data"]["info"]["resultUrls"][0].startswith("http://tampered.invalid")
