"""Refunds that we start, and what Creem answers: a no, a perhaps, or nothing that anybody saw."""

from typing import Any

import pytest

from app import limits
from app.errors import UserError
from app.services import comparing, reconciling
from tests.cast import Person
from tests.faults.making import later
from tests.services.payments.seller import Seller, paid_by
from tests.simulators.creem import Payment


def asked(seller: Seller) -> int:
    """How often Creem was asked for a refund."""
    return len(seller.house.asked("refunds.create"))


# Creem's no ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fault", "value"), [("bad_key", None), ("limited", 1), ("error", 404)])
def test_what_creem_surely_did_not_do_gives_the_credits_back(
    seller: Seller, alice: Person, payment: Payment, fault: str, value: Any
) -> None:
    seller.house.fault(fault, value, where="refunds.create")
    with pytest.raises(UserError, match="credits are back"):
        seller.give_back(payment)
    assert seller.reversal(payment).status == "failed"
    assert seller.entries(alice) == [("purchase", 115), ("clawback", -115), ("reinstatement", 115)]
    assert seller.of_order(payment)["status"] == "completed"
    with later(hours=2):
        assert seller.call(reconciling.check_due) == 0
    assert seller.give_back(payment).status == "succeeded"
    assert (seller.gained(alice), asked(seller)) == (0, 2)


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_a_refund_that_failed_at_once_gives_the_credits_back(
    seller: Seller, alice: Person, payment: Payment, status: str
) -> None:
    seller.house.fault("refund_status", status)
    with pytest.raises(UserError, match="credits are back"):
        seller.give_back(payment)
    assert seller.gained(alice) == 115


# Creem's perhaps ----------------------------------------------------------------------------------


@pytest.mark.both_databases
@pytest.mark.parametrize("status", ["pending", "requiresAction"])
def test_a_pending_one_holds_the_credits_until_it_succeeded(
    seller: Seller, alice: Person, payment: Payment, status: str
) -> None:
    seller.house.fault("refund_status", status)
    assert seller.give_back(payment).status == "pending"
    assert seller.gained(alice) == 0
    with pytest.raises(UserError, match="under way"):
        seller.give_back(payment, is_forced=True)
    assert seller.deliver(seller.newest()) == "done"
    assert (seller.gained(alice), seller.reversal(payment).status) == (0, "pending")
    [made] = seller.house.refunds
    seller.house.settle_refund(made)
    with later(hours=1):
        assert seller.call(reconciling.check_due) == 1
    assert (seller.gained(alice), seller.reversal(payment).status) == (0, "succeeded")
    assert seller.entries(alice) == [("purchase", 115), ("clawback", -115)]
    assert asked(seller) == 1


@pytest.mark.both_databases
def test_a_pending_one_that_failed_gives_the_credits_back(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    seller.house.fault("refund_status", "pending")
    seller.give_back(payment)
    [made] = seller.house.refunds
    seller.house.settle_refund(made, "failed")
    assert seller.tell(made) == "done"
    assert (seller.gained(alice), seller.reversal(payment).status) == (115, "failed")
    assert seller.of_order(payment)["status"] == "completed"


def test_a_pending_one_is_not_given_up_and_told_after_a_week(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    seller.house.fault("refund_status", "pending")
    seller.give_back(payment)
    for hours in (2, 24, 24 * 6):
        with later(hours=hours):
            seller.call(reconciling.check_due)
    assert (seller.gained(alice), seller.alerts()) == (0, [])
    with later(days=9):
        seller.call(reconciling.check_due)
    assert seller.alerts() == ["payment_refund_pending"]
    assert (seller.gained(alice), seller.reversal(payment).status) == (0, "pending")


UNKNOWN = ("accept_then_hang", "accept_then_reset", "accept_then_error")
UNDONE = ("hang", "reset", "error", "bare", "garbage", "empty")


def start_unanswered(seller: Seller, payment: Payment, fault: str) -> None:
    """A refund whose answer nobody saw."""
    seller.door(try_s=0.3 if fault.endswith("hang") else 5.0)
    seller.house.fault(fault, where="refunds.create")
    assert seller.give_back(payment).status == "unknown"
    seller.door()


@pytest.mark.parametrize("fault", UNKNOWN)
def test_one_whose_answer_got_lost_is_held_and_found(
    seller: Seller, alice: Person, payment: Payment, fault: str
) -> None:
    start_unanswered(seller, payment, fault)
    assert (seller.gained(alice), asked(seller)) == (0, 1)
    with pytest.raises(UserError, match="under way"):
        seller.give_back(payment, is_forced=True)
    with later(minutes=11):
        assert seller.call(reconciling.check_due) == 1
    assert (seller.reversal(payment).status, seller.gained(alice)) == ("succeeded", 0)
    assert seller.deliver(seller.newest()) == "done"
    assert seller.entries(alice) == [("purchase", 115), ("clawback", -115)]
    assert (seller.alerts(), asked(seller)) == ([], 1)


@pytest.mark.parametrize("fault", UNKNOWN)
def test_one_whose_answer_got_lost_is_ended_by_its_event(
    seller: Seller, alice: Person, payment: Payment, fault: str
) -> None:
    start_unanswered(seller, payment, fault)
    event = seller.newest()
    assert [seller.deliver(event), seller.tell(event.object["id"])] == ["done", "ignored"]
    assert (seller.reversal(payment).status, seller.gained(alice)) == ("succeeded", 0)
    with later(days=2):
        seller.call(reconciling.check_due)
    assert seller.entries(alice) == [("purchase", 115), ("clawback", -115)]
    assert seller.alerts() == []


@pytest.mark.parametrize("fault", UNDONE)
def test_one_that_creem_knows_nothing_of_is_given_up_after_an_hour_and_told(
    seller: Seller, alice: Person, payment: Payment, fault: str
) -> None:
    start_unanswered(seller, payment, fault)
    with later(minutes=30):
        assert seller.call(reconciling.check_due) == 1
    assert (seller.gained(alice), seller.alerts()) == (0, [])
    with later(seconds=limits.RETURN_GIVE_UP_S + 1):
        assert seller.call(reconciling.check_due) == 1
    assert (seller.reversal(payment).status, seller.gained(alice)) == ("failed", 115)
    assert seller.alerts() == ["payment_refund_lost"]
    assert seller.give_back(payment).status == "succeeded"
    assert seller.gained(alice) == 0


def test_while_creem_is_down_nothing_is_given_up(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    start_unanswered(seller, payment, "error")
    with later(hours=5), seller.house.outage():
        assert seller.call(reconciling.check_due) == 1
    assert (seller.gained(alice), seller.reversal(payment).status) == (0, "unknown")


@pytest.mark.both_databases
def test_one_that_was_given_up_and_comes_all_the_same_takes_its_credits_once(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    start_unanswered(seller, payment, "error")
    with later(hours=2):
        seller.call(reconciling.check_due)
    assert seller.gained(alice) == 115
    seller.house.refund(paid_by(payment))
    event = seller.newest()
    assert [seller.deliver(event), seller.tell(event.object["id"])] == ["done", "ignored"]
    assert (seller.gained(alice), seller.of_order(payment)["status"]) == (0, "refunded")


@pytest.mark.both_databases
def test_a_crash_before_creem_was_asked_is_given_up_like_a_lost_answer(
    seller: Seller, alice: Person, payment: Payment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_: str) -> None:
        raise KeyboardInterrupt

    creem = seller.door()
    with monkeypatch.context() as patch:
        patch.setattr(creem, "refund", die)
        with pytest.raises(KeyboardInterrupt):
            seller.give_back(payment)
    assert (seller.reversal(payment).status, seller.gained(alice)) == ("starting", 0)
    with later(hours=2):
        assert seller.call(reconciling.check_due) == 1
    assert (seller.reversal(payment).status, seller.gained(alice)) == ("failed", 115)


@pytest.mark.both_databases
def test_an_event_that_overtakes_the_lost_answer_stays_the_last_word(
    seller: Seller, alice: Person, payment: Payment, monkeypatch: pytest.MonkeyPatch
) -> None:
    creem = seller.door()
    ask = creem.refund

    def tell_then_lose(transaction_id: str) -> object:
        ask(transaction_id)
        assert seller.deliver(seller.newest()) == "done"
        seller.house.fault("error", where="refunds.create")
        return ask(transaction_id)  # nobody sees the answer that was given

    monkeypatch.setattr(creem, "refund", tell_then_lose)
    assert seller.give_back(payment).status == "succeeded"
    assert seller.entries(alice) == [("purchase", 115), ("clawback", -115)]


@pytest.mark.both_databases
def test_a_refusal_after_the_event_changes_nothing(
    seller: Seller, alice: Person, payment: Payment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody refunds all of it in the dashboard while we are about to: nothing is left."""
    creem = seller.door()
    ask = creem.refund

    def refund_elsewhere_then_ask(transaction_id: str) -> object:
        seller.house.refund(transaction_id)
        assert seller.deliver(seller.newest()) == "done"
        return ask(transaction_id)

    monkeypatch.setattr(creem, "refund", refund_elsewhere_then_ask)
    assert seller.give_back(payment).status == "succeeded"
    assert (seller.gained(alice), seller.of_order(payment)["status"]) == (0, "refunded")


def test_a_part_that_went_back_elsewhere_is_not_taken_for_the_whole(
    seller: Seller, alice: Person, payment: Payment
) -> None:
    """Our refund never happened; a part was refunded in the dashboard, and that event got lost."""
    start_unanswered(seller, payment, "error")
    seller.house.refund(paid_by(payment), 330)
    with later(hours=2):
        seller.call(reconciling.check_due)
        assert seller.gained(alice) in (77, 115)
        seller.call(comparing.compare)
    assert seller.gained(alice) == 77
