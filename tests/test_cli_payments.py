"""`flask payments …`: what each command does, says, and exits with."""

import re
from collections.abc import Callable

import pytest
from click.testing import Result
from flask import Flask

from tests.cast import Person
from tests.faults.making import later
from tests.services.payments import fixtures
from tests.services.payments.seller import Seller, paid_by

Flask_ = Callable[..., Result]
NOTHING = "0 purchases and 0 events are waiting\n"


house, app, seller = fixtures.house, fixtures.app, fixtures.seller


@pytest.fixture
def payments(app: Flask, seller: Seller) -> Flask_:
    """`payments("refund", …)`: a command's result."""

    def run(*arguments: str) -> Result:
        return app.test_cli_runner().invoke(args=["payments", *arguments])

    return run


def refused(result: Result, words: str) -> None:
    """One line on standard error, and status 1."""
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ") and len(result.stderr.splitlines()) == 1
    assert words in result.stderr


# reconcile ----------------------------------------------------------------------------------------


def test_books_that_agree_are_said_so(payments: Flask_, seller: Seller, alice: Person) -> None:
    seller.credit(alice)
    result = payments("reconcile")
    assert (result.exit_code, result.output) == (0, "The books agree.\n")


@pytest.mark.both_databases
def test_reconciling_finds_a_lost_payment(payments: Flask_, seller: Seller, alice: Person) -> None:
    seller.pay(seller.buy(alice))
    assert payments("reconcile").exit_code == 0
    assert seller.gained(alice) == 115


@pytest.mark.both_databases
def test_reconciling_lists_what_differs_and_fails(
    payments: Flask_, seller: Seller, alice: Person
) -> None:
    payment = seller.credit(alice)
    seller.house.refund(paid_by(payment), 330)
    unowned = seller.pay_unowned()
    with later(hours=2):
        result = payments("reconcile")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert len(lines) == 2
    assert any(line.startswith(f"refund_missed {paid_by(payment)}: ") for line in lines)
    assert any(line.startswith(f"not_granted {paid_by(unowned)}: ") for line in lines)
    assert result.stderr == "Error: 2 differ\n"
    assert seller.gained(alice) == 77


def test_reconciling_reads_as_far_back_as_is_said(payments: Flask_, seller: Seller) -> None:
    seller.pay_unowned()
    with later(days=10):
        assert payments("reconcile").exit_code == 0
        assert payments("reconcile", "--days", "11").exit_code == 1
    assert payments("reconcile", "--days", "0").exit_code == 2


def test_reconciling_says_when_creem_cannot_be_read(payments: Flask_, seller: Seller) -> None:
    with seller.house.outage():
        refused(payments("reconcile"), "Creem's books could not be read")


# refund -------------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_a_refund_says_what_went_back(payments: Flask_, seller: Seller, alice: Person) -> None:
    purchase_id = seller.of_order(seller.credit(alice))["id"]
    result = payments("refund", purchase_id)
    assert (result.exit_code, result.output) == (
        0,
        f"9.90 USD of purchase {purchase_id}: succeeded\n",
    )
    assert (seller.gained(alice), seller.status(purchase_id)) == (0, "refunded")
    refused(payments("refund", purchase_id), "nothing left")


def test_a_refund_goes_by_creems_order_too(payments: Flask_, seller: Seller, alice: Person) -> None:
    payment = seller.credit(alice)
    seller.house.fault("refund_status", "pending")
    result = payments("refund", payment.order.id)
    assert result.exit_code == 0 and result.output.endswith(": pending\n")


def test_a_refund_of_what_is_spent_wants_force(
    payments: Flask_, seller: Seller, alice: Person
) -> None:
    payment = seller.credit(alice)
    seller.spend(alice, 150)
    refused(payments("refund", payment.order.id), "have been spent")
    assert seller.balance(alice) == 65
    assert payments("refund", payment.order.id, "--force").exit_code == 0
    assert seller.balance(alice) == -50


def test_a_refund_that_creem_refuses_fails(payments: Flask_, seller: Seller, alice: Person) -> None:
    payment = seller.credit(alice)
    seller.house.fault("bad_key", where="refunds.create")
    refused(payments("refund", payment.order.id), "credits are back")
    assert seller.gained(alice) == 115


@pytest.mark.parametrize("name", ["nothing", "00000000-0000-7000-8000-000000000000", "ord_none"])
def test_a_refund_of_nothing_fails(payments: Flask_, name: str) -> None:
    refused(payments("refund", name), "not here")
    refused(payments("refund", name, "--force"), "not here")


# show ---------------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_a_users_purchases_are_shown_with_what_went_back(
    payments: Flask_, seller: Seller, alice: Person, bob: Person
) -> None:
    payment = seller.credit(alice)
    seller.tell(seller.house.refund(paid_by(payment), 330).id)
    with later(seconds=2):
        open_id = seller.buy(alice, "premium")
    seller.buy(bob)
    result = payments("show", "ALICE@example.org")
    assert result.exit_code == 0
    newest, oldest, back, balance = result.output.splitlines()
    assert re.fullmatch(rf"[-0-9]+ [:0-9]+Z {open_id} premium pending -", newest)
    assert f" starter partly_refunded {payment.order.id}" in oldest
    assert re.fullmatch(r"  refund [-0-9a-f]{36} 330 cents: succeeded", back)
    assert balance == "balance 177"


def test_a_failure_is_shown_with_its_reason(
    payments: Flask_, seller: Seller, alice: Person
) -> None:
    payment = seller.pay(seller.buy(alice))
    seller.tell(payment.checkout.id, units=2)
    shown = payments("show", alice.email).output
    assert re.search(rf" starter parked {payment.order.id} units$", shown, re.M)


def test_a_stranger_is_not_shown(payments: Flask_) -> None:
    refused(payments("show", "nobody@example.org"), "has no account")


# parked, assign, dismiss --------------------------------------------------------------------------


@pytest.mark.both_databases
def test_what_waits_is_listed_until_it_was_decided(
    payments: Flask_, seller: Seller, alice: Person
) -> None:
    assert payments("parked").output == NOTHING
    unowned = seller.pay_unowned(email="payer@else.example")
    seller.deliver(unowned.event)
    wrong = seller.pay(seller.buy(alice))
    seller.tell(wrong.checkout.id, units=2)
    seller.post(seller.sign(b"{"), b"{")
    listed = payments("parked")
    assert listed.exit_code == 0 and "payer@" not in listed.output
    *kept, first, second, third, count = listed.output.splitlines()
    assert sorted(line.split()[1] for line in kept) == sorted([unowned.order.id, wrong.order.id])
    assert first.endswith(f"checkout.completed {unowned.order.id} unmatched")
    assert second.endswith(f"checkout.completed {wrong.order.id} units")
    assert "no JSON" in third and count == "2 purchases and 3 events are waiting"
    given = payments("assign", unowned.order.id, alice.email)
    assert (given.exit_code, given.output) == (
        0,
        f"115 credits of order {unowned.order.id} are on {alice.email}'s account\n",
    )
    accepted = payments("accept", wrong.order.id)
    assert (accepted.exit_code, accepted.output) == (
        0,
        f"115 credits of order {wrong.order.id} are given\n",
    )
    refused(payments("accept", wrong.order.id), "waits for a decision")
    assert payments("dismiss", third.split()[0]).output == "dismissed\n"
    assert payments("parked").output == NOTHING
    assert seller.gained(alice) == 230


def test_what_does_not_wait_cannot_be_assigned(
    payments: Flask_, seller: Seller, alice: Person, bob: Person
) -> None:
    payment = seller.credit(alice)
    refused(payments("assign", payment.order.id, bob.email), "waits for an owner")
    refused(payments("assign", "ord_none", bob.email), "waits for an owner")
    unowned = seller.pay_unowned()
    seller.deliver(unowned.event)
    refused(payments("assign", unowned.order.id, "nobody@example.org"), "has no account")
    assert (seller.gained(alice), seller.gained(bob)) == (115, 0)


def test_what_does_not_wait_cannot_be_dismissed(
    payments: Flask_, seller: Seller, alice: Person
) -> None:
    seller.credit(alice)
    refused(payments("dismiss", "1"), "is not waiting")
    refused(payments("dismiss", "99"), "is not waiting")
    assert payments("dismiss", "first").exit_code == 2


# reinstate ----------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_a_won_dispute_is_reinstated_once(payments: Flask_, seller: Seller, alice: Person) -> None:
    payment = seller.credit(alice)
    seller.tell(seller.house.dispute(paid_by(payment)).id)
    assert seller.gained(alice) == 0
    shown = payments("show", alice.email).output
    found = re.search(r"  dispute ([-0-9a-f]{36}) 990 cents: succeeded", shown)
    assert found is not None
    results = [payments("reinstate", found[1]) for _ in range(2)]
    assert [result.output for result in results] == [
        "The credits are back.\n",
        "They were back already.\n",
    ]
    assert [result.exit_code for result in results] == [0, 0]
    assert seller.gained(alice) == 115


def test_what_is_no_dispute_is_not_reinstated(payments: Flask_) -> None:
    refused(payments("reinstate", "nothing"), "no such dispute or refund")


# Everywhere ---------------------------------------------------------------------------------------


def test_where_nothing_is_sold_the_commands_say_so(
    make_app: Callable[..., Flask], seller: Seller, alice: Person
) -> None:
    payment = seller.credit(alice)
    runner = make_app().test_cli_runner()
    refused(runner.invoke(args=["payments", "refund", payment.order.id]), "Nothing was refunded")
    refused(runner.invoke(args=["payments", "reconcile"]), "nothing was compared")
    assert "starter completed" in runner.invoke(args=["payments", "show", alice.email]).output


def test_the_list_of_commands_is_complete(payments: Flask_) -> None:
    listed = payments("--help").output
    for name in (
        "reconcile",
        "refund",
        "show",
        "parked",
        "assign",
        "accept",
        "dismiss",
        "reinstate",
    ):
        assert re.search(rf"^  {name} +\w", listed, re.M)
