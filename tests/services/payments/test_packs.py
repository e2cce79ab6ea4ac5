"""What is sold: one price table, and the pack that is recommended by use."""

import pytest

from app import limits
from app.services import buying, packs, purchases
from tests.cast import Person
from tests.faults.making import later
from tests.services.payments.seller import Seller


def recommended(
    seller: Seller, person: Person | None = None, videos: int | None = None
) -> str | None:
    """The pack's name."""
    user_id = person.id if person else None
    found: str | None = seller.call(packs.recommended, user_id, videos)
    return found


def test_the_packs_are_the_owners_and_all_are_sold(seller: Seller) -> None:
    found = [
        (offer.name, offer.credits, offer.price_cents, offer.videos, offer.is_on_sale, offer.mode)
        for offer in seller.call(packs.every)
    ]
    assert found == [
        ("starter", 115, 990, 11, True, "test"),
        ("standard", 355, 3000, 35, True, "test"),
        ("premium", 1450, 9900, 145, True, "test"),
    ]
    cents = [round(offer.cents_per_video, 2) for offer in seller.call(packs.every)]
    assert cents == [86.09, 84.51, 68.28]


def test_a_pack_without_a_product_is_shown_and_not_sold(seller: Seller, alice: Person) -> None:
    seller.door(products={"starter": "prod_starter"})
    found = {offer.name: offer.is_on_sale for offer in seller.call(packs.every)}
    assert found == {"starter": True, "standard": False, "premium": False}
    with pytest.raises(buying.PaymentsUnavailable):
        seller.buy(alice, "premium")
    assert seller.rows("SELECT 1 FROM purchases") == []


def test_without_payments_all_are_shown_and_none_is_sold(seller: Seller) -> None:
    seller.app.extensions["vendors"].payments = None
    found = seller.call(packs.every)
    assert [offer.credits for offer in found] == [115, 355, 1450]
    assert not any(offer.is_on_sale for offer in found)
    seller.app.extensions["vendors"].__dict__.pop("payments")


def test_a_pack_is_found_by_name_and_by_product(seller: Seller) -> None:
    assert seller.call(packs.find, "standard").credits == 355
    assert seller.call(packs.find, "gold") is None
    assert seller.call(packs.find_by_product, "prod_premium").name == "premium"
    for name in ("", "prod_other", "premium"):
        assert seller.call(packs.find_by_product, name) is None


@pytest.mark.parametrize(
    ("videos", "name"),
    [
        (1, "starter"),
        (11, "starter"),
        (12, "standard"),
        (35, "standard"),
        (36, "premium"),
        (145, "premium"),
        (9999, "premium"),
        (0, None),
        (None, None),
    ],
)
def test_the_smallest_pack_for_so_many_videos(
    seller: Seller, videos: int | None, name: str | None
) -> None:
    assert recommended(seller, videos=videos) == name


@pytest.mark.both_databases
def test_the_smallest_pack_for_what_was_spent_in_thirty_days(
    seller: Seller, alice: Person, bob: Person
) -> None:
    assert recommended(seller, alice) is None
    seller.spend(alice, 90)
    assert recommended(seller, alice) == "starter"
    seller.credit(alice, "standard")
    seller.spend(alice, 60, "2")
    assert (recommended(seller, alice), recommended(seller, bob)) == ("standard", None)
    assert recommended(seller, alice, videos=100) == "premium"
    with later(days=limits.USE_DAYS, minutes=1):
        assert recommended(seller, alice) is None
    assert recommended(seller) is None


@pytest.mark.both_databases
def test_what_is_listed_of_a_user_is_theirs_and_the_newest_first(
    seller: Seller, alice: Person, bob: Person
) -> None:
    first = seller.buy(alice)
    with later(seconds=1):
        second = seller.buy(alice, "premium")
    seller.buy(bob)
    found = seller.call(lambda: [one.id for one in purchases.of_user(alice.id)])
    assert found == [second, first]
    newest = seller.call(purchases.find_newest, alice.id)
    assert (newest.id, newest.pack) == (second, "premium")
