"""Accounts, balances, the ledger."""

import click
from flask.cli import AppGroup

from app.cli.refusals import get_user, says_no
from app.models import new_id
from app.services import accounts, audits, credits, ledger

REASON_MAX_CHARS = 40  # as wide as the ledger's column

users_group = AppGroup("users", help="Accounts.")
credits_group = AppGroup("credits", help="Balances.")
ledger_group = AppGroup("ledger", help="The book of all credits.")
COMMANDS = (users_group, credits_group, ledger_group)


@users_group.command("create")
@click.argument("email")
@click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True)
@click.option("--credits", "balance", type=click.IntRange(min=0), help="The whole balance.")
@click.option("--admin", "is_admin", is_flag=True, help="May see and do everything.")
@click.option("--verified", "is_verified", is_flag=True, help="The address needs no confirmation.")
@says_no
def create_user(
    email: str, password: str, balance: int | None, is_admin: bool, is_verified: bool
) -> None:
    """Make an account; with --credits it gets no welcome credits."""
    user = accounts.create_user(
        email, password, is_verified=is_verified, is_admin=is_admin, credits=balance
    )
    click.echo(f"{user.email}: account {user.id}, {_credits(credits.balance_of(user.id))}")


@credits_group.command("grant", context_settings={"ignore_unknown_options": True})
@click.argument("email")
@click.argument("number", type=int)
@click.option("--reason", default="operator", show_default=True, help="Stands in the ledger.")
@says_no
def grant_credits(email: str, number: int, reason: str) -> None:
    """Add credits to a balance, or with a number below zero take them away."""
    reason = reason.strip()
    if not number or not 0 < len(reason) <= REASON_MAX_CHARS:
        raise click.UsageError(
            f"a number other than 0, a reason of 1 to {REASON_MAX_CHARS} letters"
        )
    user_id = get_user(email).id
    credits.adjust(user_id, number, key=f"adjustment:{new_id()}", reason=reason)
    click.echo(f"{email}: {_credits(credits.balance_of(user_id))}")


@credits_group.command("show")
@click.argument("email")
@says_no
def show_credits(email: str) -> None:
    """Print a balance and the latest entries."""
    user_id = get_user(email).id
    totals = ledger.totals(user_id)
    click.echo(f"{email}: {_credits(credits.balance_of(user_id))}")
    click.echo(" ".join(f"{name} {number}" for name, number in totals.items()))
    for entry in ledger.page(user_id)[0]:
        click.echo(
            f"{entry.created_at:%Y-%m-%d %H:%M:%S}Z {entry.amount:+6d} {entry.balance_after:6d}  "
            f"{entry.kind} {entry.reason} {entry.reference or ''}".rstrip()
        )


@ledger_group.command("verify")
def verify_ledger() -> None:
    """Recompute every balance and every video's net; status 1 and the rows if any differs."""
    found = list(audits.verify_ledger())
    for row in found:
        click.echo(f"{row.what}: stored {row.stored}, recomputed {row.recomputed}")
    if found:
        raise click.ClickException(f"{len(found)} differ")
    click.echo("The ledger adds up.")


def _credits(number: int) -> str:
    return f"{number} credit" if number == 1 else f"{number} credits"
