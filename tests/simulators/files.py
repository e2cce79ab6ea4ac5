"""Result files on their way out: whole, or in one of the ways in which they go wrong."""

import time
from collections.abc import Callable, Iterator

from tests.simulators.faults import Part
from tests.simulators.wire import Answer

BLOCK_BYTES = 64 * 1024
STEP_S = 0.1
PAGE = b"<!doctype html><html><head><title>Not a video</title></head><body>Sorry.</body></html>"


def serve(data: bytes, parts: list[Part], wait: Callable[[float], object]) -> Answer:
    """The file, as the faults at this place want it. `wait` sleeps, but not past the end."""
    part = next((part for part in parts if part.role == "file"), None)
    headers = {"Content-Type": "video/mp4", "Accept-Ranges": "none"}
    if part is None:
        return Answer(200, data, headers)
    half = data[: len(data) // 2]
    match part.name:
        case "truncated":
            return Answer(200, headers=headers, chunks=[half], length=len(data), ending="close")
        case "stall":
            return Answer(200, headers=headers, chunks=[half], length=len(data), ending="hang")
        case "slow":
            pieces = _slowly(data, part.number() * 1024, wait)
            return Answer(200, headers=headers, chunks=pieces, length=len(data))
        case "html":
            return Answer(200, PAGE, {"Content-Type": "text/html; charset=utf-8"})
        case "empty_file":
            return Answer(200, b"", headers)
        case "huge":
            size = int(part.number())
            return Answer(200, headers=headers, chunks=_without_end(data, size), length=size)
    return gone()


def gone() -> Answer:
    """What a storage says of a dead link."""
    body = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchKey</Code></Error>'
    return Answer(404, body, {"Content-Type": "application/xml"})


def _slowly(data: bytes, per_s: float, wait: Callable[[float], object]) -> Iterator[bytes]:
    step = max(1, int(per_s * STEP_S))
    began_s = time.perf_counter()
    for start in range(0, len(data), step):
        yield data[start : start + step]
        due_s = began_s + (start + step) / per_s
        wait(max(0.0, due_s - time.perf_counter()))


def _without_end(data: bytes, size: int) -> Iterator[bytes]:
    """The file, then zeros: it begins as a video does."""
    yield data
    for _ in range((size - len(data)) // BLOCK_BYTES):
        yield bytes(BLOCK_BYTES)
    yield bytes(max(0, size - len(data)) % BLOCK_BYTES)
