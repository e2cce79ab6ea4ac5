"""Who makes videos in tests of the clouds: two vendors in memory, with keys, and a renderer."""

from dataclasses import dataclass

from flask import Flask

from tests.fakes import FakeCloud, FakeProvider

KIE_KEYS = ("test-kie-key-one-0001", "test-kie-key-two-0002", "test-kie-key-six-0006")
FAL_KEY = "test-fal-key-0003"
CLOUDS = {
    "APP_URL": "https://asmr.example",
    "VIDEO_PROVIDERS": "kie,fal,local",
    "VEO3_API_KEY": KIE_KEYS[0],
    "VEO3_API_KEY_2": KIE_KEYS[1],
    "VEO3_API_KEY_3": KIE_KEYS[2],
    "FAL_KEY": FAL_KEY,
}


@dataclass
class Clouds:
    """Who makes videos in tests of the clouds: two of them in memory, and a renderer likewise."""

    app: Flask
    kie: FakeCloud
    fal: FakeCloud
    local: FakeProvider

    def use(self, *names: str) -> None:
        """Only these are configured, in this order."""
        every = {"kie": self.kie, "fal": self.fal, "local": self.local}
        self.app.extensions["vendors"].providers = {name: every[name] for name in names}
