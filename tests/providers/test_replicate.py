"""Replicate's predictions, against a scripted vendor: states, problems, finding a lost order."""

import base64
import pickle
from dataclasses import replace
from typing import Any

import pytest

from app.providers import Cloud, Report
from app.providers.replicate import ReplicateProvider
from tests.providers.scripted import DONE, JPEG, KEY, MP4, ORDER, Reply, refusal

pytest_plugins = ["tests.providers.fixtures"]

ORDERS = "/v1/models/google/veo-3.1-fast/predictions"
LIST, ONE = "/v1/predictions", "/v1/predictions/p1"
SITE = "https://asmr.example/api/webhooks/replicate?attempt="
CALLBACK = SITE + "attempt-1"
LINK = "https://replicate.delivery/a.mp4"


def prediction(status: str = "starting", **fields: Any) -> dict[str, Any]:
    return {"id": "p1", "status": status, "output": None, "error": None} | fields


def problem(status: int, title: str, detail: str = "") -> Reply:
    return Reply(status, {"title": title, "status": status, "detail": detail})


# Ordering -----------------------------------------------------------------------------------------


def test_an_order(replicate, vendor):
    vendor.on("POST", ORDERS, Reply(201, prediction()))
    assert replicate.submit(replace(ORDER, callback_url=CALLBACK), KEY) == "p1"
    asked = vendor.asked[0]
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert "prefer" not in asked.headers
    assert asked.json == {
        "input": {
            "prompt": "soft rain",
            "aspect_ratio": "9:16",
            "duration": 8,
            "resolution": "720p",
            "generate_audio": True,
            "seed": 7,
        },
        "webhook": CALLBACK,
        "webhook_events_filter": ["completed"],
    }
    assert replicate.preview(ORDER) == {"input": asked.json["input"]}


@pytest.mark.parametrize("status", [200, 201, 202])
def test_an_order_without_callback_and_with_a_picture(replicate, vendor, picture, status):
    vendor.on("POST", ORDERS, Reply(status, prediction()))
    order = replace(ORDER, image=picture)
    assert replicate.submit(order, KEY) == "p1"
    body = vendor.asked[0].json
    prefix, _, sent = body["input"]["image"].partition(",")
    assert prefix == "data:image/jpeg;base64" and base64.b64decode(sent) == JPEG
    assert set(body) == {"input"}
    assert "image" not in replicate.preview(order)["input"]


@pytest.mark.parametrize(
    ("reply", "code", "wait_s"),
    [
        (problem(401, "Unauthenticated"), "key_bad", None),
        (problem(403, "Forbidden"), "key_bad", None),
        (problem(402, "Insufficient credit", "Top up"), "out_of_credit", None),
        (problem(404, "Not found"), "permanent", None),
        (problem(422, "Input validation failed", "duration"), "permanent", None),
        (problem(422, "Failed", "The prompt was flagged as sensitive"), "content_rejected", None),
        (
            Reply(429, {"detail": "Request was throttled. Your rate limit resets in ~30s."}),
            "rate_limited", 30.0,
        ),
        (Reply(429, {"detail": "resets in ~30s."}, {"Retry-After": "12"}), "rate_limited", 12.0),
        (Reply(429, b""), "rate_limited", None),
        (problem(500, "Oops"), "unknown_outcome", None),
        (problem(503, "Busy"), "unknown_outcome", None),
        (Reply(502, b"<html>"), "unknown_outcome", None),
        (Reply(404, b"<html>no such page</html>"), "transient", None),
        (Reply(504, b""), "unknown_outcome", None),
        (Reply(drops=True), "unknown_outcome", None),
        (Reply(hangs=True), "unknown_outcome", None),
        (Reply(201, b"<html>"), "unknown_outcome", None),
        (Reply(201, {"status": "starting"}), "unknown_outcome", None),
    ],
)  # fmt: skip
def test_orders_that_fail(replicate, vendor, impatient, reply, code, wait_s):
    vendor.on("POST", ORDERS, reply)
    error = refusal(replicate.submit, ORDER, KEY)
    assert (error.code, error.retry_after_s) == (code, wait_s)
    assert error.model_gone == (reply.status == 404 and isinstance(reply.body, dict))
    assert pickle.loads(pickle.dumps(error)).retry_after_s == wait_s
    assert len(vendor.asked) == 1


# Watching -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "report"),
    [
        (prediction("starting"), Report("queued")),
        (prediction("processing"), Report("running")),
        (prediction("succeeded", output=LINK), DONE),
        (prediction("succeeded", output=[LINK]), DONE),
        (prediction("canceled"), Report("cancelled")),
        (prediction("aborted"), Report("cancelled")),
        (
            prediction("failed", error="Prediction was flagged as sensitive (E005)"),
            Report(
                "failed",
                code="content_rejected",
                message="Prediction was flagged as sensitive (E005)",
            ),
        ),
        (
            prediction("failed", error="Try again (E005)"),
            Report("failed", code="content_rejected", message="Try again (E005)"),
        ),
        (
            prediction("failed", error="The output was flagged as sensitive."),
            Report(
                "failed", code="content_rejected", message="The output was flagged as sensitive."
            ),
        ),
        (
            prediction("failed", error="Unknown error (E1000)"),
            Report("failed", code="transient", message="Unknown error (E1000)"),
        ),
        (
            prediction("failed", error="Invalid input (E006)"),
            Report("failed", code="permanent", message="Invalid input (E006)"),
        ),
        (
            prediction("failed"),
            Report("failed", code="transient", message="Replicate gave no reason"),
        ),
    ],
)
def test_a_state(replicate, vendor, body, report):
    vendor.on("GET", ONE, Reply(200, body))
    assert replicate.poll("p1", KEY) == report
    assert vendor.asked[0].headers["authorization"] == f"Bearer {KEY}"


def test_a_result_that_was_removed(replicate, vendor):
    vendor.on("GET", ONE, Reply(200, prediction("succeeded", data_removed=True)))
    report = replicate.poll("p1", KEY)
    assert (report.state, report.code) == ("failed", "result_expired")
    assert refusal(replicate.fetch, "p1", KEY).code == "result_expired"


@pytest.mark.parametrize("output", [None, "", [], [None], {}, 7])
def test_done_without_a_video_has_failed(replicate, vendor, output):
    vendor.on("GET", ONE, Reply(200, prediction("succeeded", output=output)))
    report = replicate.poll("p1", KEY)
    assert (report.state, report.code) == ("failed", "transient")


def test_a_picture_that_is_echoed_is_no_trouble(replicate, vendor):
    echoed = {"image": "data:image/jpeg;base64," + "QUJD" * 2_000_000}
    vendor.on("GET", ONE, Reply(200, prediction("processing", input=echoed)))
    assert replicate.poll("p1", KEY) == Report("running")


def test_an_unknown_prediction_is_lost(replicate, vendor):
    vendor.on("GET", ONE, problem(404, "Not found"))
    assert replicate.poll("p1", KEY) == Report("lost")


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(200, prediction("pondering")), "transient"),
        (Reply(200, b"<html>"), "transient"),
        (Reply(404, b"<html>no such page</html>"), "transient"),
        (problem(401, "Unauthenticated"), "key_bad"),
        (problem(402, "Insufficient credit"), "out_of_credit"),
        (problem(403, "Not yours"), "transient"),
        (problem(422, "?"), "transient"),
        (Reply(429, {"detail": "resets in ~3s"}), "rate_limited"),
        (problem(500, "Oops"), "transient"),
        (Reply(drops=True), "transient"),
    ],
)
def test_trouble_of_asking_is_no_verdict(replicate, vendor, reply, code):
    vendor.on("GET", ONE, reply)
    error = refusal(replicate.poll, "p1", KEY)
    assert (error.code, error.permanent) == (code, False)


def test_the_result_is_fetched_without_the_token(replicate, vendor):
    vendor.on("GET", ONE, Reply(200, prediction("succeeded", output=vendor.url + "/a.mp4")))
    vendor.on("GET", "/a.mp4", Reply(200, MP4))
    assert replicate.fetch("p1", KEY).read_bytes() == MP4
    assert "authorization" not in vendor.asked[-1].headers
    vendor.on("GET", ONE, Reply(200, prediction("processing")))
    assert refusal(replicate.fetch, "p1", KEY).code == "transient"
    vendor.on("GET", ONE, Reply(200, prediction("succeeded", output="https://evil.example/a")))
    replicate.forget("p1")
    assert refusal(replicate.fetch, "p1", KEY).code == "host_refused"


# A lost order: test_replicate_lost.py ------------------------------------------------------------


def test_a_prediction_is_adopted_unless_its_webhook_names_another_attempt(replicate, vendor):
    vendor.on("GET", ONE, Reply(200, prediction(webhook=CALLBACK)))
    assert replicate.adopt("attempt-1", "p1", KEY) == "p1"
    assert replicate.adopt("attempt-2", "p1", KEY) is None
    assert replicate.adopt("", "p1", KEY) is None
    vendor.on("GET", ONE, Reply(200, prediction()))  # that it tells its webhook is unconfirmed
    assert replicate.adopt("attempt-1", "p1", KEY) == "p1"
    vendor.on("GET", ONE, problem(404, "Not found"))
    assert replicate.adopt("attempt-1", "p1", KEY) is None
    vendor.on("GET", ONE, problem(500, "Oops"))
    assert refusal(replicate.adopt, "attempt-1", "p1", KEY).code == "transient"
    vendor.asked.clear()
    assert replicate.adopt("attempt-1", "../account", KEY) is None
    assert vendor.asked == []


# Stopping, asking ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "is_certain"),
    [
        (Reply(200, prediction("canceled")), True),
        (Reply(200, prediction("aborted")), True),
        (Reply(200, prediction("processing")), False),
        (Reply(200, prediction("succeeded", output=LINK)), False),
        (problem(404, "Not found"), False),
    ],
)
def test_a_stop(replicate, vendor, reply, is_certain):
    vendor.on("GET", ONE, Reply(200, prediction("starting")))
    vendor.on("POST", ONE + "/cancel", reply)
    assert replicate.cancel("p1", KEY) is is_certain


@pytest.mark.parametrize("status", ["processing", "succeeded", "failed", "canceled", "aborted"])
def test_what_has_begun_is_not_stopped_since_that_is_billed(replicate, vendor, status):
    vendor.on("GET", ONE, Reply(200, prediction(status, output=LINK)))
    assert replicate.cancel("p1", KEY) is (status in ("canceled", "aborted"))
    assert [each.method for each in vendor.asked] == ["GET"]


def test_a_stop_that_was_not_heard(replicate, vendor):
    vendor.on("GET", ONE, Reply(200, prediction("starting")))
    vendor.on("POST", ONE + "/cancel", Reply(500, b""))
    assert refusal(replicate.cancel, "p1", KEY).code == "transient"


def test_a_check_asks_for_the_account(replicate, vendor):
    vendor.on(
        "GET", "/v1/account", Reply(200, {"username": "us"}), problem(401, "No"), problem(403, "No")
    )
    assert replicate.check(KEY) is None
    for _ in (401, 403):
        assert refusal(replicate.check, KEY).code == "key_bad"


def test_what_it_offers(replicate, tmp_path):
    offer = replicate.capabilities
    assert (offer.cancel, offer.callback, offer.poll_every_s) == ("until_started", "none", 5.0)
    assert (offer.submits, offer.price.cents(8, "720p")) == ((600, 60.0), 120)
    cloud = Cloud("https://api.replicate.com", "google/veo-3.1", callback_secret="whsec_dGVzdA==")
    assert ReplicateProvider(cloud, tmp_path).capabilities.callback == "signed"
    with pytest.raises(ValueError, match=r"google/veo-3\.1-fast"):
        ReplicateProvider(replace(cloud, model="google/veo-9"), tmp_path)
