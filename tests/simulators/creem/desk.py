"""One request at the simulator: of the API, of a page, or of whoever pulls its strings."""

from typing import TYPE_CHECKING

from tests.simulators.creem import admin, api, pages
from tests.simulators.creem.faults import MODIFIERS, Fault
from tests.simulators.vendor import PROXY_PAGE
from tests.simulators.wire import Answer, Request

if TYPE_CHECKING:
    from tests.simulators.creem.house import CreemHouse

API = "/v1/"
JSON = {"Content-Type": "application/json"}
AFTERWARDS = ("answer_without", "accept_then_hang", "accept_then_reset", "accept_then_error")
"""Faults of an answer to what was done; before the others nothing is done."""


def answer(house: "CreemHouse", request: Request) -> Answer:
    """What goes back. Requests of the API are noted in `house.requests`."""
    if request.path == admin.PATH:
        return admin.answer(house, request)
    if not request.path.startswith(API):
        return pages.answer(house, request)
    request.key = request.headers.get("x-api-key", "")
    route = api.find(request)
    if route is None:
        said = api.error(house, 404, f"Cannot {request.method} {request.path}")
    else:
        request.where = route.where
        said = _routed(house, request, route)
    request.status = said.status
    house.requests.append(request)
    return said


def _routed(house: "CreemHouse", request: Request, route: api.Route) -> Answer:
    faults = house.armoury.take_for_answer(route.where)
    fault = next((one for one in faults if one.name not in MODIFIERS), None)
    for one in faults:
        if one.name == "refund_status":
            request.query["refund_status"] = str(one.value)
    if fault is not None and fault.name not in AFTERWARDS:
        said = _instead(house, fault)
    else:
        said = api.refusal(house, request) or api.act(house, request, route)
    if fault is not None and fault.name in AFTERWARDS:
        said = _afterwards(house, fault, said)
    said.wait_s += sum(float(one.value) for one in faults if one.name == "delay")
    return said


def _instead(house: "CreemHouse", fault: Fault) -> Answer:
    """Nothing is done, and this is said."""
    match fault.name:
        case "hang":
            return Answer(None, ending="hang", hang_s=float(fault.value))
        case "reset":
            return Answer(None, ending="reset")
        case "error":
            return api.error(house, int(fault.value), "Something went wrong")
        case "bare":
            page = PROXY_PAGE.format(status=int(fault.value)).encode()
            return Answer(int(fault.value), page, {"Content-Type": "text/html"})
        case "bad_key":
            return api.error(house, 403, "Invalid API key")
        case "garbage":
            return Answer(200, b"<oops", dict(JSON))
        case "empty":
            return Answer(200, b"", dict(JSON))
        case _:
            return api.limited(house, fault.value, is_old=fault.name == "limited_before")


def _afterwards(house: "CreemHouse", fault: Fault, said: Answer) -> Answer:
    """It was done, and this is said instead of the truth."""
    match fault.name:
        case "answer_without":
            return api.without(said, str(fault.value))
        case "accept_then_hang":
            return Answer(None, ending="hang", hang_s=float(fault.value))
        case "accept_then_reset":
            return Answer(None, ending="reset")
        case _:
            return api.error(house, int(fault.value), "Something went wrong")
