"""Replicate: docs/video-providers.md, 4. The prediction is in every answer and callback."""

import base64
import hashlib
import hmac
import math
import re
import secrets
import string
from typing import TYPE_CHECKING, Any

from tests.simulators.bodies import fill, quoted
from tests.simulators.desk import begin
from tests.simulators.engine import Task
from tests.simulators.vendor import Route, Turn, Vendor
from tests.simulators.wire import Answer, Request, form_fields, json_answer

if TYPE_CHECKING:
    from tests.simulators.simulator import Simulator

MODELS = {
    "google/veo-3.1-fast", "google/veo-3.1", "google/veo-3.1-lite", "google/veo-3-fast",
    "google/veo-3",
}  # fmt: skip
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="  # 4.2, the test vector's
OLD_SECRET = "whsec_" + base64.b64encode(b"test-an-old-secret-of-24-by").decode()
HOUR_S = 3600.0
PAGE = 100
KNOWN = {
    "prompt", "aspect_ratio", "duration", "resolution", "image", "last_frame", "reference_images",
    "negative_prompt", "generate_audio", "seed",
}  # fmt: skip
STATUS = {
    "queued": "starting", "running": "processing", "succeeded": "succeeded", "failed": "failed",
    "cancelled": "canceled",
}  # fmt: skip
DURATION = re.compile(r"(\d+)(s|m|h)")
SECONDS_IN = {"s": 1, "m": 60, "h": 3600}


class Replicate(Vendor):
    """Options of its own: webhook_secret; shows_webhook, whether a prediction tells its `webhook`:
    UNCONFIRMED, and not in 4.1's list of fields.
    """

    name = "replicate"
    keeps_s = HOUR_S
    submits = (600, 60.0)
    retry_waits_s = (0.2, 0.4, 0.8)  # the true schedule is UNCONFIRMED

    def __init__(
        self, house: "Simulator", *, webhook_secret: str = SECRET, shows_webhook: bool = False
    ) -> None:
        super().__init__(house)
        self.shows_webhook = shows_webhook
        self.webhook_secret = webhook_secret
        self.uploads: dict[str, tuple[bytes, str]] = {}

    def route(self, request: Request) -> Route | None:
        parts = request.path.strip("/").split("/")
        match request.method, parts:
            case "POST", ["v1", "models", owner, name, "predictions"]:
                return Route("submit", lambda turn: self._create(turn, f"{owner}/{name}"))
            case "POST", ["v1", "deployments", owner, name, "predictions"]:
                return Route("submit", lambda turn: self._create(turn, f"google/{name}"))
            case "POST", ["v1", "predictions"]:
                model = str(request.json().get("version") or request.json().get("model"))
                return Route("submit", lambda turn: self._create(turn, model.partition(":")[0]))
            case "GET", ["v1", "predictions"]:
                return Route("list", self._list)
            case "GET", ["v1", "predictions", task_id]:
                return Route("poll", lambda turn: self._get(turn, task_id), task_id)
            case "POST", ["v1", "predictions", task_id, "cancel"]:
                return Route("cancel", lambda turn: self._cancel(turn, task_id), task_id)
            case "GET", ["v1", "webhooks", "default", "secret"]:
                return Route("keys", self._secret)
        return self._other_route(request, parts)

    def _other_route(self, request: Request, parts: list[str]) -> Route | None:
        match request.method, parts:
            case "GET", ["v1", "account"]:
                return Route("balance", self._account)
            case "POST", ["v1", "files"]:
                return Route("upload", self._upload)
            case (("GET" | "HEAD"), ["v1", "files", file_id]):
                return Route("upload", lambda turn: self._uploaded(file_id), None, False)
            case (("GET" | "HEAD"), ["delivery", task_id, _]):
                return Route("file", lambda turn: self.file(turn, task_id), task_id, False)
        return None

    def error(self, code: int, message: str | None = None, *, is_http: bool = False) -> Answer:
        if code == 429:
            return self.over_rate(30)
        title, detail = quoted("replicate")["titles"]["body"].get(str(code), ["Error", "Error."])
        values = {"title": title, "detail": message or detail, "status": code, "path": "/v1"}
        return json_answer(fill("replicate", "problem", **values), code)

    def limited(self, retry_after_s: float | None) -> Answer:
        answer = self.over_rate(30 if retry_after_s is None else retry_after_s)
        if retry_after_s is not None:
            answer.headers["Retry-After"] = str(math.ceil(retry_after_s))
        return answer

    def over_rate(self, left_s: float) -> Answer:
        return json_answer(fill("replicate", "throttled", seconds=math.ceil(left_s)), 429)

    def refusal(self, message: str | None) -> Answer:
        return self.invalid(message or quoted("replicate")["errors"]["body"]["content"])

    def invalid(self, message: str | None) -> Answer:
        return self.error(422, f"- input: {message or 'Invalid value'}")

    # Predictions ----------------------------------------------------------------------------------

    def _create(self, turn: Turn, model: str) -> Answer:
        if model not in MODELS or model in self.house.retired:
            return self.gone(model)
        order = turn.request.json()
        given = order.get("input") or {}
        if (wrong := _wrong_in(given, model)) is not None:
            return self.error(422, f"- input.{wrong}: value is not allowed")
        callback = order.get("webhook")
        if callback and "completed" not in order.get("webhook_events_filter", ["completed"]):
            callback = None
        task = begin(self.house, turn, _short_id(), model, order, callback)
        task.extra["aspect_ratio"] = given.get("aspect_ratio", "16:9")
        task.extra["resolution"] = given.get("resolution", "1080p")
        task.extra["unknown_fields"] = sorted(given.keys() - KNOWN)
        task.extra["webhook_id"] = f"msg_{secrets.token_hex(12)}"
        self._set_deadline(task, turn.request.headers.get("cancel-after", ""))
        status = self._wait_for(task, turn.request.headers.get("prefer", ""))
        return json_answer(self._told(task), status)

    def _set_deadline(self, task: Task, text: str) -> None:
        """4.1, Cancel-After: aborted before it started, canceled after."""
        seconds = sum(int(n) * SECONDS_IN[unit] for n, unit in DURATION.findall(text))

        def stop() -> None:
            if task.state == "queued":
                task.end("failed", "aborted")
            elif task.state == "running":
                task.end("cancelled", "cancelled")

        if seconds:
            self.house.timers.at(task.made_at + seconds, stop)

    def _wait_for(self, task: Task, prefer: str) -> int:
        """Prefer: wait[=N]. 201, or 202 when the wait ran out (UNCONFIRMED)."""
        if not prefer.startswith("wait"):
            return 201
        seconds = min(60.0, float(prefer.partition("=")[2] or 60))
        until = self.house.clock.now() + seconds
        while task.state in ("queued", "running") and self.house.clock.now() < until:
            self.house.wait(0.05)
        return 202 if task.state in ("queued", "running") else 201

    def _get(self, turn: Turn, task_id: str) -> Answer:
        task = self.owned(turn, task_id)
        if task is None:
            return self.unknown("poll")
        task.polls += 1
        return json_answer(self._told(task))

    def _told(self, task: Task) -> Any:
        state = task.state
        is_removed = self.is_expired(task) or (
            state == "succeeded" and "data_removed" in task.plans
        )
        started_at = None if _never_ran(task) else task.made_at + task.queue_s
        metrics = {}
        if task.ended_at is not None and started_at is not None:
            metrics = {"predict_time": max(0.0, task.ended_at - started_at)}
        link = f"{self.house.public_url}/delivery/{task.id}/tmp.mp4"
        has_output = state == "succeeded" and not is_removed and "no_url" not in task.plans
        values: dict[str, Any] = {
            "task_id": task.id,
            "model": task.model,
            "input": {} if is_removed else task.request.get("input"),
            "logs": None if is_removed else "",
            "output": self.link(task, link) if has_output else None,
            "is_removed": is_removed,
            "error": _error_of(task),
            "status": "aborted" if task.reason == "aborted" else STATUS[state],
            "metrics": metrics,
            "created_at": self.stamp(task.made_at),
            "started_at": self.stamp(started_at),
            "completed_at": self.stamp(task.ended_at),
            "url": f"{self.house.base_url}/v1/predictions/{task.id}",
            "base_url": self.house.base_url,
        }
        body = fill("replicate", "prediction", **values)
        if self.shows_webhook and task.callback_url is not None:
            body["webhook"] = task.callback_url
        return body

    def _list(self, turn: Turn) -> Answer:
        """Newest first, a page at a time."""
        tasks = [task for task in list(self.house.tasks.values()) if task.account == turn.account]
        start = int(turn.request.query.get("cursor", "0"))
        page = tasks[::-1][start : start + PAGE]
        after = f"{self.house.base_url}/v1/predictions?cursor={start + PAGE}"
        values = {"results": [self._told(task) for task in page]}
        has_more = len(tasks) > start + PAGE
        return json_answer(fill("replicate", "list", **values, next=after if has_more else None))

    def _cancel(self, turn: Turn, task_id: str) -> Answer:
        task = self.owned(turn, task_id)
        if task is None:
            return self.unknown("cancel")
        if task.state in ("queued", "running"):
            task.end("cancelled", "cancelled")
        return json_answer(self._told(task))

    # Beside them ----------------------------------------------------------------------------------

    def _secret(self, turn: Turn) -> Answer:
        return json_answer(fill("replicate", "secret", key=self.webhook_secret))

    def _account(self, turn: Turn) -> Answer:
        return json_answer(fill("replicate", "account", account=turn.account))

    def _upload(self, turn: Turn) -> Answer:
        data, name = form_fields(turn.request).get("content", (b"", None))
        if not data:
            return self.error(422, "- content: is required")
        file_id, now = _short_id(), self.house.clock.now()
        mime = "application/octet-stream"
        self.uploads[file_id] = (data, mime)
        values = {
            "file_id": file_id,
            "name": name or "file",
            "mime": mime,
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "created_at": self.stamp(now),
            "expires_at": self.stamp(now + 24 * HOUR_S),
            "url": f"{self.house.base_url}/v1/files/{file_id}",
        }
        return json_answer(fill("replicate", "file", **values), 201)

    def _uploaded(self, file_id: str) -> Answer:
        data, mime = self.uploads.get(file_id, (None, ""))
        return self.error(404) if data is None else Answer(200, data, {"Content-Type": mime})

    def callback_body(self, task: Task) -> Any:
        return self._told(task)

    def sign(self, task_id: str, body: bytes, at: int, names: set[str]) -> dict[str, str]:
        """4.2: Standard Webhooks; the id is the same when it is sent again."""
        task = self.house.tasks.get(task_id)
        message_id = task.extra["webhook_id"] if task is not None else f"msg_{task_id}"
        secret = OLD_SECRET if "wrong_signature" in names else str(self.webhook_secret)
        secrets_used = [OLD_SECRET, secret] if "two_signatures" in names else [secret]
        signatures = [signature(one, message_id, at, body) for one in secrets_used]
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(at),
            "webhook-signature": " ".join(signatures),
        }


def signature(secret: str, message_id: str, at: int, body: bytes) -> str:
    """`v1,BASE64` of HMAC-SHA256 over id.timestamp.body."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{at}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _never_ran(task: Task) -> bool:
    if task.outcome in (None, "succeeded"):
        return task.state == "queued"
    ended_at = task.ended_at or task.made_at
    return task.reason == "aborted" or ended_at < task.made_at + task.queue_s


def _error_of(task: Task) -> str | None:
    if task.outcome != "failed" or task.reason == "aborted":
        return None
    errors = quoted("replicate")["errors"]["body"]
    return str(task.message or errors.get(task.reason, errors["error"]))


def _wrong_in(given: dict[str, Any], model: str) -> str | None:
    """4.3: the first input that the model does not take."""
    duration = given.get("duration", 8)
    rules = {
        "prompt": bool(given.get("prompt")),
        "aspect_ratio": given.get("aspect_ratio", "16:9") in ("16:9", "9:16"),
        "duration": type(duration) is int and duration in (4, 6, 8),
        "resolution": given.get("resolution", "1080p") in ("720p", "1080p"),
        "image": _is_uri(given.get("image", "data:")),
        "last_frame": _is_uri(given.get("last_frame", "data:")),
        "reference_images": "reference_images" not in given or model == "google/veo-3.1",
        "seed": isinstance(given.get("seed", 0), int),
    }
    return next((name for name, is_right in rules.items() if not is_right), None)


def _is_uri(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("data:", "http://", "https://"))


def _short_id() -> str:
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(26))
