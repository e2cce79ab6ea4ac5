"""The four video vendors on loopback, faithful to their wire down to its quirks.

    from tests.simulators import start

    with start("kie", keys={"test-key-1": "ok", "test-key-2": "limited=30"}, takes_s=0.2) as kie:
        kie.fault("accept_then_hang")                 # the next submit is taken, never answered
        kie.fault("stall", where="file", times=None)  # every download stops half way
        ...                                           # an adapter, told kie.base_url
        [task] = kie.tasks.values()
        kie.finish(task.id)                           # or kie.fail(task.id, "content"), or wait
        assert kie.asked("poll")[-1].status == 200 and kie.callbacks[-1].status == 200

`kie`, `fal`, `replicate` and `google` listen on a port of their own, in threads of this process.
`python -m tests.simulators kie --port 9001` is the same by itself, with `/_simulate` in place of
methods: `curl -d '{"fault": "html", "where": "file"}' http://127.0.0.1:9001/_simulate`. A client
that can set headers names the faults of one request: `X-Simulate: delay=2, accept_then_reset`.

What is quoted and what is made up stands in `bodies/*.json`; section numbers (1.3, 4.2) are those
of docs/video-providers.md, which all of this was written from. What can go wrong stands in
`faults.py`, and the same list in `GET /_simulate`. Nothing here imports `app`: the wire must not be
known only by those who wrote the adapters, so the tests beside this file ask the vendors' clients.

Creem, which takes the money, is no video vendor: `tests.simulators.creem` is a house of its own.
"""

from typing import Any

from tests.simulators.callbacks import Delivery
from tests.simulators.engine import Task
from tests.simulators.fal import Fal
from tests.simulators.faults import KINDS, Fault
from tests.simulators.google import Google
from tests.simulators.kie import Kie
from tests.simulators.replicate import Replicate
from tests.simulators.simulator import Simulator
from tests.simulators.wire import Request

VENDORS = {vendor.name: vendor for vendor in (Kie, Fal, Replicate, Google)}

__all__ = ["KINDS", "VENDORS", "Delivery", "Fault", "Request", "Simulator", "Task", "start"]


def start(vendor: str, **options: Any) -> Simulator:
    """A vendor that listens; close it, or use it as a context manager.

    For all: port, keys {key: state[@account]}, takes_s (None: until told), queue_s, clip, clip_s,
    sizes, submits (n, seconds), public_url, retired, clock_skew_s, retry_waits_s. kie: hmac_key,
    upgrade_s, credits. fal: seed. replicate: webhook_secret, shows_webhook.
    """
    return Simulator(VENDORS[vendor], **options)
