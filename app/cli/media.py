"""Where results live."""

import click
from flask import current_app
from flask.cli import AppGroup

from app import media
from app.services import moving, vendors

media_group = AppGroup("media", help="Where results live.")
COMMANDS = (media_group,)


@media_group.command("move")
@click.argument("from_url")
@click.option("--delete", is_flag=True, help="Remove each original once its copy is proved.")
def move_media(from_url: str, delete: bool) -> None:
    """Copy every result from another storage to the one that STORAGE_URL names."""
    copied = there = 0
    try:
        source = media.open_storage(from_url, current_app.config["S3_ENDPOINT_URL"])
        for moved in moving.move(source, vendors.current().storage, delete=delete):
            there, copied = there + moved.was_there, copied + (not moved.was_there)
            click.echo(f"{moved.key} {moved.size_bytes} {'there' if moved.was_there else 'copied'}")
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except media.MediaError as error:
        raise click.ClickException(f"{error}; run it again, nothing is lost") from error
    click.echo(f"{copied} copied, {there} were there already")
