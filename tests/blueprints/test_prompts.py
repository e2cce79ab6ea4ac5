"""Build by parts, through the form: as a fragment, and as the whole page without JavaScript."""

import html
import re

from flask.testing import FlaskClient

from app import catalogue
from app.services.prompting import PART_MAX_CHARS
from tests.blueprints.conftest import HTMX, form_of
from tests.conftest import Rows

EDITED = "My own sentence about soap"


def value_of(page: str, name: str) -> str:
    found = re.search(rf'name="{name}"[^>]* value="([^"]*)"', page)
    assert found, name
    return html.unescape(found[1])


def prompt_of(page: str) -> str:
    found = re.search(r"<textarea[^>]*>(.*?)</textarea>", page, re.S)
    assert found
    return html.unescape(found[1])


def parts_form(client: FlaskClient, **changes: str) -> dict[str, str]:
    """The composer as the page holds it, parts included."""
    page = client.get("/studio").text
    names = ["part_type", "part_written", "part_before"]
    names += [f"part_{part.id}" for part in catalogue.all_parts()]
    return {**form_of(client), **{name: value_of(page, name) for name in names}, **changes}


def test_the_parts_stand_there_as_the_type_begins_them(alice_client: FlaskClient) -> None:
    for prefix, locale in (("", "en"), ("/zh", "zh")):
        page = alice_client.get(f"{prefix}/studio?type=slime").text
        for name, words in catalogue.start("slime", locale).items():
            assert value_of(page, f"part_{name}") == words
        for part in catalogue.all_parts():
            for choice in part.choices:
                assert f'maxlength="{PART_MAX_CHARS}"' in page
                assert f'<option value="{html.escape(choice.words(locale))}">' in page


def test_a_fragment_carries_the_prompt_for_the_script(alice_client: FlaskClient) -> None:
    form = parts_form(alice_client, prompt="", part_subject="a blue <b>planet</b>")
    answer = alice_client.post("/studio/prompt", data=form, headers=HTMX)
    assert answer.status_code == 200
    assert answer.text.count('id="parts"') == 1 and 'id="composer"' not in answer.text
    found = re.search(r'data-prompt="([^"]*)"', answer.text)
    assert found and "a blue <b>planet</b>" in html.unescape(found[1])
    assert "<b>planet" not in answer.text


def test_without_javascript_the_page_comes_with_the_prompt_and_the_parts(
    alice_client: FlaskClient, rows: Rows
) -> None:
    form = parts_form(alice_client, prompt="", part_light="Moonlight", seed="9", duration="5")
    page = alice_client.post("/studio/prompt", data=form).text
    assert "Moonlight. " in prompt_of(page)
    assert value_of(page, "part_light") == "Moonlight"
    assert value_of(page, "seed") == "9"
    assert re.search(r'name="duration" value="5" checked', page)
    assert '<details class="parts" id="parts" open' in page
    assert rows("SELECT id FROM videos") == []


def test_edits_are_kept_until_the_visitor_decides(alice_client: FlaskClient) -> None:
    form = parts_form(alice_client, prompt=EDITED)
    page = alice_client.post("/studio/prompt", data=form).text
    assert prompt_of(page) == EDITED
    assert "You have edited the prompt" in page
    assert 'value="replace"' in page and 'value="below"' in page
    page = alice_client.post("/studio/prompt", data={**form, "part_do": "below"}).text
    assert prompt_of(page).startswith(f"{EDITED}\n")
    page = alice_client.post("/studio/prompt", data={**form, "part_do": "replace"}).text
    assert EDITED not in prompt_of(page)
    back = {**form, "prompt": prompt_of(page), "part_before": value_of(page, "part_before")}
    page = alice_client.post("/studio/prompt", data={**back, "part_do": "undo"}).text
    assert prompt_of(page) == EDITED
    fragment = alice_client.post("/studio/prompt", data=form, headers=HTMX).text
    assert "data-prompt" not in fragment


def test_in_chinese_all_of_it_is_chinese(alice_client: FlaskClient) -> None:
    form = parts_form(alice_client) | {
        f"part_{name}": words for name, words in catalogue.start("ice-cut", "zh").items()
    }
    form |= {"type": "ice-cut", "part_type": "ice-cut", "prompt": ""}
    prompt = prompt_of(alice_client.post("/zh/studio/prompt", data=form).text)
    assert prompt.endswith("。没有音乐，没有人声。")
    assert not re.search("[A-Za-z]", prompt)


def test_a_part_that_is_too_long_is_marked(alice_client: FlaskClient) -> None:
    form = parts_form(alice_client, prompt=EDITED, part_tool="x" * 151)
    for headers in ({}, HTMX):
        answer = alice_client.post("/studio/prompt", data=form, headers=headers)
        assert answer.status_code == 422
        assert 'id="part_tool-error"' in answer.text
        assert value_of(answer.text, "part_tool") == "x" * 151
    assert prompt_of(alice_client.post("/studio/prompt", data=form).text) == EDITED


def test_the_parts_follow_another_type(alice_client: FlaskClient) -> None:
    form = parts_form(alice_client, type="ocean", part_sound="Only gulls")
    answer = alice_client.post("/studio/parts", data=form, headers=HTMX).text
    assert value_of(answer, "part_type") == "ocean"
    assert value_of(answer, "part_subject") == catalogue.start("ocean", "en")["subject"]
    assert value_of(answer, "part_tool") == ""
    assert value_of(answer, "part_sound") == "Only gulls"


def test_parts_survive_a_refused_form(alice_client: FlaskClient) -> None:
    form = parts_form(alice_client, prompt=" ", part_light="Moonlight")
    answer = alice_client.post("/videos", data=form, headers=HTMX)
    assert answer.status_code == 422
    assert value_of(answer.text, "part_light") == "Moonlight"


def test_the_guard_and_the_methods(client: FlaskClient, alice_client: FlaskClient) -> None:
    for address in ("/studio/prompt", "/studio/parts"):
        assert client.post(address, data={}).location.startswith("/sign-in")
        assert alice_client.get(address).status_code == 405
        assert alice_client.post(address, data={}, csrf=False).status_code == 400
        assert alice_client.post(address, data={}, headers=HTMX).status_code in (200, 422)


def test_a_refused_prompt_is_marked_and_costs_nothing(
    alice_client: FlaskClient, rows: Rows
) -> None:
    form = form_of(alice_client, prompt="a n4ked woman cutting soap")
    answer = alice_client.post("/videos", data=form, headers=HTMX)
    assert answer.status_code == 422
    assert re.search(
        r'<textarea[^>]*aria-invalid="true"[^>]*>a n4ked woman cutting soap<', answer.text
    )
    assert "We make nothing sexual" in answer.text and "Nothing was charged" in answer.text
    assert rows("SELECT id FROM videos") == []
    assert rows("SELECT id FROM credit_entries WHERE kind = 'spend'") == []
    verdicts = rows("SELECT verdict, source, reason FROM screenings")
    assert [tuple(each.values()) for each in verdicts] == [("deny", "local", "sexual")]
    # The refusal did not use the form up.
    assert alice_client.post("/videos", data={**form, "prompt": "soap"}).status_code == 303
