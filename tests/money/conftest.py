"""An app whose database can be made new as often as a test wants."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import URL, text

from app import media
from app.extensions import db
from app.media import Measurements, Stills
from tests.conftest import close
from tests.fakes import FakeProvider

Fresh = Callable[[], Flask]
MEASURED = Measurements(
    width=320, height=180, fps=24.0, duration_s=8.0, size_bytes=1000, video_codec="h264",
    audio_codec="aac", audio_channels=2, loudness_lufs=-23.0, true_peak_dbtp=-3.0,
    sound_check="passed", peaks=(0,) * 96, comment="",
)  # fmt: skip


@pytest.fixture
def fresh(
    app: Flask,
    database_url: URL,
    database: str,
    fake_provider: FakeProvider,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> Fresh:
    """`fresh()`: the app, on an empty database again; the provider has forgotten everything.

    The same app, since its statements are compiled already: Hypothesis asks hundreds of times.
    """
    template = None if database == "postgresql" else request.getfixturevalue("sqlite_template")

    def fresh() -> Flask:
        if template is None:
            with app.app_context():
                _empty_postgres()
        else:
            close(app)
            for ending in ("-wal", "-shm"):
                Path(f"{database_url.database}{ending}").unlink(missing_ok=True)
            shutil.copyfile(template, str(database_url.database))
        app.extensions["vendors"].providers = {"local": FakeProvider(fake_provider.folder)}
        return app

    return fresh


def _empty_postgres() -> None:
    """What the ledger's triggers refuse, its owner can switch off."""
    names = ", ".join(f'"{table}"' for table in db.metadata.tables)
    with db.engine.begin() as connection:
        connection.execute(text("ALTER TABLE credit_entries DISABLE TRIGGER USER"))
        connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))
        connection.execute(text("ALTER TABLE credit_entries ENABLE TRIGGER USER"))


@pytest.fixture
def no_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a file measures is not what this is about, and decoding takes a hundred times longer."""

    def stills(video: Path, *_: object) -> Stills:
        return Stills(video, video)

    monkeypatch.setattr(media, "inspect", lambda *_: dataclasses.replace(MEASURED))
    monkeypatch.setattr(media, "make_stills", stills)
    monkeypatch.setattr(media, "label", lambda source, target, *_: shutil.copyfile(source, target))
