"""Google's wire for Veo with an API key: switched off by Google itself, spoken by gateways.

The wire: google-genai 2.x.  A handle is the operation's name.  There are no callbacks.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final, NoReturn

import httpx

from app.providers import (
    CallbackRefused,
    Capabilities,
    ErrorCode,
    Event,
    Order,
    ProviderError,
    Report,
    remote_id_of,
)
from app.providers.cloud import Vendor, lost_answer, names_content, picture, text_of
from app.providers.http import Answer, Phase, is_same_origin, short

SUBMITS: Final = (10, 60.0)  # a project's, for previews
PLACES: Final = 10
POLL_EVERY_S: Final = 10.0
DAY_PAUSE_S: Final = 3600.0  # a daily quota or a spend cap is not back in a minute
UNBILLED: Final = " (a key without billing is told the same)"
_OPERATION: Final = re.compile(r"models/[\w.-]+/operations/[\w.-]+", re.ASCII)
_FILE: Final = re.compile(r"/(?:v1\w*/)?files/([a-z0-9]+)(?::download)?")
_HOST: Final = "generativelanguage.googleapis.com"
# google.rpc codes of an operation that ended in an error
RPC: Final[dict[int, ErrorCode]] = {
    4: "transient",
    8: "transient",
    13: "transient",
    14: "transient",
}


class GoogleProvider(Vendor):
    """Obeys app.providers.CloudProvider."""

    name: ClassVar[str] = "google"
    redirects: ClassVar[int] = 3  # its files are handed on to other hosts of its own

    @property
    def capabilities(self) -> Capabilities:
        """Neither callbacks nor a way to stop."""
        return self._model.capabilities(
            cancel="never",
            callback="none",
            poll_every_s=POLL_EVERY_S,
            places=PLACES,
            submits=SUBMITS,
        )

    def submit(self, order: Order, key: str = "", /) -> str:
        """Order, the picture inside.  Raises ProviderError."""
        body = self._body(order)
        if order.image is not None:
            image = {"bytesBase64Encoded": picture(order), "mimeType": "image/jpeg"}
            body["instances"][0]["image"] = image
        url = self._url(f"/v1beta/models/{self._model.id}:predictLongRunning")
        answer = self._line.call("POST", url, key, "submit", body=body)
        if answer.status != 200:
            raise self._no(answer, "submit", key)
        name = text_of(answer.fields.get("name"))
        if not _OPERATION.fullmatch(name):
            raise lost_answer(self.name)
        return name

    def recover(
        self,
        _attempt_id: str,
        _key: str = "",
        /,
        order: Order | None = None,  # noqa: ARG002
    ) -> NoReturn:
        """Nobody can say: an operation is found by its name alone."""
        raise ProviderError("unknown_outcome", "Google lists no operations", permanent=False)

    def adopt(self, attempt_id: str, remote_id: str, key: str) -> str | None:  # noqa: ARG002  protocol
        """No callback names a task, so none is taken in."""
        return None

    def poll(self, handle: str, key: str = "", /) -> Report:
        """How the operation stands."""
        report, _ = self._look(handle, key)
        return report

    def cancel(self, _handle: str, _key: str = "", /) -> bool:
        """The vendor knows no such thing."""
        return False

    def fetch(self, handle: str, key: str = "", /) -> Path:
        """The finished video, within two days of its end.  Raises ProviderError."""
        report, link = self._look(handle, key)
        if report.state in ("failed", "lost"):
            raise ProviderError("result_expired", report.message or "Google has no result")
        if not link:
            raise ProviderError("transient", "the video is not ready yet")
        return self._downloads.fetch(handle, self._own_link(link), self._authorise(key))

    def check(self, key: str) -> float | None:  # noqa: ARG002  the protocol's name
        """There is no cheap question that tells anything of a key."""
        return None

    def verify_callback(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Event:  # noqa: ARG002
        """None is ordered, so none is believed."""
        raise CallbackRefused("Google sends no callbacks")

    def preview(self, order: Order) -> dict[str, Any]:
        """The body of the order, picture left out."""
        return self._body(order)

    def _authorise(self, key: str) -> Mapping[str, str]:
        return {"x-goog-api-key": key}

    def _body(self, order: Order) -> dict[str, Any]:
        return {
            "instances": [{"prompt": order.prompt}],
            "parameters": {
                "aspectRatio": order.aspect_ratio,
                "resolution": order.resolution,
                "durationSeconds": order.duration_s,
            },
        }

    def _own_link(self, link: str) -> str:
        """Files are named by Google's host even where the wire is spoken elsewhere: ask there."""
        if is_same_origin(link, self._cloud.base_url):
            return link
        try:
            url = httpx.URL(link)
        except httpx.InvalidURL:
            return link
        found = _FILE.fullmatch(url.path)
        if found is None or url.scheme != "https" or url.host != _HOST:
            return link
        return self._url(f"/v1beta/files/{found[1]}:download?alt=media")

    def _look(self, handle: str, key: str) -> tuple[Report, str]:
        """How the operation stands, and the link to its video once it is ready."""
        name = remote_id_of(handle)
        if not _OPERATION.fullmatch(name):
            return Report("lost"), ""
        answer = self._line.call("GET", self._url(f"/v1beta/{name}"), key, "poll")
        if answer.status == 404 and isinstance(answer.fields.get("error"), dict):
            return Report("lost"), ""  # Google's own, and not a gateway's
        if answer.status != 200 or not isinstance(answer.body, dict):
            raise self._no(answer, "poll", key)
        if not answer.fields.get("done"):
            return Report("running"), ""
        error = answer.fields.get("error")
        if isinstance(error, dict):
            return _failed(error, key), ""
        return _result(answer.fields.get("response"))

    def _no(self, answer: Answer, phase: Phase, key: str) -> ProviderError:
        """The error that Google's error body stands for."""
        error = answer.fields.get("error")
        error = error if isinstance(error, dict) else {}
        words, status = text_of(error.get("message")), text_of(error.get("status"))
        message = short(f"google answered {answer.status} {status}: {words or answer.text}", key)
        if answer.status == 400:
            if _has_reason(error, "API_KEY_INVALID") or "api key not valid" in words.lower():
                return ProviderError("key_bad", message)
            if status == "FAILED_PRECONDITION":
                return ProviderError("out_of_credit", message)
            if phase == "submit" and names_content(words):
                return ProviderError("content_rejected", short(words, key))
        # after an error of its own, or past its deadline, the order may stand, whoever says so
        is_own = bool(error) and answer.status not in (500, 504)
        found = self._line.refusal(answer, phase, words, key=key, is_own=is_own)
        if found.model_gone:
            return ProviderError("permanent", short(message + UNBILLED), model_gone=True)
        if found.code == "rate_limited":
            wait_s = found.retry_after_s or _pause_s(error, words)
            return ProviderError("rate_limited", message, retry_after_s=wait_s)
        return found


def _failed(error: dict[str, Any], key: str) -> Report:
    """An operation that ended in an error, by its google.rpc code."""
    code, words = error.get("code"), text_of(error.get("message"))
    kind: ErrorCode = RPC.get(code, "permanent") if isinstance(code, int) else "permanent"
    if code in (3, None) and names_content(words):
        kind = "content_rejected"
    return Report("failed", code=kind, message=short(words, key) or None)


def _result(response: object) -> tuple[Report, str]:
    """A filtered video is done, too, and answered with 200: it has reasons and no samples."""
    inner = response.get("generateVideoResponse") if isinstance(response, dict) else None
    inner = inner if isinstance(inner, dict) else {}
    for sample in _rows(inner.get("generatedSamples")):
        video = sample.get("video") if isinstance(sample, dict) else None
        link = text_of(video.get("uri")) if isinstance(video, dict) else ""
        if link:
            return Report("ready", 100.0, 0.0), link
    reasons = [each for each in _rows(inner.get("raiMediaFilteredReasons")) if text_of(each)]
    if reasons or inner.get("raiMediaFilteredCount"):
        message = short(" ".join(reasons)) or "Google's filters refused it and gave no reason"
        return Report("failed", code="content_rejected", message=message), ""
    message = "Google says that it is done, and has no video"
    return Report("failed", code="transient", message=message), ""


def _details(error: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in _rows(error.get("details")) if isinstance(each, dict)]


def _rows(value: object) -> list[Any]:
    """A list of the vendor's, or none where something else stands."""
    return value if isinstance(value, list) else []


def _has_reason(error: dict[str, Any], reason: str) -> bool:
    return any(each.get("reason") == reason for each in _details(error))


def _pause_s(error: dict[str, Any], words: str) -> float | None:
    """How long a refused rate wants us to wait: what it says, or long where a day is used up."""
    for each in _details(error):
        found = re.fullmatch(r"(\d{1,6}(?:\.\d+)?)s", text_of(each.get("retryDelay")))
        if found:
            return float(found[1])
    low = words.lower()
    names_day = any(word in low for word in ("per day", "perday", "daily", "spend", "spending"))
    return DAY_PAUSE_S if names_day else None
