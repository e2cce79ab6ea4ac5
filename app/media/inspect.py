"""What a finished video is: measured by decoding all of it, once."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from app import limits
from app.media import ffmpeg as program
from app.media.errors import MediaError
from app.media.header import Header, parse_header

SoundCheck = Literal["passed", "silent", "too_quiet", "clipped"]

DECODE_TIMEOUT_S: Final = 120.0
"""A 30 s 1080p video decodes in about 3 s of one core; the rest is for a busy machine."""
HEADER_TIMEOUT_S: Final = 20.0
_BLACK_LUMA: Final = 24
"""Of 255, black itself being 16: a dark room at night has brighter pixels, a dead picture none."""
_WHOLE: Final = 0.9
"""A file whose decoding ends before this part of the length it claims has lost its end."""

_WINDOW_SAMPLES: Final = 960
_PEAK_KEY: Final = "lavfi.astats.Overall.Peak_level"
_LISTEN: Final = ",".join(
    (
        "ebur128=peak=true:framelog=verbose",
        f"asetnsamples=n={_WINDOW_SAMPLES}:p=0",
        "astats=metadata=1:reset=1:measure_perchannel=none:measure_overall=Peak_level",
        f"ametadata=mode=print:key={_PEAK_KEY}:file=-",
    )
)
_WATCH: Final = f"blackframe=amount=100:threshold={_BLACK_LUMA}"


@dataclass(frozen=True)
class Measurements:
    """A video that decodes from its first frame to its last, in numbers.

    `peaks` are the bars of its wave, 0 to 100, the loudest 100; all 0 without sound.
    `loudness_lufs` (integrated, ITU-R BS.1770) and `true_peak_dbtp` are None without sound.
    """

    width: int
    height: int
    fps: float
    duration_s: float
    size_bytes: int
    video_codec: str
    audio_codec: str | None
    audio_channels: int | None
    loudness_lufs: float | None
    true_peak_dbtp: float | None
    sound_check: SoundCheck
    peaks: tuple[int, ...]
    comment: str


def inspect(path: Path, ffmpeg: str) -> Measurements:
    """Measure a video file.

    Raises MediaError missing, too_large, undecodable (does not decode to its end), no_picture
    (no video stream, no frame, or black from start to end), timed_out or no_ffmpeg.
    """
    size_bytes = _size_bytes(path)
    header = _read_header(path, ffmpeg)
    done = _decode(path, ffmpeg, header)
    frames, duration_s = _length(done.log, header)
    # Not by whole lines: ffmpeg's threads write into the beginning of one another's.
    if frames == len(re.findall(r"\bpblack:100\b", done.log)):
        raise MediaError("no_picture", f"all {frames} frames are black")
    loudness_lufs = _summary(done.log, r"I:\s+(\S+) LUFS")
    true_peak_dbtp = _summary(done.log, r"Peak:\s+(\S+) dBFS")
    return Measurements(
        width=header.width,
        height=header.height,
        fps=header.fps or round(frames / duration_s, 3),
        duration_s=duration_s,
        size_bytes=size_bytes,
        video_codec=header.video_codec,
        audio_codec=header.audio_codec,
        audio_channels=header.audio_channels,
        loudness_lufs=loudness_lufs,
        true_peak_dbtp=true_peak_dbtp,
        sound_check=check_sound(loudness_lufs, true_peak_dbtp),
        peaks=_peaks(done.output, duration_s),
        comment=header.comment,
    )


def check_sound(loudness_lufs: float | None, true_peak_dbtp: float | None) -> SoundCheck:
    """The verdict on a sound track; None, infinities and NaN mean that there is none."""
    if loudness_lufs is None or not math.isfinite(loudness_lufs):
        return "silent"
    if loudness_lufs < limits.SILENT_BELOW_LUFS:
        return "silent"
    if loudness_lufs < limits.TOO_QUIET_BELOW_LUFS:
        return "too_quiet"
    if true_peak_dbtp is not None and true_peak_dbtp > limits.CLIPPED_ABOVE_DBTP:
        return "clipped"
    return "passed"


def _size_bytes(path: Path) -> int:
    try:
        size_bytes = path.stat().st_size
    except OSError as error:
        raise MediaError("missing", f"{path.name}: {error.strerror}") from error
    if size_bytes > limits.VIDEO_MAX_BYTES:
        raise MediaError("too_large", f"{path.name} has {size_bytes} bytes")
    return size_bytes


def _read_header(path: Path, ffmpeg: str) -> Header:
    # With no output file ffmpeg ends in status 1 even for a good video: only the log tells.
    done = program.run(ffmpeg, program.read_from(path), HEADER_TIMEOUT_S)
    if "Input #0" not in done.log:
        raise program.decode_failure(done)
    return parse_header(done.log)


def _decode(path: Path, ffmpeg: str, header: Header) -> program.Finished:
    """Decode every frame and sample. -xerror: the first broken packet ends it with a status."""
    sound = ["-map", f"0:{header.audio_index}", "-af", _LISTEN] if header.audio_codec else []
    arguments = [
        *("-nostats", "-progress", "pipe:2", "-xerror"),
        *program.read_from(path),
        # passthrough: no frame doubled or dropped to fill a rate, so the count is the file's own.
        *("-map", f"0:{header.video_index}", "-fps_mode", "passthrough", "-vf", _WATCH),
        *sound,
        *("-threads", str(program.THREADS), "-f", "null", "-"),
    ]
    done = program.run(ffmpeg, arguments, DECODE_TIMEOUT_S)
    if done.status != 0:
        raise program.decode_failure(done)
    return done


def _length(log: str, header: Header) -> tuple[int, float]:
    """Frames decoded, and seconds: what the container says when decoding bears it out."""
    frames = int(_last(log, r"^frame=\s*(\d+)$") or 0)
    decoded_s = int(_last(log, r"^out_time_us=(\d+)$") or 0) / 1_000_000
    if frames == 0 or decoded_s == 0:
        raise MediaError("no_picture", "not one frame of picture")
    duration_s = header.duration_s or decoded_s
    if decoded_s < _WHOLE * duration_s:
        raise MediaError("undecodable", f"ends at {decoded_s:.2f} s of {duration_s:.2f} s")
    return frames, duration_s


def _last(log: str, pattern: str) -> str | None:
    found = re.findall(pattern, log, re.MULTILINE)
    return found[-1] if found else None


def _summary(log: str, pattern: str) -> float | None:
    """A number of the loudness summary at the log's end; None when absent or not finite."""
    word = _last(log.rpartition("Summary:")[2], r"^\s+" + pattern)
    value = float(word) if word else math.nan
    return value if math.isfinite(value) else None


def _peaks(output: str, duration_s: float) -> tuple[int, ...]:
    """Bars of the wave: in each the loudest of the short windows of sound that touch it."""
    bars = [0.0] * limits.WAVE_PEAKS
    windows = re.findall(rf"pts_time:(\S+)\s+{re.escape(_PEAK_KEY)}=(\S+)", output)
    starts = [float(start_s) / duration_s * limits.WAVE_PEAKS for start_s, _ in windows]
    length = starts[1] - starts[0] if len(starts) > 1 else 1.0  # of a window, in bars
    for start, (_, peak_db) in zip(starts, windows, strict=True):
        level = _amplitude(float(peak_db))
        for bar in range(max(0, int(start)), min(limits.WAVE_PEAKS, math.ceil(start + length))):
            bars[bar] = max(bars[bar], level)
    loudest = max(bars)
    if loudest < _amplitude(limits.SILENT_BELOW_LUFS):
        return (0,) * limits.WAVE_PEAKS  # dither of a silent track is not a wave
    return tuple(round(100 * bar / loudest) for bar in bars)


def _amplitude(level_db: float) -> float:
    return 0.0 if math.isnan(level_db) else 10 ** (level_db / 20)
