"""Where a buyer is sent."""

import pytest

from app.payments.addresses import trusted, with_request_id
from app.payments.creem import Creem
from tests.payments.conftest import Door

REAL = "https://test-api.creem.io"
SIMULATED = "http://127.0.0.1:8001"


@pytest.mark.parametrize("base_url", [REAL, SIMULATED])
@pytest.mark.parametrize("url", ["https://checkout.creem.io/ch_1", "https://a.b:8443/c?d=e#f"])
def test_https_will_do(url: str, base_url: str) -> None:
    assert trusted(url, base_url) == url


@pytest.mark.parametrize("url", ["http://127.0.0.1:8001/c", "http://localhost:1/", "http://[::1]/"])
def test_this_machine_will_do_where_creem_is_simulated_here(url: str) -> None:
    assert trusted(url, SIMULATED) == url
    assert trusted(url, REAL) == ""


@pytest.mark.parametrize(
    "url",
    [
        "", "http://checkout.creem.io/ch_1", "javascript:alert(1)", "data:text/html,x", "/payment",
        "//checkout.creem.io", "https:///ch_1", "https://", "https:ch_1", "ftp://a.b/",
        "https://user@a.b/", "https://user:word@a.b/", "https://a.b\\@c.d/", "https://a.b/ c",
        "https://a.b/\n", "\thttps://a.b/", "https://a.b/é", "https://a.b:port/", "https://[a/",
        "https://a.b:99999/", "https://a.b/" + "c" * 2000, "http://127.0.0.1.elsewhere.example/",
        "http://127.0.0.1@elsewhere.example/", None, 7, [], {}, "https://a.b/\0", "\ud800",
    ],
)  # fmt: skip
@pytest.mark.parametrize("base_url", [REAL, SIMULATED])
def test_nobody_is_sent_there(url: object, base_url: str) -> None:
    assert trusted(url, base_url) == ""


@pytest.mark.parametrize(
    ("link", "with_ours"),
    [
        ("https://c.io/payment/p", "https://c.io/payment/p?request_id=0197-a"),
        ("https://c.io/payment/p?", "https://c.io/payment/p?request_id=0197-a"),
        ("https://c.io/p?a=%20b&c#d", "https://c.io/p?a=%20b&c&request_id=0197-a#d"),
        ("https://c.io/p?request_id=x&a=1", "https://c.io/p?a=1&request_id=0197-a"),
    ],
)
def test_a_static_link_says_whose_payment_it_is(link: str, with_ours: str) -> None:
    assert with_request_id(link, "0197-a") == with_ours


def test_a_pack_without_a_link_has_none(creem: Creem, door: Door) -> None:
    linked = creem.payment_link("starter", "0197-a")
    assert linked == "https://www.creem.io/payment/prod_1?request_id=0197-a"
    assert creem.payment_link("premium", "0197-a") is None
    assert door(links={"starter": ""}).payment_link("starter", "0197-a") is None
