"""What test videos are made of, in the words of ffmpeg's lavfi."""

from collections.abc import Callable
from pathlib import Path

MakeClip = Callable[..., Path]

PICTURE = "testsrc=s=320x180:r=24:d=2"
SOUND = "sine=f=440:d=2,aformat=channel_layouts=stereo"
