"""The picture that a local render starts with."""

import json
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from app.providers import ProviderError
from app.providers.local import LocalProvider
from renderer.encode import find_ffmpeg
from tests.providers.conftest import SHORT


def first_second(clip, size=(270, 270)):
    """The mean colour of the frame at one second."""
    command = [find_ffmpeg(), "-v", "error", "-nostdin", "-ss", "1", "-i", str(clip)]
    command += ["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    pixels = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(pixels, np.uint8).reshape(*size, 3).mean((0, 1))


def test_a_picture_becomes_the_view_and_outlives_its_upload(local, renders, ended, tmp_path):
    assert local.capabilities.takes_image
    upload = tmp_path / "upload.jpg"
    Image.new("RGB", (400, 300), (20, 200, 40)).save(upload)
    order = replace(SHORT, image=upload)
    handle = local.submit(order)
    upload.unlink()
    assert ended(handle).state == "ready"
    asked = json.loads((renders / handle / "request.json").read_text())
    assert asked["start_image"] == str(renders / handle / "start.jpg")
    red, green, blue = first_second(local.fetch(handle))
    assert green > 1.5 * red and green > 1.5 * blue
    local.forget(handle)
    assert not (renders / handle).exists()


def test_a_picture_that_is_gone_is_a_failure_and_takes_no_place(local, tmp_path, renders):
    order = replace(SHORT, image=tmp_path / "gone.jpg")
    with pytest.raises(ProviderError) as caught:
        local.submit(order)
    assert caught.value.code == "transient"
    assert LocalProvider(renders).recover(order.attempt_id) is None
    assert local.has_room()


def test_without_a_picture_none_is_named(local, renders, ended):
    handle = local.submit(SHORT)
    assert json.loads((renders / handle / "request.json").read_text())["start_image"] is None
    assert ended(handle).state == "ready"
    assert not (renders / handle / "start.jpg").exists()
