"""What the cloud providers share: the model, the line, the folder of results, a few readings.

A child class says what its vendor's wire looks like; nothing here knows a vendor.
"""

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs, urlsplit

from app.providers import Cloud, Description, Order, ProviderError, models
from app.providers.download import Downloads
from app.providers.http import JSON_MAX_BYTES, Line
from app.providers.models import Model

CALLBACK_AGE_S: Final = 300.0  # older, or as far from the future, is not believed
AS_TOLD: Final = Description("", "", True)  # a vendor films what it is told

_CONTENT: Final = re.compile(
    r"(?i)polic(y|ies)|guidelines|violat|unsafe|\bsafety\b|sensitive|prohibited|moderat|nsfw"
    r"|inappropriate|responsible ai|rejected by flow|flagged"
)


class Vendor:
    """The part of CloudProvider that is the same for all.

    Raises ValueError for a model that models.toml does not know.
    """

    name: ClassVar[str]
    redirects: ClassVar[int] = 0  # how many a result may take
    answer_max_bytes: ClassVar[int] = JSON_MAX_BYTES

    def __init__(self, cloud: Cloud, downloads_dir: Path) -> None:
        model = models.find(self.name, cloud.model)
        if model is None:
            known = ", ".join(models.ids(self.name))
            raise ValueError(f"{self.name} has no model {cloud.model!r} here: known are {known}")
        self._cloud = cloud
        self._model: Model = model
        self._line = Line(self.name, self._authorise, self.answer_max_bytes)
        self._downloads = Downloads(
            downloads_dir, cloud.base_url, model.result_hosts, redirects=self.redirects
        )

    def has_room(self) -> bool:
        """Always: how much a vendor takes is counted by key, across processes, not here."""
        return True

    def forget(self, handle: str) -> None:
        """Remove what was fetched.  May be repeated."""
        self._downloads.forget(handle)

    def describe(self, _type_id: str, _prompt: str, /) -> Description:
        """A vendor films what it is told: there is nothing to say before."""
        return AS_TOLD

    def _authorise(self, key: str) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {key}"}

    def _url(self, path: str) -> str:
        return self._cloud.base_url + path


def names_content(text: str) -> bool:
    """Whether a vendor's words say that it will not film such a thing."""
    return _CONTENT.search(text) is not None


def attempt_of(callback_url: object) -> str:
    """The attempt that a callback address names, or nothing."""
    if not isinstance(callback_url, str):
        return ""
    try:
        return parse_qs(urlsplit(callback_url).query).get("attempt", [""])[0]
    except ValueError:
        return ""


def picture(order: Order) -> str:
    """The start image in base64.  Raises ProviderError: nothing was ordered yet."""
    if order.image is None:
        raise ValueError("the order has no picture")
    try:
        return base64.b64encode(order.image.read_bytes()).decode("ascii")
    except OSError as error:
        raise ProviderError("transient", f"the start image cannot be read: {error}") from error


def data_uri(order: Order) -> str:
    """The start image, a JPEG, as a data URI.  Raises ProviderError."""
    return f"data:image/jpeg;base64,{picture(order)}"


def lost_answer(vendor: str) -> ProviderError:
    """An order was answered well, but with nothing to find it by."""
    return ProviderError("unknown_outcome", f"{vendor} took the order and named no id")


def text_of(value: Any) -> str:
    """A vendor's message, whatever it is."""
    return value if isinstance(value, str) else ""
