"""The site for browser tests: real gunicorn and a real worker on a folder of their own.

The test process looks at the same database through an app of its own: for the cast, their sessions,
and rows in states that a real worker would not keep still in.
"""

import functools
import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import insert, make_url, text, update

from app import create_app
from app.extensions import db
from app.models import Session, Video, new_id, now
from app.services import accounts, sessions
from config import ROOT
from deploy import supervisor
from tests.cast import PASSWORD
from tests.conftest import close, settings
from tests.databases import free_port
from tests.waiting import wait_until

START_S = 40
STOP_S = 20
SECRET_KEY = "only for browser tests, and long enough"
COLUMNS = [column.name for column in Video.__table__.columns]


class Site:
    """Web server and worker, each a process that a test may stop, kill and start again.

    `overrides` are settings of both, and of the app through which the test looks.
    """

    def __init__(self, folder: Path, database: Path, **overrides: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        target = folder / "app.sqlite"
        target.write_bytes(database.read_bytes())
        url = make_url(f"sqlite:///{target}")
        self.app = create_app(settings(url, folder, SECRET_KEY=SECRET_KEY, **overrides))
        self.instance = folder / "instance"
        self.environment = {
            **os.environ,
            "APP_ENV": "development",
            "PORT": str(self.port),
            "SECRET_KEY": SECRET_KEY,
            "DATABASE_URL": f"sqlite:///{target}",
            "INSTANCE_DIR": str(self.instance),
            "LOCAL_RENDER_QUALITY": os.environ.get("LOCAL_RENDER_QUALITY", "draft"),
            "WELCOME_DAILY_CAP": "1000",
            "LOG_LEVEL": "INFO",
            **overrides,
        }
        self.web: subprocess.Popen[bytes] | None = None
        self.worker: subprocess.Popen[bytes] | None = None

    # Processes -----------------------------------------------------------------------------------

    def start_web(self) -> None:
        """Start gunicorn as `make web` does and wait until it answers."""
        command = ["gunicorn", "--config", "deploy/gunicorn.py", "--no-control-socket", "wsgi:app"]
        self.web = self._start("web", command)
        wait_until(self._answers, START_S, f"an answer of {self.url}; see {self.folder}/web.log")

    def start_worker(self) -> None:
        """Start a worker; it begins when it is ready."""
        self.worker = self._start("worker", ["flask", "worker"])

    def _start(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                # A test run that is killed takes its servers along.
                preexec_fn=functools.partial(supervisor._end_with, os.getpid()),  # noqa: PLW1509
            )

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/api/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def freeze_web(self) -> None:
        """Stop the web server where it stands, children and all: as on a machine that hangs."""
        assert self.web
        os.killpg(self.web.pid, signal.SIGSTOP)

    def thaw_web(self) -> None:
        assert self.web
        os.killpg(self.web.pid, signal.SIGCONT)

    def kill_web(self) -> None:
        """kill -9 of the web server with all its children."""
        assert self.web
        os.killpg(self.web.pid, signal.SIGKILL)
        self.web.wait(STOP_S)
        self.web = None

    def stop(self) -> None:
        """End both parts and give back the connections."""
        for process in (self.web, self.worker):
            if process:
                for number in (signal.SIGCONT, signal.SIGTERM):
                    os.killpg(process.pid, number)
        for process in (self.web, self.worker):
            if process:
                try:
                    process.wait(STOP_S)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        close(self.app)

    # What is in the database ---------------------------------------------------------------------

    def call(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """A service's verb, in an app context of its own."""
        with self.app.app_context():
            return function(*arguments, **options)

    def rows(self, sql: str, **values: Any) -> list[Any]:
        """What the tables say now."""
        with self.app.app_context(), db.engine.connect() as connection:
            return list(connection.execute(text(sql), values).mappings())

    def make_person(self, email: str, credits: int | None = 100, **options: Any) -> int:
        """An account with a verified address. Returns its id."""

        def make() -> int:
            user = accounts.create_user(
                email, PASSWORD, **{"is_verified": True, "credits": credits, **options}
            )
            return int(user.id)

        return int(self.call(make))

    def session_of(self, user_id: int) -> str:
        """A new session of that person: what the cookie `session` holds."""
        return str(self.call(sessions.start, user_id, "browser test"))

    def revoke_sessions(self, user_id: int) -> None:
        """As an operator or another device would."""

        def revoke() -> None:
            mine = update(Session).where(Session.user_id == user_id)
            db.session.execute(mine.values(revoked_at=now()))
            db.session.commit()

        self.call(revoke)

    def count_videos(self, user_id: int) -> int:
        """How many rows of videos a person has."""
        sql = "SELECT count(*) AS n FROM videos WHERE user_id = :id"
        return int(self.rows(sql, id=user_id)[0]["n"])

    def add_video(self, user_id: int, **values: Any) -> str:
        """Write a video's row as it is given, without a ledger entry or a worker's knowledge."""
        row = {
            "id": new_id(),
            "user_id": user_id,
            "type": "glass-fruit",
            "title": "Slow slicing of a glass strawberry",
            "prompt": "Slow slicing of a glass strawberry on a wooden board",
            "aspect_ratio": "16:9",
            "duration_s": 4,
            "resolution": "720p",
            "seed": 7,
            "provider": "local",
            "scene": "fruit",
            "request_token": new_id(),
            "cost_credits": 5,
            **values,
        }

        def write() -> str:
            db.session.execute(insert(Video).values(row))
            db.session.commit()
            return str(row["id"])

        return str(self.call(write))

    def change_video(self, video_id: str, **values: Any) -> None:
        """Write columns of a video, as a worker would."""

        def write() -> None:
            db.session.execute(update(Video).where(Video.id == video_id).values(**values))
            db.session.commit()

        self.call(write)

    def copy_video(self, video_id: str, user_id: int, **values: Any) -> str:
        """Another row that shows the same files; delete the original last."""
        names = ", ".join(f'"{name}"' for name in COLUMNS)
        row = dict(self.rows(f"SELECT {names} FROM videos WHERE id = :id", id=video_id)[0])
        for name in ("created_at", "started_at", "rendered_at", "completed_at"):
            row[name] = now()
        del row["user_id"], row["deleted_at"]
        return self.add_video(user_id, **{**row, "id": new_id(), **values})
