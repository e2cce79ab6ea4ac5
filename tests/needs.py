"""Programs that only some machines have. A test that lacks one says so; on CI that is a failure."""

import os
import shutil
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skip the running test because `what` is not here; with CI=true fail it: CI installs it."""
    reason = f"{what} is needed: run `make test` as root on Debian, or install it"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def chromium() -> str:
    """The path of a Chromium, whose own sandbox and updates the tests switch off."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None) or missing("Chromium")
