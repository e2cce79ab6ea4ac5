"""How keys are doing, over HTTP: for administrators, and without a secret."""

import json

from app.providers import ProviderError
from app.services import keys
from tests.cast import Browser
from tests.clouds import FAL_KEY, KIE_KEYS, Clouds
from tests.conftest import Call
from tests.faults.making import Making

pytest_plugins = ["tests.faults.fixtures"]

PATH = "/api/veo3-key-status"


def test_to_all_but_administrators_it_is_not_there(
    clouds: Clouds, client: Browser, alice_client: Browser
) -> None:
    for browser in (client, alice_client):
        answer = browser.get(PATH)
        assert answer.status_code == 404
        assert answer.mimetype == "application/problem+json"
        assert b"kie" not in answer.data


def test_an_administrator_sees_every_key_and_no_secret(
    cloudy: Making, clouds: Clouds, root_client: Browser, call: Call
) -> None:
    cloudy.submit(cloudy.ask())
    call(keys.note_error, "kie", keys.fingerprint(KIE_KEYS[1]), ProviderError("key_bad", "401"))
    answer = root_client.get(PATH)
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.headers["Cache-Control"].find("no-store") >= 0
    kie, fal, local = json.loads(answer.data)["providers"]
    assert [key["key"] for key in kie["keys"]] == ["test…0001", "test…0002", "test…0006"]
    assert [key["requests"] for key in kie["keys"]] == [1, 0, 0]
    assert [key["state"] for key in kie["keys"]] == ["healthy", "disabled", "healthy"]
    assert [key["health"] for key in kie["keys"]] == [100, 0, 100]
    assert (kie["spent_today_cents"], fal["spent_today_cents"]) == (20, 0)
    assert local["kind"] == "local"
    for secret in (*KIE_KEYS, FAL_KEY):
        assert secret not in answer.text
        assert keys.fingerprint(secret) not in answer.text


def test_what_is_named_and_has_no_key_is_told(clouds: Clouds, root_client: Browser) -> None:
    clouds.app.config["PROVIDERS_OFF"] = {"replicate": "REPLICATE_API_TOKEN"}
    assert json.loads(root_client.get(PATH).data)["off"] == {"replicate": "REPLICATE_API_TOKEN"}


def test_it_changes_nothing(clouds: Clouds, root_client: Browser) -> None:
    assert root_client.post(PATH).status_code == 405
