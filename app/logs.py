"""Logging: one line an event on standard error, with the level of LOG_LEVEL."""

import logging

from flask import Flask


def init_app(app: Flask) -> None:
    """Set the root logger up once; a later app in the same process only changes the level."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger().setLevel(app.config["LOG_LEVEL"])
    for noisy in ("huey", "alembic.runtime.migration", "httpx", "httpcore", "botocore"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLogger().level))
