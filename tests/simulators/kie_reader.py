"""A client of kie.ai that is not the app's, as there is no official one."""

from typing import Any

import httpx

from tests.simulators.simulator import Simulator


class Reader:
    """Sections 1.1 to 1.5 of the reference, read without looking at the simulator or an adapter."""

    def __init__(self, http: httpx.Client, kie: Simulator, key: str = "test-key") -> None:
        self.http, self.base = http, kie.base_url
        self.headers = {"Authorization": f"Bearer {key}"}

    def call(self, method: str, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
        """HTTP status and envelope."""
        answer = self.http.request(method, self.base + path, headers=self.headers, **options)
        assert answer.headers["content-type"] == "application/json"
        envelope = answer.json()
        assert {"code", "msg", "data"} <= envelope.keys()
        return answer.status_code, envelope

    def code(self, method: str, path: str, **options: Any) -> tuple[int, int]:
        status, envelope = self.call(method, path, **options)
        return status, envelope["code"]

    def generate(self, **fields: Any) -> str:
        order = {"prompt": "soap", "model": "veo3_fast", "aspect_ratio": "16:9", **fields}
        status, envelope = self.call("POST", "/api/v1/veo/generate", json=order)
        assert (status, envelope["code"]) == (200, 200), envelope
        return str(envelope["data"]["taskId"])

    def record(self, task_id: str) -> dict[str, Any]:
        _, envelope = self.call("GET", "/api/v1/veo/record-info", params={"taskId": task_id})
        return envelope

    def flag(self, task_id: str) -> int:
        return int(self.record(task_id)["data"]["successFlag"])
