"""What tests of video routes share: a provider in memory, a clip, a form as a page sends it."""

import re
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from app.services import attempts, sweeps
from tests.conftest import Call
from tests.fakes import FakeProvider
from tests.media.clips import MakeClip

HTMX = {"HX-Request": "true"}
PROMPT = "slow slicing of a glass strawberry on a wooden board"


@pytest.fixture
def studio(fake_provider: FakeProvider, make_clip: MakeClip) -> FakeProvider:
    """The provider in memory, which delivers a video that plays."""
    fake_provider.clip = make_clip("good.mp4")
    return fake_provider


def form_of(client: FlaskClient, **changes: str) -> dict[str, str]:
    """The fields that the studio's page holds now, with `changes`; the price is quoted again."""
    page = client.get("/studio").text
    token = re.search(r'name="token" value="([^"]+)"', page)
    assert token is not None
    form = {
        "type": "glass-fruit",
        "prompt": PROMPT,
        "aspect_ratio": "16:9",
        "duration": "8",
        "resolution": "720p",
        "seed": "",
        "count": "1",
        "token": token[1],
    } | changes
    if "price" not in changes:
        quote = client.post("/studio/quote", data=form, headers=HTMX).text
        price = re.search(r'name="price" value="(\d*)"', quote)
        assert price is not None
        form["price"] = price[1]
    return form


@pytest.fixture
def order(studio: FakeProvider) -> Callable[..., str]:
    """`order(client, prompt=…)`: ask for one video through the form; returns its id."""

    def order(client: FlaskClient, **changes: str) -> str:
        answer = client.post("/videos", data=form_of(client, **changes), headers=HTMX)
        assert answer.status_code == 201, answer.text
        found = re.search(r'id="video-([0-9a-f-]{36})"', answer.text)
        assert found is not None
        return found[1]

    return order


@pytest.fixture
def make(call: Call) -> Callable[..., None]:
    """`make(video_id)`: what the workers do until the provider in memory has delivered it."""

    def make(video_id: str) -> None:
        def work() -> None:
            assert attempts.submit(video_id)
            for _ in range(5):
                if video_id in sweeps.refresh_due().to_store:
                    assert attempts.store(video_id)
                    return
            raise AssertionError("the provider in memory never delivered")

        call(work)

    return make
