"""Downloading a result: how much of it is read and for how long, what it must be, where it goes."""

import errno
import gzip
import os
import pickle
import shutil
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from app.providers.download import Downloads
from tests.providers.scripted import MP4, VIDEO, Reply, Server, left_over, refused

pytest_plugins = ["tests.providers.fixtures"]

BASE, PUBLIC, HANDLE = "https://api.kie.ai", "93.184.216.34", "task-1 1080p"

# Bytes and time -----------------------------------------------------------------------------------


def test_a_result_that_says_it_is_too_large_is_not_read(downloads, vendor):
    def never(write: Callable[[bytes], None]) -> None:
        vendor.over.wait(60)

    vendor.on(
        "GET", "/a.mp4", Reply(200, headers={"Content-Length": str(10 * 1024**3)}, stream=never)
    )
    assert "larger than 1073741824" in str(refused(downloads(), vendor.url + "/a.mp4"))


def test_a_stream_without_end_is_cut_at_the_cap(downloads, vendor, tmp_path):
    def flood(write: Callable[[bytes], None]) -> None:
        write(MP4)
        for _ in range(100_000):
            write(b"\x00" * 100_000)  # 10 GB

    vendor.on("GET", "/a.mp4", Reply(stream=flood))
    error = refused(downloads(max_bytes=1_000_000), vendor.url + "/a.mp4")
    assert error.code == "permanent" and "larger than 1000000" in str(error)
    assert vendor.sent_bytes < 50_000_000
    assert left_over(tmp_path) == []


def test_exactly_the_cap_is_taken(downloads, vendor):
    vendor.on("GET", "/a.mp4", Reply(200, MP4, VIDEO))
    assert downloads(max_bytes=len(MP4)).fetch(HANDLE, vendor.url + "/a.mp4").exists()
    assert refused(downloads(max_bytes=len(MP4) - 1), vendor.url + "/a.mp4", "other")


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("br", bytes)]
)
def test_an_encoded_result_is_refused_before_it_is_unpacked(downloads, vendor, encoding, pack):
    bomb = pack(MP4 + b"\x00" * 50_000_000)[:1_000_000]
    vendor.on("GET", "/a.mp4", Reply(200, bomb, VIDEO | {"Content-Encoding": encoding}))
    error = refused(downloads(), vendor.url + "/a.mp4")
    assert error.code == "permanent" and "encoded" in str(error)


def trickle(vendor: Server, first: bytes) -> Callable[[Callable[[bytes], None]], None]:
    def write_slowly(write: Callable[[bytes], None]) -> None:
        write(first)
        while not vendor.over.wait(0.05):
            write(b"\x00")

    return write_slowly


def test_a_trickle_is_cut_at_the_deadline(downloads, vendor, tmp_path):
    vendor.on("GET", "/a.mp4", Reply(stream=trickle(vendor, MP4)))
    error = refused(downloads(deadline_s=0.5, stall_s=10), vendor.url + "/a.mp4")
    assert (error.code, error.permanent) == ("transient", False)
    assert "within 0.5 s" in str(error)
    assert left_over(tmp_path) == []


def test_headers_that_trickle_are_cut_too(downloads, vendor):
    def endless(write: Callable[[bytes], None]) -> None:
        write(b"HTTP/1.1 100 Continue\r\nX-A: ")
        trickle(vendor, b"a")(write)

    reply = Reply(100, stream=endless)  # after the first answer only headers come, for ever
    vendor.on("GET", "/a.mp4", reply)
    error = refused(downloads(deadline_s=0.5, stall_s=10), vendor.url + "/a.mp4")
    assert error.code == "transient" and "within 0.5 s" in str(error)


def test_a_deadline_works_through_tls(outside, secure):
    secure.on("GET", "/a.mp4", Reply(stream=trickle(secure, MP4)))
    from_kie, _ = outside(lambda *_: [PUBLIC], deadline_s=0.5, stall_s=10)
    error = refused(from_kie, f"{BASE}/a.mp4")
    assert error.code == "transient" and "within 0.5 s" in str(error)


def test_a_stall_is_cut(downloads, vendor):
    def stall(write: Callable[[bytes], None]) -> None:
        write(MP4)
        vendor.over.wait(60)

    vendor.on("GET", "/a.mp4", Reply(stream=stall))
    error = refused(downloads(stall_s=0.2), vendor.url + "/a.mp4")
    assert error.code == "transient" and "ReadTimeout" in str(error)


@pytest.mark.parametrize("body", [MP4[:500], b""], ids=["torn", "empty"])
def test_a_torn_file_is_tried_again_and_is_whole_then(downloads, vendor, tmp_path, body):
    torn = Reply(200, body, VIDEO | {"Content-Length": str(len(MP4))})
    vendor.on("GET", "/a.mp4", torn, Reply(200, MP4, VIDEO))
    assert refused(downloads(), vendor.url + "/a.mp4").code == "transient"
    assert left_over(tmp_path) == []
    assert downloads().fetch(HANDLE, vendor.url + "/a.mp4").read_bytes() == MP4


def test_an_empty_file_is_none(downloads, vendor):
    vendor.on("GET", "/a.mp4", Reply(200, b"", VIDEO))
    assert refused(downloads(), vendor.url + "/a.mp4").code == "transient"


@pytest.mark.parametrize(
    "body",
    [
        b"<!doctype html><title>Sign in</title>",
        b"<script>alert(1)</script>",
        b"#!/bin/sh\nrm -rf /\n",
        b"\x1a\x45\xdf\xa3 a webm, and no mp4",
        b"ftypmp42 at the wrong place",
        b"\x00\x00\x00\x18ftyq and so on",
    ],
)
def test_what_is_no_mp4_is_refused_whatever_it_says_it_is(downloads, vendor, tmp_path, body):
    vendor.on("GET", "/a.mp4", Reply(200, body + b" " * 1000, VIDEO))
    error = refused(downloads(), vendor.url + "/a.mp4")
    assert error.code == "permanent" and "not an MP4" in str(error)
    assert left_over(tmp_path) == []


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (403, "result_expired"), (404, "result_expired"), (410, "result_expired"),
        (400, "permanent"), (401, "permanent"), (206, "permanent"), (204, "permanent"),
        (408, "transient"), (429, "transient"), (500, "transient"), (502, "transient"),
        (503, "transient"),
    ],
)  # fmt: skip
def test_a_status_of_the_result(downloads, vendor, status, code):
    vendor.on("GET", "/a.mp4", Reply(status, b"", VIDEO))
    error = refused(downloads(), vendor.url + "/a.mp4")
    assert (error.code, error.permanent) == (code, code in ("permanent", "result_expired"))


def test_no_trouble_holds_what_a_signed_link_holds(downloads, vendor):
    vendor.on("GET", "/a.mp4", Reply(drops=True))
    error = refused(downloads(), vendor.url + "/a.mp4?signature=test-secret-1")
    assert error.code == "transient"
    assert "test-secret-1" not in str(error) + repr(error)
    assert error.__cause__ is None and error.__context__ is None
    assert pickle.loads(pickle.dumps(error)).code == "transient"


# The disk -----------------------------------------------------------------------------------------


def test_a_folder_that_takes_nothing_is_a_full_disk(downloads, vendor, tmp_path, monkeypatch):
    vendor.on("GET", "/a.mp4", Reply(200, MP4, VIDEO))

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    error = refused(downloads(), vendor.url + "/a.mp4")
    assert (error.code, error.permanent) == ("disk_full", False)
    assert left_over(tmp_path) == []


def test_a_really_full_disk(small_disk, vendor):
    from_vendor = Downloads(small_disk / "downloads", vendor.url, ())
    room = shutil.disk_usage(small_disk).free
    vendor.on("GET", "/a.mp4", Reply(200, MP4 + b"\x00" * (room + 1_000_000), VIDEO))
    assert refused(from_vendor, vendor.url + "/a.mp4").code == "disk_full"
    assert left_over(small_disk / "downloads") == []
