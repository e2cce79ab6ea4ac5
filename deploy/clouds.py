"""The settings of the cloud providers: keys, addresses, models, and which of them can work."""

from collections.abc import Mapping

from deploy.environment import ConfigError, Environment

MODEL_NAMES = {
    "kie": "VEO3_MODEL",
    "fal": "FAL_MODEL",
    "replicate": "REPLICATE_MODEL",
    "google": "GOOGLE_GENAI_MODEL",
}
KEY_NAMES = {
    "kie": "VEO3_API_KEY",
    "fal": "FAL_KEY",
    "replicate": "REPLICATE_API_TOKEN",
    "google": "GOOGLE_GENAI_API_KEY",
}


def keys_of(env: Environment) -> dict[str, tuple[str, ...]]:
    """The keys of each cloud provider, each once; only kie has a pool of them."""
    names = {
        "kie": ("VEO3_API_KEY", *(f"VEO3_API_KEY_{number}" for number in range(2, 6))),
        "fal": ("FAL_KEY",),
        "replicate": ("REPLICATE_API_TOKEN",),
        "google": ("GOOGLE_GENAI_API_KEY",),
    }
    found = {
        provider: tuple(dict.fromkeys(key for name in each if (key := env.secret(name))))
        for provider, each in names.items()
    }
    return {provider: keys for provider, keys in found.items() if keys}


def clouds_of(env: Environment) -> dict[str, dict[str, str]]:
    """How each cloud provider is reached, whether it is used or not."""
    return {
        "kie": {
            "base_url": env.base_url("VEO3_API_BASE_URL", "https://api.kie.ai"),
            "model": env.text("VEO3_MODEL", "veo3_fast"),
            "upload_base_url": env.base_url("VEO3_UPLOAD_BASE_URL", "https://kieai.redpandaai.co"),
            "callback_secret": env.text("VEO3_WEBHOOK_HMAC_KEY", ""),
        },
        "fal": {
            "base_url": env.base_url("FAL_QUEUE_BASE_URL", "https://queue.fal.run"),
            "model": env.text("FAL_MODEL", "fal-ai/veo3.1/fast"),
            "keys_url": env.safe_url("FAL_JWKS_URL", "https://rest.fal.ai/.well-known/jwks.json"),
        },
        "replicate": {
            "base_url": env.base_url("REPLICATE_BASE_URL", "https://api.replicate.com"),
            "model": env.text("REPLICATE_MODEL", "google/veo-3.1-fast"),
            "callback_secret": env.text("REPLICATE_WEBHOOK_SECRET", ""),
        },
        "google": {
            "base_url": env.base_url(
                "GOOGLE_GENAI_BASE_URL", "https://generativelanguage.googleapis.com"
            ),
            "model": env.text("GOOGLE_GENAI_MODEL", ""),
        },
    }


def check_models(
    named: tuple[str, ...],
    clouds: Mapping[str, Mapping[str, str]],
    keys: Mapping[str, tuple[str, ...]],
) -> None:
    """Every cloud that is named and has a key has a model that we know."""
    for name in (name for name in named if name in keys):
        from app.providers import models

        model = clouds[name]["model"]
        if model and models.find(name, model) is None:
            known = ", ".join(models.ids(name))
            raise ConfigError(f"{MODEL_NAMES[name]}={model!r} must be one of {known}")


def find_off(
    named: tuple[str, ...],
    keys: Mapping[str, tuple[str, ...]],
    clouds: Mapping[str, Mapping[str, str]],
    is_production: bool,
) -> dict[str, str]:
    """Named providers that cannot work, and why: in production, or if none can, an error."""
    off = {name: KEY_NAMES[name] for name in named if name != "local" and name not in keys}
    off |= {
        name: "GOOGLE_GENAI_MODEL"
        for name in named
        if name == "google" and not clouds[name]["model"]
    }
    if off and (is_production or len(off) == len(named)):
        name, missing = next(iter(off.items()))
        raise ConfigError(f"VIDEO_PROVIDERS names {name}, which needs {missing}")
    return off
