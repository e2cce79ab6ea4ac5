"""kie.ai: Veo over its own endpoints, with a pool of keys.

Errors mostly come as HTTP 200 with another `code` in the envelope, so the code is read first.  The
wire: docs.kie.ai/veo3-api, and what others saw live.  A handle is the task's id, and the word
`1080p` where the video is to be upgraded once it is made.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final, NoReturn

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
from app.providers.cloud import (
    CALLBACK_AGE_S,
    Vendor,
    attempt_of,
    data_uri,
    lost_answer,
    names_content,
    text_of,
)
from app.providers.http import Answer, Phase, is_id, retry_after_s, short
from app.providers.kie_answers import (
    code_of,
    data_of,
    may_have_taken,
    parsed,
    read,
    says_bad_image,
    says_never_upgraded,
    says_unknown,
)

SUBMITS: Final = (20, 10.0)  # more are refused, not queued
PLACES: Final = 100
POLL_EVERY_S: Final = 10.0
PAUSES_S: Final = {429: 10.0, 455: 300.0}  # one window of submits; maintenance
SEED_FROM: Final = 10_000
SEEDS: Final = 90_000  # up to 99999
UPGRADED: Final = "1080p"
UPLOAD_PATH: Final = "start-images"

# what the code of a refused order means; 400, 422 and 500 are read by their words besides.  408 is
# the vendor's own upstream that was silent; a code that is not here is no clear "no" either, unless
# it is a 4xx
ON_SUBMIT: Final[dict[int, ErrorCode]] = {
    400: "permanent",
    401: "key_bad",
    402: "out_of_credit",
    403: "key_bad",
    404: "permanent",
    408: "unknown_outcome",
    422: "permanent",
    429: "rate_limited",
    451: "permanent",
    455: "transient",
    500: "transient",
    501: "transient",
    505: "permanent",
}
OF_THE_KEY: Final = ("key_bad", "out_of_credit", "rate_limited")
# asked about a task, these say how the task ended and not how the asking went
ENDED: Final[dict[int, ErrorCode]] = {408: "transient", 451: "permanent", 501: "transient"}


class KieProvider(Vendor):
    """Obeys app.providers.CloudProvider."""

    name: ClassVar[str] = "kie"

    @property
    def capabilities(self) -> Capabilities:
        """Never cancelled: the vendor has no such call."""
        return self._model.capabilities(
            cancel="never",
            callback="hint",
            can_check=True,
            poll_every_s=POLL_EVERY_S,
            places=PLACES,
            submits=SUBMITS,
        )

    def submit(self, order: Order, key: str = "", /) -> str:
        """Upload the picture if there is one, then order.  Raises ProviderError."""
        body = self._body(order)
        if order.image is not None:
            body["imageUrls"] = [self._upload(order, key)]
        if order.callback_url:
            body["callBackUrl"] = _callback_url(order)
        url = self._url("/api/v1/veo/generate")
        answer = self._line.call("POST", url, key, "submit", body=body)
        if code_of(answer) != 200:
            raise self._no(answer, "submit", key)
        task_id = data_of(answer).get("taskId")
        if not is_id(task_id):
            raise lost_answer(self.name)
        return f"{task_id} {UPGRADED}" if order.resolution == UPGRADED else task_id

    def recover(
        self,
        _attempt_id: str,
        _key: str = "",
        /,
        order: Order | None = None,  # noqa: ARG002
    ) -> NoReturn:
        """Nobody can say: tasks are not listed.  A callback may still name it."""
        raise ProviderError("unknown_outcome", "kie lists no tasks", permanent=False)

    def adopt(self, attempt_id: str, remote_id: str, key: str) -> str | None:
        """The handle, if the task was ordered with this attempt's callback address."""
        if not is_id(remote_id):
            return None
        record = self._record(remote_id, key)
        if isinstance(record, Report) or record.get("taskId", remote_id) != remote_id:
            return None
        ordered = parsed(record.get("paramJson"))
        callback_url = ordered.get("callBackUrl") if isinstance(ordered, dict) else None
        if not attempt_id or attempt_of(callback_url) != attempt_id:
            return None
        is_upgraded = f"upgrade={UPGRADED}" in str(callback_url)
        return f"{remote_id} {UPGRADED}" if is_upgraded else remote_id

    def poll(self, handle: str, key: str = "", /) -> Report:
        """How the task stands; with an upgrade to come it runs until that is ready too."""
        report, _ = self._look(handle, key)
        return report

    def upgrade(self, handle: str, key: str) -> Report:
        """Ask for the 1080p version of a finished task; `running` until it is there."""
        report, _ = self._upgraded(handle, key)
        return report

    def cancel(self, _handle: str, _key: str = "", /) -> bool:
        """The vendor knows no such thing."""
        return False

    def fetch(self, handle: str, key: str = "", /) -> Path:
        """The finished video; its link is asked for anew.  Raises ProviderError."""
        report, link = self._look(handle, key)
        if report.state in ("failed", "lost"):
            raise ProviderError("result_expired", report.message or "kie knows the task no more")
        if not link:
            raise ProviderError("transient", "the video is not ready yet")
        return self._downloads.fetch(handle, link)

    def check(self, key: str) -> float | None:
        """The credits left; one is half a cent."""
        answer = self._line.call("GET", self._url("/api/v1/chat/credit"), key, "poll")
        if code_of(answer) == 403 and answer.body is not None:
            raise ProviderError("key_bad", short(f"kie answered 403: {answer.text}", key))
        if code_of(answer) != 200:
            raise self._no(answer, "poll", key)
        left = answer.fields.get("data")
        return float(left) if isinstance(left, int | float) else None

    def verify_callback(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Event:
        """A hint: even a signed one covers only the task's id and the time, not what it says."""
        fields = parsed(body)
        if not isinstance(fields, dict):
            raise CallbackRefused("not a JSON object")
        places = [each for each in (fields.get("data"), fields) if isinstance(each, dict)]
        named = [each.get(word) for each in places for word in ("taskId", "task_id")]
        task_ids = [each for each in named if is_id(each)]
        if not task_ids:
            raise CallbackRefused("no task is named")
        sent_at = headers.get("x-webhook-timestamp", "")
        if self._cloud.callback_secret:
            signature = headers.get("x-webhook-signature", "")
            task_ids = [each for each in task_ids if self._has_signed(each, sent_at, signature)]
            if not task_ids:
                raise CallbackRefused("the signature is missing or wrong")
            if abs(now.timestamp() - int(sent_at)) > CALLBACK_AGE_S:
                raise CallbackRefused("too old, or from the future")
        mark = sent_at if self._cloud.callback_secret else hashlib.sha256(body).hexdigest()[:32]
        code = fields.get("code")  # anything may stand there, also what no database takes
        code = code if isinstance(code, int) and 0 <= code < 1000 else "-"
        return Event(task_ids[0], f"{task_ids[0]}:{code}:{mark}"[:250], "hint")

    def preview(self, order: Order) -> dict[str, Any]:
        """The body of the order, callback and picture left out."""
        return self._body(order)

    def _body(self, order: Order) -> dict[str, Any]:
        mode = "TEXT_2_VIDEO" if order.image is None else "FIRST_AND_LAST_FRAMES_2_VIDEO"
        return {
            "prompt": order.prompt,
            "model": self._model.id,
            "aspect_ratio": order.aspect_ratio,
            "aspectRatio": order.aspect_ratio,  # its name until 2025
            "resolution": "720p",  # 1080p is an upgrade of the finished video
            "seeds": SEED_FROM + order.seed % SEEDS,
            "enableTranslation": True,
            "generationType": mode,
        }

    def _upload(self, order: Order, key: str) -> str:
        """Where the vendor keeps the picture, for a day.  If it fails, nothing was ordered."""
        url = self._cloud.upload_base_url + "/api/file-base64-upload"
        body = {
            "base64Data": data_uri(order),
            "uploadPath": UPLOAD_PATH,
            "fileName": f"{order.attempt_id}.jpg",  # the same name would be written over
        }
        answer = self._line.call("POST", url, key, "poll", body=body, patience="submit")
        link = data_of(answer).get("downloadUrl")
        if code_of(answer) != 200 or not isinstance(link, str) or not link:
            raise self._no(answer, "poll", key)
        return link

    def _record(self, task_id: str, key: str) -> dict[str, Any] | Report:
        """What is written down about a task, or a report where that says enough."""
        url = self._url("/api/v1/veo/record-info?taskId=") + task_id
        answer = self._line.call("GET", url, key, "poll")
        code, words = code_of(answer), text_of(answer.fields.get("msg"))
        if code == 200 and data_of(answer):
            return data_of(answer)
        is_own = "code" in answer.fields  # else it is a gateway's, which knows of no task
        if is_own and (code in (200, 404) or (code == 422 and says_unknown(words))):
            return Report("lost")
        if code in (400, 422) and names_content(words):
            return Report("failed", code="content_rejected", message=short(words, key))
        if code in ENDED and is_own:
            return Report("failed", code=ENDED[code], message=short(words, key))
        raise self._no(answer, "poll", key)

    def _look(self, handle: str, key: str) -> tuple[Report, str]:
        """How the task stands, and the link to its video once it is ready."""
        record = self._record(remote_id_of(handle), key)
        if isinstance(record, Report):
            return record, ""
        report, link = read(record)
        if report.state != "ready" or UPGRADED not in handle.split(" ")[1:]:
            return report, link
        if record.get("fallbackFlag") is True:
            message = "kie made it with its fallback model, which has no 1080p"
            return Report("failed", code="permanent", message=message), ""
        return self._upgraded(handle, key)

    def _upgraded(self, handle: str, key: str) -> tuple[Report, str]:
        url = self._url("/api/v1/veo/get-1080p-video?taskId=") + remote_id_of(handle)
        answer = self._line.call("GET", url, key, "poll")
        code = code_of(answer)
        if code == 200:
            link = text_of(data_of(answer).get("resultUrl"))
            return (Report("ready", 100.0, 0.0), link) if link else (Report("running"), "")
        if code in (401, 402, 403, 429) or "code" not in answer.fields:
            raise self._no(answer, "poll", key)
        words = text_of(answer.fields.get("msg"))
        if says_never_upgraded(code, words):
            message = short(f"kie makes no 1080p of it ({code}): {words}", key)
            return Report("failed", code="permanent", message=message), ""
        return Report("running"), ""  # any other code means: not yet

    def _no(self, answer: Answer, phase: Phase, key: str) -> ProviderError:
        """The error that an envelope stands for; without one, the status alone."""
        code, words = code_of(answer), text_of(answer.fields.get("msg"))
        is_own = "code" in answer.fields
        if phase == "submit" and may_have_taken(answer, ON_SUBMIT):
            return ProviderError("unknown_outcome", short(f"kie answered {code}: {words}", key))
        if not is_own or code not in ON_SUBMIT:
            return self._line.refusal(answer, phase, words, key=key, is_own=is_own, status=code)
        kind = ON_SUBMIT[code]
        message = short(f"kie answered {code}: {words}", key)
        if phase == "poll":
            kind = kind if kind in OF_THE_KEY and code != 403 else "transient"
        elif code in (400, 422) and names_content(words) and not says_bad_image(words):
            kind, message = "content_rejected", short(words, key)
        elif code == 500 and "required" in words.lower():
            kind = "permanent"  # a missing field, not a hiccup
        wait_s = retry_after_s(answer.headers, datetime.now(UTC)) or PAUSES_S.get(code)
        is_gone = code == 404 and phase == "submit"
        return ProviderError(kind, message, retry_after_s=wait_s, model_gone=is_gone)

    def _has_signed(self, task_id: str, sent_at: str, signature: str) -> bool:
        if not (sent_at.isascii() and sent_at.isdigit() and len(sent_at) <= 12):
            return False
        message = f"{task_id}.{sent_at}".encode()
        right = hmac.digest(self._cloud.callback_secret.encode(), message, "sha256")
        return hmac.compare_digest(base64.b64encode(right), signature.encode("utf-8", "replace"))


def _callback_url(order: Order) -> str:
    """The address, with a word for `adopt`: the order itself says 720p in either case."""
    mark = f"&upgrade={UPGRADED}" if order.resolution == UPGRADED else ""
    return f"{order.callback_url}{mark}"
