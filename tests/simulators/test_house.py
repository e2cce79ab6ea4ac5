"""A vendor that goes down, and one whose clock moves."""

import threading

import httpx
import pytest

from tests.faults.making import later
from tests.simulators import VENDORS, Simulator
from tests.simulators.conftest import Start
from tests.simulators.orders import submit_to


@pytest.fixture(params=list(VENDORS))
def house(request: pytest.FixtureRequest, begin: Start) -> Simulator:
    """Each vendor in turn."""
    return begin(request.param)


@pytest.fixture
def kie(begin: Start) -> Simulator:
    return begin("kie")


def test_down_and_up_again(house: Simulator, http: httpx.Client) -> None:
    assert submit_to(house, http).is_success
    with house.outage(), pytest.raises(httpx.ConnectError):
        submit_to(house, http)
    assert submit_to(house, http).is_success
    assert len(house.tasks) == 2


def test_a_down_ends_what_is_under_way(kie: Simulator, http: httpx.Client) -> None:
    kie.fault("hang")
    thread = threading.Timer(0.2, kie.down)
    thread.start()
    with pytest.raises(httpx.TransportError):
        submit_to(kie, http)
    thread.join()


def test_the_clock_moves_with_the_tests(kie: Simulator, http: httpx.Client) -> None:
    kie.fault("takes=1800")
    submit_to(kie, http)
    [task] = kie.tasks.values()
    assert task.state == "running"
    with later(minutes=31):
        assert task.state == "succeeded"
