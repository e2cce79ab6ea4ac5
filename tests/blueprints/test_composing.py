"""What is said before the button: every scene has words, in both languages."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_babel import force_locale
from flask_babel import gettext as _

from app import catalogue
from app.blueprints.composing import SCENES
from renderer import subjects
from tests.blueprints.conftest import HTMX, form_of


def test_every_scene_has_words(app: Flask) -> None:
    drawn = set()
    for one in catalogue.all_types():
        for prompt in (one.prompt("en"), one.prompt("zh"), "", "candle", "lemon", "marble soap"):
            seen = subjects.describe(prompt, one.id)
            drawn.add(f"{seen.scene}:{seen.variant}" if seen.variant else seen.scene)
    assert drawn <= set(SCENES)
    with app.test_request_context(), force_locale("zh"):
        assert all(_(words) != words for words in SCENES.values())


@pytest.mark.parametrize(
    ("type_id", "prompt", "said"),
    [
        ("glass-fruit", "slow slicing of a glass kiwi", "will draw: a glass kiwi"),
        ("rain-window", "by a candle", "will draw: rain on a window, by candlelight"),
        ("ocean", "waves at evening", "no scene of its own"),
        ("hair-brush", "slow strokes", "no scene of its own"),
    ],
)
def test_the_quote_says_what_will_be_drawn(
    alice_client: FlaskClient, type_id: str, prompt: str, said: str
) -> None:
    form = form_of(alice_client, type=type_id, prompt=prompt)
    answer = alice_client.post("/studio/quote", data=form, headers=HTMX)
    assert said in answer.text
