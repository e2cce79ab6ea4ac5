"""Settings, read once from the environment. A bad one stops the start with one line.

Every variable is described in docs/settings.md and .env.example; a test compares the three lists.
"""

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

ROOT = Path(__file__).resolve().parent

VARIABLES = (
    "APP_ENV",
    "APP_URL",
    "HOST",
    "PORT",
    "SECRET_KEY",
    "DATABASE_URL",
    "REDIS_URL",
    "INSTANCE_DIR",
    "STORAGE_URL",
    "FFMPEG_BIN",
    "LOCAL_RENDER_CONCURRENCY",
    "LOCAL_RENDER_QUALITY",
    "VIDEO_PROVIDERS",
    "MAIL_URL",
    "MAIL_FROM",
    "ADMIN_EMAILS",
    "WELCOME_DAILY_CAP",
    "TRUSTED_PROXIES",
    "LOG_LEVEL",
)
ENVIRONMENTS = ("development", "test", "production")
PROVIDERS = ("local",)
LATER_PROVIDERS = ("kie", "fal", "replicate", "google")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
MIN_SECRET_BYTES = 32


class ConfigError(RuntimeError):
    """A setting is missing or malformed; the message names the variable and what it wants."""


@dataclass(frozen=True)
class Config:
    """All settings of one process; `from_env` is the only reader of the environment."""

    APP_ENV: str
    APP_URL: str
    HOST: str
    PORT: int
    SECRET_KEY: str
    DATABASE_URL: str
    REDIS_URL: str | None
    INSTANCE_DIR: Path
    STORAGE_URL: str
    FFMPEG_BIN: str | None
    LOCAL_RENDER_CONCURRENCY: int
    LOCAL_RENDER_QUALITY: str
    VIDEO_PROVIDERS: tuple[str, ...]
    MAIL_URL: str | None
    MAIL_FROM: str
    ADMIN_EMAILS: tuple[str, ...]
    WELCOME_DAILY_CAP: int
    TRUSTED_PROXIES: int
    LOG_LEVEL: str

    @property
    def is_production(self) -> bool:
        return self.APP_ENV == "production"

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> "Config":
        """Read and check every variable. Raises ConfigError naming the first bad one."""
        read = _Reader(os.environ if env is None else env)
        app_env = read.choice("APP_ENV", ENVIRONMENTS, "development")
        instance = (ROOT / read.text("INSTANCE_DIR", "instance")).resolve()
        make_private(instance)
        secret = read.secret_key(instance, app_env == "production")
        quality = read.choice("LOCAL_RENDER_QUALITY", ("standard", "draft"), "standard")
        if quality == "draft" and app_env == "production":
            raise ConfigError("LOCAL_RENDER_QUALITY=draft is for trying out, not for production")
        host, port = read.text("HOST", "127.0.0.1"), read.integer("PORT", 8000, 1, 65535)
        return cls(
            APP_ENV=app_env,
            APP_URL=read.app_url(own_url(host, port), https_only=app_env == "production"),
            HOST=host,
            PORT=port,
            SECRET_KEY=secret,
            DATABASE_URL=read.database_url(instance),
            REDIS_URL=read.url("REDIS_URL", ("redis", "rediss")),
            INSTANCE_DIR=instance,
            STORAGE_URL=read.storage_url() or (instance / "media").as_uri(),
            FFMPEG_BIN=read.program("FFMPEG_BIN"),
            LOCAL_RENDER_CONCURRENCY=read.integer("LOCAL_RENDER_CONCURRENCY", 1, 1, 64),
            LOCAL_RENDER_QUALITY=quality,
            VIDEO_PROVIDERS=read.providers(),
            MAIL_URL=read.url("MAIL_URL", ("smtp", "smtps")),
            MAIL_FROM=read.email("MAIL_FROM", "CuttingASMR <hello@localhost>"),
            ADMIN_EMAILS=read.emails("ADMIN_EMAILS"),
            WELCOME_DAILY_CAP=read.integer("WELCOME_DAILY_CAP", 500, 0, 10_000_000),
            TRUSTED_PROXIES=read.integer("TRUSTED_PROXIES", 0, 0, 10),
            LOG_LEVEL=read.choice("LOG_LEVEL", LOG_LEVELS, "INFO"),
        )


class _Reader:
    """Typed access to environment variables; an empty value counts as absent."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    def optional(self, name: str) -> str | None:
        return self._env.get(name, "").strip() or None

    def text(self, name: str, default: str) -> str:
        return self.optional(name) or default

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        value = self.text(name, default)
        if value not in allowed:
            raise ConfigError(f"{name}={value!r} must be one of {', '.join(allowed)}")
        return value

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        raw = self.text(name, str(default))
        if not raw.isascii() or not raw.isdigit() or not low <= int(raw) <= high:
            raise ConfigError(f"{name}={raw!r} must be a whole number from {low} to {high}")
        return int(raw)

    def names(
        self, name: str, allowed: tuple[str, ...], default: tuple[str, ...]
    ) -> tuple[str, ...]:
        raw = self.optional(name)
        values = tuple(part.strip() for part in raw.split(",")) if raw else default
        unknown = [value for value in values if value not in allowed]
        if unknown or len(set(values)) < len(values):
            raise ConfigError(f"{name}={raw!r} must be a list, each once, of {', '.join(allowed)}")
        return values

    def url(self, name: str, schemes: tuple[str, ...]) -> str | None:
        value = self.optional(name)
        if value and (_parts(value) is None or urlsplit(value).scheme not in schemes):
            raise ConfigError(f"{name} must be a URL starting with {':// or '.join(schemes)}://")
        return value

    def storage_url(self) -> str | None:
        value = self.optional("STORAGE_URL")
        if value and (not value.startswith("file:///") or "?" in value):
            raise ConfigError(
                "STORAGE_URL must look like file:///folder (s3:// comes with a later version)"
            )
        return value

    def program(self, name: str) -> str | None:
        value = self.optional(name)
        if value and shutil.which(value) is None:
            raise ConfigError(f"{name}={value!r} names no program")
        return value

    def providers(self) -> tuple[str, ...]:
        asked = self.text("VIDEO_PROVIDERS", "")
        if later := [name for name in LATER_PROVIDERS if name in asked]:
            raise ConfigError(f"VIDEO_PROVIDERS: {', '.join(later)} come with a later version")
        return self.names("VIDEO_PROVIDERS", PROVIDERS, PROVIDERS)

    def app_url(self, default: str, *, https_only: bool) -> str:
        value = self.optional("APP_URL")
        parts = _parts(value or default)
        schemes = ("https",) if https_only else ("http", "https")
        if (
            parts is None
            or parts.scheme not in schemes
            or not parts.hostname
            or parts.path.strip("/")
            or parts.query
        ):
            wanted = "https://your.domain" if https_only else "http(s)://host[:port]"
            raise ConfigError(f"APP_URL={value!r} must look like {wanted}, without a path")
        return f"{parts.scheme}://{parts.netloc}"

    def database_url(self, instance: Path) -> str:
        value = self.optional("DATABASE_URL")
        if value is None:
            return f"sqlite:///{instance}/app.sqlite"
        if value.startswith(("postgres://", "postgresql://")):  # always psycopg 3
            value = "postgresql+psycopg://" + value.split("://", 1)[1]
        is_sqlite = value.startswith("sqlite:///")
        if not is_sqlite and not (value.startswith("postgresql+psycopg://") and _parts(value)):
            raise ConfigError("DATABASE_URL must start with sqlite:/// or postgresql://")
        return value

    def email(self, name: str, default: str) -> str:
        value = self.text(name, default)
        if "@" not in value or any(character in value for character in "\r\n"):
            raise ConfigError(f"{name}={value!r} must be an e-mail address")
        return value

    def emails(self, name: str) -> tuple[str, ...]:
        raw = self.optional(name)
        values = tuple(part.strip().lower() for part in raw.split(",")) if raw else ()
        if any("@" not in value for value in values):
            raise ConfigError(f"{name}={raw!r} must be e-mail addresses separated by commas")
        return values

    def secret_key(self, instance: Path, is_production: bool) -> str:
        """SECRET_KEY, else (outside production) the random one kept in the instance folder."""
        value = self.optional("SECRET_KEY")
        if value is None and is_production:
            raise ConfigError(f"SECRET_KEY is required: {MIN_SECRET_BYTES} random bytes or more")
        if value is None:
            return instance_secret(instance)
        if len(value.encode()) < MIN_SECRET_BYTES:
            raise ConfigError(f"SECRET_KEY must have {MIN_SECRET_BYTES} bytes or more")
        return value


def _parts(url: str) -> SplitResult | None:
    """The parts of a URL; None when it cannot be read, its port included."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def own_url(host: str, port: int) -> str:
    """How a browser on this machine writes where we listen."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_private(folder: Path) -> None:
    """Make the instance folder, for its owner alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"INSTANCE_DIR={str(folder)!r} cannot be made: {error}") from error


def instance_secret(instance: Path) -> str:
    """The secret of this installation, made on first use; only its owner may read the file.

    Written aside and linked into place, so that of several first starts one wins and nobody ever
    reads half a file.
    """
    path = instance / "secret_key"
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=instance) as file:  # made with mode 600
            file.write(secrets.token_hex(32))
            file.flush()
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(file.name)
    value = path.read_text().strip()
    if len(value) < MIN_SECRET_BYTES:
        raise ConfigError(f"{path} is damaged: delete it to make a new secret (signs everyone out)")
    return value
