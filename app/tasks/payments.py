"""Payments in the background: what no event told of is asked for, and books are compared."""

import logging

from huey import crontab

from app.extensions import huey, in_app_context
from app.payments import PaymentError
from app.services import alerts, comparing, reconciling, ticks

log = logging.getLogger(__name__)

LOOK_EVERY_S = 50
HOUR_S = 3600
DAY_S = 24 * HOUR_S
SLACK_S = 30
"""Huey looks once a minute: a tick is due a little before the look that wants it."""


@huey.periodic_task(crontab(minute="*"))
@in_app_context
def ask_for_payments() -> None:
    """Each minute: purchases and refunds whose time to be asked for has come."""
    if ticks.claim("payments", LOOK_EVERY_S):
        reconciling.check_due()


@huey.periodic_task(crontab(minute="*"))
@in_app_context
def compare_books() -> None:
    """Each day; an hour later when Creem was not to be had."""
    if not ticks.claim("payment_books", DAY_S - SLACK_S):
        return
    try:
        comparing.compare()
    except PaymentError as error:
        ticks.put_off("payment_books", HOUR_S)
        alerts.raise_alert("payment_books", "creem", f"Creem's books could not be read: {error}")
