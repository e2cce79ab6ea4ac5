"""Downloading a result: what a link may be, whom it may reach, and how much of it is read."""

import hashlib
from collections.abc import Callable

import pytest

from tests.providers.scripted import MP4, VIDEO, Reply, left_over, refused

pytest_plugins = ["tests.providers.fixtures"]

BASE = "https://api.kie.ai"
PUBLIC, OTHER_PUBLIC = "93.184.216.34", "93.184.216.35"
HANDLE = "task-1 1080p"


def nobody(host: str, port: int) -> list[str]:
    raise AssertionError(f"{host}:{port} was looked up")


# The good case ------------------------------------------------------------------------------------


def test_a_result_becomes_a_file_until_it_is_forgotten(downloads, vendor, tmp_path):
    vendor.on("GET", "/a.mp4", Reply(200, MP4, VIDEO))
    from_vendor = downloads()
    path = from_vendor.fetch(HANDLE, vendor.url + "/a.mp4?sig=1#t=0")
    assert path.read_bytes() == MP4
    folder = hashlib.sha256(b"task-1").hexdigest()[:32]
    assert path == tmp_path / "downloads" / folder / "video.mp4"
    assert left_over(tmp_path) == [path]
    asked = vendor.asked[0]
    assert (asked.path, asked.query) == ("/a.mp4", {"sig": "1"})
    assert asked.headers["accept-encoding"] == "identity"
    assert "authorization" not in asked.headers
    assert from_vendor.fetch(HANDLE, vendor.url + "/a.mp4") == path
    assert len(vendor.asked) == 1  # what is there is not asked for again
    from_vendor.forget(HANDLE)
    from_vendor.forget(HANDLE)
    assert not path.parent.exists()


def test_a_handle_is_never_a_path(downloads, vendor, tmp_path):
    vendor.on("GET", "/a.mp4", Reply(200, MP4, VIDEO))
    path = downloads().fetch("../../../etc/passwd", vendor.url + "/a.mp4")
    assert path.parent.parent == tmp_path / "downloads"


def test_a_result_without_a_length_is_taken(downloads, vendor):
    def in_two(write: Callable[[bytes], None]) -> None:
        write(MP4[:3])
        write(MP4[3:])

    vendor.on("GET", "/a.mp4", Reply(stream=in_two))
    assert downloads().fetch(HANDLE, vendor.url + "/a.mp4").read_bytes() == MP4


# Links that are refused before anybody is asked ---------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://tempfile.kie.ai/a.mp4",
        "https://tempfile.kie.ai:8443/a.mp4",
        "https://tempfile.kie.ai:80/a.mp4",
        "file:///etc/passwd",
        "ftp://tempfile.kie.ai/a.mp4",
        "data:video/mp4;base64,AAAA",
        "https://user@tempfile.kie.ai/a.mp4",
        "https://user:secret@tempfile.kie.ai/a.mp4",
        "https://tempfile.kie.ai@127.0.0.1/a.mp4",
        "https://2130706433/a.mp4",
        "https://017700000001/a.mp4",
        "https://0177.0.0.1/a.mp4",
        "https://0x7f000001/a.mp4",
        "https://0x7f.0.0.1/a.mp4",
        "https://127.1/a.mp4",
        "https://127.0.0.1/a.mp4",
        "https://93.184.216.34/a.mp4",
        "https://[::1]/a.mp4",
        "https://[::ffff:127.0.0.1]/a.mp4",
        "https://[64:ff9b::7f00:1]/a.mp4",
        "https://[fe80::1%25eth0]/a.mp4",
        "https://１２７.０.０.１/a.mp4",
        "https://evil.example/a.mp4",
        "https://kie.ai.evil.example/a.mp4",
        "https://evilkie.ai/a.mp4",
        "https://kie.ai/a.mp4",
        "https://evil.example/?https://tempfile.kie.ai/a.mp4",
        "https://evil.example\\@tempfile.kie.ai/a.mp4",
        "https://evil.example#@tempfile.kie.ai/a.mp4",
        "https://tempfile.kie.ai../a.mp4",
        "https:///a.mp4",
        "/a.mp4",
        "",
        "https://tempfile.kie.ai/" + "a" * 9000,
        "https://tempfile.kie.ai:port/a.mp4",
        "https://tempfile.kie.ai/\x00",
        None,
        ["https://tempfile.kie.ai/a.mp4"],
    ],
)
def test_a_link_that_is_not_one_of_theirs_is_refused_unasked(downloads, url, tmp_path):
    error = refused(downloads(BASE, resolve=nobody), url)
    assert (error.code, error.permanent) == ("host_refused", False)
    assert left_over(tmp_path) == []


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"], ["10.0.0.1"], ["192.168.1.1"], ["172.16.0.1"], ["169.254.169.254"],
        ["100.64.0.1"], ["0.0.0.0"], ["224.0.0.1"], ["240.0.0.1"], ["::1"], ["::ffff:127.0.0.1"],
        ["::ffff:8.8.8.8"], ["64:ff9b::7f00:1"], ["fe80::1%eth0"], ["fd00::1"], ["ff02::1"],
        ["2002:7f00:1::"], [PUBLIC, "127.0.0.1"], ["not an address"], [],
    ],
)  # fmt: skip
@pytest.mark.parametrize("host", ["tempfile.kie.ai", "api.kie.ai", "files.example."])
def test_a_name_that_leads_to_our_own_network_is_refused(downloads, host, found):
    error = refused(downloads(BASE, resolve=lambda *_: found), f"https://{host}/a.mp4")
    assert (error.code, error.permanent) == ("host_refused", False)


def test_a_name_that_cannot_be_looked_up_may_be_again(downloads):
    def unknown(host: str, port: int) -> list[str]:
        raise OSError(-3, "Temporary failure in name resolution")

    assert refused(downloads(BASE, resolve=unknown), "https://files.example/").code == "transient"


def test_only_the_configured_origin_may_be_this_machine(downloads, vendor):
    vendor.on("GET", "/a.mp4", Reply(200, MP4, VIDEO))
    other = vendor.url.rsplit(":", 1)[0] + ":1"
    for url in (f"{other}/a.mp4", vendor.url.replace("127.0.0.1", "localhost") + "/a.mp4"):
        assert refused(downloads(), url).code == "host_refused"
    from_kie = downloads(BASE, resolve=lambda *_: ["127.0.0.1"])
    assert refused(from_kie, vendor.url + "/a.mp4").code == "host_refused"
    assert refused(from_kie, f"{BASE}/a.mp4").code == "host_refused"
    assert vendor.asked == []


def test_a_simulator_is_on_this_machine_or_nowhere(downloads, vendor):
    base = vendor.url.replace("127.0.0.1", "localhost")
    error = refused(downloads(base, resolve=lambda *_: [PUBLIC]), base + "/a.mp4")
    assert error.code == "host_refused"


# Whom it reaches ----------------------------------------------------------------------------------


def test_the_checked_address_is_the_one_connected_to(outside, secure):
    answers = [[PUBLIC], ["127.0.0.1"]]  # the name is public first, and ours when asked again
    looked_up = []

    def rebinding(host: str, port: int) -> list[str]:
        looked_up.append((host, port))
        return answers.pop(0)

    from_kie, backend = outside(rebinding)
    from_kie.fetch(HANDLE, "https://TempFile.kie.ai./a.mp4")
    assert backend.reached == [(PUBLIC, 443)]
    assert looked_up == [("tempfile.kie.ai", 443)]
    assert secure.names == ["tempfile.kie.ai"]
    assert secure.asked[0].headers["host"] == "tempfile.kie.ai"
    assert refused(from_kie, "https://tempfile.kie.ai/a.mp4", "other").code == "host_refused"
    assert len(backend.reached) == 1


def test_the_certificate_is_that_of_the_name(outside, secure):
    from_kie, _ = outside(lambda *_: [PUBLIC])
    error = refused(from_kie, "https://files.example/a.mp4")  # on the list, not in the certificate
    assert error.code == "transient" and "certificate" in str(error).lower()
    assert secure.asked == []


def test_names_on_one_address_do_not_share_a_connection(outside, secure):
    from_kie, backend = outside(lambda *_: [PUBLIC])
    from_kie.fetch("one", "https://a.kie.ai/a.mp4")
    from_kie.fetch("two", "https://b.kie.ai/a.mp4")
    assert secure.names == ["a.kie.ai", "b.kie.ai"]
    assert len(backend.reached) == 2


def test_the_next_address_is_tried_where_one_takes_no_call(outside):
    from_kie, backend = outside(lambda *_: [PUBLIC, OTHER_PUBLIC], dead=(PUBLIC,))
    from_kie.fetch(HANDLE, "https://a.kie.ai/a.mp4")
    assert backend.reached == [(PUBLIC, 443), (OTHER_PUBLIC, 443)]
    from_kie, backend = outside(lambda *_: [PUBLIC] * 9, dead=(PUBLIC,))
    assert refused(from_kie, "https://a.kie.ai/a.mp4", "other").code == "transient"
    assert len(backend.reached) == 3


def test_a_simulator_may_have_a_name_and_is_asked_by_it(downloads, vendor):
    base = vendor.url.replace("127.0.0.1", "localhost")
    vendor.on("GET", "/a.mp4", Reply(200, MP4, VIDEO))
    downloads(base, resolve=lambda *_: ["127.0.0.1"]).fetch(HANDLE, base + "/a.mp4")
    assert vendor.asked[0].headers["host"] == base.removeprefix("http://")


# Redirects ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "location",
    ["http://169.254.169.254/latest/meta-data/", "https://169.254.169.254/", "/b.mp4", "file:///x"],
)
def test_a_redirect_is_not_followed(downloads, vendor, location):
    vendor.on("GET", "/a.mp4", Reply(302, b"", {"Location": location}))
    vendor.on("GET", "/b.mp4", Reply(200, MP4, VIDEO))
    error = refused(downloads(), vendor.url + "/a.mp4")
    assert error.code == "host_refused" and "302" in str(error)
    assert [each.path for each in vendor.asked] == ["/a.mp4"]


def test_allowed_redirects_are_checked_like_the_first_link(downloads, vendor):
    from_vendor = downloads(redirects=3, resolve=nobody)
    for location in ("http://169.254.169.254/", "https://evil.example/", "http://127.0.0.1:1/"):
        vendor.on("GET", "/a.mp4", Reply(302, b"", {"Location": location}))
        assert refused(from_vendor, vendor.url + "/a.mp4").code == "host_refused"
    assert {each.path for each in vendor.asked} == {"/a.mp4"}
    private = downloads(redirects=3, resolve=lambda *_: ["169.254.169.254"])
    vendor.on("GET", "/a.mp4", Reply(302, b"", {"Location": "https://files.example/"}))
    assert refused(private, vendor.url + "/a.mp4").code == "host_refused"


def test_three_redirects_are_followed_and_no_more(downloads, vendor):
    for number in range(4):
        vendor.on("GET", f"/{number}", Reply(307, b"", {"Location": str(number + 1)}))
    vendor.on("GET", "/4", Reply(200, MP4, VIDEO))
    assert downloads(redirects=3).fetch(HANDLE, vendor.url + "/1").read_bytes() == MP4
    assert refused(downloads(redirects=3), vendor.url + "/0", "other").code == "host_refused"


def test_credentials_go_to_the_configured_origin_alone(outside, secure):
    secure.on("GET", "/a.mp4", Reply(302, b"", {"Location": "https://files.kie.ai/b.mp4"}))
    secure.on("GET", "/b.mp4", Reply(200, MP4, VIDEO))
    from_kie, _ = outside(lambda *_: [PUBLIC], redirects=3)
    from_kie.fetch(HANDLE, f"{BASE}/a.mp4", {"x-goog-api-key": "test-key-1"})
    assert secure.asked[0].headers["x-goog-api-key"] == "test-key-1"
    assert "x-goog-api-key" not in secure.asked[1].headers
    secure.asked.clear()
    from_kie.fetch("other", "https://files.kie.ai/b.mp4", {"x-goog-api-key": "test-key-1"})
    assert "x-goog-api-key" not in secure.asked[0].headers
