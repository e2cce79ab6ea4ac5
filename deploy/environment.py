"""Typed access to environment variables; an empty value counts as absent."""

import shutil
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

MIN_KEY_CHARS = 8
THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


class ConfigError(RuntimeError):
    """A setting is missing or malformed; the message names the variable and what it wants."""


class Environment:
    """Reads one variable at a time. Every method raises ConfigError for a malformed value."""

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
        if value and (parts_of(value) is None or urlsplit(value).scheme not in schemes):
            raise ConfigError(f"{name} must be a URL starting with {':// or '.join(schemes)}://")
        return value

    def program(self, name: str) -> str | None:
        value = self.optional(name)
        if value and shutil.which(value) is None:
            raise ConfigError(f"{name}={value!r} names no program")
        return value

    def secret(self, name: str) -> str | None:
        """A key that can stand in a header. The message never shows it."""
        value = self.optional(name)
        if value and (len(value) < MIN_KEY_CHARS or not value.isascii() or not value.isprintable()):
            raise ConfigError(f"{name} must be {MIN_KEY_CHARS} or more printable ASCII characters")
        return value

    def safe_url(self, name: str, default: str) -> str:
        """https, or http on this machine alone: a simulator. No name or password in it."""
        value = self.text(name, default)
        parts = parts_of(value)
        is_ours = parts is not None and parts.hostname in THIS_MACHINE
        if (
            parts is None
            or parts.scheme not in (("http", "https") if is_ours else ("https",))
            or not parts.hostname
            or "@" in parts.netloc
        ):
            raise ConfigError(f"{name}={value!r} must look like https://host")
        return value

    def optional_url(self, name: str) -> str | None:
        """A safe URL, or nothing."""
        return self.safe_url(name, "") if self.optional(name) else None

    def base_url(self, name: str, default: str) -> str:
        """A safe URL without a path: the addresses of the API are ours to add."""
        parts = urlsplit(self.safe_url(name, default))
        if parts.path.strip("/") or parts.query:
            raise ConfigError(
                f"{name}={parts.geturl()!r} must look like https://host, without a path"
            )
        return f"{parts.scheme}://{parts.netloc}"

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


def parts_of(url: str) -> SplitResult | None:
    """The parts of a URL; None when it cannot be read, its port included."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts
