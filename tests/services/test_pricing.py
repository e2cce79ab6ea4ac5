"""What a video costs: the table of the money rules, and the first-video price."""

from collections.abc import Callable
from fractions import Fraction

import pytest

from app import limits
from app.services import accounts, endings, form_tokens, pricing, requests, videos
from app.services.videos import PriceChanged
from tests.conftest import Call, Person, Rows
from tests.fakes import FakeProvider

Quote = Callable[..., pricing.Price]


@pytest.fixture
def quote(call: Call, fake_provider: FakeProvider) -> Quote:
    """`quote(alice, duration="8")`: what the server would charge her now."""

    def quote(person: Person, **fields: str) -> pricing.Price:
        wanted = {"type": "glass-fruit", "prompt": "glass", **fields}
        price: pricing.Price = call(lambda: videos.quote(person.id, requests.parse(wanted)).price)
        return price

    return quote


@pytest.fixture
def buy(call: Call, fake_provider: FakeProvider) -> Callable[..., list[str]]:
    """`buy(alice, 8, duration="8")`: ask for videos at a price."""

    def buy(person: Person, price: int, **fields: str) -> list[str]:
        def request() -> list[str]:
            wanted = requests.parse({"type": "glass-fruit", "prompt": "glass", **fields})
            token = form_tokens.new_token()
            return videos.request_video(person.id, wanted, token=token, price_credits=price)

        ids: list[str] = call(request)
        return ids

    return buy


# The table ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "resolution", "credits"),
    [
        (4, "720p", 5), (5, "720p", 7), (6, "720p", 8), (8, "720p", 10), (10, "720p", 13),
        (30, "720p", 38), (8, "1080p", 15),
    ],
)  # fmt: skip
def test_the_prices_of_the_money_rules(seconds: int, resolution: str, credits: int) -> None:
    assert pricing.video_credits(seconds, resolution, "local") == credits


@pytest.mark.parametrize("seconds", range(4, 31))
def test_every_length_is_rounded_up_once_a_step(seconds: int) -> None:
    at_720p = -(-10 * seconds // 8)
    assert pricing.video_credits(seconds, "720p", "local") == at_720p
    assert pricing.video_credits(seconds, "1080p", "local") == -(-3 * at_720p // 2)


def test_a_provider_has_a_factor_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(limits.PROVIDER_FACTORS, "dear", Fraction(3, 2))
    assert pricing.video_credits(8, "720p", "dear") == 15
    assert pricing.video_credits(8, "1080p", "dear") == 23
    assert pricing.video_credits(8, "720p", "unlisted") == 10


def test_four_at_once_cost_four_times_as_much() -> None:
    price = pricing.price(8, "1080p", 4, "local", is_first=False)
    assert (price.total, price.each, price.list_credits) == (60, (15, 15, 15, 15), 15)
    assert [line.credits for line in price.lines] == [60]


# The first video ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "resolution", "number", "lines", "total"),
    [
        (8, "720p", 1, [10, -2], 8),
        (8, "720p", 4, [40, -2], 38),
        (6, "720p", 1, [8], 8),  # costs no more anyway: no discount is shown
        (4, "720p", 1, [5], 5),
        (10, "720p", 1, [13], 13),
        (8, "1080p", 1, [15], 15),
    ],
)
def test_a_first_video_of_at_most_8_s_at_720p_costs_at_most_8(
    seconds: int, resolution: str, number: int, lines: list[int], total: int
) -> None:
    price = pricing.price(seconds, resolution, number, "local", is_first=True)
    assert [line.credits for line in price.lines] == lines
    assert price.total == sum(price.each) == sum(lines) == total


def test_the_lines_say_what_they_are() -> None:
    price = pricing.price(8, "720p", 4, "local", is_first=True)
    texts = [line.label % line.values for line in price.lines]
    assert texts == ["4 × 8 s 720p", "first video"]
    (line,) = pricing.price(8, "720p", 1, "local", is_first=False).lines
    assert line.label % line.values == "8 s 720p"


@pytest.mark.both_databases
def test_one_video_of_four_has_the_first_video_price(
    alice: Person, quote: Quote, buy: Callable[..., list[str]], rows: Rows
) -> None:
    assert quote(alice, count="4").total == 38
    ids = buy(alice, 38, count="4")
    assert quote(alice).total == 10
    found = rows("SELECT id, cost_credits, discount_credits FROM videos ORDER BY id")
    assert [tuple(row.values()) for row in found] == [
        (ids[0], 8, 2), (ids[1], 10, 0), (ids[2], 10, 0), (ids[3], 10, 0),
    ]  # fmt: skip


@pytest.mark.parametrize("end", [endings.fail, endings.cancel])
def test_the_first_video_price_comes_back_with_that_videos_refund(
    alice: Person, quote: Quote, buy: Callable[..., list[str]], call: Call, end: Call
) -> None:
    first, second = buy(alice, 18, count="2")
    reason = ("deadline", "") if end is endings.fail else ()
    assert call(end, second, *reason)
    assert quote(alice).total == 10  # another one's refund gives nothing back
    assert call(end, first, *reason)
    assert quote(alice).total == 8
    (third,) = buy(alice, 8)
    assert quote(alice).total == 10
    assert not call(end, first, *reason)  # told again, long after
    assert quote(alice).total == 10
    assert call(end, third, *reason)
    assert quote(alice).total == 8


def test_a_short_first_video_was_the_first(
    alice: Person, quote: Quote, buy: Callable[..., list[str]]
) -> None:
    buy(alice, 5, duration="4")
    assert quote(alice).total == 10


@pytest.mark.parametrize("fields", [{"duration": "10"}, {"resolution": "1080p"}])
def test_a_longer_or_larger_video_leaves_the_first_video_price_alone(
    alice: Person, quote: Quote, buy: Callable[..., list[str]], fields: dict[str, str]
) -> None:
    buy(alice, quote(alice, **fields).total, **fields)
    assert quote(alice).total == 8


def test_a_request_that_is_refused_does_not_take_it(
    alice: Person, quote: Quote, buy: Callable[..., list[str]]
) -> None:
    with pytest.raises(PriceChanged):
        buy(alice, 10)
    assert quote(alice).total == 8


def test_it_is_once_a_person_not_once_an_account(
    make_person: Callable[..., Person], quote: Quote, buy: Callable[..., list[str]], call: Call
) -> None:
    carol, again, dora = (
        make_person(email, credits=20)
        for email in ("carol@gmail.com", "c.arol+2@googlemail.com", "dora@gmail.com")
    )
    (video_id,) = buy(carol, 8)
    assert [quote(person).total for person in (carol, again, dora)] == [10, 10, 8]
    call(endings.cancel, video_id)
    assert [quote(person).total for person in (carol, again, dora)] == [8, 8, 8]


def test_an_address_that_is_not_verified_has_no_first_video_price(call: Call, quote: Quote) -> None:
    user_id = call(lambda: accounts.create_user("carol@example.org").id)
    assert quote(Person(user_id, "carol@example.org")).total == 10


def test_welcome_credits_pay_for_a_first_video(
    call: Call, quote: Quote, buy: Callable[..., list[str]]
) -> None:
    user_id = call(lambda: accounts.create_user("carol@example.org", is_verified=True).id)
    carol = Person(user_id, "carol@example.org")
    buy(carol, quote(carol).total)
    asked = call(
        lambda: videos.quote(carol.id, requests.parse({"type": "glass-fruit", "prompt": "x"}))
    )
    assert (asked.balance, asked.price.total) == (0, 10)
