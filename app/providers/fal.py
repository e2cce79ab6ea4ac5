"""fal: a queue before the model; done there does not mean that it went well.

The wire: fal.ai/docs and its Python client.  A handle is the request's id and the three addresses
for its status, its result and its cancellation, as fal named them.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final, NoReturn
from urllib.parse import quote

from app.providers import (
    CallbackRefused,
    Capabilities,
    Cloud,
    ErrorCode,
    Event,
    Order,
    ProviderError,
    Report,
    remote_id_of,
)
from app.providers.cloud import CALLBACK_AGE_S, Vendor, data_uri, lost_answer, text_of
from app.providers.http import Answer, Phase, is_id, is_same_origin, short
from app.providers.signers import Signers

PLACES: Final = 40  # more wait in its queue
POLL_EVERY_S: Final = 5.0
LINKS: Final = (("status_url", "/status"), ("response_url", ""), ("cancel_url", "/cancel"))
NO_LINK: Final = ""
LOST: Final = (500, 502, 504)  # who answers so need not know what became of the order


class FalProvider(Vendor):
    """Obeys app.providers.CloudProvider."""

    name: ClassVar[str] = "fal"

    def __init__(self, cloud: Cloud, downloads_dir: Path) -> None:
        super().__init__(cloud, downloads_dir)
        self._signers = Signers(self._line, cloud.keys_url)

    @property
    def capabilities(self) -> Capabilities:
        """Taken out of the queue until a runner has it; what comes too fast waits there."""
        return self._model.capabilities(
            cancel="until_started",
            callback="signed" if self._cloud.keys_url else "none",
            poll_every_s=POLL_EVERY_S,
            places=PLACES,
        )

    def submit(self, order: Order, key: str = "", /) -> str:
        """Order, the picture inside.  Raises ProviderError."""
        body, model_id = self._body(order), self._model.id
        if order.image is not None:
            body["image_url"] = data_uri(order)
            model_id = self._model.image_model or model_id
        url = self._url(f"/{model_id}")
        if order.callback_url:
            url += f"?fal_webhook={quote(order.callback_url, safe='')}"
        answer = self._line.call("POST", url, key, "submit", body=body)
        if answer.status not in (200, 201, 202):
            raise self._no(answer, "submit", key)
        request_id = answer.fields.get("request_id")
        if not is_id(request_id):
            raise lost_answer(self.name)
        return self._handle(request_id, answer.fields)

    def recover(
        self,
        _attempt_id: str,
        _key: str = "",
        /,
        order: Order | None = None,  # noqa: ARG002
    ) -> NoReturn:
        """Nobody can say: requests are not listed.  A callback may still name it."""
        raise ProviderError("unknown_outcome", "fal lists no requests", permanent=False)

    def adopt(self, attempt_id: str, remote_id: str, key: str) -> str | None:
        """The handle, if our key may ask for it: that fal signed a callback for the attempt, and
        that the request is in our account, is all that there is to know.
        """
        if not is_id(remote_id) or not attempt_id:
            return None
        handle = self._handle(remote_id, {})
        answer = self._line.call("GET", self._link(handle, 0), key, "poll")
        if answer.status in (200, 202):
            return handle
        is_told = answer.status in (403, 404, 422) and "detail" in answer.fields
        if is_told and _refusal(answer)[0] != "out_of_credit":
            return None
        raise self._no(answer, "poll", key)

    def poll(self, handle: str, key: str = "", /) -> Report:
        """How the request stands; what is COMPLETED is read before it is called ready."""
        report, _ = self._look(handle, key)
        return report

    def cancel(self, handle: str, key: str = "", /) -> bool:
        """Take it out of the queue.  False: a runner has it, and polling tells how that ends."""
        answer = self._line.call("PUT", self._link(handle, 2), key, "poll")
        if answer.status == 200:
            return text_of(answer.fields.get("status")) != "ALREADY_COMPLETED"
        if answer.status in (202, 400, 404, 409):
            return False
        raise self._no(answer, "poll", key)

    def fetch(self, handle: str, key: str = "", /) -> Path:
        """The finished video; its link is asked for anew.  Raises ProviderError."""
        report, link = self._look(handle, key)
        if report.state in ("failed", "cancelled", "lost"):
            raise ProviderError("result_expired", report.message or "fal knows the request no more")
        if not link:
            raise ProviderError("transient", "the video is not ready yet")
        return self._downloads.fetch(handle, link)

    def check(self, key: str) -> float | None:  # noqa: ARG002  the protocol's name
        """There is no cheap question that tells anything of a key."""
        return None

    def verify_callback(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Event:
        """Ed25519 over ids, time and the body's hash, by one of the keys that fal publishes.

        Raises CallbackRefused; ProviderError transient when those keys cannot be had.
        """
        request_id, user_id, sent_at, signature = (
            headers.get(f"x-fal-webhook-{name}", "")
            for name in ("request-id", "user-id", "timestamp", "signature")
        )
        if not request_id or not re.fullmatch(r"[0-9]{1,12}", sent_at):
            raise CallbackRefused("the signature is missing")
        if not re.fullmatch(r"[0-9a-fA-F]{128}", signature):
            raise CallbackRefused("the signature is wrong")
        if abs(now.timestamp() - int(sent_at)) > CALLBACK_AGE_S:
            raise CallbackRefused("too old, or from the future")
        lines = (request_id, user_id, sent_at, hashlib.sha256(body).hexdigest())
        message = "\n".join(lines).encode("utf-8", "replace")
        if not self._signers.have_signed(message, bytes.fromhex(signature), now):
            raise CallbackRefused("the signature is wrong")
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            fields = None
        named = fields.get("request_id", request_id) if isinstance(fields, dict) else None
        if not is_id(named) or named != request_id:
            raise CallbackRefused("no request is named, or another one")
        return Event(named, f"{named}:{fields.get('status')}"[:250], "signed")

    def preview(self, order: Order) -> dict[str, Any]:
        """The body of the order, callback and picture left out."""
        return self._body(order)

    def _authorise(self, key: str) -> Mapping[str, str]:
        return {"Authorization": f"Key {key}"}

    def _body(self, order: Order) -> dict[str, Any]:
        return {
            "prompt": order.prompt,
            "aspect_ratio": order.aspect_ratio,
            "duration": f"{order.duration_s}s",
            "resolution": order.resolution,
            "generate_audio": True,
            "auto_fix": False,  # it would film another prompt than the one that was paid for
            "seed": order.seed,
        }

    def _handle(self, request_id: str, named: Mapping[str, Any]) -> str:
        links = (named.get(name) for name, _ in LINKS)
        return " ".join(
            [
                request_id,
                *(self._own(link, request_id, number) for number, link in enumerate(links)),
            ]
        )

    def _link(self, handle: str, number: int) -> str:
        words = handle.split(" ")
        named = words[number + 1] if len(words) == len(LINKS) + 1 else None
        return self._own(named, remote_id_of(handle), number)

    def _own(self, link: object, request_id: str, number: int) -> str:
        """A link as fal named it, if our key may go there; else by the rule: owner and app only."""
        if isinstance(link, str) and " " not in link and is_same_origin(link, self._cloud.base_url):
            return link
        app = "/".join(self._model.id.split("/")[:2])
        return self._url(f"/{app}/requests/{request_id}{LINKS[number][1]}")

    def _look(self, handle: str, key: str) -> tuple[Report, str]:
        """How the request stands, and the link to its video once it is ready."""
        answer = self._line.call("GET", self._link(handle, 0), key, "poll")
        if answer.status == 404 and "detail" in answer.fields:  # fal's own, and not a gateway's
            return Report("lost"), ""
        if answer.status not in (200, 202):
            raise self._no(answer, "poll", key)
        status = text_of(answer.fields.get("status"))
        if status == "IN_QUEUE":
            return Report("queued"), ""
        if status == "IN_PROGRESS":
            return Report("running"), ""
        if status != "COMPLETED":
            raise ProviderError("transient", short(f"fal knows a state {status!r}, we do not"))
        error_type = text_of(answer.fields.get("error_type"))
        if "cancel" in error_type:
            return Report("cancelled"), ""
        return self._result(handle, key, error_type)

    def _result(self, handle: str, key: str, error_type: str) -> tuple[Report, str]:
        """The model's answer: its video, or its own error with its own status."""
        answer = self._line.call("GET", self._link(handle, 1), key, "poll")
        if answer.status == 200 and isinstance(answer.body, dict):
            video = answer.fields.get("video")
            link = text_of(video.get("url")) if isinstance(video, dict) else NO_LINK
            if link:
                return Report("ready", 100.0, 0.0), link
            message = "fal says that it is done, and has no video"
            return Report("failed", code="transient", message=message), ""
        code, words = _refusal(answer)
        is_told = "detail" in answer.fields or answer.status not in (404, 410)
        is_asking = (
            not is_told
            or answer.status in (401, 402, 403, 408, 425, 429)
            or code == "out_of_credit"
        )
        is_final = _is_retryable(answer) is False or bool(error_type)
        if is_asking or answer.status < 400 or (answer.status >= 500 and not is_final):
            raise self._no(answer, "poll", key)
        message = short(words or error_type or f"fal answered {answer.status}", key)
        if answer.status in (404, 410):
            code = "result_expired"
        elif answer.status >= 500:
            code = "permanent" if _is_retryable(answer) is False else "transient"
        return Report("failed", code=code, message=message), ""

    def _no(self, answer: Answer, phase: Phase, key: str) -> ProviderError:
        """The error that fal's body, its headers and its status stand for, in this order."""
        code, words = _refusal(answer)
        if code == "out_of_credit" or (code == "content_rejected" and phase == "submit"):
            return ProviderError(code, short(words, key))
        # a gateway of fal's writes `detail` too, of an order that may stand: only its header tells
        is_own = "detail" in answer.fields and (
            answer.status not in LOST or _is_retryable(answer) is True
        )
        error = self._line.refusal(answer, phase, words, key=key, is_own=is_own)
        if error.code == "transient" and is_own and _is_retryable(answer) is False:
            permanent: ErrorCode = "permanent" if phase == "submit" else "transient"
            return ProviderError(permanent, error.message)
        if error.code == "permanent" and not error.model_gone and _is_retryable(answer):
            return ProviderError("transient", error.message)
        return error


def _refusal(answer: Answer) -> tuple[ErrorCode, str]:
    """What a body with `detail` says; its `input` is left out, which may be our picture."""
    detail = answer.fields.get("detail")
    rows = [each for each in detail if isinstance(each, dict)] if isinstance(detail, list) else []
    words = "; ".join(text_of(each.get("msg")) for each in rows) or text_of(detail)
    if any(each.get("type") == "content_policy_violation" for each in rows):
        return "content_rejected", words
    if answer.status == 403 and "exhausted balance" in words.lower():
        return "out_of_credit", words
    retryable = _is_retryable(answer) is True
    return ("transient" if retryable else "permanent"), words


def _is_retryable(answer: Answer) -> bool | None:
    """What fal itself says of asking again; None where it says nothing."""
    said = answer.headers.get("x-fal-retryable") or answer.headers.get("x-fal-needs-retry") or ""
    return {"true": True, "1": True, "false": False, "0": False}.get(said.strip().lower())
