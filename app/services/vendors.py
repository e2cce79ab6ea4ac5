"""The vendors this app was configured with: video providers, payments, storage and ffmpeg."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from flask import Flask, current_app

from app import media, payments, providers, screening

if TYPE_CHECKING:
    from app.payments.creem import Creem


@dataclass
class Vendors:
    """Built on first use: a page needs no ffmpeg, a command no renderer."""

    config: dict[str, Any] = field(repr=False)

    @cached_property
    def providers(self) -> dict[str, providers.Provider]:
        """In the order of VIDEO_PROVIDERS."""
        config = self.config
        settings = providers.Settings(
            renders_dir=config["INSTANCE_DIR"] / "renders",
            cache_dir=config["INSTANCE_DIR"] / "numba",
            local_concurrency=config["LOCAL_RENDER_CONCURRENCY"],
            quality=config["LOCAL_RENDER_QUALITY"],
            ffmpeg=config["FFMPEG_BIN"],
            downloads_dir=config["INSTANCE_DIR"] / "downloads",
            clouds={name: providers.Cloud(**each) for name, each in config["CLOUDS"].items()},
        )
        return providers.build(config["VIDEO_PROVIDERS"], settings)

    @cached_property
    def storage(self) -> media.Storage:
        return media.open_storage(
            self.config["STORAGE_URL"], endpoint_url=self.config["S3_ENDPOINT_URL"]
        )

    @cached_property
    def screener(self) -> screening.Creem | None:
        """Creem's moderation, where its key is set."""
        creem = self.config["CREEM"]
        return screening.Creem(creem["base_url"], creem["api_key"]) if creem["api_key"] else None

    @cached_property
    def payments(self) -> "Creem | None":
        """Who takes the money. Also where selling is off: what was sold is still settled."""
        creem = self.config["CREEM"]
        if not creem["api_key"] or not creem["webhook_secret"]:
            return None
        from app.payments.creem import Creem  # only who sells needs it

        return Creem(payments.Settings(**creem))

    @cached_property
    def ffmpeg(self) -> str:
        return media.find_ffmpeg(self.config["FFMPEG_BIN"])


def init_app(app: Flask) -> None:
    """Remember the vendors with the app; tests put others in their place."""
    app.extensions["vendors"] = Vendors(dict(app.config))


def current() -> Vendors:
    """The vendors of the current app."""
    vendors: Vendors = current_app.extensions["vendors"]
    return vendors


def provider(name: str) -> providers.Provider:
    """A configured provider. Raises KeyError for one that is off."""
    return current().providers[name]
