"""The same verbs from a terminal. A rule that says no ends the command with status 1."""

from flask import Flask

from app.cli import accounts, media, payments, providers, running, seeding


def init_app(app: Flask) -> None:
    """Register the commands of `flask`."""
    for module in (accounts, payments, providers, media, running, seeding):
        for command in module.COMMANDS:
            app.cli.add_command(command)
