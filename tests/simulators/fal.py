"""fal.ai's queue: docs/video-providers.md, 3. COMPLETED is no success: the result says what is."""

import hashlib
import json
import math
import secrets
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.simulators.bodies import fill, quoted
from tests.simulators.desk import begin
from tests.simulators.engine import Task
from tests.simulators.vendor import Route, Turn, Vendor
from tests.simulators.wire import Answer, Request, json_answer

if TYPE_CHECKING:
    from tests.simulators.simulator import Simulator

APPS = ("fal-ai/veo3", "fal-ai/veo3.1")
MODES = ("", "/image-to-video", "/first-last-frame-to-video", "/reference-to-video")
MODELS = {f"{app}{tier}{mode}" for app in APPS for tier in ("", "/fast") for mode in MODES} | {
    f"fal-ai/veo3.1/lite{mode}" for mode in MODES
}
FORGER = b"\x66" * 32
USER_ID = "user1"
HOUR_S = 3600.0
KNOWN = {
    "prompt", "aspect_ratio", "duration", "resolution", "generate_audio", "negative_prompt", "seed",
    "auto_fix", "safety_tolerance", "image_url", "image_urls", "first_frame_url", "last_frame_url",
}  # fmt: skip
FAILURES = {"error": "runner_disconnected", "timeout": "request_timeout"}


def text(name: str) -> str:
    """One of the quoted messages."""
    return str(quoted("fal")["messages"]["body"][name])


class Fal(Vendor):
    """Options of its own: seed, of the Ed25519 key that its callbacks are signed with."""

    name = "fal"
    keeps_s = HOUR_S  # 3.4: the result's JSON; how long media live is a setting
    keeps_files_s = math.inf
    retry_waits_s = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)  # 3.2: up to 10 retries

    def __init__(self, house: "Simulator", *, seed: bytes = b"\x01" * 32) -> None:
        super().__init__(house)
        self.seed = seed

    def route(self, request: Request) -> Route | None:
        if request.path == "/.well-known/jwks.json":
            return Route("keys", lambda turn: self._jwks(), None, False)
        parts = request.path.strip("/").split("/")
        if parts[0] == "files" and len(parts) == 3:
            return Route("file", lambda turn: self.file(turn, parts[1]), parts[1], False)
        if "requests" in parts:
            return self._request_route(request.method, parts)
        if request.method == "POST":
            return Route("submit", lambda turn: self._submit(turn, "/".join(parts)))
        return None

    def _request_route(self, method: str, parts: list[str]) -> Route | None:
        """owner/app/requests/ID[/status[/stream]|/cancel]: the rest of a model id has no place."""
        at = parts.index("requests")
        app, rest = "/".join(parts[:at]), parts[at + 1 :]
        if app not in APPS or not rest:
            return Route("poll", lambda turn: self.error(405), rest[0] if rest else None)
        task_id = rest[0]
        acts = {
            ("GET", ()): ("result", lambda turn: self._result(turn, app, task_id)),
            ("GET", ("status",)): ("poll", lambda turn: self._status(turn, app, task_id)),
            ("GET", ("status", "stream")): ("poll", lambda turn: self._stream(turn, app, task_id)),
            ("PUT", ("cancel",)): ("cancel", lambda turn: self._cancel(turn, app, task_id)),
        }
        found = acts.get((method, tuple(rest[1:])))
        return None if found is None else Route(found[0], found[1], task_id)

    def error(self, code: int, message: str | None = None, *, is_http: bool = False) -> Answer:
        if message is None:
            message = quoted("fal")["messages"]["body"].get(str(code), "Error")
        message = message.replace("{app}", "fal-ai/veo3.1")
        kinds = quoted("fal")["error_types"]["body"]
        kind = next((name for name, status in kinds.items() if status == code), None)
        if kind is not None:
            return self._flat(code, kind, message)
        return json_answer(fill("fal", "detail", message=message), code)

    def _flat(self, code: int, kind: str, message: str) -> Answer:
        """3.4: {detail, error_type} + X-Fal-Error-Type, and whether to try again."""
        answer = json_answer(fill("fal", "flat", message=message, kind=kind), code)
        answer.headers |= {"X-Fal-Error-Type": kind, "X-Fal-Retryable": str(code >= 500).lower()}
        answer.headers["X-Fal-Request-Id"] = secrets.token_hex(8)
        return answer

    def empty(self) -> Answer:
        return self.error(403)

    def refusal(self, message: str | None) -> Answer:
        return self._detail("prompt", "content_policy_violation", message or text("refused"))

    def invalid(self, message: str | None) -> Answer:
        return self._detail("prompt", "value_error", message or "Invalid value")

    def gone(self, model: str) -> Answer:
        return self.error(404, text("app").replace("{app}", model or "of this request"))

    def _detail(self, field: str, kind: str, message: str, sent: Any = "") -> Answer:
        values = {"field": field, "kind": kind, "message": message, "input": sent}
        answer = json_answer(fill("fal", "invalid", **values), 422)
        answer.headers["X-Fal-Retryable"] = "false"
        return answer

    # The queue ------------------------------------------------------------------------------------

    def _submit(self, turn: Turn, model: str) -> Answer:
        if model not in MODELS or model in self.house.retired:
            return self.gone(model)
        order = turn.request.json()
        task_id = _uuid()
        task = begin(self.house, turn, task_id, model, order, turn.request.query.get("fal_webhook"))
        task.extra["aspect_ratio"] = order.get("aspect_ratio", "16:9")
        task.extra["resolution"] = order.get("resolution", "720p")
        task.extra["unknown_fields"] = sorted(order.keys() - KNOWN)
        task.extra["app"] = "/".join(model.split("/")[:2])
        if (wrong := _wrong_in(order, model)) is not None:
            task.extra["wrong"] = wrong
            task.end("failed", "invalid")  # the queue takes all; the model says no
        values = {"task_id": task_id, "url": self._url(task), "position": self._position(task)}
        return json_answer(fill("fal", "accepted", **values))

    def _url(self, task: Task) -> str:
        return f"{self.house.base_url}/{task.extra['app']}/requests/{task.id}"

    def _position(self, task: Task) -> int:
        """How many of the account's tasks stand before it."""
        tasks = list(self.house.tasks.values())
        mine = [one for one in tasks if one.account == task.account and one.made_at < task.made_at]
        return sum(one.state == "queued" for one in mine)

    def _found(self, turn: Turn, app: str, task_id: str) -> Task | None:
        task = self.owned(turn, task_id)
        is_there = task is not None and task.extra["app"] == app and not self.is_expired(task)
        return task if is_there else None

    def _status(self, turn: Turn, app: str, task_id: str) -> Answer:
        task = self._found(turn, app, task_id)
        if task is None:
            return self.unknown("poll")
        task.polls += 1
        body, status = self._told(task, has_logs=_is_yes(turn.request.query.get("logs")))
        return json_answer(body, status)

    def _told(self, task: Task, *, has_logs: bool) -> tuple[dict[str, Any], int]:
        state = task.state
        values: dict[str, Any] = {"task_id": task.id, "url": self._url(task), "logs": None}
        if state == "queued":
            return fill("fal", "in_queue", **values, position=self._position(task)), 202
        if has_logs:
            at = self.stamp(task.made_at)
            values["logs"] = [{"timestamp": at, "message": "Generating", "level": "INFO"}]
        if state == "running":
            return fill("fal", "in_progress", **values), 202
        seconds = round((task.ended_at or task.made_at) - task.made_at, 3)
        body = fill("fal", "completed", **values, seconds=seconds)
        if (failure := self._failure(task)) and failure[1] not in ("invalid", "content"):
            body |= {"error": failure[2], "error_type": failure[1]}
        return body, 200

    def _failure(self, task: Task) -> tuple[int, str, str] | None:
        """Status, error_type and words of what went wrong."""
        if task.outcome == "succeeded":
            return None
        if task.outcome == "cancelled":
            return 499, "client_cancelled", text("cancelled")
        if task.reason in ("invalid", "content"):
            return 422, task.reason, task.message or text("refused")
        kind = FAILURES.get(task.reason, "runner_disconnected")
        if task.reason == "completed_error" and "completed_error" in task.plans:
            kind = str(task.plans["completed_error"].value)
        status = int(quoted("fal")["error_types"]["body"].get(kind, 500))
        return status, kind, task.message or text(str(status))

    def _result(self, turn: Turn, app: str, task_id: str) -> Answer:
        task = self._found(turn, app, task_id)
        if task is None:
            return self.unknown("result")
        if task.state in ("queued", "running"):
            return self.error(400, text("early"))
        return self._output(task)

    def _output(self, task: Task) -> Answer:
        """The model's output, or its own error status and body."""
        failure = self._failure(task)
        if failure is not None and failure[1] == "content":
            prompt = task.request.get("prompt", "")
            return self._detail("prompt", "content_policy_violation", failure[2], prompt)
        if failure is not None and failure[1] == "invalid":
            field, message = task.extra.get("wrong", ("duration", task.message or "Invalid value"))
            return self._detail(
                field, "value_error", message, task.request.get(field, task.request)
            )
        if failure is not None:
            return self._flat(*failure)
        if "no_url" in task.plans:
            return json_answer({"video": None})
        size = len(self.clip_of(task, [], task.extra["resolution"]))
        url = self.link(task, f"{self.house.public_url}/files/{task.id}/output.mp4")
        return json_answer(fill("fal", "result", url=url, size=size))

    def _stream(self, turn: Turn, app: str, task_id: str) -> Answer:
        task = self._found(turn, app, task_id)
        if task is None:
            return self.unknown("poll")

        def events() -> Any:
            is_over = False
            while not is_over and not self.house.is_closed:
                body, status = self._told(task, has_logs=True)
                yield f"data: {json.dumps(body)}\n\n".encode()
                is_over = status == 200
                self.house.wait(0 if is_over else 0.1)

        return Answer(200, headers={"Content-Type": "text/event-stream"}, chunks=events())

    def _cancel(self, turn: Turn, app: str, task_id: str) -> Answer:
        task = self._found(turn, app, task_id)
        if task is None:
            return json_answer(fill("fal", "cancel", status="NOT_FOUND"), 404)
        state = task.state
        if state == "queued" and task.end("cancelled", "cancelled"):
            return json_answer(fill("fal", "cancel", status="OK"), 200)
        if state == "running":
            if "keeps_running" not in task.plans:
                task.end("cancelled", "cancelled")
            return json_answer(fill("fal", "cancel", status="CANCELLATION_REQUESTED"), 202)
        return json_answer(fill("fal", "cancel", status="ALREADY_COMPLETED"), 400)

    # Callbacks ------------------------------------------------------------------------------------

    def callback_body(self, task: Task) -> Any:
        if task.state == "cancelled":
            return None
        answer = self._output(task)
        values = {"task_id": task.id, "payload": json.loads(answer.body)}
        if task.outcome == "succeeded":
            return fill("fal", "webhook", **values)
        message = f"Unexpected status code: {answer.status}"
        return fill("fal", "webhook_error", **values, message=message)

    def sign(self, task_id: str, body: bytes, at: int, names: set[str]) -> dict[str, str]:
        """3.2: Ed25519 over request id, user id, time and the hash of the body."""
        seed = FORGER if "forged_key" in names else self.seed
        said = b"something else" if "wrong_signature" in names else body
        digest = hashlib.sha256(said).hexdigest()
        message = "\n".join((task_id, USER_ID, str(at), digest)).encode()
        return {
            "X-Fal-Webhook-Request-Id": task_id,
            "X-Fal-Webhook-User-Id": USER_ID,
            "X-Fal-Webhook-Timestamp": str(at),
            "X-Fal-Webhook-Signature": Ed25519PrivateKey.from_private_bytes(seed)
            .sign(message)
            .hex(),
        }

    def _jwks(self) -> Answer:
        public = Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()
        return json_answer(fill("fal", "jwks", x=urlsafe_b64encode(public).decode().rstrip("=")))


def _wrong_in(order: dict[str, Any], model: str) -> tuple[str, str] | None:
    """3.3: field and words of what the model does not take."""
    is_from_text = not model.endswith("-to-video")
    ratios = ("16:9", "9:16") if is_from_text else ("16:9", "9:16", "auto")
    has_4k = "veo3.1" in model and "lite" not in model
    rules = {
        "prompt": isinstance(order.get("prompt"), str) and order["prompt"] != "",
        "aspect_ratio": order.get("aspect_ratio", "16:9") in ratios,
        "duration": order.get("duration", "8s") in ("4s", "6s", "8s"),
        "resolution": order.get("resolution", "720p")
        in ("720p", "1080p", *(["4k"] if has_4k else [])),
        "generate_audio": isinstance(order.get("generate_audio", True), bool),
        "safety_tolerance": order.get("safety_tolerance", "4") in tuple("123456"),
        "image_url": "image-to-video" not in model or bool(order.get("image_url")),
    }
    wrong = next((name for name, is_right in rules.items() if not is_right), None)
    return None if wrong is None else (wrong, f"Input should be a value that {model} takes")


def _is_yes(value: str | None) -> bool:
    return (value or "").lower() in ("1", "true")


def _uuid() -> str:
    letters = secrets.token_hex(16)
    return "-".join((letters[:8], letters[8:12], letters[12:16], letters[16:20], letters[20:]))
