"""Answers as kie.ai writes them."""

from typing import Any

from tests.providers.scripted import Reply

GENERATE, RECORD = "/api/v1/veo/generate", "/api/v1/veo/record-info"
UPGRADE, UPLOAD = "/api/v1/veo/get-1080p-video", "/api/file-base64-upload"
CALLBACK = "https://asmr.example/api/webhooks/kie?attempt=attempt-1"
LINK = "https://tempfile.kie.ai/a.mp4"


def envelope(data: Any = None, code: Any = 200, msg: str = "success", status: int = 200) -> Reply:
    return Reply(status, {"code": code, "msg": msg, "data": data})


def record(**fields: Any) -> Reply:
    return envelope({"taskId": "veo_1", "paramJson": "{}", "errorCode": None} | fields)
