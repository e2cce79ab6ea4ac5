"""A vendor that answers at once: kie's record-info for any task, which always still runs.

In a process of its own, on one core, asyncio's streams left out: what is measured is who asks.

python -m bench.stub
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator

from bench.servers import ROOT, SERVER_CORE

PATH = "/api/v1/veo/record-info?taskId="
_PARAM = json.dumps(
    {
        "prompt": "slow slicing of a glass strawberry on a wooden board, close to the ear",
        "model": "veo3_fast",
        "aspect_ratio": "16:9",
        "resolution": "720p",
        "seeds": 12345,
        "enableTranslation": True,
        "generationType": "TEXT_2_VIDEO",
        "callBackUrl": "https://asmr.example/api/webhooks/kie?attempt=" + "0" * 36,
    }
)
_BODY = json.dumps(
    {
        "code": 200,
        "msg": "success",
        "data": {
            "taskId": "TASK",
            "paramJson": _PARAM,
            "createTime": 1764000000000,
            "completeTime": None,
            "successFlag": 0,
            "response": None,
            "errorCode": None,
            "errorMessage": None,
            "fallbackFlag": False,
        },
    }
)
_BEFORE, _AFTER = _BODY.encode().split(b"TASK")


def answer(head: bytes) -> bytes:
    """The answer to one request, whose task it names."""
    target = head.split(b" ", 2)[1]
    body = _BEFORE + target.partition(b"taskId=")[2] + _AFTER
    length = str(len(body)).encode()
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
        + length
        + b"\r\n\r\n"
        + body
    )


class _Line(asyncio.Protocol):
    """One connection, kept alive; the requests have no body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._heard = b""

    def data_received(self, data: bytes) -> None:
        *heads, self._heard = (self._heard + data).split(b"\r\n\r\n")
        for head in heads:
            self._transport.write(answer(head))


@contextlib.contextmanager
def answering() -> Iterator[str]:
    """Its base URL, while it runs; ended by its pid."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.stub"], cwd=ROOT, stdout=subprocess.PIPE, text=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def pin(core: int) -> None:
    """Tie this process to one core, where there are two."""
    if len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, {core})


async def _serve() -> None:
    pin(SERVER_CORE)
    server = await asyncio.get_running_loop().create_server(_Line, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
