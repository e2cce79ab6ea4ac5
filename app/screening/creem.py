"""Creem's moderation: POST /v1/moderation/prompt, which it demands of sellers of AI video.

The wire: header x-api-key; body {prompt, external_id}; answer {id, object, prompt, decision,
usage, external_id}, where decision is allow, flag or deny and further fields may come
(docs.creem.io/api-reference/endpoint/screen-prompt).  It tells no reason.
"""

from typing import Any, Final

import httpx

from app.screening.verdict import Decision, ScreeningUnavailable, Verdict

TIMEOUT: Final = httpx.Timeout(5.0, connect=3.0)
"""Seconds. Somebody waits at the form meanwhile."""
PATH: Final = "/v1/moderation/prompt"
DECISIONS: Final[dict[Any, Decision]] = {"allow": "allow", "flag": "flag", "deny": "deny"}
REASON: Final = "creem"


class Creem:
    """A door to one account; may be used from any thread."""

    def __init__(self, base_url: str, key: str) -> None:
        # Redirects and proxies of the environment would carry key and prompt elsewhere.
        self._client = httpx.Client(
            base_url=base_url,
            headers={"x-api-key": key},
            timeout=TIMEOUT,
            limits=httpx.Limits(max_connections=10),
            trust_env=False,
            follow_redirects=False,
        )

    def screen(self, prompt: str, external_id: str) -> Verdict:
        """What Creem decides.  Raises ScreeningUnavailable for any trouble."""
        answer = self._ask({"prompt": prompt, "external_id": external_id})
        if answer.status_code in (401, 403):
            raise ScreeningUnavailable(f"Creem refuses the key ({answer.status_code})")
        if answer.status_code != httpx.codes.OK:
            raise ScreeningUnavailable(f"Creem answered {answer.status_code}")
        return _verdict(answer)

    def _ask(self, body: dict[str, str]) -> httpx.Response:
        """Once more where no connection came about: then nothing was asked, or paid for."""
        try:
            try:
                return self._client.post(PATH, json=body)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                return self._client.post(PATH, json=body)
        except httpx.HTTPError as error:
            trouble = f"no answer of Creem: {type(error).__name__}"
        # out here it has no context: httpx's errors hold the request, and its headers the key
        raise ScreeningUnavailable(trouble)

    def close(self) -> None:
        """Give back the connections."""
        self._client.close()


def _verdict(answer: httpx.Response) -> Verdict:
    try:
        body = answer.json()
    except ValueError:
        raise ScreeningUnavailable("Creem's answer is not JSON") from None
    said = body.get("decision") if isinstance(body, dict) else None
    decision = DECISIONS.get(said) if isinstance(said, str) else None
    if decision is None:
        raise ScreeningUnavailable("Creem's answer holds no decision that we know")
    return Verdict(decision, "" if decision == "allow" else REASON)
