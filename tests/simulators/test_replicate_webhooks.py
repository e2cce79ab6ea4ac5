"""Replicate's webhooks, judged by its own client."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from replicate.client import Client
from replicate.prediction import Prediction
from replicate.webhook import (
    InvalidSignatureError,
    InvalidTimestampError,
    MissingWebhookHeaderError,
    Webhooks,
    WebhookSigningSecret,
)

from tests.simulators import Simulator
from tests.simulators.conftest import Start
from tests.simulators.inbox import Inbox
from tests.simulators.replicate import signature
from tests.simulators.wire import Request
from tests.waiting import wait_until

MODEL = "google/veo-3.1-fast"
ORDER = {"prompt": "soap", "aspect_ratio": "16:9", "duration": 8, "resolution": "720p"}
AUTH = {"Authorization": "Bearer test-key"}
COMPLETED = ["completed"]

Connect = Callable[[str], Client]


@pytest.fixture
def replicate(begin: Start) -> Simulator:
    return begin("replicate")


@pytest.fixture
def client(replicate: Simulator) -> Iterator[Client]:
    client = Client(api_token="test-key", base_url=replicate.base_url)
    yield client
    client._client.close()


def order(client: Client, **fields: Any) -> Prediction:
    return client.models.predictions.create(model=MODEL, input=ORDER, **fields)


def validate(letter: Request, secret: str, tolerance: int | None = 300) -> None:
    Webhooks.validate(
        headers=letter.headers,
        body=letter.body.decode(),
        secret=WebhookSigningSecret(key=secret),
        tolerance=tolerance,
    )


def called(
    replicate: Simulator, client: Client, inbox: Inbox, *faults: str
) -> tuple[Prediction, list[Request]]:
    prediction = order(client, webhook=inbox.url, webhook_events_filter=COMPLETED)
    if faults:
        replicate.fault(", ".join(faults), where="callback")
    replicate.finish(prediction.id)
    wait_until(lambda: inbox.letters)
    return prediction, inbox.letters


def test_the_vector_of_the_reference(replicate: Simulator) -> None:
    body = b'{"id":"p1","status":"succeeded"}'
    assert signature(replicate.webhook_secret, "msg_1", 1767225600, body) == (
        "v1,+zncm37GTrdfVF4i3qY0WEjqIjLA0mu/V2IALOyRokM="
    )


def test_a_webhook_is_valid(replicate: Simulator, client: Client, inbox: Inbox) -> None:
    prediction, [letter] = called(replicate, client, inbox)
    secret = client.webhooks.default.secret().key
    assert secret == replicate.webhook_secret
    validate(letter, secret)
    said = letter.json()
    assert (said["id"], said["status"]) == (prediction.id, "succeeded")


@pytest.mark.parametrize("is_shown", [False, True])
def test_a_prediction_tells_its_webhook_only_where_that_is_wished(
    begin: Start, http: httpx.Client, inbox: Inbox, is_shown: bool
) -> None:
    replicate = begin("replicate", **({"shows_webhook": True} if is_shown else {}))
    url = f"{replicate.base_url}/v1/models/{MODEL}/predictions"
    told = http.post(url, json={"input": ORDER, "webhook": inbox.url}, headers=AUTH).json()
    listed = http.get(f"{replicate.base_url}/v1/predictions", headers=AUTH).json()["results"][0]
    for each in (told, listed):
        assert each.get("webhook") == (inbox.url if is_shown else None)
        assert each["input"] == ORDER


def test_two_signatures_in_one_header(replicate: Simulator, client: Client, inbox: Inbox) -> None:
    _, [letter] = called(replicate, client, inbox, "two_signatures")
    assert len(letter.headers["webhook-signature"].split()) == 2
    validate(letter, replicate.webhook_secret)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("wrong_signature", InvalidSignatureError),
        ("tampered", InvalidSignatureError),
        ("unsigned", MissingWebhookHeaderError),
        ("stale=600", InvalidTimestampError),
        ("skew=600", InvalidTimestampError),
    ],
)
def test_a_webhook_that_is_not(
    replicate: Simulator, client: Client, inbox: Inbox, fault: str, error: type[Exception]
) -> None:
    _, [letter] = called(replicate, client, inbox, fault)
    with pytest.raises(error):
        validate(letter, replicate.webhook_secret)


def test_a_clock_that_is_wrong(begin: Start, http: httpx.Client, inbox: Inbox) -> None:
    replicate = begin("replicate", clock_skew_s=900, takes_s=0.0)
    url = f"{replicate.base_url}/v1/models/{MODEL}/predictions"
    http.post(url, json={"input": ORDER, "webhook": inbox.url}, headers=AUTH)
    wait_until(lambda: inbox.letters)
    with pytest.raises(InvalidTimestampError):
        validate(inbox.letters[0], replicate.webhook_secret)
    validate(inbox.letters[0], replicate.webhook_secret, tolerance=None)


def test_a_resent_webhook_has_the_same_id(replicate: Simulator, client: Client) -> None:
    with Inbox(500, 200) as inbox:
        called(replicate, client, inbox)
        wait_until(lambda: len(inbox.letters) == 2)
        assert len({letter.headers["webhook-id"] for letter in inbox.letters}) == 1
        wait_until(lambda: [one.status for one in replicate.callbacks] == [500, 200])


def test_only_other_events_were_asked_for(
    replicate: Simulator, client: Client, inbox: Inbox
) -> None:
    prediction = order(client, webhook=inbox.url, webhook_events_filter=["start"])
    assert replicate.tasks[prediction.id].callback_url is None


def test_secrets_are_base64() -> None:
    from tests.simulators.replicate import OLD_SECRET, SECRET

    for secret in (SECRET, OLD_SECRET):
        assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) >= 24
