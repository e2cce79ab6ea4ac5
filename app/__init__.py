"""CuttingASMR: the application factory, and nothing else."""

from dataclasses import asdict
from pathlib import Path

from flask import Flask

from config import Config

ROOT = Path(__file__).resolve().parent.parent


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

    app = Flask(__name__, template_folder=ROOT / "templates", static_folder=ROOT / "static")
    app.config.from_mapping(asdict(config))
    for part in (logs, security, extensions, vendors, i18n, auth, htmx):
        part.init_app(app)
    template_filters.register(app)
    for part in (error_pages, blueprints, cli):
        part.init_app(app)
    return app
