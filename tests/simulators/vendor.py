"""What the four vendors have in common: who asks, which fault strikes, how a task is begun."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.simulators import files
from tests.simulators.clips import clip
from tests.simulators.engine import Task, utc
from tests.simulators.faults import Part
from tests.simulators.wire import Answer, Request

if TYPE_CHECKING:
    from tests.simulators.simulator import Simulator

PROXY_PAGE = (
    "<html>\r\n<head><title>{status} Bad Gateway</title></head>\r\n"
    "<body>\r\n<center><h1>{status} Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"
)
ENDINGS = {
    "hang": "hang", "reset": "reset", "close": "close",
    "accept_then_hang": "hang", "accept_then_reset": "reset", "accept_then_close": "close",
}  # fmt: skip


@dataclass
class Turn:
    """One request on its way through a vendor."""

    request: Request
    parts: list[Part] = field(default_factory=list)
    account: str = ""
    task: Task | None = None  # that it began


@dataclass
class Route:
    """Where a request belongs, and what is done about it."""

    where: str
    act: Callable[[Turn], Answer]
    task_id: str | None = None
    needs_key: bool = True


class Vendor:
    """One vendor's wire. The subclasses say everything that differs."""

    name = ""
    keeps_s = math.inf
    keeps_files_s: float | None = None  # where it differs
    submits: tuple[int, float] | None = None
    retry_waits_s: tuple[float, ...] = ()
    webhook_secret: str | None = None

    def __init__(self, house: "Simulator") -> None:
        self.house = house

    # What a vendor says for itself ----------------------------------------------------------------

    def key_of(self, request: Request) -> str:
        """The API key that came with a request."""
        return request.headers.get("authorization", "").partition(" ")[2]

    def route(self, request: Request) -> Route | None:
        """Where it belongs; None: nowhere."""
        raise NotImplementedError

    def error(self, code: int, message: str | None = None, *, is_http: bool = False) -> Answer:
        """The vendor's envelope. `is_http`: with that HTTP status even where it is not usual."""
        raise NotImplementedError

    def bad_key(self) -> Answer:
        """The key is not good."""
        return self.error(401)

    def empty(self) -> Answer:
        """The account has no money."""
        return self.error(402)

    def limited(self, retry_after_s: float | None) -> Answer:
        """HTTP 429, with Retry-After where seconds are given."""
        answer = self.error(429, is_http=True)
        if retry_after_s is not None:
            answer.headers["Retry-After"] = str(math.ceil(retry_after_s))
        return answer

    def over_rate(self, left_s: float) -> Answer:
        """More submits than allowed; there is room again in `left_s`."""
        return self.limited(None)

    def unknown(self, where: str) -> Answer:
        """No task of that id for this account."""
        return self.error(404)

    def refusal(self, message: str | None) -> Answer:
        """The content is refused at once."""
        return self.error(400, message)

    def invalid(self, message: str | None) -> Answer:
        """An input is not allowed."""
        return self.error(422, message)

    def gone(self, model: str) -> Answer:
        """The model is retired."""
        return self.error(404)

    def callback_body(self, task: Task) -> Any:
        """What is sent when a task has ended; None: nothing."""
        return None

    def sign(self, task_id: str, body: bytes, at: int, names: set[str]) -> dict[str, str]:
        """The headers of a callback; `names` are the faults that change the signature."""
        return {}

    # What is the same everywhere ------------------------------------------------------------------

    def answer_fault(self, part: Part, request: Request, where: str) -> Answer:
        """The answer that a fault wants instead of the true one."""
        if part.name in ENDINGS:
            return Answer(None, ending=ENDINGS[part.name], hang_s=part.number(120.0))
        if part.name in ("bare", "accept_then_bare"):
            page = PROXY_PAGE.format(status=int(part.number())).encode()
            return Answer(int(part.number()), page, {"Content-Type": "text/html"})
        ours: dict[str, Callable[[], Answer]] = {
            "error": lambda: self.error(int(part.number())),
            "http_error": lambda: self.error(int(part.number()), is_http=True),
            "garbage": lambda: Answer(200, b"<oops", {"Content-Type": "application/json"}),
            "empty_answer": lambda: Answer(200, b"", {"Content-Type": "application/json"}),
            "rate_limited": lambda: self.limited(part.number() if part.value else None),
            "bad_key": self.bad_key,
            "out_of_credit": self.empty,
            "unknown_id": lambda: self.unknown(where),
            "cloudflare": lambda: Answer(403, b"error code: 1010", {"Content-Type": "text/plain"}),
            "redirect": lambda: self._redirect(part, request),
            "refuse": lambda: self.refusal(part.value),
            "invalid": lambda: self.invalid(part.value),
            "retired": lambda: self.gone(""),
        }
        return ours[part.name]()

    def _redirect(self, part: Part, request: Request) -> Answer:
        there = part.value or f"{self.house.public_url}/elsewhere{request.path}"
        return Answer(302, b"", {"Location": there})

    def owned(self, turn: Turn, task_id: str) -> Task | None:
        """The task, if the account of this key made it."""
        task = self.house.tasks.get(task_id)
        return task if task is not None and task.account == turn.account else None

    def is_expired(self, task: Task) -> bool:
        """Whether the vendor has thrown it away: its time counts from the end."""
        return task.is_expired or self._age_s(task) > self.keeps_s

    def _age_s(self, task: Task) -> float:
        task.settle()
        return 0.0 if task.ended_at is None else self.house.clock.now() - task.ended_at

    def stamp(self, seconds: float | None, form: str = "%Y-%m-%dT%H:%M:%S.%fZ") -> str | None:
        """A time as the vendor writes it, by its own wrong clock."""
        return None if seconds is None else utc(seconds + self.house.clock_skew_s, form)

    def link(self, task: Task, usual: str) -> str:
        """The address of a result, unless the fault `link` wants another."""
        return str(task.plans["link"].value) if "link" in task.plans else usual

    def clip_of(self, task: Task, parts: list[Part], resolution: str) -> bytes:
        """The file of a task."""
        kinds = [part.name for part in parts if part.role == "clip"]
        return clip(
            kinds[-1] if kinds else task.clip,
            task.extra.get("aspect_ratio", "16:9"),
            resolution,
            seconds=self.house.clip_s,
            sizes=self.house.sizes,
        )

    def file(self, turn: Turn, task_id: str, resolution: str | None = None) -> Answer:
        """The result of a finished task, as bytes."""
        task = self.house.tasks.get(task_id)
        if task is None or task.state != "succeeded" or task.is_expired:
            return files.gone()
        if self._age_s(task) > (self.keeps_s if self.keeps_files_s is None else self.keeps_files_s):
            return files.gone()
        task.downloads += 1
        resolution = resolution or task.extra.get("resolution", "720p")
        return files.serve(self.clip_of(task, turn.parts, resolution), turn.parts, self.house.wait)
