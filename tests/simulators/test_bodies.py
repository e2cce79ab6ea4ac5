"""The quoted bodies: complete, named by their source, all of them in use, and blanks are filled."""

import json
from pathlib import Path

import pytest

from tests.simulators import VENDORS
from tests.simulators.bodies import BLANK, fill, quoted

HERE = Path(__file__).parent


@pytest.mark.parametrize("vendor", VENDORS)
def test_each_says_where_it_is_from_and_is_used(vendor: str) -> None:
    code = "".join(path.read_text() for path in HERE.glob(f"{vendor}*.py"))
    for name, entry in quoted(vendor).items():
        assert entry["source"] and "body" in entry, name
        named = f'"{name}"' in code or name in ("queued", "running")  # google's, by state
        assert named, f"{vendor}.{name} is nowhere used"


def test_a_blank_keeps_the_type_of_its_value() -> None:
    assert fill("kie", "credit", credits=940.5)["data"] == 940.5
    assert fill("google", "retry_info", seconds=3)[0]["retryDelay"] == "3s"
    with pytest.raises(KeyError):
        fill("kie", "credit")


def test_no_blank_is_left_in_what_is_sent() -> None:
    values = {"task_id": "t", "url": "u", "position": 0, "logs": None, "seconds": 1.5}
    for name in ("accepted", "in_queue", "in_progress", "completed"):
        assert not BLANK.search(json.dumps(fill("fal", name, **values)))
