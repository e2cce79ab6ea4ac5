"""The settings of payments: whether credits are sold here, through which world of Creem."""

import hashlib
import hmac
from typing import Any

from deploy.environment import ConfigError, Environment

PACKS = ("starter", "standard", "premium")
BASE_URLS = {"test": "https://test-api.creem.io", "prod": "https://api.creem.io"}
LAST_PORT = 65535
WAYS = ("creem", "simulator", "off")


def creem_of(env: Environment, *, secret: str, own_port: int, mode: str) -> dict[str, Any]:
    """How Creem is reached, as app.payments.Settings takes it; what is not set is ""."""
    products = _products(env)
    links = {pack: env.optional_url(f"CREEM_PAYMENT_LINK_{pack.upper()}") for pack in PACKS}
    settings = {
        "base_url": env.base_url("CREEM_API_BASE_URL", BASE_URLS[mode]),
        "api_key": env.secret("CREEM_API_KEY") or "",
        "webhook_secret": env.secret("CREEM_WEBHOOK_SECRET") or "",
        "mode": mode,
        "products": products,
        "links": {pack: link for pack, link in links.items() if link},
    }
    is_simulated = env.text("PAYMENTS", "") == "simulator"
    return _simulated(settings, secret, own_port) if is_simulated else settings


def _products(env: Environment) -> dict[str, str]:
    """Each pack's own: a payment may say no more than its product."""
    products: dict[str, str] = {}
    for pack in PACKS:
        product = env.text(f"CREEM_PRODUCT_{pack.upper()}", "")
        if product and product in products.values():
            raise ConfigError(f"CREEM_PRODUCT_{pack.upper()} is another pack's product already")
        if product:
            products[pack] = product
    return products


def _simulated(settings: dict[str, Any], secret: str, own_port: int) -> dict[str, Any]:
    """The simulator beside the site: its keys come from our secret, so that every process knows."""
    if own_port >= LAST_PORT:
        raise ConfigError(f"PORT must be below {LAST_PORT}: the simulator takes the next one")
    base_url = f"http://127.0.0.1:{own_port + 1}"
    products = {pack: f"prod_sim_{pack}" for pack in PACKS}
    return {
        **settings,
        "base_url": base_url,
        "api_key": f"creem_test_{_derived(secret, 'api key')}",
        "webhook_secret": f"whsec_{_derived(secret, 'webhooks')}",
        "mode": "test",
        "products": products,
        "links": {pack: f"{base_url}/payment/{product}" for pack, product in products.items()},
    }


def _derived(secret: str, purpose: str) -> str:
    return hmac.new(secret.encode(), f"simulator {purpose}".encode(), hashlib.sha256).hexdigest()


def payments_of(env: Environment, creem: dict[str, Any], is_production: bool) -> tuple[str, str]:
    """How credits are sold (creem, simulator, off), and why not where that was not said.

    Raises ConfigError in production, and wherever PAYMENTS=creem was said, for what is missing.
    """
    said = env.choice("PAYMENTS", WAYS, "creem" if creem["api_key"] else "off")
    if said == "simulator" and is_production:
        raise ConfigError("PAYMENTS=simulator is for trying out, not for production")
    if said != "creem":
        return said, ""
    if is_production and env.optional("CREEM_MODE") is None:  # test cards would buy real credits
        raise ConfigError("CREEM_MODE must be set in production: prod, or test")
    missing = _missing(creem)
    if missing and (is_production or env.optional("PAYMENTS")):
        raise ConfigError(f"selling through Creem needs {missing} (or set PAYMENTS=off)")
    return ("off", missing) if missing else ("creem", "")


def _missing(creem: dict[str, Any]) -> str:
    needed = {"CREEM_API_KEY": creem["api_key"], "CREEM_WEBHOOK_SECRET": creem["webhook_secret"]}
    needed |= {f"CREEM_PRODUCT_{pack.upper()}": pack in creem["products"] for pack in PACKS}
    return next((name for name, value in needed.items() if not value), "")
