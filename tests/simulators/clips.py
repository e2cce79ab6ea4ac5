"""Small MP4 files as vendors deliver them, made by ffmpeg once a process and kept in memory."""

import functools
import importlib
import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

CLIPS = ("sound", "silent", "quiet", "black")
SMALL = {"720p": (320, 180), "1080p": (480, 270), "4k": (640, 360)}  # a bigger one is still bigger
REAL = {"720p": (1280, 720), "1080p": (1920, 1080), "4k": (3840, 2160)}
_one_at_a_time = threading.Lock()


def clip(
    kind: str = "sound",
    aspect_ratio: str = "16:9",
    resolution: str = "720p",
    *,
    seconds: float = 2.0,
    sizes: str = "small",
) -> bytes:
    """An MP4. `sizes`: small, or real for the pixels that the resolution promises.

    sound: a picture and a tone. silent: no audio track. quiet: an audio track of digital silence.
    black: a black picture with the tone.
    """
    width, height = (REAL if sizes == "real" else SMALL)[resolution]
    if aspect_ratio == "9:16":
        width, height = height, width
    with _one_at_a_time:  # lru_cache alone would let two threads make the same one
        return _made(kind, width, height, seconds)


@functools.lru_cache(maxsize=64)
def _made(kind: str, width: int, height: int, seconds: float) -> bytes:
    source = "color=c=black" if kind == "black" else "testsrc"
    picture = f"{source}{':' if kind == 'black' else '='}s={width}x{height}:r=24:d={seconds:g}"
    sounds = {"silent": None, "quiet": f"anullsrc=r=48000:cl=stereo:d={seconds:g}"}
    sound = sounds.get(kind, f"sine=f=440:r=48000:d={seconds:g},aformat=channel_layouts=stereo")
    inputs = [x for one in (picture, sound) if one for x in ("-f", "lavfi", "-i", one)]
    codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        command = [_ffmpeg(), "-v", "error", "-nostdin", "-threads", "1", *inputs, *codecs]
        command += ["-movflags", "+faststart", str(path)]
        subprocess.run(command, check=True, timeout=120)
        return path.read_bytes()


def _ffmpeg() -> str:
    named = os.environ.get("FFMPEG_BIN")
    if named and (found := shutil.which(named)):
        return found
    try:
        return str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
    except (ImportError, RuntimeError):  # no wheel for this platform, or its program is gone
        return shutil.which("ffmpeg") or "ffmpeg"
