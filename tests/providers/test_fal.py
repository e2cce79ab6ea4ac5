"""fal's queue, against a scripted vendor: three addresses, done that is not well, its errors."""

import base64
import pickle
from dataclasses import replace

import pytest

from app.providers import Cloud, Report, remote_id_of
from app.providers.fal import FalProvider
from tests.providers.scripted import DONE, JPEG, KEY, MP4, ORDER, Reply, refusal

pytest_plugins = ["tests.providers.fixtures"]

MODEL = "/fal-ai/veo3.1/fast"
REQUEST = "/fal-ai/veo3.1/requests/r-1"  # owner and app, without the rest of the model
STATUS, CANCEL = f"{REQUEST}/status", f"{REQUEST}/cancel"
CALLBACK = "https://asmr.example/api/webhooks/fal?attempt=attempt-1"
NO_VIDEO = "fal says that it is done, and has no video"
AGAIN, NEVER = {"X-Fal-Retryable": "true"}, {"X-Fal-Retryable": "false"}
LINK = "https://v3.fal.media/files/a.mp4"
IMAGE_ECHO = "data:image/jpeg;base64," + "QUJD" * 200


def queued(base: str) -> Reply:
    links = {
        "status_url": base + STATUS,
        "response_url": base + REQUEST,
        "cancel_url": base + CANCEL,
    }
    return Reply(200, {"request_id": "r-1", "status": "IN_QUEUE", "queue_position": 3} | links)


def handle_of(base: str) -> str:
    return f"r-1 {base}{STATUS} {base}{REQUEST} {base}{CANCEL}"


def detail(*rows: tuple[str, str]) -> dict[str, object]:
    return {
        "detail": [
            {"loc": ["body", "prompt"], "type": kind, "msg": msg, "ctx": {}, "input": IMAGE_ECHO}
            for kind, msg in rows
        ]
    }


# Ordering -----------------------------------------------------------------------------------------


def test_an_order(fal, vendor):
    vendor.on("POST", MODEL, queued(vendor.url))
    handle = fal.submit(replace(ORDER, callback_url=CALLBACK), KEY)
    assert handle == handle_of(vendor.url) and remote_id_of(handle) == "r-1"
    asked = vendor.asked[0]
    assert asked.headers["authorization"] == f"Key {KEY}"
    assert asked.query == {"fal_webhook": CALLBACK}
    assert asked.json == {
        "prompt": "soft rain",
        "aspect_ratio": "9:16",
        "duration": "8s",
        "resolution": "720p",
        "generate_audio": True,
        "auto_fix": False,
        "seed": 7,
    }
    assert asked.json == fal.preview(ORDER)


def test_without_a_callback_none_is_named(fal, vendor):
    vendor.on("POST", MODEL, queued(vendor.url))
    fal.submit(ORDER, KEY)
    assert vendor.asked[0].query == {}


def test_a_picture_goes_along_to_a_model_of_its_own(fal, vendor, picture):
    vendor.on("POST", MODEL + "/image-to-video", queued(vendor.url))
    order = replace(ORDER, image=picture)
    fal.submit(order, KEY)
    prefix, _, sent = vendor.asked[0].json["image_url"].partition(",")
    assert prefix == "data:image/jpeg;base64" and base64.b64decode(sent) == JPEG
    assert "image_url" not in fal.preview(order)


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example", "http://127.0.0.1:1", "", None, 7, "//x"]
)
def test_the_key_goes_to_no_address_elsewhere(fal, vendor, elsewhere):
    named = {"status_url": elsewhere, "response_url": elsewhere, "cancel_url": elsewhere}
    vendor.on("POST", MODEL, Reply(200, {"request_id": "r-1"} | named))
    assert fal.submit(ORDER, KEY) == handle_of(vendor.url)  # by the rule: owner and app only


def test_an_old_handle_that_leads_elsewhere_is_not_followed(fal, vendor):
    vendor.on("GET", STATUS, Reply(202, {"status": "IN_QUEUE"}))
    for handle in (
        "r-1",
        "r-1 https://evil.example/status https://evil.example/ https://evil.example/",
    ):
        assert fal.poll(handle, KEY) == Report("queued")
    assert [each.path for each in vendor.asked] == [STATUS, STATUS]


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(401, {"detail": "No user found for Key ID and Secret"}), "key_bad"),
        (Reply(403, {"detail": "Forbidden"}), "key_bad"),
        (Reply(403, {"detail": "User is locked. Reason: Exhausted balance."}), "out_of_credit"),
        (Reply(403, b"error code: 1010"), "transient"),
        (Reply(404, {"detail": "Application not found"}), "permanent"),
        (Reply(422, detail(("content_policy_violation", "Flagged: gore"))), "content_rejected"),
        (Reply(422, detail(("value_error", "duration must be 8s"))), "permanent"),
        (Reply(422, detail(("image_too_small", "Too small"))), "permanent"),
        (Reply(429, {"detail": "Too many"}), "rate_limited"),
        (
            Reply(503, {"detail": "No runner", "error_type": "runner_scheduling_failure"}),
            "transient",
        ),
        (Reply(504, {"detail": "Time", "error_type": "request_timeout"}), "unknown_outcome"),
        (Reply(504, {"detail": "Time"}, AGAIN), "transient"),
        (Reply(500, {"detail": "Internal"}), "unknown_outcome"),
        (Reply(502, {"detail": "Gateway"}), "unknown_outcome"),
        (Reply(500, {"detail": "Internal"}, AGAIN), "transient"),
        (Reply(500, {"detail": "Internal"}, NEVER), "unknown_outcome"),
        (Reply(503, {"detail": "No runner"}, NEVER), "permanent"),
        (Reply(409, {"detail": "Busy"}, AGAIN), "transient"),
        (Reply(409, {"detail": "Busy"}, {"X-Fal-Needs-Retry": "1"}), "transient"),
        (Reply(404, {"detail": "No"}, AGAIN), "permanent"),
        (Reply(404, b"<html>no such page</html>"), "transient"),
        (Reply(500, b"<html>"), "unknown_outcome"),
        (Reply(502, b""), "unknown_outcome"),
        (Reply(504, b"<html>"), "unknown_outcome"),
        (Reply(503, b"<html>"), "unknown_outcome"),
        (Reply(503, b"<html>", {"Retry-After": "5"}), "transient"),
        (Reply(drops=True), "unknown_outcome"),
        (Reply(hangs=True), "unknown_outcome"),
        (Reply(200, {"status": "IN_QUEUE"}), "unknown_outcome"),
        (Reply(200, b"ok"), "unknown_outcome"),
        (Reply(200, {"request_id": "../r"}), "unknown_outcome"),
    ],
)
def test_orders_that_fail(fal, vendor, impatient, reply, code):
    vendor.on("POST", MODEL, reply)
    error = refusal(fal.submit, ORDER, KEY)
    assert error.code == code
    assert error.model_gone == (reply.status == 404 and isinstance(reply.body, dict))
    assert "QUJD" not in str(error)
    assert pickle.loads(pickle.dumps(error)).code == code
    assert len(vendor.asked) == 1


def test_the_reason_of_a_refusal_is_kept(fal, vendor):
    rows = (("content_policy_violation", "Flagged: gore"), ("value_error", "Too long"))
    vendor.on("POST", MODEL, Reply(422, detail(*rows)))
    assert str(refusal(fal.submit, ORDER, KEY)) == "Flagged: gore; Too long"


# Watching -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "report"),
    [
        (Reply(202, {"status": "IN_QUEUE", "queue_position": 2}), Report("queued")),
        (Reply(202, {"status": "IN_PROGRESS", "logs": None}), Report("running")),
        (Reply(404, {"detail": "Request not found"}), Report("lost")),
        (
            Reply(200, {"status": "COMPLETED", "error_type": "client_cancelled"}),
            Report("cancelled"),
        ),
    ],
)
def test_a_status(fal, vendor, reply, report):
    vendor.on("GET", STATUS, reply)
    assert fal.poll(handle_of(vendor.url), KEY) == report
    assert vendor.asked[0].headers["authorization"] == f"Key {KEY}"


@pytest.mark.parametrize(
    ("reply", "state", "code", "message"),
    [
        (Reply(200, {"video": {"url": LINK}}), "ready", None, None),
        (Reply(200, {"video": None}), "failed", "transient", NO_VIDEO),
        (Reply(200, {}), "failed", "transient", NO_VIDEO),
        (
            Reply(422, detail(("content_policy_violation", "Flagged: gore"))),
            "failed", "content_rejected", "Flagged: gore",
        ),
        (Reply(422, detail(("value_error", "Bad value"))), "failed", "permanent", "Bad value"),
        (Reply(400, {"detail": "Bad"}), "failed", "permanent", "Bad"),
        (Reply(422, {"detail": "Again"}, AGAIN), "failed", "transient", "Again"),
        (Reply(404, {"detail": "Gone"}), "failed", "result_expired", "Gone"),
        (Reply(500, {"detail": "Broken"}, NEVER), "failed", "permanent", "Broken"),
    ],
)  # fmt: skip
def test_completed_is_read_before_it_is_called_anything(fal, vendor, reply, state, code, message):
    vendor.on("GET", STATUS, Reply(200, {"status": "COMPLETED"}))
    vendor.on("GET", REQUEST, reply)
    report = fal.poll(handle_of(vendor.url), KEY)
    assert (report.state, report.code, report.message) == (state, code, message)
    assert report == DONE or state == "failed"


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(504, {"detail": "Gateway"}), "transient"),
        (Reply(404, b"<html>no such page</html>"), "transient"),
        (Reply(504, b""), "transient"),
        (Reply(200, b"<html>"), "transient"),
        (Reply(200, b""), "transient"),
        (Reply(500, {"detail": "Broken"}), "transient"),
        (Reply(503, b"", AGAIN), "transient"),
        (Reply(429, {"detail": "Slow"}), "rate_limited"),
        (Reply(401, {"detail": "No"}), "key_bad"),
        (Reply(403, {"detail": "Exhausted balance"}), "out_of_credit"),
        (Reply(drops=True), "transient"),
        (Reply(302, b"", {"Location": "https://evil.example/"}), "transient"),
    ],
)
def test_trouble_of_reading_the_result_is_no_verdict(fal, vendor, reply, code):
    vendor.on("GET", STATUS, Reply(200, {"status": "COMPLETED"}))
    vendor.on("GET", REQUEST, reply)
    error = refusal(fal.poll, handle_of(vendor.url), KEY)
    assert (error.code, error.permanent) == (code, False)


def test_an_error_that_the_queue_names_is_the_end(fal, vendor):
    over = {"status": "COMPLETED", "error": "No runner", "error_type": "runner_scheduling_failure"}
    vendor.on("GET", STATUS, Reply(200, over))
    vendor.on("GET", REQUEST, Reply(503, {"detail": "No runner"}))
    report = fal.poll(handle_of(vendor.url), KEY)
    assert (report.state, report.code, report.message) == ("failed", "transient", "No runner")


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(200, {"status": "FAILED"}), "transient"),
        (Reply(200, b""), "transient"),
        (Reply(401, {"detail": "No"}), "key_bad"),
        (Reply(403, {"detail": "Exhausted balance"}), "out_of_credit"),
        (Reply(403, {"detail": "Not your request"}), "transient"),
        (Reply(422, {"detail": "?"}), "transient"),
        (Reply(404, b"<html>no such page</html>"), "transient"),
        (Reply(404, b"null"), "transient"),
        (Reply(500, b""), "transient"),
        (Reply(500, {"detail": "?"}, NEVER), "transient"),
    ],
)
def test_trouble_of_asking_is_no_verdict(fal, vendor, reply, code):
    vendor.on("GET", STATUS, reply)
    error = refusal(fal.poll, handle_of(vendor.url), KEY)
    assert (error.code, error.permanent) == (code, False)


# The result, stopping, finding again --------------------------------------------------------------


def test_the_result_is_fetched_without_the_key(fal, vendor):
    vendor.on("GET", STATUS, Reply(200, {"status": "COMPLETED"}))
    vendor.on("GET", REQUEST, Reply(200, {"video": {"url": vendor.url + "/a.mp4"}}))
    vendor.on("GET", "/a.mp4", Reply(200, MP4))
    path = fal.fetch(handle_of(vendor.url), KEY)
    assert path.read_bytes() == MP4
    assert "authorization" not in vendor.asked[-1].headers
    fal.forget(handle_of(vendor.url))
    assert not path.exists()


def test_a_result_that_cannot_be_had(fal, vendor):
    handle = handle_of(vendor.url)
    vendor.on("GET", STATUS, Reply(202, {"status": "IN_PROGRESS"}))
    assert refusal(fal.fetch, handle, KEY).code == "transient"
    vendor.on("GET", STATUS, Reply(404, {"detail": "Request not found"}))
    assert refusal(fal.fetch, handle, KEY).code == "result_expired"
    vendor.on("GET", STATUS, Reply(200, {"status": "COMPLETED"}))
    vendor.on("GET", REQUEST, Reply(200, {"video": {"url": "https://evil.example/a.mp4"}}))
    assert refusal(fal.fetch, handle, KEY).code == "host_refused"


@pytest.mark.parametrize(
    ("reply", "is_certain"),
    [
        (Reply(200, {"status": "OK"}), True),
        (Reply(200, b""), True),
        (Reply(200, {"status": "ALREADY_COMPLETED"}), False),
        (Reply(202, {"status": "CANCELLATION_REQUESTED"}), False),
        (Reply(400, {"status": "ALREADY_COMPLETED"}), False),
        (Reply(404, {"status": "NOT_FOUND"}), False),
    ],
)
def test_a_stop(fal, vendor, reply, is_certain):
    vendor.on("PUT", CANCEL, reply)
    assert fal.cancel(handle_of(vendor.url), KEY) is is_certain
    assert vendor.asked[0].headers["authorization"] == f"Key {KEY}"


def test_a_stop_that_was_not_heard(fal, vendor):
    vendor.on("PUT", CANCEL, Reply(500, b""), Reply(401, {"detail": "No"}))
    assert refusal(fal.cancel, handle_of(vendor.url), KEY).code == "transient"
    assert refusal(fal.cancel, handle_of(vendor.url), KEY).code == "key_bad"


def test_a_request_is_adopted_when_our_key_may_ask_for_it(fal, vendor):
    vendor.on("GET", STATUS, Reply(202, {"status": "IN_QUEUE"}))
    assert fal.adopt("attempt-1", "r-1", KEY) == handle_of(vendor.url)
    for status in (404, 403):
        vendor.on("GET", STATUS, Reply(status, {"detail": "No"}))
        assert fal.adopt("attempt-1", "r-1", KEY) is None
    vendor.on("GET", STATUS, Reply(500, b""))
    assert refusal(fal.adopt, "attempt-1", "r-1", KEY).code == "transient"
    vendor.asked.clear()
    for remote_id in ("../x", "a b", ""):
        assert fal.adopt("attempt-1", remote_id, KEY) is None
    assert vendor.asked == []


def test_what_it_cannot_say(fal, vendor):
    assert refusal(fal.recover, "attempt-1", KEY).code == "unknown_outcome"
    assert fal.check(KEY) is None
    assert vendor.asked == []


def test_what_it_offers(fal, tmp_path):
    offer = fal.capabilities
    assert (offer.cancel, offer.callback, offer.poll_every_s) == ("until_started", "signed", 5.0)
    assert offer.submits is None and fal.has_room()
    with pytest.raises(ValueError, match=r"fal-ai/veo3\.1/fast"):
        FalProvider(Cloud("https://queue.fal.run", "fal-ai/veo9"), tmp_path)
