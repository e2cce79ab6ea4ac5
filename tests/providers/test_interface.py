"""The neutral interface: what is built from names, and errors that travel."""

import pickle

import pytest

from app.providers import CLOUD, ProviderError, Settings, build
from app.providers.local import LocalProvider


@pytest.fixture
def settings(tmp_path):
    return Settings(renders_dir=tmp_path / "renders", cache_dir=tmp_path / "cache")


def test_build_keeps_the_order_and_builds_local(settings):
    assert build([], settings) == {}
    built = build(("local",), settings)
    assert list(built) == ["local"]
    assert isinstance(built["local"], LocalProvider)
    assert not settings.renders_dir.exists()  # building touches nothing


@pytest.mark.parametrize("name", CLOUD)
def test_a_cloud_name_says_that_it_comes_later(settings, name):
    with pytest.raises(ValueError, match=f"'{name}' comes with a later version"):
        build(["local", name], settings)


def test_an_unknown_name_is_named(settings):
    with pytest.raises(ValueError, match="unknown provider 'lokal': known are local, kie"):
        build(["lokal"], settings)


def test_an_error_survives_pickling():
    error = pickle.loads(pickle.dumps(ProviderError("disk_full", "no room", permanent=False)))
    assert (error.code, error.message, error.permanent) == ("disk_full", "no room", False)
    assert str(error) == "no room"
