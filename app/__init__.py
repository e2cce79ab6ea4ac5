"""CuttingASMR: the application factory, and nothing else."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flask import Flask

from config import Config

ROOT = Path(__file__).resolve().parent.parent


class Site(Flask):
    """Flask without asynchronous views: it looked at every hook of every request for one."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """As it is."""
        return func


def create_app(config: Config) -> Flask:
    """Build the app from its settings. Nothing is read from the environment here."""
    from app import (
        auth,
        blueprints,
        cli,
        error_pages,
        extensions,
        htmx,
        i18n,
        logs,
        security,
        template_filters,
    )
    from app.services import vendors

    app = Site(__name__, template_folder=ROOT / "templates", static_folder=ROOT / "static")
    app.config.from_mapping(asdict(config))
    for part in (logs, security, extensions, vendors, i18n, auth, htmx):
        part.init_app(app)
    template_filters.register(app)
    for part in (error_pages, blueprints, cli):
        part.init_app(app)
    return app
