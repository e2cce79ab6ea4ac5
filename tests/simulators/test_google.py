"""Google's Veo, asked by google-genai 2.x."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import errors, types

from tests.simulators import Simulator
from tests.simulators.conftest import Start

MODEL = "veo-3.1-fast-generate-preview"
PNG = b"\x89PNG\r\n\x1a\nand so on"
AUTH = {"x-goog-api-key": "test-key"}

Connect = Callable[..., genai.Client]


@pytest.fixture
def google(begin: Start) -> Simulator:
    return begin("google", keys={"test-key": "ok", "test-other": "ok"})


@pytest.fixture
def connect(google: Simulator) -> Iterator[Connect]:
    clients: list[genai.Client] = []

    def one(key: str = "test-key", **options: Any) -> genai.Client:
        http_options = types.HttpOptions(base_url=google.base_url)
        clients.append(genai.Client(api_key=key, http_options=http_options, **options))
        return clients[-1]

    yield one
    for client in clients:
        client.close()


@pytest.fixture
def client(connect: Connect) -> genai.Client:
    return connect()


def order(
    client: genai.Client, prompt: str | None = "soap", image: bytes | None = None, **config: Any
) -> types.GenerateVideosOperation:
    picture = types.Image(image_bytes=image, mime_type="image/png") if image else None
    return client.models.generate_videos(
        model=config.pop("model", MODEL),
        source=types.GenerateVideosSource(prompt=prompt, image=picture),
        config=types.GenerateVideosConfig(**config),
    )


def test_from_order_to_file(google: Simulator, client: genai.Client) -> None:
    google.set(takes_s=60, queue_s=20)
    operation = order(client, aspect_ratio="9:16", resolution="720p", duration_seconds=8)
    assert operation.name and operation.name.startswith(f"models/{MODEL}/operations/")
    operation = client.operations.get(operation)
    assert not operation.done  # absent
    google.advance(30)
    assert client.operations.get(operation).done is False
    google.advance(31)
    operation = client.operations.get(operation)
    assert operation.done and operation.response and operation.response.generated_videos
    video = operation.response.generated_videos[0].video
    assert (
        video and video.uri and video.uri.startswith("https://generativelanguage.googleapis.com/")
    )
    clip = client.files.download(file=video)
    assert clip[4:8] == b"ftyp" and video.video_bytes == clip
    [submit] = google.asked("submit")
    assert submit.path == f"/v1beta/models/{MODEL}:predictLongRunning"
    assert submit.json()["parameters"]["durationSeconds"] == 8
    assert google.asked("file")[0].headers["x-goog-api-key"] == "test-key"


def test_an_image_in_the_sdks_spelling_and_in_that_of_the_page(
    google: Simulator, client: genai.Client, http: httpx.Client
) -> None:
    order(client, image=PNG)
    sent = google.asked("submit")[0].json()["instances"][0]["image"]
    assert base64.b64decode(sent["bytesBase64Encoded"]) == PNG
    inline = {"inlineData": {"mimeType": "image/png", "data": sent["bytesBase64Encoded"]}}
    body = {"instances": [{"prompt": "x", "image": inline}], "parameters": {}}
    url = f"{google.base_url}/v1beta/models/{MODEL}:predictLongRunning"
    assert http.post(url, json=body, headers=AUTH).status_code == 200
    broken = {"instances": [{"prompt": "x", "image": {"inlineData": {"data": "!"}}}]}
    assert http.post(url, json=broken, headers=AUTH).status_code == 400


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"durationSeconds": "6"}, 200),  # a string, as the page shows it
        ({"durationSeconds": 5}, 400),
        ({"resolution": "1080p", "durationSeconds": 8}, 200),
        ({"resolution": "1080p", "durationSeconds": 6}, 400),
        ({"aspectRatio": "1:1"}, 400),
        ({"generateAudio": True}, 400),
        ({"personGeneration": "allow_adult"}, 400),
        ({"sampleCount": 2}, 400),
    ],
)
def test_parameters(
    google: Simulator, http: httpx.Client, parameters: dict[str, Any], status: int
) -> None:
    url = f"{google.base_url}/v1beta/models/{MODEL}:predictLongRunning"
    body = {"instances": [{"prompt": "x"}], "parameters": parameters}
    answer = http.post(url, json=body, headers=AUTH)
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"


def test_done_with_rai_only(google: Simulator, client: genai.Client) -> None:
    google.fault("rai, takes=0")
    operation = client.operations.get(order(client))
    assert operation.done and operation.error is None and operation.response
    assert operation.response.generated_videos is None
    assert operation.response.rai_media_filtered_count == 1
    assert operation.response.rai_media_filtered_reasons
    assert google.asked("poll")[0].status == 200


@pytest.mark.parametrize("code", [13, 8])
def test_an_operation_error(google: Simulator, client: genai.Client, code: int) -> None:
    google.fault(f"operation_error={code}, takes=0")
    operation = client.operations.get(order(client))
    assert operation.done and operation.error and operation.error["code"] == code
    assert operation.response is None


@pytest.mark.parametrize("fault", ["no_url", "empty_done"])
def test_done_without_a_video(google: Simulator, client: genai.Client, fault: str) -> None:
    google.fault(f"{fault}, takes=0")
    operation = client.operations.get(order(client))
    assert operation.done and operation.error is None
    assert operation.response is None or not operation.response.generated_videos


@pytest.mark.parametrize(
    ("state", "status", "rpc"),
    [
        ("bad", 400, "INVALID_ARGUMENT"),
        ("empty", 402, "RESOURCE_EXHAUSTED"),
        ("limited", 429, "RESOURCE_EXHAUSTED"),
        ("limited=30", 429, "RESOURCE_EXHAUSTED"),
    ],
)
def test_keys(google: Simulator, client: genai.Client, state: str, status: int, rpc: str) -> None:
    google.set_key("test-key", state)
    with pytest.raises(errors.ClientError) as caught:
        order(client)
    assert (caught.value.code, caught.value.status) == (status, rpc)
    details = caught.value.details["error"].get("details", [])
    reasons = [detail.get("reason") or detail.get("retryDelay") for detail in details]
    assert reasons == {"bad": ["API_KEY_INVALID"], "limited=30": ["30s"]}.get(state, [])
    assert len(google.asked("submit")) == 1  # the client does not try again by itself


def test_a_retired_model_says_404(google: Simulator, client: genai.Client) -> None:
    with pytest.raises(errors.ClientError, match="no longer available") as caught:
        order(client, model="veo-3.0-fast-generate-001")
    assert caught.value.code == 404
    google.fault("retired")
    with pytest.raises(errors.ClientError, match="404"):
        order(client)


def test_a_refusal_at_once_and_a_503(google: Simulator, client: genai.Client) -> None:
    google.fault("refuse")
    google.fault("error=503")
    with pytest.raises(errors.ClientError, match="safety"):
        order(client)
    with pytest.raises(errors.ServerError) as caught:
        order(client)
    assert caught.value.status == "UNAVAILABLE"


def test_another_account_does_not_see_it(
    google: Simulator, client: genai.Client, connect: Connect, http: httpx.Client
) -> None:
    operation = order(client)
    with pytest.raises(errors.ClientError) as caught:
        connect("test-other").operations.get(operation)
    assert caught.value.code == 404
    google.finish(str(operation.name))
    uri = client.operations.get(operation).response.generated_videos[0].video.uri  # type: ignore[union-attr,index]
    url = str(uri).replace("https://generativelanguage.googleapis.com", google.base_url)
    assert http.get(url, headers={"x-goog-api-key": "test-other"}).status_code == 404
    assert http.get(url).status_code == 400  # the key is wanted at files too
    assert http.get(url, headers=AUTH).content[4:8] == b"ftyp"


def test_an_http_link_makes_the_client_stumble(google: Simulator, client: genai.Client) -> None:
    """2.5: files.download reads the id only from links that start with https://."""
    google.fault("http_uri, takes=0")
    operation = client.operations.get(order(client))
    video = operation.response.generated_videos[0].video  # type: ignore[union-attr,index]
    assert video and str(video.uri).startswith(google.base_url)
    with pytest.raises(errors.ClientError):
        client.files.download(file=video)
    assert not any(task.downloads for task in google.tasks.values())


def test_a_link_to_another_host(google: Simulator, client: genai.Client) -> None:
    google.fault("foreign_uri, takes=0")
    operation = client.operations.get(order(client))
    video = operation.response.generated_videos[0].video  # type: ignore[union-attr,index]
    assert video and str(video.uri).startswith("https://files.elsewhere.example/")


def test_files_live_two_days(google: Simulator, client: genai.Client) -> None:
    operation = order(client)
    google.finish(str(operation.name))
    video = client.operations.get(operation).response.generated_videos[0].video  # type: ignore[union-attr,index]
    google.advance(2 * 86400 + 1)
    with pytest.raises(errors.ClientError) as caught:
        client.files.download(file=video)  # type: ignore[arg-type]
    assert caught.value.code == 404


def test_the_model_can_be_looked_up(google: Simulator, client: genai.Client) -> None:
    assert client.models.get(model=MODEL).name == f"models/{MODEL}"


def test_the_cloud_route(google: Simulator, connect: Connect) -> None:
    client = connect(vertexai=True)
    operation = order(client, model="veo-3.1-fast-generate-001", seed=7, generate_audio=True)
    assert google.asked("submit")[0].json()["parameters"]["seed"] == 7
    assert not client.operations.get(operation).done
    google.finish(str(operation.name))
    done = client.operations.get(operation)
    assert done.response and done.response.generated_videos
    video = done.response.generated_videos[0].video
    assert video and video.video_bytes and video.video_bytes[4:8] == b"ftyp"
