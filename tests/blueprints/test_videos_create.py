"""Asking for videos through the form: what is charged, what is refused, and what comes back."""

import threading
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.blueprints.conftest import HTMX, form_of
from tests.conftest import Person, Rows
from tests.fakes import FakeProvider

Sign = Callable[[Person], FlaskClient]


def charged(rows: Rows) -> int:
    (row,) = rows(
        "SELECT COALESCE(-SUM(amount), 0) AS spent FROM credit_entries WHERE kind='spend'"
    )
    return int(row["spent"])


def test_the_form_makes_a_video_and_a_fresh_form(
    alice_client: FlaskClient, studio: FakeProvider, rows: Rows
) -> None:
    form = form_of(alice_client)
    answer = alice_client.post("/videos", data=form, headers=HTMX)
    assert answer.status_code == 201
    (video,) = rows("SELECT * FROM videos")
    assert f'id="video-{video["id"]}"' in answer.text and 'data-status="queued"' in answer.text
    assert 'id="composer"' in answer.text and form["token"] not in answer.text
    assert 'id="balance"' in answer.text and ">92<" in answer.text.replace("\n", "")
    assert (video["prompt"], video["cost_credits"], video["status"]) == (
        form["prompt"],
        8,
        "queued",
    )
    assert charged(rows) == 8


def test_without_javascript_it_leads_back_to_the_studio(
    alice_client: FlaskClient, studio: FakeProvider, rows: Rows
) -> None:
    answer = alice_client.post("/videos", data=form_of(alice_client))
    assert answer.status_code == 303 and answer.location.startswith("/studio")
    assert len(rows("SELECT 1 FROM videos")) == 1


def test_in_chinese_forms_and_polls_keep_the_prefix(
    alice_client: FlaskClient, studio: FakeProvider
) -> None:
    form = form_of(alice_client)
    answer = alice_client.post("/zh/videos", data=form, headers=HTMX)
    assert answer.status_code == 201
    assert 'data-hx-get="/zh/videos/' in answer.text and 'action="/zh/videos"' in answer.text
    assert alice_client.post("/zh/videos", data=form_of(alice_client)).location.startswith("/zh/")


def test_four_at_once_are_all_or_nothing(
    alice_client: FlaskClient, studio: FakeProvider, rows: Rows
) -> None:
    assert alice_client.post("/videos", data=form_of(alice_client, count="4")).status_code == 303
    costs = sorted(row["cost_credits"] for row in rows("SELECT cost_credits FROM videos"))
    assert costs == [8, 10, 10, 10]  # the first-video price is for one of them
    form = form_of(alice_client, count="4", resolution="1080p", duration="30")
    answer = alice_client.post("/videos", data=form)
    assert answer.status_code == 402 and "Nothing was charged" in answer.text
    assert len(rows("SELECT 1 FROM videos")) == 4 and charged(rows) == 38


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", ""),
        ("prompt", "x" * 1001),
        ("prompt", " \r\n \t "),
        ("prompt", "glass\x00fruit"),
        ("type", "mouth-sounds"),
        ("type", ""),
        ("aspect_ratio", "4:3"),
        ("duration", "0"),
        ("duration", "3"),
        ("duration", "31"),
        ("duration", "8.5"),
        ("duration", "abc"),
        ("resolution", "9000p"),
        ("seed", "-1"),
        ("seed", str(2**32)),
        ("seed", "seven"),
        ("count", "0"),
        ("count", "5"),
    ],
)
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "fragment"])
def test_a_wrong_field_is_named_in_place_and_costs_nothing(
    alice_client: FlaskClient,
    studio: FakeProvider,
    rows: Rows,
    field: str,
    value: str,
    headers: dict[str, str],
) -> None:
    form = form_of(alice_client, price="8") | {field: value}
    answer = alice_client.post("/videos", data=form, headers=headers)
    assert answer.status_code == 422
    assert ("<!doctype html>" in answer.text.lower()) == (not headers)
    assert 'id="composer"' in answer.text and 'aria-invalid="true"' in answer.text
    assert f'id="{field}-e"' in answer.text or f'id="{field}-error"' in answer.text
    assert form["token"] in answer.text  # a refusal does not use the token up
    assert rows("SELECT 1 FROM videos") == [] and charged(rows) == 0
    again = alice_client.post("/videos", data=form | {field: form_of(alice_client)[field]})
    assert again.status_code == 303


def test_a_stale_price_charges_nothing_and_shows_the_new_one(
    alice_client: FlaskClient, studio: FakeProvider, rows: Rows
) -> None:
    answer = alice_client.post("/videos", data=form_of(alice_client, price="5"), headers=HTMX)
    assert answer.status_code == 422 and "price has changed" in answer.text
    assert 'name="price" value="8"' in answer.text
    assert rows("SELECT 1 FROM videos") == []


@pytest.mark.parametrize("missing", ["token", "price"])
def test_a_form_without_token_or_price_charges_nothing(
    alice_client: FlaskClient, studio: FakeProvider, rows: Rows, missing: str
) -> None:
    answer = alice_client.post("/videos", data=form_of(alice_client) | {missing: ""})
    assert answer.status_code == 422
    assert rows("SELECT 1 FROM videos") == []


def test_the_same_form_posted_twice_is_one_video(
    alice_client: FlaskClient, studio: FakeProvider, rows: Rows
) -> None:
    form = form_of(alice_client)
    first = alice_client.post("/videos", data=form, headers=HTMX)
    second = alice_client.post("/videos", data=form, headers=HTMX)
    assert (first.status_code, second.status_code) == (201, 201)
    (video,) = rows("SELECT id FROM videos")
    assert f'id="video-{video["id"]}"' in second.text and charged(rows) == 8


def test_a_used_token_with_other_fields_charges_nothing_and_is_replaced(
    alice_client: FlaskClient, studio: FakeProvider, rows: Rows
) -> None:
    form = form_of(alice_client)
    alice_client.post("/videos", data=form)
    answer = alice_client.post("/videos", data=form | {"prompt": "ice", "price": "10"})
    assert answer.status_code == 422 and form["token"] not in answer.text
    assert len(rows("SELECT 1 FROM videos")) == 1


@pytest.mark.both_databases
def test_two_forms_at_once_with_credit_for_one_make_one_video(
    app: Flask, make_person: Callable[..., Person], client_of: Sign, rows: Rows,
    fake_provider: FakeProvider,
) -> None:  # fmt: skip
    carol = make_person("carol@example.org", credits=10)
    browsers = [client_of(carol), client_of(carol)]
    forms = [form_of(browser, duration="10") for browser in browsers]
    assert all(form["price"] == "13" for form in forms)
    forms = [form_of(browser, duration="8", resolution="720p") for browser in browsers]
    start, answers = threading.Barrier(2), []

    def post(browser: FlaskClient, form: dict[str, str]) -> None:
        start.wait(10)
        answers.append(browser.post("/videos", data=form).status_code)

    threads = [
        threading.Thread(target=post, args=pair) for pair in zip(browsers, forms, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) in ([303, 402], [303, 422])  # the other saw too little, or a new price
    assert len(rows("SELECT 1 FROM videos")) == 1 and charged(rows) == 8


def test_the_eleventh_video_of_an_hour_waits(
    make_person: Callable[..., Person], client_of: Sign, studio: FakeProvider, rows: Rows
) -> None:
    browser = client_of(make_person("rich@example.org", credits=1000))
    for count in ("4", "4", "2"):
        assert browser.post("/videos", data=form_of(browser, count=count)).status_code == 303
    answer = browser.post("/videos", data=form_of(browser), headers=HTMX)
    assert answer.status_code == 429 and 3500 < int(answer.headers["Retry-After"]) <= 3601
    assert "Nothing was charged" in answer.text
    assert len(rows("SELECT 1 FROM videos")) == 10


def test_no_credits_says_what_is_missing(
    make_person: Callable[..., Person], client_of: Sign, studio: FakeProvider, rows: Rows
) -> None:
    browser = client_of(make_person("poor@example.org", credits=3))
    answer = browser.post("/videos", data=form_of(browser), headers=HTMX)
    assert answer.status_code == 402
    assert "You need 8 credits and have 3" in answer.text and 'id="composer"' in answer.text
    assert rows("SELECT 1 FROM videos") == []


def test_no_csrf_token_no_video(
    alice_client: FlaskClient, studio: FakeProvider, rows: Rows
) -> None:
    answer = alice_client.post("/videos", data=form_of(alice_client), csrf=False)
    assert answer.status_code == 400 and "Nothing was" in answer.text
    assert rows("SELECT 1 FROM videos") == []


def test_a_body_over_a_megabyte_is_refused(alice_client: FlaskClient, rows: Rows) -> None:
    answer = alice_client.post("/videos", data={"prompt": "x" * (1024 * 1024 + 1)})
    assert answer.status_code == 413 and "larger than 1 MB" in answer.text
    assert rows("SELECT 1 FROM videos") == []


def test_signed_out_asks_to_sign_in(client: FlaskClient) -> None:
    assert client.post("/videos", data={}).status_code == 302
    answer = client.post("/videos", data={}, headers=HTMX)
    assert answer.status_code == 401 and "/sign-in" in answer.headers["HX-Redirect"]
