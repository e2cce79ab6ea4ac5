"""Callbacks: the vectors of the three signatures, and everything that is not to be believed."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.providers import CallbackRefused, Cloud, ProviderError
from app.providers.kie import KieProvider
from app.providers.replicate import ReplicateProvider
from tests.providers.scripted import KEY, Reply
from tests.waiting import wait_until

pytest_plugins = ["tests.providers.fixtures"]

SENT_AT = "1767225600"
NOW = datetime.fromtimestamp(int(SENT_AT), UTC)
AGES = [(0, True), (300, True), (301, False), (-300, True), (-301, False)]
NONSENSE = [b"", b"[]", b"null", b"\xff", b"{}", b'{"id":7}', b'{"id":"a b"}', b"[" * 99_999]


def check_age(verify: Callable[[datetime], object], seconds: int, is_taken: bool) -> None:
    now = NOW + timedelta(seconds=seconds)
    if is_taken:
        assert verify(now)
    else:
        with pytest.raises(CallbackRefused, match="too old, or from the future"):
            verify(now)


# kie ----------------------------------------------------------------------------------------------

KIE_SECRET = "test-hmac-key"
KIE_TASK = "veo_task_abcdef123456"
KIE_VECTOR = "5flXU1SFm+cpPGyUT8YPMzeNb7UE2ltw7LX8qJPF8wY="
KIE_BODY = json.dumps({"code": 200, "data": {"taskId": KIE_TASK}}).encode()


def kie_headers(task_id: str = KIE_TASK, sent_at: str = SENT_AT) -> dict[str, str]:
    digest = hmac.digest(KIE_SECRET.encode(), f"{task_id}.{sent_at}".encode(), hashlib.sha256)
    signature = base64.b64encode(digest).decode()
    return {"x-webhook-timestamp": sent_at, "x-webhook-signature": signature}


@pytest.fixture
def guarded_kie(tmp_path: Path) -> KieProvider:
    """With a secret for callbacks."""
    return KieProvider(Cloud("https://api.kie.ai", "veo3", callback_secret=KIE_SECRET), tmp_path)


def test_kies_vector(guarded_kie):
    headers = {"x-webhook-timestamp": SENT_AT, "x-webhook-signature": KIE_VECTOR}
    event = guarded_kie.verify_callback(headers, KIE_BODY, NOW)
    assert (event.remote_id, event.trust) == (KIE_TASK, "hint")
    assert event.dedup_key == f"{KIE_TASK}:200:{SENT_AT}"


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"taskId": "veo_1"}},
        {"data": {"task_id": "veo_1"}},
        {"taskId": "veo_1", "data": None},
        {"data": {"taskId": "veo_other", "task_id": "veo_1"}},
    ],
)
def test_kies_task_is_looked_for_where_it_may_stand(guarded_kie, body):
    event = guarded_kie.verify_callback(kie_headers("veo_1"), json.dumps(body).encode(), NOW)
    assert event.remote_id == "veo_1"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-webhook-timestamp": SENT_AT},
        {"x-webhook-signature": KIE_VECTOR},
        kie_headers("veo_2"),
        kie_headers() | {"x-webhook-timestamp": "1767225601"},
        kie_headers() | {"x-webhook-signature": KIE_VECTOR[:-2] + "A="},
        kie_headers() | {"x-webhook-signature": "é"},
        kie_headers(sent_at="soon"),
        kie_headers(sent_at="-5"),
        kie_headers(sent_at="٣"),
        kie_headers(sent_at="9" * 400),
    ],
)
def test_a_wrong_signature_of_kie(guarded_kie, headers):
    with pytest.raises(CallbackRefused):
        guarded_kie.verify_callback(headers, KIE_BODY, NOW)


@pytest.mark.parametrize(("seconds", "is_taken"), AGES)
def test_kies_callbacks_are_believed_for_five_minutes(guarded_kie, seconds, is_taken):
    def verify(now: datetime) -> object:
        return guarded_kie.verify_callback(kie_headers(), KIE_BODY, now)

    check_age(verify, seconds, is_taken)


def test_kies_signature_does_not_make_the_body_true(guarded_kie):
    tampered = json.dumps({"code": 500, "data": {"taskId": KIE_TASK, "x": 1}}).encode()
    event = guarded_kie.verify_callback(kie_headers(), tampered, NOW)
    assert event.trust == "hint"  # it wakes the sweep, and says nothing else


@pytest.mark.parametrize("code", ["\ud800", "\x00", "x" * 300, None, 10**30, True, [1], -1])
def test_what_a_stranger_writes_as_code_does_not_reach_the_key(kie, code):
    event = kie.verify_callback({}, json.dumps({"taskId": "a", "code": code}).encode(), NOW)
    marked = event.dedup_key.encode()  # a database must take it
    assert b"\x00" not in marked and len(event.dedup_key) <= 40


def test_without_a_secret_kies_unsigned_callback_is_a_hint(kie):
    event = kie.verify_callback({}, KIE_BODY, NOW)
    assert (event.remote_id, event.trust) == (KIE_TASK, "hint")
    assert kie.verify_callback({}, KIE_BODY, NOW) == event
    assert kie.verify_callback({}, KIE_BODY + b" ", NOW).dedup_key != event.dedup_key


@pytest.mark.parametrize("body", [*NONSENSE, b'{"data":{"taskId":7}}', b'{"taskId":"a b"}'])
def test_nonsense_from_kie(kie, body):
    with pytest.raises(CallbackRefused):
        kie.verify_callback({}, body, NOW)


# fal ----------------------------------------------------------------------------------------------

FAL_BODY = b'{"request_id":"r1","status":"OK","payload":{}}'
FAL_VECTOR = (
    "8fc1e86e377f4ee08c9edc2fea3900079349800a6587f7e13564d005fdca3548"
    "87f743294e5c2678d3983b14e404d6e3de976bb6c391ed8360f699d51183b00d"
)
FAL_KEY = {"kty": "OKP", "crv": "Ed25519", "x": "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w"}
JWKS = "/jwks.json"


def x_of(seed: bytes) -> str:
    raw = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def fal_headers(
    body: bytes = FAL_BODY,
    request_id: str = "r1",
    seed: bytes = b"\x01" * 32,
    sent_at: str = SENT_AT,
) -> dict[str, str]:
    lines = (request_id, "user1", sent_at, hashlib.sha256(body).hexdigest())
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign("\n".join(lines).encode()).hex()
    values = {"request-id": request_id, "user-id": "user1", "timestamp": sent_at}
    values["signature"] = signature
    return {f"x-fal-webhook-{name}": value for name, value in values.items()}


def keys(*rows: Any) -> Reply:
    return Reply(200, {"keys": list(rows)})


def test_fals_vector(fal, vendor):
    rsa = {"kty": "RSA", "n": "AQAB", "e": "AQAB"}
    odd = {"kty": "OKP", "crv": "X25519", "x": FAL_KEY["x"]}
    vendor.on("GET", JWKS, keys(rsa, odd, {"kty": "OKP", "x": "short"}, "odd", FAL_KEY))
    headers = fal_headers() | {"x-fal-webhook-signature": FAL_VECTOR}
    assert fal_headers() == headers and x_of(b"\x01" * 32) == FAL_KEY["x"]
    event = fal.verify_callback(headers, FAL_BODY, NOW)
    assert (event.remote_id, event.dedup_key, event.trust) == ("r1", "r1:OK", "signed")
    assert "authorization" not in vendor.asked[0].headers


def test_fals_keys_are_kept_for_a_day(fal, vendor):
    vendor.on("GET", JWKS, keys(FAL_KEY))
    for hours in (0, 1, 23):
        at = int(SENT_AT) + hours * 3600
        now = datetime.fromtimestamp(at, UTC)
        fal.verify_callback(fal_headers(sent_at=str(at)), FAL_BODY, now)
    assert len(vendor.asked) == 1
    at = int(SENT_AT) + 24 * 3600
    later = datetime.fromtimestamp(at, UTC)
    fal.verify_callback(fal_headers(sent_at=str(at)), FAL_BODY, later)
    assert len(vendor.asked) == 2


def test_while_fals_keys_are_asked_for_others_are_judged_by_those_there_are(fal, vendor):
    vendor.on("GET", JWKS, keys(FAL_KEY))
    fal.verify_callback(fal_headers(), FAL_BODY, NOW)
    vendor.on("GET", JWKS, Reply(hangs=True))
    soon = NOW + timedelta(seconds=61)

    def forge() -> None:
        with pytest.raises((CallbackRefused, ProviderError)):
            fal.verify_callback(fal_headers(seed=b"\x02" * 32), FAL_BODY, soon)

    forger = threading.Thread(target=forge)
    forger.start()
    wait_until(lambda: len(vendor.asked) == 2)
    assert fal.verify_callback(fal_headers(), FAL_BODY, soon)
    assert forger.is_alive()  # it still waits, and nobody with it
    vendor.over.set()
    forger.join()


def test_fals_new_key_is_asked_for_once_a_minute_at_most(fal, vendor):
    new = {"kty": "OKP", "crv": "Ed25519", "x": x_of(b"\x02" * 32)}
    vendor.on("GET", JWKS, keys(FAL_KEY), keys(FAL_KEY), keys(FAL_KEY, new))
    fal.verify_callback(fal_headers(), FAL_BODY, NOW)

    def verify_new(seconds: int) -> object:
        now = NOW + timedelta(seconds=seconds)
        return fal.verify_callback(fal_headers(seed=b"\x02" * 32), FAL_BODY, now)

    for seconds in (1, 30, 59):  # a forger sends many, and we ask for none of them
        with pytest.raises(CallbackRefused):
            verify_new(seconds)
    assert len(vendor.asked) == 1
    with pytest.raises(CallbackRefused):
        verify_new(60)
    assert len(vendor.asked) == 2
    assert verify_new(120)
    assert len(vendor.asked) == 3


@pytest.mark.parametrize("reply", [Reply(500), Reply(200, b"<html>"), Reply(drops=True)])
def test_without_fals_keys_nobody_is_believed_and_nobody_refused(fal, vendor, reply):
    vendor.on("GET", JWKS, reply)
    for seconds in (0, 1):
        with pytest.raises(ProviderError) as caught:
            fal.verify_callback(fal_headers(), FAL_BODY, NOW + timedelta(seconds=seconds))
        assert caught.value.code == "transient"
    assert len(vendor.asked) == 1
    vendor.on("GET", JWKS, keys(FAL_KEY))
    assert fal.verify_callback(fal_headers(), FAL_BODY, NOW + timedelta(seconds=60))


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (fal_headers(), FAL_BODY + b" "),
        (fal_headers(seed=b"\x03" * 32), FAL_BODY),
        (fal_headers() | {"x-fal-webhook-user-id": "user2"}, FAL_BODY),
        (fal_headers() | {"x-fal-webhook-timestamp": "1767225601"}, FAL_BODY),
        (fal_headers(request_id="r2"), FAL_BODY),  # signed, but the body names another
        (fal_headers(b"[]"), b"[]"),
        (fal_headers(b"{"), b"{"),
    ],
)
def test_a_wrong_signature_of_fal(fal, vendor, headers, body):
    vendor.on("GET", JWKS, keys(FAL_KEY))
    with pytest.raises(CallbackRefused):
        fal.verify_callback(headers, body, NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"x-fal-webhook-signature": ""},
        {"x-fal-webhook-signature": "zz" * 64},
        {"x-fal-webhook-signature": "ab"},
        {"x-fal-webhook-request-id": ""},
        {"x-fal-webhook-timestamp": ""},
        {"x-fal-webhook-timestamp": "soon"},
        {"x-fal-webhook-timestamp": "1767220000"},
    ],
)
def test_what_cannot_be_signed_by_fal_asks_for_no_keys(fal, vendor, change):
    with pytest.raises(CallbackRefused):
        fal.verify_callback(fal_headers() | change, FAL_BODY, NOW)
    assert vendor.asked == []


@pytest.mark.parametrize(("seconds", "is_taken"), AGES)
def test_fals_callbacks_are_believed_for_five_minutes(fal, vendor, seconds, is_taken):
    vendor.on("GET", JWKS, keys(FAL_KEY))
    check_age(lambda now: fal.verify_callback(fal_headers(), FAL_BODY, now), seconds, is_taken)


# Replicate ----------------------------------------------------------------------------------------

REPLICATE_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
REPLICATE_BODY = b'{"id":"p1","status":"succeeded"}'
REPLICATE_VECTOR = "v1,+zncm37GTrdfVF4i3qY0WEjqIjLA0mu/V2IALOyRokM="
REPLICATE_HEADERS = {
    "webhook-id": "msg_1",
    "webhook-timestamp": SENT_AT,
    "webhook-signature": REPLICATE_VECTOR,
}


def replicate_with(secret: str, folder: Path) -> ReplicateProvider:
    cloud = Cloud("https://api.replicate.com", "google/veo-3.1-fast", callback_secret=secret)
    return ReplicateProvider(cloud, folder)


@pytest.fixture
def guarded_replicate(tmp_path: Path) -> ReplicateProvider:
    """With a secret for callbacks."""
    return replicate_with(REPLICATE_SECRET, tmp_path)


@pytest.mark.parametrize(
    "signatures",
    [
        REPLICATE_VECTOR,
        "v1,bm8= " + REPLICATE_VECTOR,
        REPLICATE_VECTOR + " v1a,bm8=",
        "  " + REPLICATE_VECTOR + "  v1,é",
    ],
)
def test_replicates_vector_alone_and_among_others(guarded_replicate, signatures):
    headers = REPLICATE_HEADERS | {"webhook-signature": signatures}
    event = guarded_replicate.verify_callback(headers, REPLICATE_BODY, NOW)
    assert (event.remote_id, event.dedup_key, event.trust) == ("p1", "msg_1", "signed")


@pytest.mark.parametrize(
    ("change", "body"),
    [
        ({}, REPLICATE_BODY + b" "),
        ({"webhook-id": "msg_2"}, REPLICATE_BODY),
        ({"webhook-timestamp": "1767225601"}, REPLICATE_BODY),
        ({"webhook-signature": REPLICATE_VECTOR.removeprefix("v1,")}, REPLICATE_BODY),
        ({"webhook-signature": "v2" + REPLICATE_VECTOR[2:]}, REPLICATE_BODY),
        ({"webhook-signature": ""}, REPLICATE_BODY),
        ({"webhook-signature": "v1,"}, REPLICATE_BODY),
        ({"webhook-id": ""}, REPLICATE_BODY),
        ({"webhook-timestamp": "soon"}, REPLICATE_BODY),
        ({"webhook-timestamp": ""}, REPLICATE_BODY),
    ],
)
def test_a_wrong_signature_of_replicate(guarded_replicate, change, body):
    with pytest.raises(CallbackRefused):
        guarded_replicate.verify_callback(REPLICATE_HEADERS | change, body, NOW)


@pytest.mark.parametrize(("seconds", "is_taken"), AGES)
def test_replicates_callbacks_are_believed_for_five_minutes(guarded_replicate, seconds, is_taken):
    def verify(now: datetime) -> object:
        return guarded_replicate.verify_callback(REPLICATE_HEADERS, REPLICATE_BODY, now)

    check_age(verify, seconds, is_taken)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_%%%", "whsec_é"])
def test_without_a_secret_replicate_is_not_believed(tmp_path, secret):
    provider = replicate_with(secret, tmp_path)
    empty = hmac.digest(b"", f"msg_1.{SENT_AT}.".encode() + REPLICATE_BODY, "sha256")
    headers = REPLICATE_HEADERS | {"webhook-signature": "v1," + base64.b64encode(empty).decode()}
    with pytest.raises(CallbackRefused, match="no secret"):
        provider.verify_callback(headers, REPLICATE_BODY, NOW)
    assert provider.capabilities.callback == ("none" if not secret else "signed")


@pytest.mark.parametrize("body", NONSENSE)
def test_signed_nonsense_from_replicate(guarded_replicate, body):
    secret = base64.b64decode(REPLICATE_SECRET.removeprefix("whsec_"))
    right = hmac.digest(secret, f"msg_1.{SENT_AT}.".encode() + body, "sha256")
    headers = REPLICATE_HEADERS | {"webhook-signature": "v1," + base64.b64encode(right).decode()}
    with pytest.raises(CallbackRefused, match="no prediction"):
        guarded_replicate.verify_callback(headers, body, NOW)


# Google -------------------------------------------------------------------------------------------


def test_google_sends_none(google):
    with pytest.raises(CallbackRefused):
        google.verify_callback(REPLICATE_HEADERS, REPLICATE_BODY, NOW)


def test_no_secret_is_told_by_a_refusal(guarded_kie, guarded_replicate):
    for provider in (guarded_kie, guarded_replicate):
        with pytest.raises(CallbackRefused) as caught:
            provider.verify_callback({}, KIE_BODY, NOW)
        for secret in (KIE_SECRET, REPLICATE_SECRET, KEY):
            assert secret not in str(caught.value) + repr(caught.value)
