"""One machine of its own: the real web, real workers, a browser; and the books to look into.

Everything lies in one folder. The processes are started as in production, with their moments
watched (see points); `arm` says where the next one dies.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import URL, create_engine, text

from app import create_app
from app.media import find_ffmpeg, inspect
from app.services import accounts, audits, tidying, vendors
from tests.cast import PASSWORD
from tests.conftest import close, settings
from tests.databases import free_port
from tests.faults import nursery
from tests.faults.fast import FastProvider
from tests.faults.nursery import Part
from tests.faults.visitor import Visitor
from tests.waiting import wait_until

START_S = 40.0  # on a machine that is busy with everything else
WITHIN_S = 60.0
"""The promise: work goes on within 60 s of the restart."""
ENDED = ("completed", "failed", "cancelled")


class Machine:
    """`url` and `redis_url` name servers; without them everything is in the instance folder.

    `clip` is what the fast provider hands out; without one the real renderer makes the videos.
    """

    def __init__(
        self,
        folder: Path,
        url: URL,
        *,
        clip: Path | None,
        redis_url: str = "",
        start: nursery.Start = nursery.start,
        **env: str,
    ) -> None:
        self.start = start
        folder.mkdir(exist_ok=True)
        self.folder, self.faults = folder, folder / "faults"
        self.faults.mkdir()
        self.port = free_port()
        config = settings(url, folder, APP_ENV="development", REDIS_URL=redis_url, **env)
        self.instance, self.media = config.INSTANCE_DIR, Path(config.STORAGE_URL[len("file://") :])
        self.app = create_app(config)
        if clip:
            provider = FastProvider(self.instance / "renders", clip)
            self.app.extensions["vendors"].providers = {"local": provider}
        self.engine = create_engine(url).execution_options(
            is_reader=True, isolation_level="AUTOCOMMIT"
        )
        self.plans = 0
        self.parts: list[Part] = []
        self.clients: list[httpx.Client] = []
        self.checked: set[str] = set()
        self.env = {
            **os.environ,
            "APP_ENV": "development",
            "SECRET_KEY": config.SECRET_KEY,
            "DATABASE_URL": url.render_as_string(hide_password=False),
            "REDIS_URL": redis_url,
            "INSTANCE_DIR": str(self.instance),
            "STORAGE_URL": config.STORAGE_URL,
            "LOCAL_RENDER_QUALITY": "draft",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "FAULTS_DIR": str(self.faults),
            "FAULTS_CLIP": str(clip or ""),
            "FAULTS_MINUTE_S": "2",
            **env,
        }

    # Processes ------------------------------------------------------------------------------------

    def start_web(self) -> Part:
        """Gunicorn as in deploy/, up and answering."""
        web, http = self._start("web", "web"), self.http()

        def answers() -> bool:
            with suppress(httpx.TransportError):
                return http.get("/api/health").status_code == 200
            return not web.is_alive

        wait_until(answers, START_S, "the web answers")
        assert web.is_alive, web.log.read_text()
        return web

    def start_worker(self, *, wait: bool = True) -> Part:
        """`flask worker`; ready, unless it is to die before."""
        worker = self._start("worker", f"worker-{len(self.parts)}")
        if wait:
            wait_until(
                lambda: "worker ready" in worker.log.read_text() or not worker.is_alive,
                START_S,
                "the worker is ready",
            )
        return worker

    def _start(self, kind: str, name: str) -> Part:
        (log := self.folder / f"{name}.log").touch()
        self.parts.append(self.start(kind, self.env, log))
        return self.parts[-1]

    def http(self) -> httpx.Client:
        """A client that opens a connection a request: servers come and go."""
        client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            timeout=START_S,
            verify=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        self.clients.append(client)
        return client

    def arm(self, moment: str, *, count: int = 1, name: str = "KILL") -> None:
        """The `count`-th process that reaches the moment is ended there (or stopped: "STOP")."""
        self.plans += 1
        (self.faults / f"plan-{self.plans}").touch()
        draft = self.faults / "draft"
        draft.write_text(f"{name} {count} {moment} {self.plans}")
        draft.rename(self.faults / "armed")

    def disarm(self) -> None:
        """Nobody is to die any more; `is_hit` says whether somebody did, or is about to."""
        (self.faults / f"plan-{self.plans}").unlink(missing_ok=True)

    @property
    def is_hit(self) -> bool:
        return (self.faults / f"hit-{self.plans}").exists()

    def trace(self, moment: str) -> list[list[str]]:
        """Seconds, pid, moment and detail of each time a process got to `moment`."""
        path = self.faults / "trace"
        lines = path.read_text().splitlines() if path.exists() else []
        return [words for line in lines if (words := line.split(" ", 3))[2] == moment]

    def commits(self) -> set[str]:
        """The names of all verbs that committed here."""
        lines = (self.faults / "trace").read_text().splitlines()
        names = (line.split(" ")[2] for line in lines)
        return {name.split(":")[1].rpartition(".")[0] for name in names if name[:7] == "commit:"}

    def close(self) -> None:
        for client in self.clients:
            client.close()
        for part in self.parts:
            part.kill()
        self.engine.dispose()
        close(self.app)

    # Books ----------------------------------------------------------------------------------------

    def rows(self, sql: str, **values: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(sql), values).mappings())

    def call(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        with self.app.app_context():
            return function(*arguments, **options)

    def add_person(self, email: str, balance: int = 100) -> int:
        def create() -> int:
            user = accounts.create_user(email, PASSWORD, is_verified=True, credits=balance)
            return int(user.id)

        return int(self.call(create))

    def visit(self, email: str) -> Visitor:
        """A new person with a browser, signed in."""
        self.add_person(email)
        return Visitor(self.http(), email)

    def videos(self, prompt: str) -> list[Any]:
        return self.rows("SELECT * FROM videos WHERE prompt = :prompt ORDER BY id", prompt=prompt)

    def wait_for_the_end(self, within_s: float = WITHIN_S) -> None:
        """Until no video is live any more."""

        def live() -> list[str]:
            sql = f"SELECT status FROM videos WHERE status NOT IN {ENDED}"
            return [row["status"] for row in self.rows(sql)]

        wait_until(lambda: not live(), within_s, f"all videos ended; {live()} at first")

    def check(self) -> None:
        """Nothing lost, nothing doubled, nothing left over; every completed video plays."""
        self.call(tidying.tidy)  # as each hour
        self.call(lambda: vendors.current().storage.sweep_partials(0))
        assert list(self.call(lambda: list(audits.verify_ledger()))) == []
        open_states = "('submitting', 'processing', 'ready')"
        assert self.rows(f"SELECT * FROM attempts WHERE state IN {open_states}") == []
        for video in self.rows("SELECT * FROM videos"):
            self._check_video(video)
        placed = [words[3] for words in self.trace("submit.before")]
        assert len(placed) == len(set(placed)), "an attempt was submitted twice"
        assert self.rows("SELECT kind, text FROM alerts") == []  # a repaired bug raises one
        assert list((self.instance / "renders").glob("*")) == []
        assert self.zombies() == []

    def _check_video(self, video: Any) -> None:
        sql = "SELECT kind, amount FROM credit_entries WHERE reference = :id ORDER BY id"
        entries = [(row["kind"], row["amount"]) for row in self.rows(sql, id=video["id"])]
        spend = ("spend", -video["cost_credits"])
        folder = self.media / "videos" / video["id"]
        files = sorted(path.name for path in folder.glob("*"))
        if video["status"] != "completed":
            assert entries == [spend, ("refund", video["cost_credits"])], video["id"]
            assert files == []
            return
        assert entries == [spend], video["id"]
        if video["deleted_at"]:
            assert files == []
            return
        assert files == ["poster.jpg", "thumbnail.jpg", "video.mp4"]
        if video["id"] not in self.checked:
            measured = inspect(folder / "video.mp4", find_ffmpeg(os.environ.get("FFMPEG_BIN")))
            assert measured.size_bytes == video["size_bytes"]
            self.checked.add(video["id"])

    def describe(self) -> str:
        """What the tables and the trace say, for a failing test."""
        sql = "SELECT id, status, error_code, cancel_requested, prompt FROM videos ORDER BY id"
        lines = [str(dict(row)) for row in self.rows(sql)[-3:]]
        sql = "SELECT video_id, number, state, error_code, lease_until FROM attempts ORDER BY id"
        lines += [str(dict(row)) for row in self.rows(sql)[-5:]]
        return "\n".join([*lines, *(self.faults / "trace").read_text().splitlines()[-40:]])

    def zombies(self) -> list[str]:
        """Dead children that a living part has not reaped."""
        return [
            f"{pid} of {parent}"
            for pid, state, parent in processes()
            if state == "Z" and any(part.pid == parent and part.is_alive for part in self.parts)
        ]

    def renderers(self) -> list[int]:
        """The processes that draw here, ffmpeg too."""
        found = []
        for pid, state, _ in processes():
            with suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
                if state != "Z" and str(self.instance / "renders") in words:
                    found.append(pid)
        return found


def processes() -> Iterator[tuple[int, str, int]]:
    """Pid, state and parent of every process."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                yield int(entry.name), fields[0], int(fields[1])
