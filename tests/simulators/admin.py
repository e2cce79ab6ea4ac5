"""/_simulate: what a test does in process, over HTTP for a simulator that runs by itself."""

import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.simulators.faults import KINDS
from tests.simulators.wire import Answer, Request, json_answer

if TYPE_CHECKING:
    from tests.simulators.simulator import Simulator

PATH = "/_simulate"
FAULT_FIELDS = {"fault", "value", "where", "times", "task", "key", "after"}
OPTIONS = ("takes_s", "queue_s", "clip", "clip_s", "sizes", "clock_skew_s")


def answer(house: "Simulator", request: Request) -> Answer:
    """GET: how things are. POST: change them. DELETE: no fault is armed any more."""
    if request.method == "DELETE":
        house.clear()
    if request.method != "POST":
        return json_answer(state(house))
    try:
        return json_answer(_change(house, request.json()))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return json_answer({"error": f"{type(error).__name__}: {error}"}, 400)


def state(house: "Simulator") -> dict[str, Any]:
    """How things are."""
    vendor = house.vendor.name
    return {
        "vendor": vendor,
        "base_url": house.base_url,
        "tasks": [_told(task) for task in list(house.tasks.values())],
        "faults": [fault.told() for fault in house.faults],
        "keys": {key: known.state for key, known in house.keys.items()},
        "violations": len(house.violations),
        "requests": len(house.requests),
        "callbacks": [
            {"task": done.task_id, "url": done.url, "status": done.status}
            for done in house.callbacks
        ],
        "known_faults": {
            kind.name: {"where": list(kind.places), "text": kind.text}
            for kind in KINDS.values()
            if vendor in kind.vendors
        },
    }


def _told(task: Any) -> dict[str, Any]:
    names = ("id", "state", "account", "model", "polls", "downloads")
    return {name: getattr(task, name) for name in names}


def _change(house: "Simulator", wish: dict[str, Any]) -> dict[str, Any]:
    if "fault" in wish and wish["fault"] != "down":
        return _arm(house, wish)
    if "fault" in wish:
        wish = {"down": wish.get("value", 1)}
    verbs: dict[str, Callable[[], Any]] = {
        "finish": lambda: house.finish(wish["finish"]),
        "fail": lambda: house.fail(wish["fail"], wish.get("reason", "error"), wish.get("message")),
        "expire": lambda: house.expire(wish["expire"]),
        "advance": lambda: house.advance(float(wish["advance"])),
        "key": lambda: house.set_key(wish["key"], wish["state"]),
        "clear": house.clear,
        "down": lambda: _down_for(house, float(wish["down"])),
        "callback": lambda: [
            done.status for done in house.send_callback(wish["callback"], *wish.get("faults", ()))
        ],
    }
    verb = next((name for name in verbs if name in wish), None)
    if verb is not None:
        return {"done": verb, "answer": verbs[verb]()}
    options = {name: value for name, value in wish.items() if name in OPTIONS}
    if not options or options.keys() != wish.keys():
        raise ValueError(f"nothing known in {json.dumps(wish)[:200]}")
    house.set(**options)
    return {"done": "set"}


def _arm(house: "Simulator", wish: dict[str, Any]) -> dict[str, Any]:
    if unknown := wish.keys() - FAULT_FIELDS:
        raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
    options = {name: value for name, value in wish.items() if name not in ("fault", "value")}
    return house.fault(wish["fault"], wish.get("value"), **options).told()


def _down_for(house: "Simulator", seconds: float) -> None:
    """Down a moment from now, so that this answer gets out; up again after `seconds`."""

    def outage() -> None:
        house.down()
        done = threading.Event()
        done.wait(seconds)
        if not house.is_closed:
            house.up()

    timer = threading.Timer(0.1, outage)
    timer.daemon = True
    timer.start()
