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
    [("docs/settings.md", r"^\| `([A-Z0-9_]+)` \|"), (".env.example", r"^#?([A-Z0-9_]+)=")],
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
    settings = dict(
        line.lstrip("#").split("=", 1) for line in lines if re.match("#[A-Z0-9_]+=", line)
    )
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
        ("VIDEO_PROVIDERS", "kie"),
        ("VIDEO_PROVIDERS", "google,kie"),
        ("VEO3_API_KEY", "short"),
        ("FAL_KEY", "a key with a new\nline"),
        ("VEO3_API_BASE_URL", "api.kie.ai"),
        ("VEO3_API_BASE_URL", "http://api.kie.ai"),
        ("VEO3_API_BASE_URL", "https://user@api.kie.ai"),
        ("VEO3_API_BASE_URL", "https://api.kie.ai/api/v1"),
        ("FAL_JWKS_URL", "rest.fal.ai"),
        ("FAL_JWKS_URL", "http://rest.fal.ai/jwks.json"),
        ("CREEM_API_KEY", "short"),
        ("ALLOW_BELOW_COST", "nobody"),
        ("PROVIDER_DAILY_CAP_CENTS", "-1"),
        ("CREEM_MODE", "live"),
        ("PAYMENTS", "stripe"),
        ("CREEM_WEBHOOK_SECRET", "short"),
        ("CREEM_WEBHOOK_SECRET", "whsec_with a new\nline"),
        ("CREEM_API_BASE_URL", "http://api.creem.io"),
        ("CREEM_API_BASE_URL", "https://api.creem.io/v1"),
        ("CREEM_PAYMENT_LINK_STARTER", "creem.io/payment/prod_1"),
        ("CREEM_PAYMENT_LINK_STANDARD", "http://creem.io/payment/prod_1"),
        ("CREEM_PAYMENT_LINK_PREMIUM", "https://user@creem.io/payment/prod_1"),
        ("S3_ENDPOINT_URL", "ftp://127.0.0.1"),
        ("STORAGE_URL", "s3:///prefix"),
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


KIE_KEY = "test-key-of-kie-0001"


def test_a_named_cloud_without_its_key_is_off(tmp_path: Path) -> None:
    settings = read(tmp_path, VIDEO_PROVIDERS="kie,fal,local", VEO3_API_KEY=KIE_KEY)
    assert settings.VIDEO_PROVIDERS == ("kie", "local")
    assert settings.PROVIDERS_OFF == {"fal": "FAL_KEY"}


def test_in_production_a_named_cloud_without_its_key_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="VIDEO_PROVIDERS names fal, which needs FAL_KEY"):
        read(
            tmp_path,
            APP_ENV="production",
            SECRET_KEY=SECRET,
            APP_URL="https://example.org",
            VIDEO_PROVIDERS="fal,local",
        )


def test_google_is_off_until_its_model_is_named(tmp_path: Path) -> None:
    named = {"VIDEO_PROVIDERS": "google,local", "GOOGLE_GENAI_API_KEY": "test-key-of-google"}
    assert read(tmp_path, **named).PROVIDERS_OFF == {"google": "GOOGLE_GENAI_MODEL"}
    on = read(tmp_path, **named, GOOGLE_GENAI_MODEL="veo-3.1-fast-generate-preview")
    assert on.VIDEO_PROVIDERS == ("google", "local")


def test_a_model_that_nobody_knows_is_refused_naming_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="VEO3_MODEL='veo9' must be one of veo3_fast"):
        read(tmp_path, VIDEO_PROVIDERS="kie", VEO3_API_KEY=KIE_KEY, VEO3_MODEL="veo9")


def test_kie_has_a_pool_of_keys_each_counted_once(tmp_path: Path) -> None:
    settings = read(
        tmp_path, VEO3_API_KEY=KIE_KEY, VEO3_API_KEY_3=KIE_KEY, VEO3_API_KEY_5="test-key-of-kie-5"
    )
    assert settings.PROVIDER_KEYS == {"kie": (KIE_KEY, "test-key-of-kie-5")}


def test_a_simulator_on_this_machine_may_speak_plain_http(tmp_path: Path) -> None:
    settings = read(tmp_path, FAL_QUEUE_BASE_URL="http://127.0.0.1:9002/")
    assert settings.CLOUDS["fal"]["base_url"] == "http://127.0.0.1:9002"


def test_settings_do_not_show_their_secrets(tmp_path: Path) -> None:
    given = {
        "VEO3_API_KEY": KIE_KEY,
        "SECRET_KEY": SECRET,
        "CREEM_API_KEY": "creem_test_1",
        "CREEM_WEBHOOK_SECRET": "whsec_test_1",
    }
    settings = read(tmp_path, **given)
    for secret in given.values():
        assert secret not in repr(settings)
