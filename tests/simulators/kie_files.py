"""kie.ai's files: uploads of start images, result links, temporary download links."""

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Any

from tests.simulators import files
from tests.simulators.bodies import fill
from tests.simulators.vendor import Route, Turn
from tests.simulators.wire import Answer, Request, form_fields, json_answer

if TYPE_CHECKING:
    from tests.simulators.kie import Kie

KINDS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png", b"RIFF": "image/webp"}
LINK_LIVES_S = 20 * 60.0  # 1.4
UPLOAD_LIVES_S = 24 * 3600.0  # 1.4: pages disagree, the shorter one


def route(vendor: "Kie", request: Request) -> Route | None:
    """The paths of files."""
    match request.method, request.path:
        case "POST", "/api/file-base64-upload":
            return Route("upload", lambda turn: _take_base64(vendor, turn))
        case "POST", "/api/file-stream-upload":
            return Route("upload", lambda turn: _take_stream(vendor, turn))
        case "POST", "/api/v1/common/download-url":
            return Route("file", lambda turn: _download_url(vendor, turn))
    parts = request.path.strip("/").split("/")
    if request.method not in ("GET", "HEAD") or len(parts) < 2:
        return None
    if parts[0] == "tempfile" and len(parts) == 3:
        resolution = parts[2].removesuffix(".mp4")
        return Route(
            "file", lambda turn: _result(vendor, turn, parts[1], resolution), parts[1], False
        )
    if parts[0] == "uploads":
        return Route("upload", lambda turn: _uploaded(vendor, request.path), None, False)
    return None


def _result(vendor: "Kie", turn: Turn, task_id: str, resolution: str) -> Answer:
    until = turn.request.query.get("until")
    if until is not None and vendor.house.clock.now() > float(until):
        return files.gone()
    if resolution not in ("720p", "1080p", "4k"):
        return files.gone()
    return vendor.file(turn, task_id, resolution)


def _download_url(vendor: "Kie", turn: Turn) -> Answer:
    url = str(turn.request.json().get("url"))
    if not url.startswith(f"{vendor.house.public_url}/tempfile/"):
        return vendor.error(422)
    until = vendor.house.clock.now() + LINK_LIVES_S
    return json_answer(fill("kie", "download_url", url=f"{url}?until={until}"))


def can_fetch(vendor: "Kie", url: Any) -> object:
    """Whether an image's address is public, or an upload here. Nothing is really fetched."""
    ours = f"{vendor.house.public_url}/uploads/"
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        return False
    return not url.startswith(ours) or _kept(vendor, url.removeprefix(vendor.house.public_url))


def _take_base64(vendor: "Kie", turn: Turn) -> Answer:
    order = turn.request.json()
    encoded = str(order.get("base64Data", ""))
    if encoded.startswith("data:"):
        encoded = encoded.partition(",")[2]
    try:
        data = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        data = b""
    return _keep(vendor, data, str(order.get("uploadPath") or ""), order.get("fileName"))


def _take_stream(vendor: "Kie", turn: Turn) -> Answer:
    fields = form_fields(turn.request)
    data, given = fields.get("file", (b"", None))
    path, name = fields.get("uploadPath", (b"", None))[0], fields.get("fileName", (b"", None))[0]
    return _keep(vendor, data, path.decode(), name.decode() or given)


def _keep(vendor: "Kie", data: bytes, folder: str, name: str | None) -> Answer:
    mime = next((kind for magic, kind in KINDS.items() if data.startswith(magic)), None)
    if mime is None or not folder:
        message = "uploadPath is required" if mime else "The file is not an image"
        return json_answer(fill("kie", "upload_refused", code=400, message=message), 400)
    name = name or f"{hashlib.sha256(data).hexdigest()[:12]}.{mime.partition('/')[2]}"
    path = f"{folder.strip('/')}/{name}"
    now = vendor.house.clock.now()
    vendor.uploads[f"/uploads/{path}"] = (data, mime, now)  # the same name overwrites
    values = {
        "name": name,
        "path": path,
        "url": f"{vendor.house.public_url}/uploads/{path}",
        "size": len(data),
        "mime": mime,
        "at": vendor.stamp(now),
    }
    return json_answer(fill("kie", "uploaded", **values))


def _uploaded(vendor: "Kie", path: str) -> Answer:
    kept = _kept(vendor, path)
    return files.gone() if kept is None else Answer(200, kept[0], {"Content-Type": kept[1]})


def _kept(vendor: "Kie", path: str) -> tuple[bytes, str, float] | None:
    kept = vendor.uploads.get(path)
    is_old = kept is not None and kept[2] + UPLOAD_LIVES_S < vendor.house.clock.now()
    return None if is_old else kept
