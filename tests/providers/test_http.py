"""The line to a vendor: what its troubles mean by phase, what is capped, what is never told."""

import pickle
import socket
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.providers import ProviderError, http
from app.providers.http import Answer, Line, retry_after_s, short
from tests.providers.scripted import Reply
from tests.waiting import wait_until

pytest_plugins = ["tests.providers.fixtures"]

KEY = "test-key-0123456789abcdef"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
OLD_KEY = "test-key-of-another"


@pytest.fixture
def line():
    return Line("vendor", lambda key: {"Authorization": f"Bearer {key}"})


def trouble(line, method, url, phase):
    with pytest.raises(ProviderError) as caught:
        line.call(method, url, KEY, phase, body={"prompt": "rain"} if method == "POST" else None)
    return caught.value


def test_a_call_says_who_we_are_and_reads_json(line, vendor):
    vendor.on("POST", "/order", Reply(201, {"id": "a"}, {"Retry-After": "3"}))
    answer = line.call("POST", vendor.url + "/order", KEY, "submit", body={"prompt": "雨"})
    assert (answer.status, answer.body, answer.fields) == (201, {"id": "a"}, {"id": "a"})
    assert answer.headers["retry-after"] == "3"
    asked = vendor.asked[0]
    assert asked.json == {"prompt": "雨"}
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.headers["user-agent"] == "CuttingASMR/1.0"
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.headers["content-type"] == "application/json"


@pytest.mark.parametrize("body", [b"<html>busy</html>", b"", b"[1]", b"[" * 100_000, b"\xff"])
def test_what_is_no_object_has_no_fields(line, vendor, body):
    vendor.on("GET", "/x", Reply(200, body))
    assert line.call("GET", vendor.url + "/x", KEY, "poll").fields == {}


def test_redirects_are_not_followed_and_cookies_not_kept(line, vendor):
    gone = {"Location": vendor.url + "/elsewhere", "Set-Cookie": "a=b; Path=/"}
    vendor.on("GET", "/x", Reply(302, b"", gone))
    assert line.call("GET", vendor.url + "/x", KEY, "poll").status == 302
    line.call("GET", vendor.url + "/x", KEY, "poll")
    assert [each.path for each in vendor.asked] == ["/x", "/x"]
    assert "cookie" not in vendor.asked[1].headers


def test_no_proxy_is_taken_from_the_environment(line, vendor, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    vendor.on("GET", "/x", Reply(200, {}))
    assert line.call("GET", vendor.url + "/x", KEY, "poll").status == 200


def test_ten_threads_share_one_client_of_ten_connections(line, vendor):
    vendor.on("GET", "/x", Reply(200, {"ok": True}))
    answers: list[Answer] = []

    def ask():
        answers.extend(line.call("GET", vendor.url + "/x", KEY, "poll") for _ in range(10))

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [each.status for each in answers] == [200] * 100


# What the line does -------------------------------------------------------------------------------


def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def test_nobody_there_is_known_while_submitting_too(line):
    url = f"http://127.0.0.1:{closed_port()}/order"
    for phase in ("submit", "poll"):
        error = trouble(line, "POST", url, phase)
        assert (error.code, error.permanent) == ("transient", False)
        assert "ConnectError" in str(error)


@pytest.mark.parametrize(("phase", "code"), [("submit", "unknown_outcome"), ("poll", "transient")])
@pytest.mark.parametrize("reply", [Reply(hangs=True), Reply(drops=True)], ids=["hangs", "drops"])
def test_no_answer_is_an_unknown_outcome_of_a_submission(
    line, vendor, impatient, reply, phase, code
):
    vendor.on("POST", "/order", reply)
    error = trouble(line, "POST", vendor.url + "/order", phase)
    assert (error.code, error.permanent) == (code, False)
    assert len(vendor.asked) == 1  # and was not sent a second time


@pytest.mark.parametrize(("phase", "code"), [("submit", "unknown_outcome"), ("poll", "transient")])
def test_a_torn_answer_is_none(line, vendor, phase, code):
    vendor.on("POST", "/order", Reply(200, b'{"id":', {"Content-Length": "100"}))
    assert trouble(line, "POST", vendor.url + "/order", phase).code == code


def test_an_answer_without_end_is_cut(line, vendor):
    def flood(write):
        for _ in range(1000):
            write(b" " * 100_000)

    vendor.on("GET", "/x", Reply(stream=flood))
    error = trouble(line, "GET", vendor.url + "/x", "poll")
    assert error.code == "transient" and "2000000 bytes" in str(error)
    assert vendor.sent_bytes < 20_000_000


def test_an_answer_that_trickles_is_cut(line, vendor, monkeypatch):
    monkeypatch.setitem(http.ANSWER_S, "poll", 0.2)

    def trickle(write):
        while not vendor.over.wait(0.05):
            write(b" ")

    vendor.on("GET", "/x", Reply(stream=trickle))
    error = trouble(line, "GET", vendor.url + "/x", "poll")
    assert error.code == "transient" and "more than 0.2 s" in str(error)


@pytest.mark.parametrize(("phase", "code"), [("submit", "unknown_outcome"), ("poll", "transient")])
def test_headers_that_trickle_are_cut(line, monkeypatch, phase, code):
    monkeypatch.setitem(http.ANSWER_S, phase, 0.2)
    over, is_cut = threading.Event(), threading.Event()
    door = socket.create_server(("127.0.0.1", 0))

    def dribble():
        with door, door.accept()[0] as caller:
            caller.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not over.wait(0.05):  # each byte starts the time-out of reading anew
                try:
                    caller.sendall(b"a")
                except OSError:
                    is_cut.set()
                    return

    server = threading.Thread(target=dribble)
    server.start()
    url = f"http://127.0.0.1:{door.getsockname()[1]}/x"
    try:
        error = trouble(line, "POST", url, phase)
        assert is_cut.wait(10)
    finally:
        over.set()
        server.join()
    assert error.code == code and "more than 0.2 s" in str(error)


def test_an_order_never_meets_a_connection_that_is_just_closing(line, vendor):
    vendor.on("POST", "/x", Reply(200, {}))
    for _ in range(2):
        assert line.call("POST", vendor.url + "/x", KEY, "submit").status == 200
    assert line._clients[False]._transport._pool.connections == []


def test_questions_share_a_connection(line, vendor):
    vendor.on("GET", "/x", Reply(200, {}))
    for _ in range(2):
        assert line.call("GET", vendor.url + "/x", KEY, "poll").status == 200
    assert len(line._clients[True]._transport._pool.connections) <= 1


def test_a_full_pool_is_known(vendor, monkeypatch):
    monkeypatch.setitem(http.TIMEOUTS, "submit", httpx.Timeout(5.0, pool=0.1))
    line = Line("vendor", lambda key: {})
    vendor.on("POST", "/x", Reply(hangs=True))
    vendor.on("POST", "/order", Reply(200, {}))

    def hang():
        with pytest.raises(ProviderError):
            line.call("POST", vendor.url + "/x", KEY, "submit")

    threads = [threading.Thread(target=hang) for _ in range(http.CONNECTIONS)]
    for each in threads:
        each.start()
    wait_until(lambda: len(vendor.asked) == http.CONNECTIONS)
    error = trouble(line, "POST", vendor.url + "/order", "submit")
    assert error.code == "transient" and "PoolTimeout" in str(error)
    vendor.over.set()
    for each in threads:
        each.join()


@pytest.mark.parametrize("url", ["http://127.0.0.1/\x00", "gopher://127.0.0.1/", "/no-host"])
def test_an_address_that_is_none_is_known(line, url):
    assert trouble(line, "POST", url, "submit").code == "transient"


# What a status means ------------------------------------------------------------------------------

JSON = {"detail": "why"}


@pytest.mark.parametrize(
    ("status", "body", "phase", "is_own", "code"),
    [
        (401, JSON, "submit", False, "key_bad"),
        (401, None, "poll", False, "key_bad"),
        (402, JSON, "submit", False, "out_of_credit"),
        (403, JSON, "submit", False, "key_bad"),
        (403, None, "submit", False, "transient"),  # Cloudflare's 1010
        (404, JSON, "submit", True, "permanent"),
        (404, JSON, "submit", False, "transient"),
        (404, None, "submit", False, "transient"),  # a gateway's page
        (404, JSON, "poll", False, "transient"),
        (400, JSON, "submit", False, "permanent"),
        (422, JSON, "submit", False, "permanent"),
        (422, JSON, "poll", False, "transient"),
        (403, JSON, "poll", False, "transient"),  # of the one task, or of the key: who knows
        (408, JSON, "submit", False, "unknown_outcome"),
        (408, JSON, "submit", True, "unknown_outcome"),
        (408, JSON, "poll", False, "transient"),
        (425, JSON, "submit", False, "transient"),
        (429, JSON, "submit", False, "rate_limited"),
        (429, None, "poll", False, "rate_limited"),
        (301, None, "submit", False, "transient"),
        (204, None, "submit", False, "unknown_outcome"),
        (303, None, "submit", False, "unknown_outcome"),
        (500, None, "submit", False, "unknown_outcome"),
        (502, None, "submit", False, "unknown_outcome"),
        (504, None, "submit", False, "unknown_outcome"),
        (524, None, "submit", False, "unknown_outcome"),
        (503, None, "submit", False, "transient"),
        (500, JSON, "submit", True, "transient"),
        (503, JSON, "submit", True, "transient"),
        (502, None, "poll", False, "transient"),
        (503, JSON, "poll", False, "transient"),
    ],
)
def test_a_status_by_itself(line, status, body, phase, is_own, code):
    answer = Answer(status, {"retry-after": "7"}, body, "said")
    error = line.refusal(answer, phase, is_own=is_own)
    assert error.code == code
    assert error.model_gone == (status == 404 and phase == "submit" and is_own)
    assert error.permanent == (code == "permanent")
    assert error.retry_after_s == (7.0 if code in ("rate_limited", "transient") else None)


def test_of_a_page_the_words_are_told(line):
    page = "<html><head><title>502 Bad Gateway</title></head><body><h1>502</h1></body></html>"
    error = line.refusal(Answer(502, {}, None, page), "poll")
    assert str(error) == "vendor answered 502: 502 Bad Gateway 502"
    assert str(line.refusal(Answer(502, {}, None, ""), "poll")) == "vendor answered 502: nothing"


def test_a_503_is_a_no_only_with_a_time_to_come_back(line):
    bare = Answer(503, {}, None, "upstream connect error or disconnect/reset before headers")
    assert line.refusal(bare, "submit").code == "unknown_outcome"
    assert line.refusal(bare, "poll").code == "transient"
    assert line.refusal(Answer(503, {}, JSON, "no"), "submit", is_own=True).code == "transient"
    told = line.refusal(Answer(503, {"retry-after": "5"}, None, "busy"), "submit")
    assert (told.code, told.retry_after_s) == ("transient", 5.0)


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [
        ("7", 7.0),
        (" 120 ", 120.0),
        ("999999999", 86400.0),
        ((NOW + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 90.0),
        ((NOW + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S -0000"), 90.0),
        ((NOW - timedelta(days=9)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("inf", None),
        ("1e9", None),
        ("٣", None),
    ],
)
def test_retry_after_in_seconds_or_as_a_date(value, wait_s):
    assert retry_after_s({"retry-after": value}, NOW) == wait_s
    assert retry_after_s({}, NOW) is None


# What is never told ------------------------------------------------------------------------------


def test_words_are_short_and_hold_no_key_no_picture_and_no_signed_query():
    picture = "/9j/4AAQSkZJRgABAQ" * 50
    said = f"key {KEY} sent\n Bearer {OLD_KEY} with data:image/jpeg;base64,{picture}== no"
    kept = short(said, KEY)
    assert KEY not in kept and OLD_KEY not in kept and "/9j/" not in kept
    assert kept.startswith("key [key] sent […] with data:image/jpeg;base64,[…]")
    assert short("see https://x.example/a.mp4?X-Sig=abc#t now") == "see https://x.example/a.mp4 now"
    assert len(short("word " * 1000)) == 300


def test_no_error_of_the_line_holds_the_key(line, vendor, impatient, caplog):
    caplog.set_level("DEBUG")
    vendor.on("POST", "/order", Reply(hangs=True))
    vendor.on("POST", "/no", Reply(400, {"error": f"the key {KEY} is odd"}))
    errors = [trouble(line, "POST", vendor.url + "/order", "submit")]
    answer = line.call("POST", vendor.url + "/no", KEY, "submit")
    errors.append(line.refusal(answer, "submit", key=KEY))
    for error in errors:
        again = pickle.loads(pickle.dumps(error))
        assert (again.code, str(again)) == (error.code, str(error))
        for text in (str(error), repr(error), repr(vars(error)), str(again)):
            assert KEY not in text
        assert error.__cause__ is None and error.__context__ is None
    assert KEY not in caplog.text


def test_where_a_key_may_go():
    base = "https://queue.fal.run"
    for url in ("https://queue.fal.run/a", "https://queue.fal.run:443/a", "https://QUEUE.fal.run/"):
        assert http.is_same_origin(url, base)
    elsewhere: tuple[Any, ...] = (
        "http://queue.fal.run/a", "https://queue.fal.run:444/a", "//queue.fal.run/a",
        "https://queue.fal.run.evil.example/", "https://queue.fal.run@evil.example/",
        "https://a:b@queue.fal.run/", "", "https://[", None, 7,
    )  # fmt: skip
    for other in elsewhere:
        assert not http.is_same_origin(other, base)


@pytest.mark.parametrize("text", ["a", "veo_task_1", "0197-ab:c.d", "x" * 200])
def test_ids(text):
    assert http.is_id(text)


@pytest.mark.parametrize(
    "text", ["", " a", "a b", "../a", "a/b", "a?b", "a\n", "é", "x" * 201, None, 7]
)
def test_what_is_no_id(text):
    assert not http.is_id(text)
