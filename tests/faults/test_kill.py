"""kill -9 of worker, web or both at every gap: no video lost, no credit lost or doubled.

Real processes on SQLite; what is killed where is written in `MOMENTS`, in which order and whether
both die is decided by a seed. To repeat a run: FAULTS_SEED=... pytest tests/faults/test_kill.py
"""

from collections.abc import Callable

import pytest

from tests.faults import campaign, nursery
from tests.faults.campaign import Moment
from tests.faults.machine import Machine
from tests.waiting import wait_until

pytest_plugins = ["tests.faults.fixtures"]

LANES = 6

ASKING = [  # the web dies while a person asks for a video
    Moment("commit:moderation._record.before"),
    Moment("commit:moderation._record.after"),
    Moment("commit:videos.request_video.before"),
    Moment("commit:videos.request_video.after"),
    Moment("enqueue:submit_video.after"),
    Moment("enqueue:sweep_videos.after"),
]
SUBMITTING = [  # queued, submitting
    Moment("run:submit_video.before"),
    Moment("commit:attempts._claim.before"),
    Moment("commit:attempts._claim.after"),
    Moment("submit.before"),
    Moment("submit.after"),
    Moment("submit.after", prompt="sturdy"),
    Moment("commit:attempts.accept.before"),
    Moment("commit:attempts.accept.after"),
    Moment("commit:endings._end.before", prompt="refused", ends="failed"),
    Moment("commit:endings._end.after", prompt="refused", ends="failed"),
    Moment("commit:queueing._back_to_queue.before", prompt="hiccup", ends="failed"),
    Moment("commit:queueing._back_to_queue.after", prompt="hiccup", ends="failed"),
    Moment("commit:endings._end.before", prompt="hiccup", ends="failed"),
]
SWEEPING = [  # processing
    Moment("run:sweep_videos.before"),
    Moment("commit:ticks.claim.after"),
    Moment("commit:dues.claim.before"),
    Moment("commit:dues.claim.after", prompt="sturdy"),
    Moment("poll.after"),
    Moment("commit:write_back.write.before", "tire", "endless", "cancelled"),
    Moment("commit:write_back.write.after", "tire", "endless sturdy", "cancelled"),
    Moment("commit:moves._ready.before"),
    Moment("commit:moves._ready.after"),
    Moment("enqueue:store_video.before"),
    Moment("later:sweep_videos.before"),
    Moment("commit:queueing._back_to_queue.after", prompt="lossy", ends="failed"),
    Moment("commit:endings._end.before", prompt="lossy", ends="failed"),
    Moment("commit:endings._end.before", prompt="failing", ends="failed"),
    Moment("commit:endings._end.after", prompt="failing", ends="failed"),
]
STORING = [
    Moment("run:store_video.before"),
    Moment("commit:leases.take.after"),
    Moment("fetch.after"),
    Moment("inspect.after"),
    Moment("put:poster.half"),
    Moment("place.after"),
    Moment("put:video.half"),
    Moment("place.before", count=3),
    Moment("place.after", count=3),
    Moment("commit:results._complete.before"),
    Moment("commit:results._complete.after"),
    Moment("forget.before"),
]
STOPPING = [  # a person cancels or deletes
    Moment("commit:endings._end.before", "cancel queued", "glass", "cancelled"),
    Moment("commit:endings._end.after", "cancel queued", "glass", "cancelled"),
    Moment("commit:videos._ask_to_stop.before", "cancel", "endless", "cancelled"),
    Moment("commit:videos._ask_to_stop.after", "cancel", "endless sturdy", "cancelled"),
    Moment("cancel.before", "cancel", "endless sturdy", "cancelled"),
    Moment("cancel.after", "cancel", "endless", "cancelled"),
    Moment("commit:endings._end.before", "cancel", "endless", "cancelled"),
    Moment("commit:endings._end.after", "cancel", "endless", "cancelled"),
    Moment("commit:endings._end.before", "cancel storing", "glass", "cancelled"),
    Moment("commit:endings._end.after", "cancel storing", "glass", "cancelled"),
    Moment("delete_all.before", "cancel storing", "glass", "cancelled"),
    Moment("commit:videos.delete.after", "delete", "endless", "cancelled"),
]
RECOVERING = [  # the worker that picks up the pieces dies too
    Moment("submit.after", then=("free_dead.after", "recover.before")),
    Moment("submit.after", prompt="sturdy", then=("recover.after", "commit:attempts.accept.after")),
    Moment("commit:attempts._claim.after", then=("commit:queueing._back_to_queue.before",)),
    Moment("put:video.half", then=("put:video.half", "commit:results._complete.before")),
]
ELSEWHERE = {  # commits that move no video
    "accounts.create_user",
    "tidying.tidy",
    "estimates._write",
    "identities.grant_due_welcomes",
    "images.tidy",
    "leases.renew",  # to be killed there is to be killed after attempts._claim
    "leases.free_dead",  # see RECOVERING
    "overdue._mark_late",
    "sessions.delete_ended",
    "sessions.start",
    "ticks.put_off",
}
MOMENTS = [*ASKING, *SUBMITTING, *SWEEPING, *STORING, *STOPPING, *RECOVERING]


RENDERING = [  # what only the real renderer has
    Moment("render.claim.after"),
    Moment("render.spawn.before"),
    Moment("render.spawn.after"),
    Moment("render.pid_file.after"),
    *(Moment(f"progress:{percent}") for percent in (1, 20, 40, 60, 80, 100)),
    Moment("render.end.before", "cancel", "endless", "cancelled"),
    Moment("render.end.after", "cancel", "endless", "cancelled"),
]
STEPS = [  # whatever the verbs are called: the worker dies after the first commit, the second, ...
    Moment("step", prompt=prompt, ends=ends, count=count, is_certain=False)
    for prompt, ends, most in (
        ("glass", "completed", 9),
        ("failing", "failed", 7),
        ("lossy", "failed", 16),
        ("hiccup", "failed", 9),
    )
    for count in range(1, most + 1)
]
ONLY_FAST = ("sturdy", "refused", "hiccup", "lossy", "failing")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_killed_at_every_gap_nothing_is_lost_or_doubled(
    make_machine: Callable[..., Machine], seed: int
) -> None:
    with nursery.nursery() as start:
        machines = [make_machine(start=start) for _ in range(LANES)]
        recovered_s = campaign.run(machines, MOMENTS, seed)
    assert len(recovered_s) == len(MOMENTS) >= 30
    seen = set().union(*(machine.commits() for machine in machines))
    planned = {one.where.partition(":")[2].rpartition(".")[0] for one in MOMENTS}
    assert seen - planned - ELSEWHERE == set(), "a commit at which nobody is killed"


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_killed_after_the_nth_commit_nothing_is_lost_or_doubled(
    make_machine: Callable[..., Machine], seed: int
) -> None:
    with nursery.nursery() as start:
        machines = [make_machine(start=start) for _ in range(LANES)]
        campaign.run(machines, STEPS, seed)


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_killed_with_the_real_renderer_nothing_is_lost_or_doubled(
    make_machine: Callable[..., Machine], seed: int
) -> None:
    """Every process started by exec, every video really drawn, no renderer left behind."""
    usual = [one for one in MOMENTS if not any(word in one.prompt for word in ONLY_FAST)]
    moments = [one for one in usual if one.does not in ("cancel queued", "tire")] + RENDERING
    machines = [make_machine(clip=None) for _ in range(2)]
    recovered_s = campaign.run(machines, moments, seed, within_s=180)
    assert len(recovered_s) == len(moments) >= 30


@pytest.mark.proof
@pytest.mark.timeout(300)
def test_a_web_killed_before_its_bell_delays_a_minute_at_most(
    make_machine: Callable[..., Machine],
) -> None:
    """The worker is idle, its chain of sweeps has ended, and Huey's minute is a real one."""
    machine = make_machine(FAULTS_MINUTE_S="60")
    web = machine.start_web()
    machine.start_worker()
    visitor = machine.visit("ann@example.org")
    form = visitor.fill_in("no bell")
    machine.arm("commit:videos.request_video.after")
    assert visitor.send("/videos", form) == 0
    wait_until(lambda: not web.is_alive, 10, "the web is dead")
    machine.start_web()
    wait_until(lambda: machine.trace("submit.before"), 60, "work goes on")
    machine.wait_for_the_end()
    assert [video["status"] for video in machine.videos("no bell")] == ["completed"]
    machine.check()
