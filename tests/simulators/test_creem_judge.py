"""Creem's official client judges the simulator: its schemas read our answers and our events."""

import base64
import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config import ROOT
from tests.simulators.creem import CreemHouse, start_creem

JUDGE = Path(__file__).parent / "judge"
ORDER = {
    "productId": "prod_starter",
    "requestId": "01890a5d-ac96-774b-bcce-b302099a8057",
    "successUrl": "https://shop.example/payment/success",
    "metadata": {"purchase_id": "01890a5d", "user_id": "7", "schema": "1"},
    "customer": {"email": "alice@example.org"},
}

Ask = Callable[..., list[dict[str, Any]]]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def judge() -> Path:
    """Where the client is installed: once for each state of its lock file, kept between runs."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node and npm are not here: only this judge needs them")
    lock = (JUDGE / "package-lock.json").read_bytes()
    home = ROOT / "instance" / f"creem-judge-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not home.exists():
        home.parent.mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent) as made:
            folder = Path(made) / "judge"
            folder.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(JUDGE / name, folder)
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=110)
            assert done.returncode == 0, done.stderr
            folder.rename(home)
    shutil.copy(JUDGE / "judge.mjs", home)
    return home


@pytest.fixture
def creem() -> Iterator[CreemHouse]:
    with start_creem(tax_percent=21) as house:
        yield house


def judged(
    judge: Path,
    house: CreemHouse,
    calls: list[list[Any]] | None = None,
    letters: list[tuple[dict[str, str], bytes]] | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """What the client says of each answer and of each event."""
    wish = {
        "base_url": house.base_url,
        "api_key": house.api_key,
        "webhook_secret": house.webhook_secret,
        "calls": calls or [],
        "events": [
            {"headers": headers, "body": base64.b64encode(body).decode()}
            for headers, body in letters or []
        ],
    }
    command = ["node", str(judge / "judge.mjs")]
    done = subprocess.run(command, input=json.dumps(wish).encode(), capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    verdict: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
    return verdict


def test_it_accepts_every_answer(judge: Path, creem: CreemHouse) -> None:
    paid = creem.pay(creem.open_checkout("prod_standard", request_id="r").id, discount="TEN")
    other = creem.pay(creem.open_checkout("prod_premium").id, discount="FREE")
    partly = creem.pay(creem.open_checkout("prod_starter").id)
    disputed = creem.pay(creem.open_checkout("prod_starter").id)
    assert paid.transaction and partly.transaction and disputed.transaction
    creem.refund(partly.transaction.id, 100)
    creem.dispute(disputed.transaction.id)
    declined = creem.decline(creem.open_checkout("prod_starter").id)
    [ten, _] = creem.discounts.values()
    calls: list[list[Any]] = [
        ["checkouts.create", ORDER],
        ["checkouts.create", {"productId": "prod_premium", "units": 2, "customPrice": 500}],
        ["checkouts.retrieve", paid.checkout.id],
        ["checkouts.retrieve", other.checkout.id],
        ["products.get", "prod_starter"],
        ["products.search"],
        ["customers.retrieve", paid.customer.id],
        ["customers.retrieve", None, "buyer@example.com"],
        ["customers.list"],
        ["customers.getOrders", paid.customer.id],
        ["customers.generateBillingLinks", {"customerId": paid.customer.id}],
        ["transactions.getById", partly.transaction.id],
        ["transactions.getById", disputed.transaction.id],
        ["transactions.getById", declined.id],
        ["transactions.search", None, paid.order.id],
        ["transactions.search", None, None, None, 2, 2],
        ["transactions.refund", {"transactionId": paid.transaction.id}],
        ["moderation.screenPrompt", {"prompt": "slicing soap", "externalId": "7"}],
        ["discounts.get", ten.id],
        ["discounts.get", None, "TEN"],
        ["discounts.search"],
    ]
    answers = judged(judge, creem, calls)["answers"]
    wrong = {
        call[0]: answer for call, answer in zip(calls, answers, strict=True) if "error" in answer
    }
    assert not wrong
    created = answers[0]["value"]
    assert created["status"] == "pending" and created["requestId"] == ORDER["requestId"]
    assert created["checkoutUrl"] == creem.checkout_url(created["id"])
    assert creem.checkouts[created["id"]].metadata == ORDER["metadata"]
    assert answers[2]["value"]["order"]["amountPaid"] == 3267  # (3000 - 10 %) + 21 %
    assert answers[11]["value"]["refundedAmount"] == 100
    assert [answer["value"]["status"] for answer in answers[11:14]] == [
        "partialRefund",
        "chargedBack",
        "declined",
    ]
    assert answers[14]["value"]["items"][0]["id"] == paid.transaction.id
    assert answers[15]["value"]["pagination"]["currentPage"] == 2
    assert answers[16]["value"] == {"status": "succeeded"}


def test_it_accepts_every_event(judge: Path, creem: CreemHouse) -> None:
    checkout = creem.open_checkout("prod_starter", request_id="r", metadata={"user_id": "7"})
    payment = creem.pay(checkout.id)
    assert payment.transaction
    creem.fault("without", where="checkout.completed")
    creem.tell(checkout.id)
    creem.refund(payment.transaction.id, 330)
    creem.refund(payment.transaction.id, 330, status="pending")
    creem.fault("without", "order+customer+checkout", where="refund.created")
    creem.refund(payment.transaction.id, status="requiresAction", reason="other")
    creem.dispute(payment.transaction.id)
    creem.fault("without", "request_id+metadata", where="dispute.created")
    creem.dispute(payment.transaction.id, 10)
    creem.pay(creem.open_checkout("prod_starter", units=3).id, discount="FREE")
    letters = [creem.letter(name) for name in creem.events]
    verdicts = judged(judge, creem, letters=letters)["events"]
    assert [verdict.get("error") for verdict in verdicts] == [None] * len(letters)
    read = [verdict["value"] for verdict in verdicts]
    assert [one["eventType"] for one in read] == [
        "checkout.completed", "checkout.completed", "refund.created", "refund.created",
        "refund.created", "dispute.created", "dispute.created", "checkout.completed",
    ]  # fmt: skip
    assert read[0]["object"]["requestId"] == "r" and "requestId" not in read[1]["object"]
    assert not {"order", "customer", "metadata"} & read[1]["object"].keys()
    assert read[2]["object"]["checkout"]["metadata"] == {"user_id": "7"}
    assert "requestId" not in read[6]["object"]["checkout"]


def test_it_accepts_the_other_signature_too(judge: Path, creem: CreemHouse) -> None:
    creem.webhook_secret = "whsec_" + base64.b64encode(b"twenty-four random bytes").decode()
    creem.set(signs_standard=True)
    letter = creem.letter(creem.pay(creem.open_checkout("prod_starter").id).event.id)
    assert letter[0].keys() > {"webhook-id", "webhook-timestamp", "webhook-signature"}
    [verdict] = judged(judge, creem, letters=[letter])["events"]
    assert "error" not in verdict


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("altered", "Invalid webhook signature"),
        ("reserialised", "Invalid webhook signature"),
        ("wrong_signature", "Invalid webhook signature"),
        ("unsigned", "Missing webhook signature"),
        ("chargeback", "received 'chargeback'"),
        ("event_type", "received 'payment.succeeded'"),
        ("mode=local", "received 'local'"),
        ("without=id", "Required"),
    ],
)
def test_it_rejects_a_wrong_event(judge: Path, creem: CreemHouse, fault: str, reason: str) -> None:
    payment = creem.pay(creem.open_checkout("prod_starter").id)
    assert payment.transaction
    name, _, value = fault.partition("=")
    creem.fault(name, value or None)
    creem.dispute(payment.transaction.id)
    last = list(creem.events)[-1]
    [verdict] = judged(judge, creem, letters=[creem.letter(last)])["events"]
    assert reason in verdict["error"]


def test_it_rejects_a_wrong_answer(judge: Path, creem: CreemHouse) -> None:
    payment = creem.pay(creem.open_checkout("prod_starter").id)
    assert payment.transaction
    creem.fault("answer_without", "id", where="checkouts.create")
    creem.fault("answer_without", "items.0.currency", where="transactions.search")
    creem.fault("answer_without", "status", where="refunds.create")
    creem.fault("limited", where="products.get")
    calls: list[list[Any]] = [
        ["checkouts.create", ORDER],
        ["transactions.search"],
        ["transactions.refund", {"transactionId": payment.transaction.id}],
        ["products.get", "prod_starter"],
        ["checkouts.retrieve", "ch_unknown"],
        ["checkouts.create", {**ORDER, "productId": "prod_unknown"}],
    ]
    answers = judged(judge, creem, calls)["answers"]
    assert ["error" in answer for answer in answers] == [True] * len(calls)
    assert "ResponseValidationError" in answers[0]["error"]
    assert [answer["status"] for answer in answers[3:]] == [429, 404, 404]


def test_no_host_is_in_the_lock_file() -> None:
    lock = json.loads((JUDGE / "package-lock.json").read_text())
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]
    assert lock["packages"]["node_modules/creem"]["version"] == "1.13.0"
