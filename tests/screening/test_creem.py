"""The wire to Creem's moderation, through real HTTP."""

from collections.abc import Iterator

import httpx
import pytest

from app.screening import Creem, ScreeningUnavailable, Verdict
from app.screening.creem import TIMEOUT
from tests.databases import free_port
from tests.screening.conftest import KEY, CreemServer

PROMPT = "切一块肥皂, slowly"


@pytest.fixture
def creem(creem_server: CreemServer) -> Iterator[Creem]:
    door = Creem(creem_server.url, KEY)
    yield door
    door.close()


def test_what_is_sent(creem: Creem, creem_server: CreemServer) -> None:
    creem.screen(PROMPT, "user_7")
    assert creem_server.asked == [
        {"path": "/v1/moderation/prompt", "prompt": PROMPT, "external_id": "user_7"}
    ]
    assert creem_server.headers[0]["x-api-key"] == KEY
    assert creem_server.headers[0]["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("decision", "verdict", "is_refusal"),
    [
        ("allow", Verdict("allow"), False),
        ("flag", Verdict("flag", "creem"), True),
        ("deny", Verdict("deny", "creem"), True),
    ],
)
def test_its_decisions(
    creem: Creem, creem_server: CreemServer, decision: str, verdict: Verdict, is_refusal: bool
) -> None:
    creem_server.decision = decision
    assert creem.screen(PROMPT, "user_7") == verdict
    assert verdict.is_refusal == is_refusal


@pytest.mark.parametrize("status", [301, 400, 401, 402, 403, 404, 429, 500, 502, 503])
def test_no_verdict_is_read_out_of_an_error(
    creem: Creem, creem_server: CreemServer, status: int
) -> None:
    creem_server.status = status
    with pytest.raises(ScreeningUnavailable, match=str(status)) as caught:
        creem.screen(PROMPT, "user_7")
    assert KEY not in str(caught.value) and PROMPT not in str(caught.value)
    assert len(creem_server.asked) == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>down</html>", b"[]", b"null", b"{}", b'{"decision": null}',
     b'{"decision": ["allow"]}', b'{"decision": "ALLOW"}', b'{"decision": "maybe"}', b"\xff\xfe"],
)  # fmt: skip
def test_an_answer_that_makes_no_sense_is_no_verdict(
    creem: Creem, creem_server: CreemServer, body: bytes
) -> None:
    creem_server.body = body
    with pytest.raises(ScreeningUnavailable):
        creem.screen(PROMPT, "user_7")


def test_nobody_there() -> None:
    door = Creem(f"http://127.0.0.1:{free_port()}", KEY)
    with pytest.raises(ScreeningUnavailable, match="ConnectError") as caught:
        door.screen(PROMPT, "user_7")
    error = caught.value  # httpx's would hold the request, with the key in its headers
    assert error.__cause__ is None and error.__context__ is None
    door.close()


def test_no_answer_is_asked_for_only_once(
    creem: Creem, creem_server: CreemServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (TIMEOUT.connect, TIMEOUT.read) == (3.0, 5.0)
    monkeypatch.setattr(creem._client, "timeout", httpx.Timeout(0.3))  # the same, sooner
    creem_server.hangs = True
    with pytest.raises(ScreeningUnavailable, match="ReadTimeout"):
        creem.screen(PROMPT, "user_7")
    assert len(creem_server.asked) == 1
