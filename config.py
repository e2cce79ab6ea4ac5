"""Settings, read once from the environment. A bad one stops the start with one line.

Every variable is described in docs/settings.md and .env.example; a test compares the three lists.
"""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy import clouds, selling
from deploy.environment import ConfigError, Environment, parts_of

__all__ = ["ROOT", "Config", "ConfigError", "instance_secret", "make_private", "own_url"]

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
    "VEO3_API_KEY",
    "VEO3_API_KEY_2",
    "VEO3_API_KEY_3",
    "VEO3_API_KEY_4",
    "VEO3_API_KEY_5",
    "VEO3_API_BASE_URL",
    "VEO3_MODEL",
    "VEO3_WEBHOOK_HMAC_KEY",
    "VEO3_UPLOAD_BASE_URL",
    "FAL_KEY",
    "FAL_QUEUE_BASE_URL",
    "FAL_MODEL",
    "FAL_JWKS_URL",
    "REPLICATE_API_TOKEN",
    "REPLICATE_BASE_URL",
    "REPLICATE_MODEL",
    "REPLICATE_WEBHOOK_SECRET",
    "GOOGLE_GENAI_API_KEY",
    "GOOGLE_GENAI_BASE_URL",
    "GOOGLE_GENAI_MODEL",
    "PROVIDER_DAILY_CAP_CENTS",
    "ALLOW_BELOW_COST",
    "PAYMENTS",
    "CREEM_API_KEY",
    "CREEM_API_BASE_URL",
    "CREEM_WEBHOOK_SECRET",
    "CREEM_MODE",
    "CREEM_PRODUCT_STARTER",
    "CREEM_PRODUCT_STANDARD",
    "CREEM_PRODUCT_PREMIUM",
    "CREEM_PAYMENT_LINK_STARTER",
    "CREEM_PAYMENT_LINK_STANDARD",
    "CREEM_PAYMENT_LINK_PREMIUM",
    "S3_ENDPOINT_URL",
    "MAIL_URL",
    "MAIL_FROM",
    "ADMIN_EMAILS",
    "WELCOME_DAILY_CAP",
    "TRUSTED_PROXIES",
    "LOG_LEVEL",
)
ENVIRONMENTS = ("development", "test", "production")
PROVIDERS = ("kie", "fal", "replicate", "google", "local")
DEFAULT_PROVIDERS = ("local",)
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
MIN_SECRET_BYTES = 32


@dataclass(frozen=True)
class Config:
    """All settings of one process; `from_env` is the only reader of the environment."""

    APP_ENV: str
    APP_URL: str
    HOST: str
    PORT: int
    SECRET_KEY: str = field(repr=False)
    DATABASE_URL: str = field(repr=False)
    REDIS_URL: str | None = field(repr=False)
    INSTANCE_DIR: Path
    STORAGE_URL: str
    FFMPEG_BIN: str | None
    LOCAL_RENDER_CONCURRENCY: int
    LOCAL_RENDER_QUALITY: str
    VIDEO_PROVIDERS: tuple[str, ...]  # those that can work: named, and with a key
    PROVIDERS_OFF: dict[str, str]  # named, and why they cannot
    PROVIDER_KEYS: dict[str, tuple[str, ...]] = field(repr=False)
    CLOUDS: dict[str, dict[str, str]] = field(repr=False)  # as app.providers.Cloud takes them
    PROVIDER_DAILY_CAP_CENTS: int
    ALLOW_BELOW_COST: tuple[str, ...]
    PAYMENTS: str  # creem, simulator, off
    PAYMENTS_OFF: str  # the variable that is missing, where payments are off for that
    CREEM: dict[str, Any] = field(repr=False)  # as app.payments.Settings takes it
    S3_ENDPOINT_URL: str | None
    MAIL_URL: str | None = field(repr=False)
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
        named, keys, cloud_settings = read.providers(), clouds.keys_of(read), clouds.clouds_of(read)
        clouds.check_models(named, cloud_settings, keys)
        off = clouds.find_off(named, keys, cloud_settings, app_env == "production")
        mode = read.choice("CREEM_MODE", ("test", "prod"), "test")
        creem = selling.creem_of(read, secret=secret, own_port=port, mode=mode)
        sold, not_sold = selling.payments_of(read, creem, app_env == "production")
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
            VIDEO_PROVIDERS=tuple(name for name in named if name not in off),
            PROVIDERS_OFF=off,
            PROVIDER_KEYS=keys,
            CLOUDS=cloud_settings,
            PROVIDER_DAILY_CAP_CENTS=read.integer("PROVIDER_DAILY_CAP_CENTS", 5000, 0, 100_000_000),
            ALLOW_BELOW_COST=read.names("ALLOW_BELOW_COST", PROVIDERS, ()),
            PAYMENTS=sold,
            PAYMENTS_OFF=not_sold,
            CREEM=creem,
            S3_ENDPOINT_URL=read.url("S3_ENDPOINT_URL", ("http", "https")),
            MAIL_URL=read.url("MAIL_URL", ("smtp", "smtps")),
            MAIL_FROM=read.email("MAIL_FROM", "CuttingASMR <hello@localhost>"),
            ADMIN_EMAILS=read.emails("ADMIN_EMAILS"),
            WELCOME_DAILY_CAP=read.integer("WELCOME_DAILY_CAP", 500, 0, 10_000_000),
            TRUSTED_PROXIES=read.integer("TRUSTED_PROXIES", 0, 0, 10),
            LOG_LEVEL=read.choice("LOG_LEVEL", LOG_LEVELS, "INFO"),
        )


class _Reader(Environment):
    """The variables that mean something of their own."""

    def storage_url(self) -> str | None:
        value = self.optional("STORAGE_URL")
        if value is None:
            return None
        parts = parts_of(value)
        is_s3 = parts is not None and parts.scheme == "s3" and bool(parts.hostname)
        if "?" in value or "#" in value or not (value.startswith("file:///") or is_s3):
            raise ConfigError("STORAGE_URL must look like file:///folder or s3://bucket/prefix")
        if is_s3:
            self._open(value)
        return value

    def _open(self, storage_url: str) -> None:
        """Find out now, not at the first video, whether it can be opened."""
        from app import media

        try:
            media.open_storage(storage_url, self.url("S3_ENDPOINT_URL", ("http", "https")))
        except ValueError as error:
            raise ConfigError(f"STORAGE_URL or S3_ENDPOINT_URL: {error}") from error

    def providers(self) -> tuple[str, ...]:
        return self.names("VIDEO_PROVIDERS", PROVIDERS, DEFAULT_PROVIDERS)

    def app_url(self, default: str, *, https_only: bool) -> str:
        value = self.optional("APP_URL")
        parts = parts_of(value or default)
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
        if not is_sqlite and not (value.startswith("postgresql+psycopg://") and parts_of(value)):
            raise ConfigError("DATABASE_URL must start with sqlite:/// or postgresql://")
        return value

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
