"""One request at a simulator: whose it is, which fault strikes, what the vendor says."""

import functools
from typing import TYPE_CHECKING, Any

from tests.simulators import admin
from tests.simulators.engine import Task, planned
from tests.simulators.faults import KINDS, Part, parse
from tests.simulators.vendor import Route, Turn
from tests.simulators.wire import Answer, Request, json_answer

if TYPE_CHECKING:
    from tests.simulators.simulator import Simulator

ELSEWHERE = "/elsewhere"  # where the fault `redirect` sends to


def answer(house: "Simulator", request: Request) -> Answer:
    """What goes back to a client. The request is noted in `house.requests`."""
    if request.path == admin.PATH:
        return admin.answer(house, request)
    turn = Turn(request)
    request.key = house.vendor.key_of(request)
    request.path = request.path.removeprefix(ELSEWHERE)
    route = house.vendor.route(request)
    if route is None:
        said = house.vendor.error(404, is_http=True)
    else:
        request.where = route.where
        said = _routed(house, turn, route)
    request.status = said.status
    house.requests.append(request)
    if turn.task is not None:
        said.after = functools.partial(_announce, house, turn.task)
    return said


def _routed(house: "Simulator", turn: Turn, route: Route) -> Answer:
    try:
        turn.parts = _parts(house, turn.request, route)
    except ValueError as error:
        return json_answer({"error": str(error)}, 400)
    vendor = house.vendor
    part = next((one for one in turn.parts if one.role in ("before", "after")), None)
    if part is not None and part.role == "before":
        said = vendor.answer_fault(part, turn.request, route.where)
    else:
        said = _refused(house, turn, route) or route.act(turn)
        _call_early(house, turn.task)
    if part is not None and part.role == "after":
        said = vendor.answer_fault(part, turn.request, route.where)
    said.wait_s += sum(one.number() for one in turn.parts if one.role == "delay")
    return said


def _parts(house: "Simulator", request: Request, route: Route) -> list[Part]:
    """The faults of this request: its own, or else the armed ones."""
    own = parse(request.headers.get("x-simulate", ""), house.vendor.name)
    own = [part for part in own if route.where in KINDS[part.name].places]
    return own or house.armoury.take(route.where, request.key, route.task_id)


def _refused(house: "Simulator", turn: Turn, route: Route) -> Answer | None:
    """What the state of the key says against it."""
    if not route.needs_key:
        return None
    key = house.keys.get(turn.request.key)
    if key is None or key.state == "bad":
        return house.vendor.bad_key()
    turn.account = key.account
    if route.where != "submit":
        return None
    state, _, seconds = key.state.partition("=")
    if state == "empty":
        return house.vendor.empty()
    if state == "limited":
        return house.vendor.limited(float(seconds) if seconds else None)
    with house.lock:
        left_s = house.window.left_s(key.account, house.clock.now())
    return house.vendor.over_rate(left_s) if left_s else None


def begin(
    house: "Simulator",
    turn: Turn,
    task_id: str,
    model: str,
    request: dict[str, Any],
    callback: str | None,
) -> Task:
    """Make a task, with the faults that stay with it."""
    plans = {part.name: part for part in turn.parts if part.role == "life"}
    clips = [part.name for part in turn.parts if part.role == "clip"]
    task = Task(
        id=task_id,
        key=turn.request.key,
        account=turn.account,
        model=model,
        request=request,
        callback_url=callback or None,
        made_at=house.clock.now(),
        queue_s=plans["queue"].number() if "queue" in plans else house.queue_s,
        takes_s=_takes_s(plans, house.takes_s),
        clip=clips[-1] if clips else house.clip,
        clock=house.clock,
        plans=plans,
        callback_faults=[part for part in turn.parts if part.role == "callback"],
    )
    house.tasks[task_id] = turn.task = task
    return task


def _takes_s(plans: dict[str, Part], usual_s: float | None) -> float | None:
    if "never" in plans:
        return None
    for name in ("takes", "refuse_later", "fail_later", "timeout_later"):
        if name in plans and plans[name].value:
            return plans[name].number()
    return usual_s


def _is_early(task: Task) -> bool:
    return any(part.name == "early" for part in task.callback_faults)


def _call_early(house: "Simulator", task: Task | None) -> None:
    """The fault `early`: it ends, and says so, before its submit is answered."""
    if task is not None and _is_early(task):
        task.end(*planned(task))
        house.sender.send(task, task.callback_faults)


def _announce(house: "Simulator", task: Task) -> None:
    """The submit was answered: from now on its end may be told."""
    if _is_early(task):
        return
    with task.lock:
        task.on_end = house.sender.ended
        is_over = task.outcome is not None
    if is_over:
        house.sender.ended(task)
    elif task.due_at is not None:
        house.timers.at(task.due_at, task.settle)
