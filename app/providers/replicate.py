"""Replicate: predictions of an official model, which are listed, so that a lost one is found.

The wire: replicate.com/docs and its Python client.  A handle is the prediction's id.
"""

import base64
import binascii
import hmac
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final

from app.providers import (
    CallbackRefused,
    Capabilities,
    ErrorCode,
    Event,
    Order,
    ProviderError,
    Report,
    State,
    Trust,
    remote_id_of,
    replicate_lost,
)
from app.providers.cloud import (
    CALLBACK_AGE_S,
    Vendor,
    attempt_of,
    data_uri,
    lost_answer,
    names_content,
    text_of,
)
from app.providers.http import Answer, Phase, is_id, is_same_origin, short

SUBMITS: Final = (600, 60.0)  # fewer when the account's credit is low
PLACES: Final = 50
POLL_EVERY_S: Final = 5.0
PAGES: Final = 5  # of a hundred predictions, looked through for one whose answer was lost

STATES: Final[dict[str, State]] = {
    "starting": "queued",
    "processing": "running",
    "succeeded": "ready",
    "failed": "failed",
    "canceled": "cancelled",
    "aborted": "cancelled",
}


class ReplicateProvider(Vendor):
    """Obeys app.providers.CloudProvider."""

    name: ClassVar[str] = "replicate"
    answer_max_bytes: ClassVar[int] = 16_000_000  # it echoes the input, with the picture in it

    @property
    def capabilities(self) -> Capabilities:
        """Stopped freely until it has begun; callbacks are believed once there is a secret."""
        trust: Trust = "signed" if self._cloud.callback_secret else "none"
        return self._model.capabilities(
            cancel="until_started",
            callback=trust,
            can_check=True,
            poll_every_s=POLL_EVERY_S,
            places=PLACES,
            submits=SUBMITS,
        )

    def submit(self, order: Order, key: str = "", /) -> str:
        """Order, the picture inside.  Raises ProviderError."""
        body = self._body(order)
        if order.image is not None:
            body["input"]["image"] = data_uri(order)
        if order.callback_url:
            body |= {"webhook": order.callback_url, "webhook_events_filter": ["completed"]}
        url = self._url(f"/v1/models/{self._model.id}/predictions")
        answer = self._line.call("POST", url, key, "submit", body=body)
        if answer.status not in (200, 201, 202):
            raise self._no(answer, "submit", key)
        prediction_id = answer.fields.get("id")
        if not is_id(prediction_id):
            raise lost_answer(self.name)
        return prediction_id

    def recover(self, attempt_id: str, key: str = "", /, order: Order | None = None) -> str | None:
        """Look through the newest predictions for the attempt's: by its webhook, or by its input.

        None only a minute after the attempt, where nothing listed since can be it; else raises
        ProviderError unknown_outcome.
        """
        made_at = replicate_lost.made_at_of(attempt_id)
        since = made_at and made_at - replicate_lost.LOOKED_BACK
        given = self._body(order)["input"] if order and order.prompt else None
        now = datetime.now(UTC)  # before the list is asked for: it says what was listed by then
        try:
            return replicate_lost.find(self._predictions(key, since), attempt_id, given, now)
        except ProviderError as error:
            raise ProviderError("unknown_outcome", error.message, permanent=False) from error

    def adopt(self, attempt_id: str, remote_id: str, key: str) -> str | None:
        """The handle, unless the prediction names another attempt's callback address.

        Where it names none (that it does is UNCONFIRMED), that Replicate signed a callback to the
        attempt's address, and that the prediction is in our account, is all that there is to know.
        """
        if not is_id(remote_id) or not attempt_id:
            return None
        answer = self._line.call("GET", self._prediction_url(remote_id), key, "poll")
        if _is_unknown(answer):
            return None
        if answer.status != 200:
            raise self._no(answer, "poll", key)
        told = answer.fields.get("webhook")
        return remote_id if not told or attempt_of(told) == attempt_id else None

    def poll(self, handle: str, key: str = "", /) -> Report:
        """How the prediction stands."""
        report, _ = self._look(handle, key)
        return report

    def cancel(self, handle: str, key: str = "", /) -> bool:
        """Ask for a stop.  False: it is not stopped yet, or was faster.

        What has begun is billed when it is stopped, so it is looked at first, and left to end.
        """
        report, _ = self._look(handle, key)
        if report.state != "queued":
            return report.state == "cancelled"
        url = self._prediction_url(remote_id_of(handle)) + "/cancel"
        answer = self._line.call("POST", url, key, "poll")
        if answer.status == 404:
            return False
        if answer.status not in (200, 201, 202):
            raise self._no(answer, "poll", key)
        return STATES.get(text_of(answer.fields.get("status"))) == "cancelled"

    def fetch(self, handle: str, key: str = "", /) -> Path:
        """The finished video, within an hour of its end.  Raises ProviderError."""
        report, link = self._look(handle, key)
        if report.state in ("failed", "cancelled", "lost"):
            raise ProviderError("result_expired", report.message or "Replicate has no result")
        if not link:
            raise ProviderError("transient", "the video is not ready yet")
        return self._downloads.fetch(handle, link)

    def check(self, key: str) -> float | None:
        """Whether the token is taken; Replicate tells no balance."""
        answer = self._line.call("GET", self._url("/v1/account"), key, "poll")
        if answer.status == 403 and answer.body is not None:
            raise ProviderError("key_bad", short(f"replicate answered 403: {answer.text}", key))
        if answer.status != 200:
            raise self._no(answer, "poll", key)
        return None

    def verify_callback(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Event:
        """Standard Webhooks: an HMAC over id, time and body; one of several signatures fits."""
        secret = _secret(self._cloud.callback_secret)
        message_id, sent_at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not message_id or not re.fullmatch(r"[0-9]{1,12}", sent_at):
            raise CallbackRefused("the signature is missing")
        right = hmac.digest(secret, f"{message_id}.{sent_at}.".encode() + body, "sha256")
        wanted = b"v1," + base64.b64encode(right)
        given = headers.get("webhook-signature", "").encode("utf-8", "replace").split()
        if not any(hmac.compare_digest(wanted, each) for each in given):
            raise CallbackRefused("the signature is wrong")
        if abs(now.timestamp() - int(sent_at)) > CALLBACK_AGE_S:
            raise CallbackRefused("too old, or from the future")
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            fields = None
        prediction_id = fields.get("id") if isinstance(fields, dict) else None
        if not is_id(prediction_id):
            raise CallbackRefused("no prediction is named")
        return Event(prediction_id, message_id[:250], "signed")

    def preview(self, order: Order) -> dict[str, Any]:
        """The body of the order, callback and picture left out."""
        return self._body(order)

    def _body(self, order: Order) -> dict[str, Any]:
        return {
            "input": {
                "prompt": order.prompt,
                "aspect_ratio": order.aspect_ratio,
                "duration": order.duration_s,
                "resolution": order.resolution,
                "generate_audio": True,
                "seed": order.seed,
            }
        }

    def _prediction_url(self, prediction_id: str) -> str:
        return self._url(f"/v1/predictions/{prediction_id}")

    def _look(self, handle: str, key: str) -> tuple[Report, str]:
        """How the prediction stands, and the link to its video once it is ready."""
        answer = self._line.call("GET", self._prediction_url(remote_id_of(handle)), key, "poll")
        if _is_unknown(answer):
            return Report("lost"), ""
        if answer.status != 200:
            raise self._no(answer, "poll", key)
        status = text_of(answer.fields.get("status"))
        if status not in STATES:
            raise ProviderError(
                "transient", short(f"Replicate knows a state {status!r}, we do not")
            )
        state = STATES[status]
        if state == "failed":
            words = short(text_of(answer.fields.get("error")) or "Replicate gave no reason", key)
            return Report("failed", code=_failure(words), message=words), ""
        if state != "ready":
            return Report(state), ""
        return _result(answer.fields)

    def _predictions(self, key: str, since: datetime | None) -> Iterator[dict[str, Any]]:
        """The newest first, as far back as `since`.  Raises ProviderError where that is too far."""
        url = self._url("/v1/predictions")
        for _ in range(PAGES):
            answer = self._line.call("GET", url, key, "poll")
            found = answer.fields.get("results")
            if answer.status != 200 or not isinstance(found, list):
                raise self._no(answer, "poll", key)
            for each in found:
                if isinstance(each, dict):
                    made_at = replicate_lost.time_of(each.get("created_at"))
                    if since and made_at and made_at < since:
                        return
                    yield each
            following = answer.fields.get("next")
            if not following:
                return
            if not is_same_origin(following, self._cloud.base_url):
                break  # our key goes nowhere else
            url = following
        raise ProviderError("transient", "Replicate lists more orders than are looked through")

    def _no(self, answer: Answer, phase: Phase, key: str) -> ProviderError:
        """The error that a problem body stands for; a 5xx is no word on whether it was taken."""
        said = (text_of(answer.fields.get(name)) for name in ("title", "detail"))
        words = ": ".join(filter(None, said))
        if phase == "submit" and answer.status >= 500:
            message = short(f"replicate answered {answer.status}: {words or answer.text}", key)
            return ProviderError("unknown_outcome", message)
        if phase == "submit" and answer.status in (400, 422) and names_content(words):
            return ProviderError("content_rejected", short(words, key))
        error = self._line.refusal(answer, phase, words, key=key, is_own=bool(words))
        wait = re.search(r"resets in ~?(\d{1,5}) ?s", words)
        if error.code == "rate_limited" and error.retry_after_s is None and wait:
            return ProviderError(error.code, error.message, retry_after_s=float(wait[1]))
        return error


def _is_unknown(answer: Answer) -> bool:
    """Whether Replicate itself knows no such prediction; a gateway's 404 says nothing of it."""
    return answer.status == 404 and ("title" in answer.fields or "detail" in answer.fields)


def _result(fields: dict[str, Any]) -> tuple[Report, str]:
    output = fields.get("output")
    link = output[0] if isinstance(output, list) and output else output
    if isinstance(link, str) and link:
        return Report("ready", 100.0, 0.0), link
    if fields.get("data_removed"):
        message = "Replicate has removed the result, which it keeps for an hour"
        return Report("failed", code="result_expired", message=message), ""
    message = "Replicate says that it is done, and has no video"
    return Report("failed", code="transient", message=message), ""


def _failure(words: str) -> ErrorCode:
    if "(E005)" in words or names_content(words):
        return "content_rejected"
    return "permanent" if "(E006)" in words else "transient"  # E006: the input was invalid


def _secret(text: str) -> bytes:
    try:
        secret = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not secret:
        raise CallbackRefused("there is no secret to check it with")
    return secret
