"""Google's wire, against a scripted vendor: operations, filters, files behind its key."""

import base64
import pickle
from dataclasses import replace
from typing import Any

import pytest

from app.providers import Cloud, Report
from app.providers.google import GoogleProvider
from tests.providers.scripted import DONE, JPEG, KEY, MP4, ORDER, Reply, refusal

pytest_plugins = ["tests.providers.fixtures"]

MODEL = "/v1beta/models/veo-3.1-fast-generate-preview:predictLongRunning"
NAME = "models/veo-3.1-fast-generate-preview/operations/op-1"
OPERATION = f"/v1beta/{NAME}"
LINK = "https://generativelanguage.googleapis.com/v1beta/files/abc123:download?alt=media"


def error(status: int, name: str, message: str = "why", **more: Any) -> Reply:
    return Reply(status, {"error": {"code": status, "status": name, "message": message} | more})


def done(**response: Any) -> Reply:
    return Reply(200, {"name": NAME, "done": True, "response": {"generateVideoResponse": response}})


def sample(uri: str = LINK) -> dict[str, Any]:
    return {"video": {"uri": uri}}


# Ordering -----------------------------------------------------------------------------------------


def test_an_order(google, vendor):
    vendor.on("POST", MODEL, Reply(200, {"name": NAME}))
    ordered = replace(ORDER, callback_url="https://asmr.example/?attempt=attempt-1")
    assert google.submit(ordered, KEY) == NAME
    asked = vendor.asked[0]
    assert asked.headers["x-goog-api-key"] == KEY
    assert "authorization" not in asked.headers and asked.query == {}
    assert asked.json == {
        "instances": [{"prompt": "soft rain"}],
        "parameters": {"aspectRatio": "9:16", "resolution": "720p", "durationSeconds": 8},
    }
    assert asked.json == google.preview(ORDER)


def test_a_picture_goes_along(google, vendor, picture):
    vendor.on("POST", MODEL, Reply(200, {"name": NAME}))
    order = replace(ORDER, image=picture)
    google.submit(order, KEY)
    image = vendor.asked[0].json["instances"][0]["image"]
    assert image["mimeType"] == "image/jpeg"
    assert base64.b64decode(image["bytesBase64Encoded"]) == JPEG
    assert google.preview(order)["instances"] == [{"prompt": "soft rain"}]


BAD_KEY = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
WAIT = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37s"}]


@pytest.mark.parametrize(
    ("reply", "code", "wait_s"),
    [
        (error(400, "INVALID_ARGUMENT", "duration"), "permanent", None),
        (error(400, "INVALID_ARGUMENT", details=BAD_KEY), "key_bad", None),
        (error(400, "INVALID_ARGUMENT", "API key not valid. Pass a valid one."), "key_bad", None),
        (error(400, "INVALID_ARGUMENT", "violates our usage policies"), "content_rejected", None),
        (
            error(400, "INVALID_ARGUMENT", "words against our guidelines: safety."),
            "content_rejected",
            None,
        ),
        (error(400, "INVALID_ARGUMENT", "safety_tolerance is unknown"), "permanent", None),
        (error(400, "FAILED_PRECONDITION", "Enable billing"), "out_of_credit", None),
        (error(401, "UNAUTHENTICATED"), "key_bad", None),
        (error(402, "RESOURCE_EXHAUSTED", "Prepay is empty"), "out_of_credit", None),
        (error(403, "PERMISSION_DENIED"), "key_bad", None),
        (error(404, "NOT_FOUND", "no longer available"), "permanent", None),
        (error(429, "RESOURCE_EXHAUSTED", "Per minute"), "rate_limited", None),
        (error(429, "RESOURCE_EXHAUSTED", details=WAIT), "rate_limited", 37.0),
        (error(429, "RESOURCE_EXHAUSTED", "Quota of requests per day"), "rate_limited", 3600.0),
        (error(429, "RESOURCE_EXHAUSTED", "The spend cap is reached"), "rate_limited", 3600.0),
        (error(500, "INTERNAL"), "unknown_outcome", None),
        (error(503, "UNAVAILABLE"), "transient", None),
        (error(504, "DEADLINE_EXCEEDED"), "unknown_outcome", None),
        (Reply(500, b"<html>"), "unknown_outcome", None),
        (Reply(502, b""), "unknown_outcome", None),
        (Reply(404, b"<html>no such page</html>"), "transient", None),
        (Reply(503, b""), "unknown_outcome", None),
        (Reply(503, b"", {"Retry-After": "5"}), "transient", 5.0),
        (Reply(drops=True), "unknown_outcome", None),
        (Reply(hangs=True), "unknown_outcome", None),
        (Reply(200, {}), "unknown_outcome", None),
        (Reply(200, b"ok"), "unknown_outcome", None),
        (Reply(200, {"name": "../../v1/files"}), "unknown_outcome", None),
    ],
)
def test_orders_that_fail(google, vendor, impatient, reply, code, wait_s):
    vendor.on("POST", MODEL, reply)
    found = refusal(google.submit, ORDER, KEY)
    assert (found.code, found.retry_after_s) == (code, wait_s)
    assert found.model_gone == (reply.status == 404 and isinstance(reply.body, dict))
    assert pickle.loads(pickle.dumps(found)).code == code
    assert len(vendor.asked) == 1


def test_a_model_that_is_gone_may_be_a_key_without_billing(google, vendor):
    vendor.on("POST", MODEL, error(404, "NOT_FOUND", "no longer available"))
    assert str(refusal(google.submit, ORDER, KEY)).endswith(
        "(a key without billing is told the same)"
    )


# Watching -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "report"),
    [
        (Reply(200, {"name": NAME}), Report("running")),
        (Reply(200, {"name": NAME, "done": False}), Report("running")),
        (done(generatedSamples=[sample()]), DONE),
        (done(generatedSamples=[{"video": {}}, sample()], raiMediaFilteredCount=1), DONE),
        (
            done(raiMediaFilteredCount=1, raiMediaFilteredReasons=["Celebrities.", "Support: 1"]),
            Report("failed", code="content_rejected", message="Celebrities. Support: 1"),
        ),
        (
            done(raiMediaFilteredCount=1, generatedSamples=[]),
            Report(
                "failed",
                code="content_rejected",
                message="Google's filters refused it and gave no reason",
            ),
        ),
        (error(404, "NOT_FOUND"), Report("lost")),
    ],
)
def test_an_operation(google, vendor, reply, report):
    vendor.on("GET", OPERATION, reply)
    assert google.poll(NAME, KEY) == report
    assert vendor.asked[0].headers["x-goog-api-key"] == KEY


@pytest.mark.parametrize(
    ("code", "words", "kind"),
    [
        (3, "Bad duration", "permanent"),
        (3, "The prompt violates our policies", "content_rejected"),
        (4, "Deadline", "transient"),
        (7, "Permission", "permanent"),
        (8, "Exhausted", "transient"),
        (13, "Internal", "transient"),
        (14, "Unavailable", "transient"),
        (99, "New", "permanent"),
        (None, "None", "permanent"),
    ],
)
def test_an_operation_that_ended_in_an_error(google, vendor, code, words, kind):
    body = {"name": NAME, "done": True, "error": {"code": code, "message": words}}
    vendor.on("GET", OPERATION, Reply(200, body))
    assert google.poll(NAME, KEY) == Report("failed", code=kind, message=words)


@pytest.mark.parametrize(
    "reply",
    [
        done(),
        done(generatedSamples=[{"video": {"uri": ""}}, {"video": None}, None]),
        Reply(200, {"name": NAME, "done": True}),
        Reply(200, {"name": NAME, "done": True, "response": {}}),
        done(generatedSamples=5),
        done(generatedSamples={"video": 1}, raiMediaFilteredReasons=7),
    ],
)
def test_done_without_a_video_has_failed(google, vendor, reply):
    vendor.on("GET", OPERATION, reply)
    report = google.poll(NAME, KEY)
    assert (report.state, report.code) == ("failed", "transient")


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (error(400, "INVALID_ARGUMENT", details=BAD_KEY), "key_bad"),
        (error(400, "INVALID_ARGUMENT", "violates a policy"), "transient"),
        (error(403, "PERMISSION_DENIED"), "transient"),
        (error(429, "RESOURCE_EXHAUSTED"), "rate_limited"),
        (error(500, "INTERNAL"), "transient"),
        (error(504, "DEADLINE_EXCEEDED"), "transient"),
        (Reply(404, b"<html>no such page</html>"), "transient"),
        (Reply(200, b"<html>"), "transient"),
        (Reply(drops=True), "transient"),
    ],
)
def test_trouble_of_asking_is_no_verdict(google, vendor, reply, code):
    vendor.on("GET", OPERATION, reply)
    found = refusal(google.poll, NAME, KEY)
    assert (found.code, found.permanent) == (code, False)


def test_a_handle_that_is_no_operation_is_not_asked_for(google, vendor):
    for handle in ("../files", "models/m/operations/a/../b", "models/m/operations/a?x=1", ""):
        assert google.poll(handle, KEY) == Report("lost")
    assert vendor.asked == []


# The result ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "link",
    [
        LINK,
        "https://generativelanguage.googleapis.com/v1beta/files/abc123:download",
        "https://generativelanguage.googleapis.com/files/abc123",
    ],
)
def test_files_of_googles_host_are_asked_of_the_simulator(google, vendor, link):
    vendor.on("GET", OPERATION, done(generatedSamples=[sample(link)]))
    vendor.on("GET", "/v1beta/files/abc123:download", Reply(200, MP4))
    assert google.fetch(NAME, KEY).read_bytes() == MP4
    asked = vendor.asked[-1]
    assert (asked.path, asked.query) == ("/v1beta/files/abc123:download", {"alt": "media"})
    assert asked.headers["x-goog-api-key"] == KEY


def test_a_file_on_the_configured_origin_is_asked_as_it_is(google, vendor):
    link = vendor.url + "/v1beta/files/x-y:download?alt=media&t=1"
    vendor.on("GET", OPERATION, done(generatedSamples=[sample(link)]))
    moved = Reply(302, b"", {"Location": vendor.url + "/moved"})
    vendor.on("GET", "/v1beta/files/x-y:download", moved)
    vendor.on("GET", "/moved", Reply(200, MP4))
    assert google.fetch(NAME, KEY).read_bytes() == MP4
    assert [each.path for each in vendor.asked[1:]] == ["/v1beta/files/x-y:download", "/moved"]


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/a.mp4",
        "https://evil.example/v1beta/files/abc123:download?alt=media",
        "https://evil.example/v1beta/files/../secret:download",
        "http://generativelanguage.googleapis.com/v1beta/files/abc123:download",
    ],
)
def test_other_links_are_not_taken(google, vendor, link):
    vendor.on("GET", OPERATION, done(generatedSamples=[sample(link)]))
    assert refusal(google.fetch, NAME, KEY).code == "host_refused"
    assert len(vendor.asked) == 1


def test_a_gateway_is_asked_for_googles_files_and_for_nobody_elses(tmp_path):
    gateway = GoogleProvider(Cloud("https://gate.example", "veo-3.1-generate-preview"), tmp_path)
    mapped = "https://gate.example/v1beta/files/abc123:download?alt=media"
    assert gateway._own_link(LINK) == mapped
    other = "https://evil.example/v1beta/files/abc123:download"
    assert gateway._own_link(other) == other


def test_results_that_cannot_be_had(google, vendor):
    vendor.on("GET", OPERATION, Reply(200, {"name": NAME}))
    assert refusal(google.fetch, NAME, KEY).code == "transient"
    vendor.on("GET", OPERATION, error(404, "NOT_FOUND"))
    assert refusal(google.fetch, NAME, KEY).code == "result_expired"
    vendor.on("GET", OPERATION, done(generatedSamples=[sample()]))
    vendor.on("GET", "/v1beta/files/abc123:download", error(404, "NOT_FOUND"))
    assert refusal(google.fetch, NAME, KEY).code == "result_expired"


# What it has not ----------------------------------------------------------------------------------


def test_what_it_cannot_do(google, vendor):
    assert refusal(google.recover, "attempt-1", KEY).code == "unknown_outcome"
    assert google.adopt("attempt-1", NAME, KEY) is None
    assert google.cancel(NAME, KEY) is False
    assert google.check(KEY) is None
    assert vendor.asked == []


def test_what_it_offers(google, tmp_path):
    offer = google.capabilities
    assert (offer.cancel, offer.callback, offer.takes_seed) == ("never", "none", False)
    assert offer.makes("16:9", "1080p", 8) and not offer.makes("16:9", "1080p", 6)
    with pytest.raises(ValueError, match="google has no model ''"):
        GoogleProvider(Cloud("https://generativelanguage.googleapis.com", ""), tmp_path)
