"""The ledger as a page and as a table file."""

import csv
import io
import re
from collections.abc import Callable

from flask.testing import FlaskClient

from app.blueprints.credits import safe_cell
from app.services import credits
from tests.blueprints.conftest import HTMX
from tests.conftest import Call, Person


def test_every_entry_says_what_it_was_for(
    alice_client: FlaskClient, order: Callable[..., str]
) -> None:
    video_id = order(alice_client, prompt="rain on a window")
    alice_client.post(f"/videos/{video_id}/cancellation")
    page = alice_client.get("/credits").text
    assert page.count("Rain on a window") == 2 and f'href="/videos/{video_id}/receipt"' in page
    assert "−8" in page and "+8" in page and "+100" in page


def test_pages_follow_one_another_without_loss(
    alice_client: FlaskClient, alice: Person, call: Call
) -> None:
    for number in range(60):
        call(credits.adjust, alice.id, 1, key=f"test:{number}", reason="test")
    seen: list[int] = []
    address: str | None = "/credits"
    while address:
        text = alice_client.get(address, headers=HTMX).text
        seen += [int(value) for value in re.findall(r'data-label="Balance">\s*(\d+)', text)]
        more = re.search(r'href="(/credits\?before=\d+)"', text)
        address = more[1] if more else None
    assert seen == list(range(160, 99, -1))


def test_the_table_file_is_whole_and_safe_for_spreadsheets(
    alice_client: FlaskClient, order: Callable[..., str]
) -> None:
    order(alice_client, prompt='=HYPERLINK("http://example.org"),"ice"')
    answer = alice_client.get("/credits.csv")
    assert answer.mimetype == "text/csv" and "credits.csv" in answer.headers["Content-Disposition"]
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(line["kind"], line["credits"], line["balance"]) for line in lines] == [
        ("spend", "-8", "92"),
        ("adjustment", "100", "100"),
    ]
    assert lines[0]["title"].startswith("'=HYPERLINK")


def test_only_what_looks_like_a_formula_is_quoted() -> None:
    assert [safe_cell(text) for text in ("=1", "+1", "-1", "@a", "\t=1", "ice = cold", "")] == [
        "'=1", "'+1", "'-1", "'@a", "'\t=1", "ice = cold", "",
    ]  # fmt: skip


def test_a_strange_cursor_shows_the_first_page(alice_client: FlaskClient) -> None:
    for cursor in ("x", "-1", "9" * 30, "1.5"):
        assert "+100" in alice_client.get(f"/credits?before={cursor}").text


def test_a_debt_is_shown_as_owed(alice_client: FlaskClient, alice: Person, call: Call) -> None:
    call(credits.adjust, alice.id, -130, key="test:debt", reason="test")
    assert "30 credits owed" in alice_client.get("/credits").text


def test_what_was_taken_back_is_not_said_to_be_received(
    alice_client: FlaskClient, alice: Person, call: Call
) -> None:
    assert "Taken back" not in alice_client.get("/credits").text
    call(credits.adjust, alice.id, 1450, key="test:gift", reason="test")
    call(credits.adjust, alice.id, -1570, key="test:debt", reason="test")
    lines = re.findall(r"<dt>([^<]+)</dt><dd[^>]*>([^<]+)</dd>", alice_client.get("/credits").text)
    assert lines == [
        ("Received", "+1,550"), ("Taken back", "−1,570"), ("Spent on videos", "0"),
        ("Came back", "0"), ("Balance", "−20"),
    ]  # fmt: skip


def test_credits_want_a_sign_in(client: FlaskClient) -> None:
    assert client.get("/credits").status_code == 302
    assert client.get("/credits.csv").status_code == 302
