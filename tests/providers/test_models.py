"""The models as data: ids, shapes, prices, and an adapter for each."""

import pytest

from app import limits
from app.providers import CLOUD, Cloud, Settings, build, is_cloud, models
from app.providers.addresses import is_listed

EVERY = [
    pytest.param(name, each, id=f"{name}-{each}") for name in CLOUD for each in models.ids(name)
]


def test_every_cloud_provider_has_models_and_no_other_has():
    assert all(models.ids(name) for name in CLOUD)
    assert models.ids("local") == () and models.find("kie", "google/veo-3.1") is None


@pytest.mark.parametrize(("name", "model_id"), EVERY)
def test_a_model_makes_what_the_forms_know(tmp_path, name, model_id):
    cloud = Cloud("https://vendor.example", model_id)
    settings = Settings(tmp_path, tmp_path, downloads_dir=tmp_path, clouds={name: cloud})
    provider = build((name,), settings)[name]
    assert is_cloud(provider) and provider.has_room()
    offer = provider.capabilities
    assert (offer.name, offer.model, offer.kind) == (name, model_id, "cloud")
    assert set(offer.aspect_ratios) <= set(limits.ASPECT_RATIOS)
    assert set(offer.resolutions) <= set(limits.RESOLUTIONS)
    assert set(offer.limits) <= set(offer.resolutions)
    assert offer.makes("16:9", "720p", 8, with_image=offer.takes_image)
    assert offer.makes("1:1", "720p", 8)  # cropped from 16:9
    assert offer.price.cents(8, "720p") > 0
    assert offer.keeps_results_s >= 3600
    assert list(tmp_path.iterdir()) == []  # building touches nothing


@pytest.mark.parametrize(
    ("name", "model_id", "seconds", "resolution", "cents"),
    [
        ("kie", "veo3_fast", 8, "720p", 30),
        ("kie", "veo3_fast", 8, "1080p", 33),
        ("kie", "veo3", 8, "720p", 125),
        ("kie", "veo3_lite", 8, "720p", 15),
        ("fal", "fal-ai/veo3.1/fast", 8, "720p", 120),
        ("fal", "fal-ai/veo3.1/lite", 8, "720p", 40),
        ("fal", "fal-ai/veo3.1", 8, "1080p", 320),
        ("replicate", "google/veo-3.1-fast", 4, "1080p", 60),
        ("google", "veo-3.1-fast-generate-preview", 8, "720p", 80),
        ("google", "veo-3.1-fast-generate-preview", 8, "1080p", 96),
        ("google", "veo-3.1-lite-generate-preview", 8, "720p", 40),
        ("google", "veo-3.1-generate-preview", 8, "720p", 320),
    ],
)
def test_prices_as_last_seen(name, model_id, seconds, resolution, cents):
    model = models.find(name, model_id)
    assert model is not None
    offer = model.capabilities(cancel="never", callback="none", poll_every_s=1, places=1)
    assert offer.price.cents(seconds, resolution) == cents


@pytest.mark.parametrize(
    ("name", "model_id", "host"),
    [
        ("kie", "veo3_fast", "tempfile.aiquickdraw.com"),
        ("fal", "fal-ai/veo3.1/fast", "v3.fal.media"),
        ("replicate", "google/veo-3.1-fast", "replicate.delivery"),
        ("google", "veo-3.1-fast-generate-preview", "generativelanguage.googleapis.com"),
    ],
)
def test_hosts_of_results(name, model_id, host):
    model = models.find(name, model_id)
    assert model is not None and is_listed(host, model.result_hosts)
    assert not is_listed("localhost", model.result_hosts)


@pytest.mark.parametrize(("name", "model_id"), EVERY)
def test_hosts_are_no_wider_than_a_name_of_two_parts(name, model_id):
    model = models.find(name, model_id)
    assert model is not None
    for pattern in model.result_hosts:
        assert pattern.removeprefix("*.").count(".") >= 1 and "*" not in pattern[1:]


@pytest.mark.parametrize("name", CLOUD)
def test_an_unknown_model_names_the_known_ones(tmp_path, name):
    clouds = {name: Cloud("https://vendor.example", "veo-99")}
    settings = Settings(tmp_path, tmp_path, downloads_dir=tmp_path, clouds=clouds)
    with pytest.raises(ValueError, match="known are") as caught:
        build((name,), settings)
    assert all(each in str(caught.value) for each in models.ids(name))
