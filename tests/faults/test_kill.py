"""kill -9 of worker, web or both at every gap: no video lost, no credit lost or doubled.

Real processes on SQLite; what is killed where is written in `MOMENTS`, in which order and whether
both die is decided by a seed. To repeat a run: FAULTS_SEED=... pytest tests/faults/test_kill.py
"""

from collections.abc import Callable

import pytest

from tests.faults import campaign, nursery
from tests.faults.campaign import Moment
from tests.faults.machine import Machine

pytest_plugins = ["tests.faults.fixtures"]

LANES = 6

ASKING = [  # the web dies while a person asks for a video
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
    Moment("commit:attempts.give_back.before", prompt="hiccup", ends="failed"),
    Moment("commit:attempts.give_back.after", prompt="hiccup", ends="failed"),
    Moment("commit:endings._end.before", prompt="hiccup", ends="failed"),
]
SWEEPING = [  # processing
    Moment("run:sweep_videos.before"),
    Moment("commit:ticks.claim.after"),
    Moment("commit:sweeps._claim_due.before"),
    Moment("commit:sweeps._claim_due.after", prompt="sturdy"),
    Moment("poll.after"),
    Moment("commit:sweeps._running.before", "tire", "endless", "cancelled"),
    Moment("commit:sweeps._running.after", "tire", "endless sturdy", "cancelled"),
    Moment("commit:sweeps._ready.before"),
    Moment("commit:sweeps._ready.after"),
    Moment("enqueue:store_video.before"),
    Moment("later:sweep_videos.before"),
    Moment("commit:attempts.give_back.after", prompt="lossy", ends="failed"),
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
    Moment("commit:attempts._claim.after", then=("commit:attempts.give_back.before",)),
    Moment("put:video.half", then=("put:video.half", "commit:results._complete.before")),
]
MOMENTS = [*ASKING, *SUBMITTING, *SWEEPING, *STORING, *STOPPING, *RECOVERING]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_killed_at_every_gap_nothing_is_lost_or_doubled(
    make_machine: Callable[..., Machine], seed: int
) -> None:
    with nursery.nursery() as start:
        machines = [make_machine(start=start) for _ in range(LANES)]
        recovered_s = campaign.run(machines, MOMENTS, seed)
    assert len(recovered_s) >= 30
