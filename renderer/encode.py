"""ffmpeg by pipe: raw frames and a WAV file in, MP4 (H.264 + AAC, faststart) out."""

import contextlib
import errno
import os
import shutil
import subprocess
import tempfile
import wave
from pathlib import Path
from typing import Self

import numpy as np

from .synth import SECONDS

IMAGE_TIMEOUT_S = 30
# what ffmpeg says -> errno, so that a full disk is the same error wherever it is noticed
DISK_TROUBLE = {
    "No space left": errno.ENOSPC,
    "Disk quota exceeded": errno.EDQUOT,
    "Permission denied": errno.EACCES,
    "Read-only file system": errno.EROFS,
}
BT709 = "-colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv"


class NoFfmpeg(RuntimeError):
    """No usable ffmpeg program was found."""


class EncodeError(RuntimeError):
    """ffmpeg failed; the message holds the end of its log."""


def find_ffmpeg() -> str:
    """FFMPEG_BIN, then the imageio-ffmpeg package, then `ffmpeg` on the PATH."""
    named = os.environ.get("FFMPEG_BIN")
    if named:
        found = shutil.which(named)
        if not found:
            raise NoFfmpeg(f"FFMPEG_BIN names no program: {named}")
        return found
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        found = shutil.which("ffmpeg")
        if not found:
            raise NoFfmpeg("install ffmpeg, or the package imageio-ffmpeg") from error
        return found


def write_wav(path: Path, sound: np.ndarray) -> None:
    """Stereo float [n, 2] in -1..1 -> 16-bit WAV."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(SECONDS)
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())


def read_image(path: str, width: int, height: int) -> np.ndarray:
    """Any picture ffmpeg can read -> linear RGB float32 [height, width, 3], cropped to fill."""
    fit = f"scale={width}:{height}:force_original_aspect_ratio=increase,crop={width}:{height}"
    command = [find_ffmpeg(), "-v", "error", "-nostdin", "-protocol_whitelist", "file,pipe"]
    command += ["-i", f"file:{path}", "-frames:v", "1", "-vf", fit]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=IMAGE_TIMEOUT_S, check=True)
    except (subprocess.SubprocessError, OSError) as error:
        raise EncodeError("start_image is not a picture that ffmpeg can read") from error
    if len(done.stdout) != width * height * 3:
        raise EncodeError("start_image is not a picture that ffmpeg can read")
    pixels = np.frombuffer(done.stdout, np.uint8).reshape(height, width, 3)
    linear: np.ndarray = (pixels / np.float32(255)) ** np.float32(2.2)
    return linear


class Encoder:
    """Context manager around one ffmpeg process; leaves no process behind, whatever happens."""

    def __init__(
        self,
        path: Path,
        sound: Path,
        size: tuple[int, int],
        fps: int,
        tags: dict[str, str],
        threads: int = 0,
    ) -> None:
        self._command = [
            *(find_ffmpeg(), "-hide_banner", "-loglevel", "error", "-nostdin", "-y"),
            *("-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", f"{size[0]}x{size[1]}"),
            *("-framerate", str(fps), "-i", "pipe:0", "-f", "wav", "-i", f"file:{sound}"),
            *("-map", "0:v", "-map", "1:a", "-map_metadata", "-1"),
            *("-vf", "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p"),
            *("-c:v", "libx264", "-preset", "veryfast", "-crf", "19", "-threads", str(threads)),
            *BT709.split(),
            *("-c:a", "aac", "-b:a", "192k", "-movflags", "+faststart"),
            *(part for tag in tags.items() for part in ("-metadata", "=".join(tag))),
            *("-f", "mp4", f"file:{path}"),
        ]

    def __enter__(self) -> Self:
        self._log = tempfile.TemporaryFile()
        try:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stderr=self._log, stdout=subprocess.DEVNULL
            )
        except OSError as error:
            self._log.close()
            raise NoFfmpeg(f"ffmpeg does not start: {error}") from error
        _running.add(self)
        return self

    def write(self, frame: np.ndarray) -> None:
        """Hand over one RGB frame [height, width, 3] of 8 bits."""
        assert self._process.stdin
        try:
            self._process.stdin.write(frame.data)
        except BrokenPipeError:
            self._fail()

    def finish(self) -> None:
        """Close the stream and wait until the file is complete."""
        assert self._process.stdin
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            self._fail()
        if self._process.wait() != 0:
            self._fail()

    def kill(self) -> None:
        """End ffmpeg now."""
        self._process.kill()

    def _fail(self) -> None:
        self._process.wait()
        self._log.seek(0)
        log = self._log.read().decode(errors="replace").strip()
        for words, number in DISK_TROUBLE.items():
            if words in log:
                raise OSError(number, os.strerror(number))
        raise EncodeError(log[-400:] or f"ffmpeg ended with status {self._process.returncode}")

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        with contextlib.suppress(OSError):
            assert self._process.stdin
            self._process.stdin.close()
        self._log.close()
        _running.discard(self)


_running: set[Encoder] = set()


def kill_all() -> None:
    """End every running ffmpeg (from another thread, when the whole process must end now)."""
    for encoder in list(_running):
        encoder.kill()
