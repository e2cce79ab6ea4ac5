"""Google's Veo: docs/video-providers.md, 2. Links are https ones, whatever our address."""

import base64
import re
import secrets
from typing import Any

from tests.simulators.bodies import fill, quoted
from tests.simulators.desk import begin
from tests.simulators.engine import Task
from tests.simulators.vendor import Route, Turn, Vendor
from tests.simulators.wire import Answer, Request, json_answer

TRUE_HOST = "https://generativelanguage.googleapis.com"
FOREIGN_HOST = "https://files.elsewhere.example"
MODELS = {
    "veo-3.1-generate-preview", "veo-3.1-fast-generate-preview", "veo-3.1-lite-generate-preview",
}  # fmt: skip
CLOUD_MODELS = {"veo-3.1-generate-001", "veo-3.1-fast-generate-001"}
PATH = re.compile(r"/v1(?:beta)?/models/([^/:]+):predictLongRunning")
OPERATION = re.compile(r"/v1(?:beta)?/(models/[^/]+/operations/[^/]+)")
FILE = re.compile(r"/v1(?:beta)?/files/([a-z0-9]+):download")
MODEL = re.compile(r"/v1(?:beta)?/models/([^/:]+)")
CLOUD = re.compile(
    r"/v1(?:beta1)?/(?:projects/[^/]+/locations/[^/]+/)?publishers/google/models/([^/:]+):(\w+)"
)
DAY_S = 86400.0
PARAMETERS = {
    "aspectRatio", "resolution", "durationSeconds", "personGeneration", "negativePrompt",
    "sampleCount", "enhancePrompt",
}  # fmt: skip
CLOUD_PARAMETERS = PARAMETERS | {"seed", "generateAudio"}
RPC = {"error": 13, "timeout": 4, "operation_error": 13, "invalid": 3, "cancelled": 1}


class Google(Vendor):
    """No options of its own. A task's id is the whole name of its operation."""

    name = "google"
    keeps_s = 2 * DAY_S

    def key_of(self, request: Request) -> str:
        return request.headers.get("x-goog-api-key") or request.query.get("key", "")

    def route(self, request: Request) -> Route | None:
        path = request.path
        if request.method == "POST" and (found := PATH.fullmatch(path)):
            model = found[1]
            return Route("submit", lambda turn: self._predict(turn, model, MODELS))
        if request.method == "POST" and (found := CLOUD.fullmatch(path)):
            return self._cloud_route(request, found[1], found[2])
        if request.method not in ("GET", "HEAD"):
            return None
        if found := OPERATION.fullmatch(path):
            task_id = found[1]
            return Route("poll", lambda turn: self._operation(turn, task_id), task_id)
        if found := FILE.fullmatch(path):
            name = self._operation_of(found[1])
            return Route("file", lambda turn: self._file(turn, name), name)
        if found := MODEL.fullmatch(path):
            wanted = found[1]
            return Route("list", lambda turn: self._model(wanted))
        return None

    def error(
        self,
        code: int,
        message: str | None = None,
        *,
        is_http: bool = False,
        details: list[Any] | None = None,
    ) -> Answer:
        status, usual = quoted("google")["statuses"]["body"].get(str(code), ["UNKNOWN", "Unknown."])
        values = {"code": code, "message": message or usual, "status": status}
        body = fill("google", "error", **values, details=details or [])
        if not details:
            del body["error"]["details"]
        return json_answer(body, code)

    def bad_key(self) -> Answer:
        return json_answer(fill("google", "key_invalid"), 400)  # 2.3: 400, not 401

    def limited(self, retry_after_s: float | None) -> Answer:
        if retry_after_s is None:
            return self.error(429)
        details = fill("google", "retry_info", seconds=int(retry_after_s))
        answer = self.error(429, details=details)
        answer.headers["Retry-After"] = str(int(retry_after_s))
        return answer

    def refusal(self, message: str | None) -> Answer:
        return self.error(400, message or quoted("google")["messages"]["body"]["refused"])

    def invalid(self, message: str | None) -> Answer:
        return self.error(400, message)

    def gone(self, model: str) -> Answer:
        said = quoted("google")["messages"]["body"]["retired"]
        return self.error(404, said.replace("{model}", model or "of this request"))

    # Gemini Developer API -------------------------------------------------------------------------

    def _predict(self, turn: Turn, model: str, known: set[str]) -> Answer:
        if model not in known or model in self.house.retired:
            return self.gone(model)
        order = turn.request.json()
        allowed = PARAMETERS if known is MODELS else CLOUD_PARAMETERS
        if (wrong := _wrong_in(order, model, allowed)) is not None:
            return self.invalid(wrong)
        letters = secrets.token_hex(8)
        name = f"models/{model}/operations/{letters}"
        if known is CLOUD_MODELS:
            name = f"projects/p/locations/us-central1/publishers/google/{name}"
        task = begin(self.house, turn, name, model, order, None)
        parameters = order.get("parameters") or {}
        task.extra["aspect_ratio"] = parameters.get("aspectRatio", "16:9")
        task.extra["resolution"] = parameters.get("resolution", "720p")
        task.extra["file"] = secrets.token_hex(6)
        task.extra["unknown_fields"] = sorted(parameters.keys() - PARAMETERS)
        return json_answer(fill("google", "accepted", name=name))

    def _operation(self, turn: Turn, name: str) -> Answer:
        task = self.owned(turn, name)
        if task is None or self.is_expired(task):
            return self.unknown("poll")
        task.polls += 1
        return json_answer(self._told(task))

    def _told(self, task: Task) -> Any:
        state = task.state
        if state in ("queued", "running"):
            return fill("google", state, name=task.id)
        if state == "succeeded":
            return self._done(task)
        said = quoted("google")["messages"]["body"]
        if task.reason in ("content", "rai"):
            message = task.message or said["rai"]
            return fill("google", "done_filtered", name=task.id, message=message)
        code = RPC.get(task.reason, 13)
        if task.reason == "operation_error" and "operation_error" in task.plans:
            code = int(task.plans["operation_error"].number(13))
        usual = said["timeout"] if task.reason == "timeout" else said["internal"]
        message = task.message or usual
        return fill("google", "done_error", name=task.id, code=code, message=message)

    def _done(self, task: Task) -> Any:
        if "no_url" in task.plans:
            return fill("google", "done_without_samples", name=task.id)
        if "empty_done" in task.plans:
            return fill("google", "done_empty", name=task.id)
        host = TRUE_HOST
        if "http_uri" in task.plans:
            host = self.house.public_url
        elif "foreign_uri" in task.plans:
            host = FOREIGN_HOST
        uri = f"{host}/v1beta/files/{task.extra['file']}:download?alt=media"
        return fill("google", "done", name=task.id, uri=self.link(task, uri))

    def _operation_of(self, file_id: str) -> str:
        tasks = list(self.house.tasks.values())
        return next((task.id for task in tasks if task.extra.get("file") == file_id), "")

    def _file(self, turn: Turn, name: str) -> Answer:
        task = self.owned(turn, name)
        if task is None or task.state != "succeeded" or self.is_expired(task):
            return self.error(404)
        return self.file(turn, name)

    def _model(self, model: str) -> Answer:
        if model not in MODELS or model in self.house.retired:
            return self.gone(model)
        return json_answer({"name": f"models/{model}", "displayName": model})

    # Google Cloud (2.6) ---------------------------------------------------------------------------

    def _cloud_route(self, request: Request, model: str, verb: str) -> Route | None:
        if verb == "predictLongRunning":
            return Route("submit", lambda turn: self._predict(turn, model, CLOUD_MODELS))
        name = str(request.json().get("operationName"))
        return Route("poll", lambda turn: self._fetch(turn, name), name)

    def _fetch(self, turn: Turn, name: str) -> Answer:
        task = self.owned(turn, name)
        if task is None or self.is_expired(task):
            return self.unknown("poll")
        task.polls += 1
        if task.state == "failed" and task.reason in ("content", "rai"):
            message = task.message or quoted("google")["messages"]["body"]["rai"]
            return json_answer(fill("google", "cloud_filtered", name=name, message=message))
        if task.state != "succeeded":
            return json_answer(self._told(task))
        data = self.clip_of(task, turn.parts, task.extra["resolution"])
        encoded = base64.b64encode(data).decode()
        return json_answer(fill("google", "cloud_done", name=name, data=encoded))


def _wrong_in(order: dict[str, Any], model: str, allowed: set[str]) -> str | None:
    """2.2: what this wire does not take; None when all is well."""
    instances = order.get("instances") or [{}]
    instance, parameters = instances[0], order.get("parameters") or {}
    if unknown := sorted(parameters.keys() - allowed):
        return f"`{unknown[0]}` isn't supported by this model."
    if not instance.get("prompt") and not instance.get("image"):
        return "The request must have a prompt or an image."
    image = instance.get("image")
    if instance.get("lastFrame") and not image:
        return "lastFrame needs image."
    if image is not None and not _picture(image):
        return "image needs bytesBase64Encoded and mimeType."
    return _wrong_parameter(parameters, has_image=image is not None, model=model)


def _wrong_parameter(parameters: dict[str, Any], *, has_image: bool, model: str) -> str | None:
    resolution = parameters.get("resolution", "720p")
    duration = str(parameters.get("durationSeconds", 8))  # an integer, or a string as docs show
    person = parameters.get("personGeneration")
    allowed = "allow_adult" if has_image else "allow_all"
    rules = {
        "aspectRatio": parameters.get("aspectRatio", "16:9") in ("16:9", "9:16"),
        "resolution": resolution in ("720p", "1080p", "4k"),
        "resolution 4k": not (resolution == "4k" and "lite" in model),
        "durationSeconds": duration in ("4", "6", "8"),
        "durationSeconds: 8 is needed for this resolution": resolution == "720p" or duration == "8",
        "personGeneration": person in (None, allowed),
        "sampleCount": parameters.get("sampleCount", 1) == 1,
    }
    wrong = next((name for name, is_right in rules.items() if not is_right), None)
    return None if wrong is None else f"The value of {wrong} is not supported for this model."


def _picture(image: dict[str, Any]) -> bytes | None:
    """The SDK's spelling or the REST page's: 2.2 wants both taken."""
    inline = image.get("inlineData") or {}
    encoded = image.get("bytesBase64Encoded") or inline.get("data")
    mime = image.get("mimeType") or inline.get("mimeType")
    try:
        return base64.b64decode(encoded, validate=True) if encoded and mime else None
    except ValueError:
        return None
