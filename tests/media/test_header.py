"""The header's words as several ffmpeg versions print them."""

import pytest

from app.media import MediaError
from app.media.header import parse_header

PLAIN = """
Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'a.mp4':
  Metadata:
    major_brand     : isom
    comment         : procedural, not AI
                    : Stream #0:7: Video: fake, 1x1, 1 fps
    Stream #0:8: Video: fake, 1x1, 1 fps: a key, not a stream
  Duration: 00:01:08.50, start: 0.000000, bitrate: 271 kb/s
  Stream #0:0(und): Video: h264 (High) (avc1 / 0x31637661), yuv420p, 1280x720, 24 fps (default)
  Stream #0:1(eng): Audio: aac (LC) (mp4a / 0x6134706D), 44100 Hz, stereo, fltp, 128 kb/s
"""

VERSION_5 = """
Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:a.mp4':
  Duration: 00:00:08.02, start: 0.000000, bitrate: 4271 kb/s
  Stream #0:0[0x1](und): Audio: aac (LC) (mp4a / 0x6134706D), 48000 Hz, 5.1(side), fltp, 128 kb/s
  Stream #0:1[0x2](und): Video: hevc (Main 10) (hvc1 / 0x31637668), yuv420p10le(tv, bt709/bt709/\
bt709, progressive), 1920x1080 [SAR 1:1 DAR 16:9], 133 kb/s, 29.97 fps, 29.97 tbr, 90k tbn (default)
    Metadata:
      handler_name    : VideoHandler
    Side data:
      displaymatrix: rotation of -90.00 degrees
At least one output file must be specified
"""

VERSION_9 = """
Input #0, matroska,webm, from 'file:a.webm':
  Metadata:
    COMMENT         : ai
  Duration: N/A, start: 0.000000, bitrate: N/A
  Stream #0:0: Video: vp9 (Profile 0), yuv420p(tv), 720x720, 1k fps, 1k tbr, 1k tbn (default)
  Stream #0:1: Audio: pcm_s16le, 48000 Hz, 3 channels, s16, 2304 kb/s
  Stream #0:2: Audio: none
"""

COVER_ART = """
Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:a.m4a':
  Duration: 00:00:02.00, start: 0.000000, bitrate: 100 kb/s
  Stream #0:0[0x1](und): Audio: aac (LC) (mp4a / 0x6134706D), 44100 Hz, mono, fltp, 69 kb/s
  Stream #0:1[0x0]: Video: png, rgb24(pc), 64x64 [SAR 1:1 DAR 1:1], 90k tbr, 90k tbn (attached pic)
"""


def test_a_plain_video() -> None:
    header = parse_header(PLAIN)
    assert (header.width, header.height, header.fps) == (1280, 720, 24.0)
    assert (header.video_index, header.video_codec) == (0, "h264")
    assert (header.audio_index, header.audio_codec, header.audio_channels) == (1, "aac", 2)
    assert header.duration_s == 68.5
    assert header.comment == "procedural, not AI"


def test_version_5_sound_first_and_turned() -> None:
    header = parse_header(VERSION_5)
    assert (header.width, header.height, header.fps) == (1080, 1920, 29.97)
    assert (header.video_index, header.audio_index, header.audio_channels) == (1, 0, 6)
    assert header.duration_s == 8.02
    assert header.comment == ""


def test_version_9_without_a_length() -> None:
    header = parse_header(VERSION_9)
    assert (header.width, header.height, header.fps) == (720, 720, 1000.0)
    assert header.duration_s is None
    assert (header.audio_index, header.audio_codec, header.audio_channels) == (1, "pcm_s16le", 3)
    assert header.comment == "ai"


def test_cover_art_is_no_picture() -> None:
    with pytest.raises(MediaError) as caught:
        parse_header(COVER_ART)
    assert caught.value.code == "no_picture"


def test_a_picture_without_a_size_is_undecodable() -> None:
    with pytest.raises(MediaError) as caught:
        parse_header(PLAIN.replace(", 1280x720", ""))
    assert caught.value.code == "undecodable"
