"""The smallest order that each vendor takes."""

from typing import Any

import httpx

from tests.simulators.simulator import Simulator

BEARER = {"Authorization": "Bearer test-key"}
ORDERS: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "kie": ("/api/v1/veo/generate", {"prompt": "soap"}, BEARER),
    "fal": ("/fal-ai/veo3.1/fast", {"prompt": "soap"}, {"Authorization": "Key test-key"}),
    "replicate": (
        "/v1/models/google/veo-3.1-fast/predictions", {"input": {"prompt": "soap"}}, BEARER,
    ),
    "google": (
        "/v1beta/models/veo-3.1-fast-generate-preview:predictLongRunning",
        {"instances": [{"prompt": "soap"}]},
        {"x-goog-api-key": "test-key"},
    ),
}  # fmt: skip


def submit_to(house: Simulator, http: httpx.Client, **headers: str) -> httpx.Response:
    path, body, auth = ORDERS[house.vendor.name]
    return http.post(house.base_url + path, json=body, headers={**auth, **headers})
