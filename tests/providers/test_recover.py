"""kill -9 of a worker at every point of a submission: what another one then finds."""

import signal

import pytest

from app.providers import render_folder
from renderer import manners
from tests.providers.conftest import LONG, SHORT, family
from tests.waiting import wait_until

GONE_S = 5  # takes half a second; more where other tests keep the processors from a nice child
DIE = "lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)"
POINTS = {
    "before the folder": f"module.folders.claim = {DIE}; Path.mkdir = {DIE}",
    "before the lock": f"module.folders.claim = {DIE}",
    "before the request": f"module._check_space = {DIE}",
    "before the child": f"module.subprocess.Popen = {DIE}",
    "before the pid file": f"module.manners.write_pid_file = {DIE}",
    "after the pid file": (
        "write = module.manners.write_pid_file; "
        "module.manners.write_pid_file = lambda *a: "
        "(write(*a), os.kill(os.getpid(), signal.SIGKILL))"
    ),
}


@pytest.mark.parametrize("point", POINTS)
def test_nothing_survives_a_worker_killed_while_submitting(point, local, renders, worker):
    first = worker(POINTS[point])
    assert first.ask(f"local.submit({LONG!r})") == ""
    assert first.process.wait(30) == -signal.SIGKILL
    folder = renders / LONG.attempt_id
    assert local.recover(LONG.attempt_id) is None
    assert not render_folder.is_running(folder)
    child = render_folder.find_child(folder)
    assert child is None or not child.is_alive
    assert local.submit(LONG) == LONG.attempt_id
    assert local.recover(LONG.attempt_id) == LONG.attempt_id
    assert local.poll(LONG.attempt_id).state == "running"


def test_a_killed_worker_takes_its_renderer_along(local, renders, worker, drawing):
    first = worker()
    handle = first.ask(f"local.submit({LONG!r})")
    drawing(handle)
    assert local.recover(handle) == handle  # it is another's, and it lives
    processes = family(renders / handle)
    assert len(processes) == 2
    first.kill()
    wait_until(lambda: not any(map(manners.start_mark, processes)), GONE_S)
    wait_until(lambda: local.poll(handle).state == "lost")
    assert local.recover(handle) is None
    assert not list((renders / handle).glob("clip*"))


def test_recovering_does_not_wait_for_the_orphan(local, renders, worker, drawing):
    first = worker()
    handle = first.ask(f"local.submit({LONG!r})")
    drawing(handle)
    processes = family(renders / handle)
    first.kill()
    assert local.recover(handle) is None
    assert not render_folder.is_running(renders / handle)
    wait_until(lambda: not any(map(manners.start_mark, processes)), GONE_S)


def test_what_was_finished_is_found_again(local, worker, ended):
    first = worker()
    handle = first.ask(f"local.submit({SHORT!r})")
    assert ended(handle).state == "ready"
    first.kill()
    assert local.recover(handle) == handle
    assert local.poll(handle).state == "ready"
    assert local.submit(SHORT) == handle
    assert local.has_room()  # it was not drawn again


def test_what_failed_is_found_again(local, worker, ended):
    order = repr(SHORT).replace("'1:1'", "'2:1'")
    handle = worker().ask(f"local.submit({order})")
    assert ended(handle).state == "failed"
    assert local.recover(handle) == handle
