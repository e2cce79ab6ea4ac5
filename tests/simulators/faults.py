"""What can go wrong, by name, and which of it is armed.

A fault is armed for a place (`submit`, `poll`, ...) and used up by the requests that come there. A
request names its own ones in `X-Simulate: name[=value][, name...]`.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

ANSWERED = (
    "submit", "poll", "result", "file", "cancel", "upgrade", "upload", "balance", "list", "keys",
)  # fmt: skip
PLACES = (*ANSWERED, "callback")
ALL = ("kie", "fal", "replicate", "google")


@dataclass(frozen=True)
class Kind:
    """One sort of fault. The first of `places` is meant where none is named."""

    name: str
    role: str  # delay | before | after | life | clip | file | upgrade | callback
    places: tuple[str, ...]
    text: str
    default: str | None = None
    vendors: tuple[str, ...] = ALL


def _kinds() -> Iterable[Kind]:
    def answers(role: str, *rows: tuple[str, str | None, str]) -> Iterable[Kind]:
        return (Kind(name, role, ANSWERED, text, default) for name, default, text in rows)

    yield from answers("delay", ("delay", "1", "answers that many seconds late"))
    yield from answers(
        "before",
        ("hang", "120", "nothing done, no answer"),
        ("reset", None, "nothing done, RST"),
        ("close", None, "nothing done, FIN"),
        ("bare", "502", "a proxy's page, not the vendor's envelope; nothing done"),
        ("error", "500", "the vendor's own envelope (kie: HTTP 200 with that code)"),
        ("http_error", "500", "the vendor's own envelope, and that HTTP status"),
        ("garbage", None, "HTTP 200 without JSON"),
        ("empty_answer", None, "HTTP 200 without a body"),
        ("rate_limited", None, "HTTP 429; a value is said as Retry-After"),
        ("bad_key", None, "the key is not good"),
        ("out_of_credit", None, "the account is empty"),
        ("unknown_id", None, "the vendor does not know this id"),
        ("cloudflare", None, "403, error code: 1010"),
        ("redirect", None, "302 to the value, or (file) to the same file elsewhere here"),
    )
    yield from answers(
        "after",
        ("accept_then_hang", "120", "done, but the answer never comes"),
        ("accept_then_reset", None, "done, then RST"),
        ("accept_then_close", None, "done, then FIN"),
        ("accept_then_bare", "502", "done, then a proxy's page"),
    )
    for name, text in (
        ("refuse", "the content is refused at once"),
        ("invalid", "an input is not allowed"),
        ("retired", "the model is gone"),
    ):
        yield Kind(name, "before", ("submit",), text)
    yield from _lives()
    yield from _files()
    yield from _callbacks()


def _lives() -> Iterable[Kind]:
    for name, default, text, vendors in (
        ("takes", "1", "seconds to the end", ALL),
        ("queue", "1", "seconds in the queue", ALL),
        ("never", None, "runs for ever", ALL),
        ("refuse_later", None, "the content is refused after that many seconds", ALL),
        ("fail_later", None, "the vendor fails after that many seconds", ALL),
        ("timeout_later", None, "the vendor gives up after that many seconds", ALL),
        ("no_url", None, "done, but without a link", ALL),
        ("link", "http://127.0.0.1:9/x.mp4", "done, and the link is this one", ALL),
        ("not_visible", "1", "that many polls say 422 record is null", ("kie",)),
        ("flag3", None, "accepted, but the upstream failed", ("kie",)),
        ("fallback", None, "made by a fallback model: 720p, no upgrade", ("kie",)),
        ("urls_as_string", None, "resultUrls is a JSON string", ("kie",)),
        ("urls_at", "data", "resultUrls in data, or in data.info", ("kie",)),
        ("rai", None, "done, and all of it filtered", ("google",)),
        ("operation_error", "13", "done, with an error of that google.rpc number", ("google",)),
        ("http_uri", None, "an http link: the official client stumbles", ("google",)),
        ("foreign_uri", None, "a link to another host: it must not get the key", ("google",)),
        ("empty_done", None, "done, with neither error nor response", ("google",)),
        ("completed_error", "runner_disconnected", "COMPLETED with that error_type", ("fal",)),
        ("result_422", None, "COMPLETED, then the result is a 422 (not content)", ("fal",)),
        ("keeps_running", None, "a cancel of a running one has no effect", ("fal",)),
        ("aborted", None, "ended before it started", ("replicate",)),
        ("data_removed", None, "succeeded, and the output is gone", ("replicate",)),
        ("content_words", None, "refused in words, without a code", ("replicate",)),
    ):
        yield Kind(name, "life", ("submit",), text, default, vendors)
    for name in ("silent", "quiet", "black"):
        yield Kind(name, "clip", ("submit", "file"), f"the {name} clip")


def _files() -> Iterable[Kind]:
    for name, default, text in (
        ("truncated", None, "half of the promised bytes"),
        ("slow", "20", "KB per second"),
        ("stall", None, "half, then nothing more"),
        ("html", None, "200 and an HTML page"),
        ("expired", None, "the link is dead: 404"),
        ("empty_file", None, "200 and no byte"),
        ("huge", "10000000000", "promises that many bytes, and goes on sending"),
    ):
        yield Kind(name, "file", ("file",), text, default)
    yield Kind("not_ready", "upgrade", ("upgrade",), "not ready yet, once more", None, ("kie",))


def _callbacks() -> Iterable[Kind]:
    for name, default, text, vendors in (
        ("lost", None, "never sent", ALL),
        ("duplicate", "1", "sent that many times more", ALL),
        ("early", None, "ends at once and calls before the submit answer", ALL),
        ("late", "1", "sent that many seconds after the end", ALL),
        ("wrong_signature", None, "signed with another key", ALL),
        ("unsigned", None, "no signature headers", ALL),
        ("stale", "600", "signed, with a time that many seconds ago", ALL),
        ("skew", "60", "signed, with a time that many seconds ahead", ALL),
        ("tampered", None, "the body was changed after signing", ALL),
        ("other_task", None, "names another task, signed well", ALL),
        ("forged_key", None, "signed by a key that is not in the JWKS", ("fal",)),
        ("two_signatures", None, "an old secret's signature and the good one", ("replicate",)),
    ):
        yield Kind(name, "callback", ("callback", "submit"), text, default, vendors)


KINDS = {kind.name: kind for kind in _kinds()}
MODIFIERS = {"delay", "takes", "queue", "silent", "quiet", "black"}  # they add to any other fault


@dataclass(frozen=True)
class Part:
    """One named fault with its value."""

    name: str
    value: str | None = None

    @property
    def role(self) -> str:
        """What sort of thing it changes."""
        return KINDS[self.name].role

    def number(self, default: float = 0.0) -> float:
        """The value as a number."""
        return float(self.value) if self.value not in (None, "") else default


def parse(text: str, vendor: str) -> list[Part]:
    """`name[=value][, name...]`. Raises ValueError for what this vendor cannot do."""
    parts = []
    for one in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, value = one.partition("=")
        kind = KINDS.get(name.strip())
        if kind is None or vendor not in kind.vendors:
            raise ValueError(f"{vendor} has no fault {name!r}")
        parts.append(Part(kind.name, value.strip() or kind.default))
    return parts


@dataclass
class Fault:
    """Armed: what it does, where, and for how many requests (None: for ever)."""

    parts: list[Part]
    where: str
    times: int | None = 1
    task: str | None = None
    key: str | None = None
    after: int = 0
    used: int = field(default=0, compare=False)

    def is_modifier(self) -> bool:
        """Whether it only adds to what else happens."""
        return all(part.name in MODIFIERS for part in self.parts)

    def told(self) -> dict[str, object]:
        """For GET /_simulate."""
        names = ", ".join(f"{p.name}={p.value}" if p.value else p.name for p in self.parts)
        return {"fault": names, "where": self.where, "times": self.times, "used": self.used}


class Armoury:
    """The armed faults of one simulator."""

    def __init__(self, vendor: str) -> None:
        self.vendor = vendor
        self.faults: list[Fault] = []
        self._lock = threading.Lock()

    def arm(self, text: str, *, where: str | None = None, **options: object) -> Fault:
        """Arm a fault. Raises ValueError when it does not exist at that place."""
        parts = parse(text, self.vendor)
        if not parts:
            raise ValueError("a fault needs a name")
        places = KINDS[parts[0].name].places
        where = "submit" if any(part.name == "early" for part in parts) else where or places[0]
        for part in parts:
            if where not in KINDS[part.name].places:
                raise ValueError(f"{part.name} is no fault of {where!r}")
        fault = Fault(parts, where, **options)  # type: ignore[arg-type]  # TypeError when wrong
        with self._lock:
            self.faults.append(fault)
        return fault

    def take(self, where: str, key: str, task_id: str | None) -> list[Part]:
        """What happens to this request: all modifiers, and the first of the other faults."""
        if not self.faults:
            return []
        parts: list[Part] = []
        has_one = False
        with self._lock:
            for fault in list(self.faults):
                if not _fits(fault, where, key, task_id) or (has_one and not fault.is_modifier()):
                    continue
                if fault.after:
                    fault.after -= 1
                    continue
                has_one = has_one or not fault.is_modifier()
                parts += fault.parts
                self._use(fault)
        return parts

    def _use(self, fault: Fault) -> None:
        fault.used += 1
        if fault.times is not None and fault.used >= fault.times:
            self.faults.remove(fault)

    def clear(self) -> None:
        """Nothing is armed."""
        with self._lock:
            self.faults.clear()


def _fits(fault: Fault, where: str, key: str, task_id: str | None) -> bool:
    return (
        fault.where == where
        and fault.key in (None, key)
        and (fault.task is None or fault.task == task_id)
    )
