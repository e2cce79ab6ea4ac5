"""Reading kie.ai's answers: the envelope, a task's record, words that say more than a code."""

import json
import re
from collections.abc import Container
from typing import Any

from app.providers import ErrorCode, ProviderError, Report
from app.providers.cloud import names_content, text_of
from app.providers.http import Answer, short

_NEVER = re.compile(r"(?i)not support|unsupported|cannot|can't|fallback|\bonly\b")


def code_of(answer: Answer) -> int:
    """The envelope's code where there is one, else the HTTP status."""
    code = answer.fields.get("code")
    if isinstance(code, str) and code.isascii() and code.isdigit():
        code = int(code)
    if not isinstance(code, int) or (code == 200 and answer.status >= 400):
        return answer.status
    return code


def data_of(answer: Answer) -> dict[str, Any]:
    """The envelope's content, or nothing."""
    data = answer.fields.get("data")
    return data if isinstance(data, dict) else {}


def parsed(text: Any) -> Any:
    """JSON in a string, or None."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None


def read(record: dict[str, Any]) -> tuple[Report, str]:
    """A task's record: anything but 0 and 1 has failed, and so has 1 without a video."""
    flag = record.get("successFlag")
    flag = record.get("status") if flag is None else flag  # its name in the middle of 2025
    if isinstance(flag, str) and flag.isascii() and flag.isdigit():
        flag = int(flag)
    if not isinstance(flag, int):
        raise ProviderError("transient", "kie's answer does not say how the task stands")
    if flag == 0:
        return Report("running"), ""
    link = _first_link(record)
    if flag == 1 and link:
        return Report("ready", 100.0, 0.0), link
    words = text_of(record.get("errorMessage"))
    if flag == 1:
        words = words or "kie says that it is done, and has no video"
    return Report("failed", code=_failure(record, words), message=short(words) or None), ""


def _failure(record: dict[str, Any], words: str) -> ErrorCode:
    code = str(record.get("errorCode") or "")
    if says_bad_image(words):
        return "permanent"
    if names_content(words) or (code == "400" and "english" not in words.lower()):
        return "content_rejected"
    return "permanent" if code == "400" else "transient"


def _first_link(record: dict[str, Any]) -> str:
    """resultUrls is a list or a JSON string of one, in one of three places."""
    for place in (record.get("response"), record, record.get("info")):
        links = place.get("resultUrls") if isinstance(place, dict) else None
        if isinstance(links, str):
            listed = parsed(links)
            links = [links] if listed is None else listed
        if isinstance(links, list) and links and isinstance(links[0], str) and links[0]:
            return links[0]
    return ""


def says_bad_image(words: str) -> bool:
    """Whether the vendor could not get at the picture, which is no judgement of it."""
    low = words.lower()
    return "image" in low and any(word in low for word in ("fetch", "access", "download"))


def says_unknown(words: str) -> bool:
    """Whether a 422 means that there is no such task, or none any more."""
    low = words.lower()
    return any(word in low for word in ("null", "not found", "not exist", "14 days"))


def says_never_upgraded(code: int, words: str) -> bool:
    """Whether the 1080p version will never come; 400 and 422 are its "not yet" as well."""
    return code in (404, 451, 501, 505) or (code in (400, 422) and _NEVER.search(words) is not None)


def may_have_taken(answer: Answer, known: Container[int]) -> bool:
    """Whether its own words leave open that the order stands: a task in a "no", a code that
    contradicts the status, one that is not among the `known` and is no 4xx.
    """
    said = answer.fields.get("code")
    if said is None:
        return False
    code = code_of(answer)
    is_odd = code not in known and not 400 <= code < 500
    return "taskId" in data_of(answer) or str(said) == "200" or is_odd
