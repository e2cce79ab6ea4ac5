"""The neutral interface: what is built from names, and errors that travel."""

import pickle
from dataclasses import replace

import pytest

from app.providers import Cloud, ProviderError, Settings, build, is_cloud
from app.providers.local import LocalProvider


@pytest.fixture
def settings(tmp_path):
    return Settings(renders_dir=tmp_path / "renders", cache_dir=tmp_path / "cache")


def test_build_keeps_the_order_and_builds_local(settings):
    assert build((), settings) == {}
    built = build(("local",), settings)
    assert list(built) == ["local"]
    assert isinstance(built["local"], LocalProvider)
    assert not settings.renders_dir.exists()  # building touches nothing


def test_a_cloud_is_built_with_its_model_and_asks_nobody(settings):
    clouds = {"kie": Cloud(base_url="https://api.kie.ai", model="veo3_fast")}
    built = build(("kie",), replace(settings, clouds=clouds))
    assert is_cloud(built["kie"])
    assert (built["kie"].capabilities.name, built["kie"].capabilities.model) == ("kie", "veo3_fast")


def test_an_unknown_name_is_named(settings):
    with pytest.raises(ValueError, match="unknown provider 'lokal': known are local, kie"):
        build(("lokal",), settings)


def test_no_secret_is_told_by_the_settings(settings):
    cloud = Cloud("https://api.kie.ai", "veo3_fast", callback_secret="test-secret-of-callbacks")
    assert "test-secret" not in repr(cloud) + repr(replace(settings, clouds={"kie": cloud}))


def test_an_error_survives_pickling():
    error = pickle.loads(pickle.dumps(ProviderError("disk_full", "no room")))
    assert (error.code, error.message, error.permanent) == ("disk_full", "no room", False)
    assert str(error) == "no room"
    limited = ProviderError("rate_limited", "slower", retry_after_s=7.5, model_gone=True)
    limited = pickle.loads(pickle.dumps(limited))
    assert (limited.retry_after_s, limited.model_gone, limited.permanent) == (7.5, True, False)
