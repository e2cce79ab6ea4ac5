"""What the processes under test start: the real app with its moments watched.

gunicorn --config deploy/gunicorn.py tests.faults.parts:web()     python -m tests.faults.parts
"""

import os
from pathlib import Path

from flask import Flask
from flask.cli import FlaskGroup
from huey.consumer import Scheduler

from app import create_app
from config import Config
from tests.faults import points
from tests.faults.fast import FastProvider

CLIP = "FAULTS_CLIP"
"""The clip of the fast provider; without it the real renderer makes the videos."""
MINUTE_S = "FAULTS_MINUTE_S"
"""How long Huey's minute is, so that a test need not wait for a whole one."""


def web() -> Flask:
    """The app for a web server."""
    app = create_app(Config.from_env())
    vendors = app.extensions["vendors"]
    if clip := os.environ.get(CLIP):
        folder = app.config["INSTANCE_DIR"] / "renders"
        vendors.providers = {"local": FastProvider(folder, Path(clip))}
    points.install(vendors)
    return app


def worker() -> None:
    """`flask worker`, by the same command."""
    if minute_s := os.environ.get(MINUTE_S):
        Scheduler.periodic_task_seconds = float(minute_s)
    FlaskGroup(create_app=web).main(args=["worker"], prog_name="flask")


if __name__ == "__main__":
    worker()
