"""Payments: compare with Creem, give money back, decide what waits for a person."""

import click
from flask.cli import AppGroup

from app import limits
from app.cli.refusals import get_user, says_no
from app.payments import PaymentError
from app.services import comparing, credits, money_back, purchases, recoveries, vendors

payments_group = AppGroup("payments", help="Packs of credits, and the money for them.")
COMMANDS = (payments_group,)


@payments_group.command("reconcile")
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=limits.COMPARE_DAYS,
    show_default=True,
    help="How many days of Creem's books to compare.",
)
def reconcile(days: int) -> None:
    """Ask Creem for all that waits, then compare its books with ours; status 1 if they differ."""
    if vendors.current().payments is None:
        raise click.ClickException(
            "Creem is not set up here: nothing was compared. "
            "Commands want the variables that the site runs with."
        )
    try:
        found = comparing.compare(days, is_settled=False)
    except PaymentError as error:
        raise click.ClickException(f"Creem's books could not be read: {error}") from error
    for one in found:
        click.echo(f"{one.what} {one.subject}: {one.text}")
    if found:
        raise click.ClickException(f"{len(found)} differ")
    click.echo("The books agree.")


@payments_group.command("refund")
@click.argument("purchase")
@click.option(
    "--force",
    "is_forced",
    is_flag=True,
    help="Although it is spent or too old; the balance may go below zero.",
)
@says_no
def refund(purchase: str, is_forced: bool) -> None:
    """Refund PURCHASE (our number, or Creem's order) in full, through Creem; takes the credits."""
    reversal = money_back.refund(purchase, is_forced=is_forced)
    dollars = f"{reversal.amount_cents / 100:.2f} {limits.CURRENCY}"
    click.echo(f"{dollars} of purchase {reversal.purchase_id}: {reversal.status}")


@payments_group.command("show")
@click.argument("email")
@says_no
def show(email: str) -> None:
    """List a user's purchases, the newest first, and what went back of them."""
    user = get_user(email)
    for one in purchases.of_user(user.id):
        click.echo(
            f"{one.created_at:%Y-%m-%d %H:%M}Z {one.id} {one.pack} {one.status} "
            f"{one.order_id or '-'} {one.failure or ''}".rstrip()
        )
        for back in purchases.reversals_of(one.id):
            click.echo(f"  {back.kind} {back.id} {back.amount_cents} cents: {back.status}")
    click.echo(f"balance {credits.balance_of(user.id)}")


@payments_group.command("parked")
def parked() -> None:
    """List the purchases and events that wait for a person."""
    unsettled = purchases.waiting()
    for purchase in unsettled:
        order = purchase.order_id or "-"
        click.echo(
            f"order {order} purchase {purchase.id} {purchase.status} {purchase.failure or ''}"
        )
    found = purchases.parked_events()
    for one in found:
        order = one.order_id or "-"
        click.echo(f"{one.id} {one.received_at:%Y-%m-%d %H:%M}Z {one.type} {order} {one.reason}")
    click.echo(f"{len(unsettled)} purchases and {len(found)} events are waiting")


@payments_group.command("assign")
@click.argument("order")
@click.argument("email")
@says_no
def assign(order: str, email: str) -> None:
    """Give the unmatched payment of Creem's ORDER to EMAIL's account, with its credits."""
    user = get_user(email)
    purchase = recoveries.assign(order, user.id)
    click.echo(f"{purchase.credits} credits of order {order} are on {email}'s account")


@payments_group.command("accept")
@click.argument("order")
@says_no
def accept(order: str) -> None:
    """Give the credits of Creem's ORDER, which was parked, although it is not as agreed."""
    purchase = recoveries.accept(order)
    click.echo(f"{purchase.credits} credits of order {order} are given")


@payments_group.command("dismiss")
@click.argument("event", type=int)
def dismiss(event: int) -> None:
    """Say that the parked EVENT needs nothing more."""
    if not recoveries.dismiss(event):
        raise click.ClickException(f"event {event} is not waiting")
    click.echo("dismissed")


@payments_group.command("reinstate")
@click.argument("reversal")
@says_no
def reinstate(reversal: str) -> None:
    """Give the credits of a won dispute or a failed refund (REVERSAL, see `show`) back."""
    done = money_back.reinstate(reversal)
    click.echo("The credits are back." if done else "They were back already.")
