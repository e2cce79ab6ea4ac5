"""kie.ai: the upgrade to 1080p, fetching, adopting, and what it cannot do."""

import json

import pytest

from app.providers import Cloud
from app.providers.kie import KieProvider
from tests.providers.kie_replies import CALLBACK, LINK, RECORD, UPGRADE, envelope, record
from tests.providers.scripted import DONE, KEY, MP4, Reply, refusal

pytest_plugins = ["tests.providers.fixtures"]

# 1080p --------------------------------------------------------------------------------------------

READY = {"successFlag": 1, "response": {"resultUrls": [LINK]}}


def test_an_upgrade_runs_until_it_is_ready(kie, vendor):
    vendor.on("GET", RECORD, record(**READY))
    vendor.on(
        "GET", UPGRADE,
        envelope(None, 400, "1080P is processing"),
        envelope(None, 422, "processing"),
        envelope({"resultUrl": None}),
        envelope({"resultUrl": LINK}),
    )  # fmt: skip
    states = [kie.poll("veo_1 1080p", KEY).state for _ in range(4)]
    assert states == ["running", "running", "running", "ready"]
    assert kie.upgrade("veo_1 1080p", KEY) == DONE
    assert {each.query["taskId"] for each in vendor.asked} == {"veo_1"}


def test_an_unfinished_task_is_not_upgraded(kie, vendor):
    vendor.on("GET", RECORD, record(successFlag=0))
    assert kie.poll("veo_1 1080p", KEY).state == "running"
    assert [each.path for each in vendor.asked] == [RECORD]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (404, "not found"),
        (422, "1080P is not supported for this video"),
        (400, "Only 16:9 videos can be upgraded"),
        (451, "no access"),
        (501, "Generation failed"),
        (505, "Feature disabled"),
    ],
)
def test_an_upgrade_that_will_never_come_is_not_waited_for(kie, vendor, code, words):
    vendor.on("GET", RECORD, record(successFlag=1, response={"resultUrls": [LINK]}))
    vendor.on("GET", UPGRADE, envelope(None, code, words))
    report = kie.poll("veo_1 1080p", KEY)
    assert (report.state, report.code) == ("failed", "permanent")
    assert words in report.message


def test_what_the_fallback_model_made_cannot_be_upgraded(kie, vendor):
    vendor.on("GET", RECORD, record(fallbackFlag=True, **READY))
    report = kie.poll("veo_1 1080p", KEY)
    assert (report.state, report.code) == ("failed", "permanent")
    assert "fallback" in report.message
    assert kie.poll("veo_1", KEY) == DONE  # at 720p it is as good as any


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (envelope(None, 401), "key_bad"),
        (Reply(502, b""), "transient"),
        (Reply(429), "rate_limited"),
    ],
)
def test_trouble_of_an_upgrade(kie, vendor, reply, code):
    vendor.on("GET", UPGRADE, reply)
    assert refusal(kie.upgrade, "veo_1 1080p", KEY).code == code


# The result ---------------------------------------------------------------------------------------


def test_the_result_is_fetched_by_a_fresh_link_without_the_key(kie, vendor):
    link = vendor.url + "/files/a.mp4"
    vendor.on("GET", RECORD, record(successFlag=1, response={"resultUrls": [link]}))
    vendor.on("GET", "/files/a.mp4", Reply(200, MP4))
    path = kie.fetch("veo_1", KEY)
    assert path.read_bytes() == MP4
    assert "authorization" not in vendor.asked[-1].headers
    kie.forget("veo_1")
    assert not path.exists()


def test_the_upgraded_result_is_the_one_fetched(kie, vendor):
    vendor.on("GET", RECORD, record(**READY))
    vendor.on("GET", UPGRADE, envelope({"resultUrl": vendor.url + "/files/hd.mp4"}))
    vendor.on("GET", "/files/hd.mp4", Reply(200, MP4))
    assert kie.fetch("veo_1 1080p", KEY).read_bytes() == MP4


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (envelope(None, 422, "record is null"), "result_expired"),
        (record(successFlag=2, errorMessage="Failed"), "result_expired"),
        (record(successFlag=0), "transient"),
        (record(successFlag=1, response={"resultUrls": ["https://evil.example/"]}), "host_refused"),
        (
            record(successFlag=1, response={"resultUrls": ["http://169.254.169.254/"]}),
            "host_refused",
        ),
    ],
)
def test_results_that_cannot_be_had(kie, vendor, reply, code):
    vendor.on("GET", RECORD, reply)
    assert refusal(kie.fetch, "veo_1", KEY).code == code


# Finding again, stopping, asking ------------------------------------------------------------------


def test_nobody_can_say_what_became_of_a_lost_order(kie, vendor):
    error = refusal(kie.recover, "attempt-1", KEY)
    assert (error.code, error.permanent) == ("unknown_outcome", False)
    assert vendor.asked == []


def test_a_task_is_adopted_when_its_own_record_names_the_attempt(kie, vendor):
    vendor.on("GET", RECORD, record(paramJson=json.dumps({"callBackUrl": CALLBACK})))
    assert kie.adopt("attempt-1", "veo_1", KEY) == "veo_1"
    assert kie.adopt("attempt-2", "veo_1", KEY) is None
    assert kie.adopt("attempt", "veo_1", KEY) is None
    assert kie.adopt("", "veo_1", KEY) is None
    hd = json.dumps({"callBackUrl": CALLBACK + "&upgrade=1080p"})
    vendor.on("GET", RECORD, record(paramJson=hd))
    assert kie.adopt("attempt-1", "veo_1", KEY) == "veo_1 1080p"


@pytest.mark.parametrize(
    "reply",
    [
        envelope(None, 422, "record is null"),
        envelope(None, 404, "not found"),
        record(paramJson=None),
        record(paramJson="not json"),
        record(paramJson="[]"),
        record(paramJson=json.dumps({"prompt": "attempt=attempt-1"})),
        record(taskId="veo_2", paramJson=json.dumps({"callBackUrl": CALLBACK})),
    ],
)
def test_a_task_of_somebody_else_is_not_adopted(kie, vendor, reply):
    vendor.on("GET", RECORD, reply)
    assert kie.adopt("attempt-1", "veo_1", KEY) is None


def test_an_id_that_is_none_is_not_even_asked_for(kie, vendor):
    for remote_id in ("veo_1&taskId=x", "../x", "a b", ""):
        assert kie.adopt("attempt-1", remote_id, KEY) is None
    assert vendor.asked == []


def test_it_cannot_be_stopped_and_always_has_room(kie, vendor):
    assert kie.cancel("veo_1", KEY) is False
    assert kie.has_room()
    assert vendor.asked == []


def test_a_check_tells_the_credits(kie, vendor):
    vendor.on("GET", "/api/v1/chat/credit", envelope(612.5), envelope(None, 401, "no"))
    assert kie.check(KEY) == 612.5
    assert refusal(kie.check, KEY).code == "key_bad"


def test_what_it_offers(kie):
    offer = kie.capabilities
    assert (offer.cancel, offer.callback, offer.poll_every_s) == ("never", "hint", 10.0)
    assert (offer.submits, offer.places, offer.kind) == ((20, 10.0), 100, "cloud")
    assert offer.makes("9:16", "720p", 8) and not offer.makes("9:16", "1080p", 8)
    assert offer.price.cents(8, "720p") == 30 and offer.price.cents(8, "1080p") == 33
    said = kie.describe("rain-window", "soft rain")
    assert (said.scene, said.variant, said.recognised) == ("", "", True)


def test_a_strange_model_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match="veo3_fast, veo3, veo3_lite"):
        KieProvider(Cloud("https://api.kie.ai", "veo9"), tmp_path)
