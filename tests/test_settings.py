"""Settings: documented in full, checked one by one, and safe by default."""

import os
import re
import stat
from pathlib import Path

import pytest

import config
from config import ROOT, Config, ConfigError

TEST_VARIABLES = {"TEST_DATABASE_URL", "TEST_REDIS_URL"}
"""Read by tests/databases.py alone."""
SECRET = "a secret of more than thirty-two bytes"


def read(folder: Path, **variables: str) -> Config:
    """The settings that these variables give, in a folder of the test's own."""
    return Config.from_env({"INSTANCE_DIR": str(folder), **variables})


@pytest.mark.parametrize(
    ("document", "pattern"),
    [("docs/settings.md", r"^\| `([A-Z_]+)` \|"), (".env.example", r"^#?([A-Z_]+)=")],
)
def test_every_setting_is_documented_and_nothing_else(document: str, pattern: str) -> None:
    named = re.findall(pattern, (ROOT / document).read_text(), re.MULTILINE)
    assert sorted(named) == sorted({*config.VARIABLES, *TEST_VARIABLES})


def test_config_reads_what_it_lists_and_nothing_else(tmp_path: Path) -> None:
    class Recorder(dict[str, str]):
        def __init__(self, **variables: str) -> None:
            super().__init__(**variables)
            self.seen: set[str] = set()

        def get(self, name: str, *default: object) -> object:  # type: ignore[override]
            self.seen.add(name)
            return super().get(name, *default)

    environment = Recorder(INSTANCE_DIR=str(tmp_path))
    Config.from_env(environment)
    assert environment.seen == set(config.VARIABLES)


def test_the_example_file_changes_nothing_as_it_is(tmp_path: Path) -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    settings = dict(line.lstrip("#").split("=", 1) for line in lines if re.match("#[A-Z_]+=", line))
    plain = {name: value.strip('"') for name, value in settings.items() if name != "INSTANCE_DIR"}
    assert read(tmp_path, **plain) == read(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APP_ENV", "staging"),
        ("APP_URL", "example.org"),
        ("APP_URL", "ftp://example.org"),
        ("APP_URL", "https://example.org/path"),
        ("PORT", "many"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", "8000.5"),
        ("PORT", "٣"),
        ("SECRET_KEY", "short"),
        ("DATABASE_URL", "mysql://localhost/x"),
        ("DATABASE_URL", "app.sqlite"),
        ("REDIS_URL", "http://localhost"),
        ("STORAGE_URL", "media"),
        ("LOCAL_RENDER_CONCURRENCY", "0"),
        ("LOCAL_RENDER_CONCURRENCY", "two"),
        ("LOCAL_RENDER_QUALITY", "best"),
        ("VIDEO_PROVIDERS", "local,nobody"),
        ("VIDEO_PROVIDERS", "local,local"),
        ("MAIL_URL", "localhost:25"),
        ("MAIL_FROM", "nobody"),
        ("MAIL_FROM", "a@example.org\nBcc: all@example.org"),
        ("ADMIN_EMAILS", "root@example.org,nobody"),
        ("WELCOME_DAILY_CAP", "-5"),
        ("TRUSTED_PROXIES", "all"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_malformed_value_is_refused_in_one_line_that_names_it(
    tmp_path: Path, name: str, value: str
) -> None:
    with pytest.raises(ConfigError, match=f"^{name}") as refused:
        read(tmp_path, **{name: value})
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("name", [name for name in config.VARIABLES if name != "INSTANCE_DIR"])
def test_an_empty_value_counts_as_absent(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, **{name: " "}) == read(tmp_path)


@pytest.mark.parametrize(
    ("missing", "variables"),
    [
        ("SECRET_KEY", {"APP_URL": "https://example.org"}),
        ("SECRET_KEY", {"APP_URL": "https://example.org", "SECRET_KEY": "x" * 31}),
        ("APP_URL", {"SECRET_KEY": SECRET}),
        ("APP_URL", {"SECRET_KEY": SECRET, "APP_URL": "http://example.org"}),
    ],
)
def test_production_does_not_start_without_what_it_needs(
    tmp_path: Path, missing: str, variables: dict[str, str]
) -> None:
    with pytest.raises(ConfigError, match=missing):
        read(tmp_path, APP_ENV="production", **variables)


def test_production_starts_with_a_secret_and_an_https_address(tmp_path: Path) -> None:
    settings = read(
        tmp_path, APP_ENV="production", SECRET_KEY=SECRET, APP_URL="https://example.org/"
    )
    assert settings.is_production
    assert settings.APP_URL == "https://example.org"
    assert list(tmp_path.iterdir()) == []  # no secret is written where one was given


def test_the_first_start_makes_a_random_secret_that_stays_and_only_its_owner_reads(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "instance"
    secret = read(folder).SECRET_KEY
    assert len(secret) >= 32
    assert secret == read(folder).SECRET_KEY
    assert secret != read(tmp_path / "other").SECRET_KEY
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "secret_key").stat().st_mode) == 0o600


def test_a_damaged_secret_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_text("")
    with pytest.raises(ConfigError, match="secret_key"):
        read(tmp_path)


def test_postgresql_always_means_psycopg_3(tmp_path: Path) -> None:
    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        url = read(tmp_path, DATABASE_URL=f"{scheme}://user@localhost/name").DATABASE_URL
        assert url == "postgresql+psycopg://user@localhost/name"


def test_no_module_but_config_reads_the_environment() -> None:
    readers = [
        str(path.relative_to(ROOT))
        for folder in ("app", "deploy")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if re.search(r"os\.environ\[[\"']|os\.environ\.get|os\.getenv", path.read_text())
    ]
    assert readers == []
    assert os.environ.get("FLASK_DEBUG") is None  # would change what the tests prove
