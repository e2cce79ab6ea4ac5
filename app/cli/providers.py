"""Who makes videos, their keys, and what a person should look at."""

import click
from flask.cli import AppGroup, with_appcontext

from app.services import alerts, key_status, keys, routes, vendors

providers_group = AppGroup("providers", help="Who makes videos, and their keys.")


@providers_group.command("status")
def show_providers() -> None:
    """Every provider and its keys: state, health, requests, share, errors."""
    keys.sync()
    found = key_status.overview()
    for provider in found["providers"]:
        click.echo(f"{provider['name']}  {provider['model'] or provider['kind']}".rstrip())
        if provider["kind"] == "local":
            continue
        if not provider["is_open"]:
            click.echo(f"  stopped: {provider['stopped']}")
        spent, cap = provider["spent_today_cents"], provider["daily_cap_cents"]
        click.echo(f"  spent today: {spent / 100:.2f} of {cap / 100:.2f} USD")
        for key in provider["keys"]:
            balance = "" if key["balance"] is None else f", balance {key['balance']:g}"
            reason = f" ({key['reason']})" if key["reason"] else ""
            click.echo(
                f"  {key['key']}  {key['state']}{reason}  health {key['health']}  "
                f"{key['requests']} requests ({key['share_percent']} %), {key['errors']} errors, "
                f"{key['errors_in_row']} in a row{balance}"
            )
    for name, missing in found["off"].items():
        click.echo(f"{name}  off: {missing} is not set")


@providers_group.command("open")
@click.argument("name")
def open_provider(name: str) -> None:
    """Use all keys of a provider again, and the model that was stopped."""
    if name not in vendors.current().providers:
        raise click.ClickException(f"{name} is not in VIDEO_PROVIDERS, or has no key")
    revived, opened = keys.revive(name), routes.reopen(name)
    click.echo(f"{name}: {revived} keys revived, {opened} models opened")


@click.command("alerts")
@click.option("--resolve", nargs=2, metavar="KIND SUBJECT", help="Close an alert first.")
@with_appcontext
def show_alerts(resolve: tuple[str, str] | None) -> None:
    """List what a person should look at."""
    if resolve and not alerts.resolve(*resolve):
        raise click.ClickException("there is no such open alert")
    found = alerts.open_alerts()
    for alert in found:
        click.echo(
            f"{alert.kind} | {alert.subject} | {alert.count} x, "
            f"{alert.first_seen_at:%Y-%m-%d %H:%M}Z to {alert.last_seen_at:%Y-%m-%d %H:%M}Z | "
            f"{alert.text}"
        )
    if not found:
        click.echo("No open alerts.")


COMMANDS = (providers_group, show_alerts)
