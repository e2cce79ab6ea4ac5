"""kie.ai's wire, against a scripted vendor: orders, codes by phase, records of tasks."""

import base64
import json
import pickle
from dataclasses import replace

import pytest

from app.providers import Report, remote_id_of
from tests.providers.kie_replies import CALLBACK, GENERATE, LINK, RECORD, UPLOAD, envelope, record
from tests.providers.scripted import DONE, JPEG, KEY, ORDER, Reply, refusal

pytest_plugins = ["tests.providers.fixtures"]

# Ordering -----------------------------------------------------------------------------------------


def test_an_order(kie, vendor):
    vendor.on("POST", GENERATE, envelope({"taskId": "veo_task_1"}))
    assert kie.submit(replace(ORDER, callback_url=CALLBACK), KEY) == "veo_task_1"
    asked = vendor.asked[0]
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.json == {
        "prompt": "soft rain",
        "model": "veo3_fast",
        "aspect_ratio": "9:16",
        "aspectRatio": "9:16",
        "resolution": "720p",
        "seeds": 10007,
        "enableTranslation": True,
        "generationType": "TEXT_2_VIDEO",
        "callBackUrl": CALLBACK,
    }


def test_a_preview_is_the_order_without_the_callback(kie, vendor):
    vendor.on("POST", GENERATE, envelope({"taskId": "veo_task_1"}))
    kie.submit(ORDER, KEY)
    assert vendor.asked[0].json == kie.preview(replace(ORDER, callback_url=CALLBACK))


@pytest.mark.parametrize("seed", [0, 1, 89_999, 90_000, 2**32 - 1])
def test_seeds_fit(kie, seed):
    assert 10_000 <= kie.preview(replace(ORDER, seed=seed))["seeds"] <= 99_999


def test_1080p_is_a_word_in_the_handle_and_in_the_callback(kie, vendor):
    vendor.on("POST", GENERATE, envelope({"taskId": "veo_1"}))
    handle = kie.submit(replace(ORDER, resolution="1080p", callback_url=CALLBACK), KEY)
    assert handle == "veo_1 1080p" and remote_id_of(handle) == "veo_1"
    assert vendor.asked[0].json["resolution"] == "720p"
    assert vendor.asked[0].json["callBackUrl"] == CALLBACK + "&upgrade=1080p"


def test_a_picture_is_uploaded_first(kie, vendor, picture):
    uploaded = {"fileName": "x", "downloadUrl": "https://tempfile.kie.ai/attempt-1.jpg"}
    body = {"success": True, "code": 200, "msg": "ok", "data": uploaded}
    vendor.on("POST", UPLOAD, Reply(200, body))
    vendor.on("POST", GENERATE, envelope({"taskId": "veo_1"}))
    order = replace(ORDER, image=picture)
    assert kie.submit(order, KEY) == "veo_1"
    upload, ordered = vendor.asked
    assert upload.headers["authorization"] == f"Bearer {KEY}"
    assert upload.json["fileName"] == "attempt-1.jpg" and upload.json["uploadPath"]
    prefix, _, sent = upload.json["base64Data"].partition(",")
    assert prefix == "data:image/jpeg;base64" and base64.b64decode(sent) == JPEG
    assert ordered.json["imageUrls"] == ["https://tempfile.kie.ai/attempt-1.jpg"]
    assert ordered.json["generationType"] == "FIRST_AND_LAST_FRAMES_2_VIDEO"
    assert "imageUrls" not in kie.preview(order)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(drops=True), "transient"),
        (Reply(hangs=True), "transient"),
        (Reply(502, b"<html>"), "transient"),
        (envelope(None, 500, "busy"), "transient"),
        (envelope({"fileUrl": "https://x.example/"}), "transient"),
        (envelope(None, 401), "key_bad"),
        (envelope(None, 429), "rate_limited"),
    ],
)
def test_a_failed_upload_is_known_nothing_was_ordered(kie, vendor, picture, impatient, reply, code):
    vendor.on("POST", UPLOAD, reply)
    assert refusal(kie.submit, replace(ORDER, image=picture), KEY).code == code
    assert [each.path for each in vendor.asked] == [UPLOAD]


def test_a_picture_that_is_gone_is_known(kie, vendor, tmp_path):
    order = replace(ORDER, image=tmp_path / "gone.jpg")
    assert refusal(kie.submit, order, KEY).code == "transient"
    assert vendor.asked == []


@pytest.mark.parametrize("status", [200, "same"])
@pytest.mark.parametrize(
    ("code", "msg", "kind"),
    [
        (400, "The prompt violates our content policy", "content_rejected"),
        (400, "Only English prompts are supported", "permanent"),
        (400, "Failed to fetch the image", "permanent"),
        (401, "You do not have access permissions", "key_bad"),
        (402, "The current credits are insufficient", "out_of_credit"),
        (403, "IP is not allowed", "key_bad"),
        (404, "Not found", "permanent"),
        (408, "Upstream is silent", "unknown_outcome"),
        (422, "aspect_ratio is not within the range", "permanent"),
        (422, "Rejected by Flow(PUBLIC_ERROR_UNSAFE_GENERATION)", "content_rejected"),
        (429, "Your call frequency is too high", "rate_limited"),
        (451, "Failed to fetch the image", "permanent"),
        (455, "Service is under maintenance", "transient"),
        (500, "Server exception", "transient"),
        (500, "This field is required", "permanent"),
        (501, "Generation failed", "transient"),
        (505, "Feature disabled", "permanent"),
    ],
)
def test_codes_of_a_refused_order(kie, vendor, code, msg, kind, status):
    vendor.on("POST", GENERATE, envelope(None, code, msg, code if status == "same" else status))
    error = refusal(kie.submit, ORDER, KEY)
    assert error.code == kind
    assert msg in str(error)
    assert error.model_gone == (code == 404)
    assert error.permanent == (kind in ("permanent", "content_rejected"))
    assert error.retry_after_s == {429: 10.0, 455: 300.0}.get(code)
    assert pickle.loads(pickle.dumps(error)).model_gone == error.model_gone


def test_a_code_may_be_text(kie, vendor):
    vendor.on("POST", GENERATE, envelope(None, "402", "no credits"))
    assert refusal(kie.submit, ORDER, KEY).code == "out_of_credit"


def test_retry_after_is_followed(kie, vendor):
    body = {"code": 429, "msg": "slow down", "data": None}
    vendor.on("POST", GENERATE, Reply(429, body, {"Retry-After": "33"}))
    assert refusal(kie.submit, ORDER, KEY).retry_after_s == 33.0


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(500, b"<html>oops</html>"), "unknown_outcome"),
        (Reply(502, b""), "unknown_outcome"),
        (Reply(404, b"<html>no such page</html>"), "transient"),
        (Reply(504, b""), "unknown_outcome"),
        (Reply(503, b"busy"), "unknown_outcome"),
        (Reply(503, b"busy", {"Retry-After": "5"}), "transient"),
        (Reply(403, b"error code: 1010"), "transient"),
        (Reply(429, b""), "rate_limited"),
        (Reply(drops=True), "unknown_outcome"),
        (Reply(200, b"<html>ok</html>"), "unknown_outcome"),
        (Reply(200, b'{"code":200', {"Content-Length": "90"}), "unknown_outcome"),
        (envelope({}), "unknown_outcome"),
        (envelope(None), "unknown_outcome"),
        (envelope({"taskId": "two words"}), "unknown_outcome"),
        (envelope({"taskId": ""}), "unknown_outcome"),
        (envelope(None, 599, "new code"), "unknown_outcome"),
        (envelope(None, 599, "new code", 500), "unknown_outcome"),
        (envelope(None, 502, "bad gateway"), "unknown_outcome"),
        (envelope(None, 504, "time-out"), "unknown_outcome"),
        (envelope(None, 520, "odd"), "unknown_outcome"),
        (envelope(None, 201, "created"), "unknown_outcome"),
        (envelope(None, 0, "ok"), "unknown_outcome"),
        (envelope({"taskId": "veo_1"}, 201), "unknown_outcome"),
        (envelope({"taskId": "veo_1"}, 0), "unknown_outcome"),
        (envelope({"taskId": "veo_1"}, 500, "busy"), "unknown_outcome"),
        (envelope({"taskId": "veo_1"}, 400, "odd"), "unknown_outcome"),
        (envelope({"taskId": "veo_1"}, 200, "odd", 500), "unknown_outcome"),
        (envelope(None, 200, "odd", 500), "unknown_outcome"),
        (envelope(None, 500, "busy", 500), "transient"),
        (envelope(None, 433, "new code"), "permanent"),
    ],
)
def test_answers_without_its_envelope_or_without_an_id(kie, vendor, reply, kind):
    vendor.on("POST", GENERATE, reply)
    assert refusal(kie.submit, ORDER, KEY).code == kind
    assert len(vendor.asked) == 1


def test_a_silent_vendor_may_have_taken_the_order(kie, vendor, impatient):
    vendor.on("POST", GENERATE, Reply(hangs=True))
    assert refusal(kie.submit, ORDER, KEY).code == "unknown_outcome"


def test_a_key_that_is_echoed_is_not_told(kie, vendor):
    vendor.on("POST", GENERATE, envelope(None, 401, f"Bearer {KEY} is not a key of ours: {KEY}"))
    assert refusal(kie.submit, ORDER, KEY).code == "key_bad"


# Watching -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "report"),
    [
        ({"successFlag": 0}, Report("running")),
        ({"successFlag": "0"}, Report("running")),
        ({"status": 0}, Report("running")),
        ({"successFlag": 0, "response": {"resultUrls": [LINK]}}, Report("running")),
        ({"successFlag": 1, "response": {"resultUrls": [LINK]}}, DONE),
        ({"successFlag": 1, "response": {"resultUrls": json.dumps([LINK])}}, DONE),
        ({"successFlag": 1, "resultUrls": [LINK]}, DONE),
        ({"successFlag": 1, "resultUrls": json.dumps([LINK])}, DONE),
        ({"successFlag": 1, "response": None, "info": {"resultUrls": [LINK]}}, DONE),
        ({"successFlag": 1, "info": {"resultUrls": json.dumps([LINK])}}, DONE),
        ({"successFlag": 1, "resultUrls": LINK}, DONE),
        (
            {"successFlag": 2, "errorCode": 400, "errorMessage": "Unsafe prompt"},
            Report("failed", code="content_rejected", message="Unsafe prompt"),
        ),
        (
            {"successFlag": 2, "errorCode": "400", "errorMessage": "No reason"},
            Report("failed", code="content_rejected", message="No reason"),
        ),
        (
            {"successFlag": 3, "errorCode": 500, "errorMessage": "Flagged by content policies"},
            Report("failed", code="content_rejected", message="Flagged by content policies"),
        ),
        (
            {"successFlag": 2, "errorCode": 400, "errorMessage": "Failed to fetch the image"},
            Report("failed", code="permanent", message="Failed to fetch the image"),
        ),
        (
            {"successFlag": 2, "errorCode": 400, "errorMessage": "Only English, please"},
            Report("failed", code="permanent", message="Only English, please"),
        ),
        (
            {"successFlag": 3, "errorCode": 501, "errorMessage": "Upstream failed"},
            Report("failed", code="transient", message="Upstream failed"),
        ),
        ({"successFlag": 2}, Report("failed", code="transient")),
        ({"successFlag": 7}, Report("failed", code="transient")),
    ],
)
def test_a_record(kie, vendor, fields, report):
    vendor.on("GET", RECORD, record(**fields))
    assert kie.poll("veo_1", KEY) == report
    asked = vendor.asked[0]
    assert asked.query == {"taskId": "veo_1"}
    assert asked.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "response", [None, {}, {"resultUrls": None}, {"resultUrls": []}, {"resultUrls": "[]"}]
)
def test_done_without_a_video_has_failed(kie, vendor, response):
    vendor.on("GET", RECORD, record(successFlag=1, response=response))
    report = kie.poll("veo_1", KEY)
    assert (report.state, report.code) == ("failed", "transient")
    assert "no video" in report.message


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        (envelope(None, 422, "record is null"), "lost"),
        (envelope(None, 422, "The record is null", 422), "lost"),
        (envelope(None, 404, "not found"), "lost"),
        (Reply(404, {"code": 404, "msg": "not found"}), "lost"),
        (envelope(None, 200), "lost"),
        (envelope(None, 422, "only records within 14 days"), "lost"),
        (envelope(None, 400, "Your prompt violates the policy"), "failed"),
        (envelope(None, 408, "Upstream silent"), "failed"),
        (envelope(None, 451, "Image access limits"), "failed"),
        (envelope(None, 501, "Generation failed"), "failed"),
    ],
)
def test_codes_that_say_how_a_task_stands(kie, vendor, reply, state):
    vendor.on("GET", RECORD, reply)
    assert kie.poll("veo_1", KEY).state == state


def test_not_visible_yet_and_then_running(kie, vendor):
    vendor.on("GET", RECORD, envelope(None, 422, "record is null"), record(successFlag=0))
    assert [kie.poll("veo_1", KEY).state for _ in range(2)] == ["lost", "running"]


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (envelope(None, 401, "no"), "key_bad"),
        (envelope(None, 402, "no"), "out_of_credit"),
        (envelope(None, 403, "not yours"), "transient"),
        (Reply(403, {"error": "not yours"}), "transient"),
        (envelope(None, 429, "no"), "rate_limited"),
        (envelope(None, 422, "taskId is required"), "transient"),
        (envelope(None, 455, "maintenance"), "transient"),
        (envelope(None, 500, "error"), "transient"),
        (envelope(None, 505, "disabled"), "transient"),
        (Reply(408, b""), "transient"),
        (Reply(404, b""), "transient"),
        (Reply(404, b"<html>no such page</html>"), "transient"),
        (Reply(200, b"null"), "transient"),
        (Reply(422, b"record is null"), "transient"),
        (Reply(500, b"<html>"), "transient"),
        (Reply(200, b"<html>"), "transient"),
        (Reply(200, b""), "transient"),
        (Reply(502, b""), "transient"),
        (Reply(drops=True), "transient"),
        (record(successFlag=None), "transient"),
    ],
)
def test_trouble_of_asking_is_no_verdict(kie, vendor, reply, code):
    vendor.on("GET", RECORD, reply)
    error = refusal(kie.poll, "veo_1", KEY)
    assert (error.code, error.permanent) == (code, False)
