"""kie.ai: docs/video-providers.md, 1. Errors are HTTP 200 with a `code`; callbacks sign no body."""

import base64
import hashlib
import hmac
import json
import secrets
from typing import TYPE_CHECKING, Any

from tests.simulators import kie_files
from tests.simulators.bodies import fill, quoted
from tests.simulators.desk import begin
from tests.simulators.engine import Task
from tests.simulators.vendor import Route, Turn, Vendor
from tests.simulators.wire import Answer, Request, json_answer

if TYPE_CHECKING:
    from tests.simulators.simulator import Simulator

PRICES = {"veo3": 250, "veo3_fast": 60, "veo3_lite": 30}  # 1.7, credits
HD_PRICE = 5
KNOWN = {
    "prompt", "model", "imageUrls", "generationType", "aspect_ratio", "aspectRatio", "resolution",
    "duration", "seeds", "enableTranslation", "enableFallback", "watermark", "callBackUrl",
}  # fmt: skip
ALLOWED: dict[str, set[Any]] = {
    "model": set(PRICES),
    "aspect_ratio": {"16:9", "9:16", "Auto"},
    "resolution": {"720p", "1080p", "4k"},
    "duration": {4, 6, 8},
    "generationType": {
        "TEXT_2_VIDEO", "FIRST_AND_LAST_FRAMES_2_VIDEO", "REFERENCE_2_VIDEO",
    },
}  # fmt: skip
DAY_S = 86400.0
CLOCK = "%Y-%m-%d %H:%M:%S"
FAILURES = {  # reason of a task -> (successFlag, errorCode, code of the callback, message)
    "content": (2, 400, 400, "400"),
    "error": (2, 500, 500, "500"),
    "timeout": (2, 500, 500, "408"),
    "flag3": (3, 501, 501, "501"),
    "cancelled": (2, 501, 501, "501"),
    "flow": (2, 400, 422, "flow"),
}


def text(name: str) -> str:
    """One of the quoted messages."""
    return str(quoted("kie")["messages"]["body"][name])


class Kie(Vendor):
    """Options of its own: hmac_key, upgrade_s, credits."""

    name = "kie"
    keeps_s = 14 * DAY_S
    submits = (20, 10.0)
    retry_waits_s = (0.2, 0.4, 0.8)  # 1.5: three failed retries, then no more

    def __init__(
        self,
        house: "Simulator",
        *,
        hmac_key: str | None = None,
        upgrade_s: float = 0.0,
        credits: float = 1_000_000,
    ) -> None:
        super().__init__(house)
        self.webhook_secret = hmac_key
        self.upgrade_s, self.credits = upgrade_s, credits
        self.spent: dict[str, float] = {}
        self.uploads: dict[str, tuple[bytes, str, float]] = {}

    def route(self, request: Request) -> Route | None:
        task_id = request.query.get("taskId")
        match request.method, request.path:
            case "POST", "/api/v1/veo/generate":
                return Route("submit", self._generate)
            case "GET", "/api/v1/veo/record-info":
                return Route("poll", self._record_info, task_id)
            case "GET", "/api/v1/veo/get-1080p-video":
                return Route("upgrade", self._get_1080p, task_id)
            case "POST", "/api/v1/veo/get-4k-video":
                return Route("upgrade", self._get_4k, request.json().get("taskId"))
            case "GET", "/api/v1/chat/credit":
                return Route("balance", self._credit)
        return kie_files.route(self, request)

    def error(self, code: int, message: str | None = None, *, is_http: bool = False) -> Answer:
        if message is None:
            message = quoted("kie")["messages"]["body"].get(str(code), "Error")
        body = fill("kie", "error", code=code, message=message)
        return json_answer(body, code if is_http else 200)

    def unknown(self, where: str) -> Answer:
        return self.error(422)  # 1.3: "record is null", not 404

    def refusal(self, message: str | None) -> Answer:
        return self.error(400, message)

    def invalid(self, message: str | None) -> Answer:
        return self.error(422, message or "Invalid parameter")

    def gone(self, model: str) -> Answer:
        return self.error(
            404, f"The model {model} is not available".replace("  ", " "), is_http=True
        )

    # Tasks ----------------------------------------------------------------------------------------

    def _generate(self, turn: Turn) -> Answer:
        order = turn.request.json()
        model = order.get("model", "veo3_fast")
        if model in self.house.retired:
            return self.gone(model)
        if (wrong := self._wrong_in(order)) is not None:
            return wrong
        if not self._spend(turn.account, PRICES[model]):
            return self.empty()
        task_id = f"veo_task_{secrets.token_hex(12)}"
        task = begin(self.house, turn, task_id, model, order, order.get("callBackUrl"))
        task.extra["aspect_ratio"] = order.get("aspect_ratio", "16:9")  # the old spelling: not read
        task.extra["resolution"] = order.get("resolution", "720p")
        task.extra["unknown_fields"] = sorted(order.keys() - KNOWN)
        if "fallback" in task.plans:
            task.extra["resolution"] = "720p"
        return json_answer(fill("kie", "accepted", task_id=task_id))

    def _wrong_in(self, order: dict[str, Any]) -> Answer | None:
        if not order.get("prompt"):
            return self.error(500, text("required"))  # 1.6: 500 is also used for missing fields
        for name, allowed in ALLOWED.items():
            if name in order and order[name] not in allowed:
                return self.invalid(f"{name} is not supported: {order[name]}")
        if "seeds" in order and not 10000 <= int(order["seeds"]) <= 99999:
            return self.invalid("seeds must be between 10000 and 99999")
        images = order.get("imageUrls") or []
        if len(images) > (3 if order.get("generationType") == "REFERENCE_2_VIDEO" else 2):
            return self.invalid("too many imageUrls")
        if not all(kie_files.can_fetch(self, url) for url in images):
            return self.error(451)
        return None

    def _record_info(self, turn: Turn) -> Answer:
        task = self.owned(turn, turn.request.query.get("taskId", ""))
        if task is None:
            return self.unknown("poll")
        task.polls += 1
        if "not_visible" in task.plans and task.polls <= task.plans["not_visible"].number():
            return self.unknown("poll")
        if self.is_expired(task):
            return self.error(422, text("old"))
        return json_answer(self._record(task))

    def _record(self, task: Task) -> dict[str, Any]:
        state = task.state
        values: dict[str, Any] = {
            "task_id": task.id,
            "param_json": json.dumps(task.request),
            "created": self.stamp(task.made_at, CLOCK),
            "created_ms": int(1000 * (task.made_at + self.house.clock_skew_s)),
            "completed": self.stamp(task.ended_at, CLOCK),
        }
        if state in ("queued", "running"):
            return dict(fill("kie", "record_running", **values))
        if state == "succeeded":
            return self._placed(task, fill("kie", "record_success", **values, **self._links(task)))
        flag, error_code, _, said = FAILURES[task.reason]
        message = task.message or text(said)
        values |= {"flag": flag, "error_code": error_code, "message": message}
        return dict(fill("kie", "record_failed", **values))

    def _links(self, task: Task) -> dict[str, Any]:
        url = f"{self.house.public_url}/tempfile/{task.id}/720p.mp4"
        made = task.extra["resolution"]
        is_wide = task.extra["aspect_ratio"] == "16:9"
        urls: Any = [self.link(task, url.replace("720p", made))]
        if "no_url" in task.plans:
            urls = None
        elif "urls_as_string" in task.plans:
            urls = json.dumps(urls)
        return {
            "urls": urls,
            "origin_urls": None if is_wide or urls is None else [url],
            "resolution": made,
            "is_fallback": "fallback" in task.plans,
        }

    def _placed(self, task: Task, record: dict[str, Any]) -> dict[str, Any]:
        """1.3: older answers have the links in data, or in data.info."""
        data = record["data"]
        if "urls_at" in task.plans:
            links = {"resultUrls": data.pop("response")["resultUrls"]}
            data |= {"info": links} if task.plans["urls_at"].value == "info" else links
        return record

    # Upgrades and money ---------------------------------------------------------------------------

    def _get_1080p(self, turn: Turn) -> Answer:
        task = self.owned(turn, turn.request.query.get("taskId", ""))
        if task is None or self.is_expired(task):
            return self.unknown("upgrade")
        if task.state != "succeeded":
            return self.error(422, text("not_success"))
        if task.extra["aspect_ratio"] != "16:9" or "fallback" in task.plans:
            return self.error(400, text("hd_refused"))
        if self._is_early(turn, task, self.upgrade_s):
            return self.error(400, text("hd_processing"))
        if not task.extra.get("has_hd") and not self._spend(task.account, HD_PRICE):
            return self.empty()
        task.extra["has_hd"] = True
        url = f"{self.house.public_url}/tempfile/{task.id}/1080p.mp4"
        return json_answer(fill("kie", "hd_ready", url=url))

    def _get_4k(self, turn: Turn) -> Answer:
        task = self.owned(turn, str(turn.request.json().get("taskId")))
        if task is None or self.is_expired(task):
            return self.unknown("upgrade")
        if task.state != "succeeded":
            return self.error(422, text("not_success"))
        if "4k_at" not in task.extra:
            task.extra["4k_at"] = self.house.clock.now()
            return json_answer(fill("kie", "four_k_started", task_id=task.id))
        is_early = self._is_early(turn, task, self.upgrade_s, since=task.extra["4k_at"])
        links = [f"{self.house.public_url}/tempfile/{task.id}/4k.mp4"]
        values: dict[str, Any] = {"message": text("4k_ready"), "urls": links, "images": []}
        if is_early:
            values = {"message": text("4k_processing"), "urls": None, "images": None}
        return json_answer(fill("kie", "four_k_repeated", task_id=task.id, **values))

    def _is_early(self, turn: Turn, task: Task, takes_s: float, since: float | None = None) -> bool:
        if any(part.name == "not_ready" for part in turn.parts):
            return True
        begun_at = since if since is not None else task.ended_at or task.made_at
        return self.house.clock.now() < begun_at + takes_s

    def _credit(self, turn: Turn) -> Answer:
        return json_answer(fill("kie", "credit", credits=self.balance(turn.account)))

    def balance(self, account: str) -> float:
        """What an account has left, in credits."""
        is_empty = any(
            key.state == "empty" for key in self.house.keys.values() if key.account == account
        )
        return 0 if is_empty else self.credits - self.spent.get(account, 0)

    def _spend(self, account: str, credits: float) -> bool:
        with self.house.lock:
            if self.balance(account) < credits:
                return False
            self.spent[account] = self.spent.get(account, 0) + credits
        return True

    # Callbacks ------------------------------------------------------------------------------------

    def callback_body(self, task: Task) -> Any:
        if task.state == "succeeded":
            return fill("kie", "callback_success", task_id=task.id, **self._links(task))
        reason = FAILURES.get(task.reason, FAILURES["error"])
        message = task.message or text(reason[3])
        return fill("kie", "callback_failure", task_id=task.id, code=reason[2], message=message)

    def sign(self, task_id: str, body: bytes, at: int, names: set[str]) -> dict[str, str]:
        """1.5: base64(HMAC-SHA256(key, taskId.timestamp)); no headers without a key."""
        if not self.webhook_secret:
            return {}
        key = "test-another-key" if "wrong_signature" in names else self.webhook_secret
        digest = hmac.new(key.encode(), f"{task_id}.{at}".encode(), hashlib.sha256).digest()
        return {
            "X-Webhook-Timestamp": str(at),
            "X-Webhook-Signature": base64.b64encode(digest).decode(),
        }
