"""Settings of payments: whether credits are sold here, and what a site must have for it."""

from pathlib import Path

import pytest

from config import Config, ConfigError
from tests.payments_settings import CREEM
from tests.test_settings import SECRET, read

PRODUCTION = {"APP_ENV": "production", "SECRET_KEY": SECRET, "APP_URL": "https://example.org"}
LIVE = {**PRODUCTION, "CREEM_MODE": "prod"}
PRODUCTS = {pack: f"prod_{pack}" for pack in ("starter", "standard", "premium")}
NEEDED = [name for name in CREEM if name != "PAYMENTS"]


def without(*names: str, **more: str) -> dict[str, str]:
    """The settings of a site that sells, without some."""
    return {**{name: value for name, value in CREEM.items() if name not in names}, **more}


def test_without_a_key_nothing_is_sold_and_nothing_is_missed(tmp_path: Path) -> None:
    for settings in (read(tmp_path), read(tmp_path, PAYMENTS="off"), read(tmp_path, **PRODUCTION)):
        assert (settings.PAYMENTS, settings.PAYMENTS_OFF) == ("off", "")


def test_with_all_that_is_needed_it_is_sold_through_creem(tmp_path: Path) -> None:
    for settings in (read(tmp_path, **CREEM), read(tmp_path, **without("PAYMENTS"))):
        assert (settings.PAYMENTS, settings.PAYMENTS_OFF) == ("creem", "")
        assert settings.CREEM == {
            "base_url": "https://test-api.creem.io",
            "api_key": CREEM["CREEM_API_KEY"],
            "webhook_secret": CREEM["CREEM_WEBHOOK_SECRET"],
            "mode": "test",
            "products": PRODUCTS,
            "links": {},
        }
    for mode in ("prod", "test"):
        assert read(tmp_path, **PRODUCTION, **CREEM, CREEM_MODE=mode).PAYMENTS == "creem"


def test_production_says_which_of_creems_worlds_it_means(tmp_path: Path) -> None:
    for settings in (CREEM, without("PAYMENTS")):
        with pytest.raises(ConfigError, match="CREEM_MODE"):
            read(tmp_path, **PRODUCTION, **settings)


def test_the_mode_says_which_creem_is_asked(tmp_path: Path) -> None:
    live = read(tmp_path, **CREEM, CREEM_MODE="prod").CREEM
    assert (live["mode"], live["base_url"]) == ("prod", "https://api.creem.io")
    here = read(tmp_path, **CREEM, CREEM_API_BASE_URL="http://127.0.0.1:9001/").CREEM
    assert (here["mode"], here["base_url"]) == ("test", "http://127.0.0.1:9001")


def test_each_pack_may_have_a_link(tmp_path: Path) -> None:
    links = {
        "CREEM_PAYMENT_LINK_STARTER": "https://www.creem.io/payment/prod_1",
        "CREEM_PAYMENT_LINK_PREMIUM": "https://www.creem.io/payment/prod_3?x=1",
    }
    assert read(tmp_path, **CREEM, **links).CREEM["links"] == {
        "starter": "https://www.creem.io/payment/prod_1",
        "premium": "https://www.creem.io/payment/prod_3?x=1",
    }


@pytest.mark.parametrize("missing", NEEDED)
def test_who_says_creem_must_have_all_of_it(tmp_path: Path, missing: str) -> None:
    with pytest.raises(ConfigError, match=f"needs {missing} .*PAYMENTS=off"):
        read(tmp_path, **without(missing))


@pytest.mark.parametrize("missing", [name for name in NEEDED if name != "CREEM_API_KEY"])
def test_in_production_a_key_alone_stops_the_start(tmp_path: Path, missing: str) -> None:
    with pytest.raises(ConfigError, match=f"needs {missing} ") as refused:
        read(tmp_path, **LIVE, **without("PAYMENTS", missing))
    for secret in (CREEM["CREEM_API_KEY"], CREEM["CREEM_WEBHOOK_SECRET"], SECRET):
        assert secret not in str(refused.value)
    settings = read(tmp_path, **LIVE, **without("PAYMENTS", missing), PAYMENTS="off")
    assert (settings.PAYMENTS, settings.CREEM["api_key"]) == ("off", CREEM["CREEM_API_KEY"])


@pytest.mark.parametrize("missing", [name for name in NEEDED if name != "CREEM_API_KEY"])
def test_elsewhere_a_key_alone_screens_prompts_and_sells_nothing(
    tmp_path: Path, missing: str
) -> None:
    settings = read(tmp_path, **without("PAYMENTS", missing))
    assert (settings.PAYMENTS, settings.PAYMENTS_OFF) == ("off", missing)


# The simulator ------------------------------------------------------------------------------------


def simulated(folder: Path, **variables: str) -> Config:
    return read(folder, PAYMENTS="simulator", **variables)


def test_the_simulator_is_beside_the_site_and_needs_nothing(tmp_path: Path) -> None:
    settings = simulated(tmp_path, PORT="8100")
    creem = settings.CREEM
    assert (settings.PAYMENTS, creem["mode"]) == ("simulator", "test")
    assert creem["base_url"] == "http://127.0.0.1:8101"
    assert creem["products"] == {pack: f"prod_sim_{pack}" for pack in PRODUCTS}
    assert creem["links"]["premium"] == "http://127.0.0.1:8101/payment/prod_sim_premium"


def test_the_simulators_keys_come_from_the_sites_secret(tmp_path: Path) -> None:
    first, again = simulated(tmp_path).CREEM, simulated(tmp_path).CREEM
    other = simulated(tmp_path / "other").CREEM
    assert first == again
    for name, start in (("api_key", "creem_test_"), ("webhook_secret", "whsec_")):
        assert first[name].startswith(start) and len(first[name]) > 40
        assert first[name] != other[name]
    assert first["api_key"][-64:] != first["webhook_secret"][-64:]
    assert simulated(tmp_path).SECRET_KEY not in str(first)


def test_the_simulator_takes_no_real_key_and_no_real_world(tmp_path: Path) -> None:
    settings = simulated(
        tmp_path,
        **without("PAYMENTS"),
        CREEM_MODE="prod",
        CREEM_API_BASE_URL="https://api.creem.io",
        CREEM_PAYMENT_LINK_STARTER="https://www.creem.io/payment/prod_1",
    )
    said = str(settings.CREEM)
    for real in (*(CREEM[name] for name in NEEDED), "creem.io", "prod'"):
        assert real not in said


def test_the_simulator_never_runs_in_production(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^PAYMENTS=simulator"):
        simulated(tmp_path, **PRODUCTION)


def test_the_simulator_needs_a_port_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^PORT"):
        simulated(tmp_path, PORT="65535")
    assert read(tmp_path, PORT="65535").PORT == 65535


def test_two_packs_are_two_products(tmp_path: Path) -> None:
    """Else a payment that says no more than its product could be either."""
    same = without("CREEM_PRODUCT_STANDARD", CREEM_PRODUCT_STANDARD="prod_starter")
    with pytest.raises(ConfigError, match="CREEM_PRODUCT_STANDARD"):
        read(tmp_path, **same)
