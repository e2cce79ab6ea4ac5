"""Which addresses are of the open network, and which names are on a list."""

import pytest

from app.providers import addresses


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946"]
)
def test_machines_of_the_open_network_are_public(address):
    assert addresses.is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "10.0.0.1", "127.0.0.1", "127.8.8.8", "169.254.169.254", "172.16.0.1",
        "192.168.1.1", "100.64.0.1", "100.127.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1",
        "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1",
        "255.255.255.255",
        "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1",
        "64:ff9b::808:808", "64:ff9b:1::808:808", "100::1", "2001::1", "2001:db8::1",
        "2002:7f00:1::", "2002:808:808::", "3fff::1", "fc00::1", "fd12:3456::1", "fe80::1",
        "fe80::1%eth0", "2606:2800:220:1::1%eth0", "fec0::1", "ff02::1", "5f00::1",
        "", "example.com", "2130706433", "0x7f000001", "0177.0.0.1", "127.1",
    ],
)  # fmt: skip
def test_our_own_networks_and_ways_around_are_not(address):
    assert not addresses.is_public(address)


def test_only_the_usual_spellings_of_loopback_are_a_simulator():
    assert all(map(addresses.is_loopback, ("127.0.0.1", "127.0.0.2", "::1", "localhost")))
    for name in ("2130706433", "0177.0.0.1", "example.com", "localhost.evil.example", "10.0.0.1"):
        assert not addresses.is_loopback(name)


def test_a_list_of_hosts_means_names_below_and_not_beside():
    listed = ("api.kie.ai", "*.fal.media")
    for host in ("api.kie.ai", "v3.fal.media", "a.b.fal.media"):
        assert addresses.is_listed(host, listed)
    for host in ("kie.ai", "x.api.kie.ai", "fal.media", ".fal.media", "evilfal.media", ""):
        assert not addresses.is_listed(host, listed)
    assert not addresses.is_listed("v3.fal.media.evil.example", listed)


def test_a_dot_at_the_end_is_the_same_host():
    assert addresses.plain("API.kie.ai.") == "api.kie.ai"
    assert addresses.plain("api.kie.ai..") == "api.kie.ai."


def test_the_system_resolves_this_machine():
    assert "127.0.0.1" in addresses.resolve("localhost", 80)
