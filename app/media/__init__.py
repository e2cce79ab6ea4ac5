"""Where video files live, and what ffmpeg says of them. Knows no Flask, no table and no user."""

from app.media.crop import crop_square
from app.media.errors import MediaCode, MediaError, write_error
from app.media.ffmpeg import find_ffmpeg
from app.media.inspect import Measurements, SoundCheck, check_sound, inspect
from app.media.label import label
from app.media.protocol import Storage
from app.media.s3 import S3Storage
from app.media.stills import STILL_SUFFIX, Stills, make_stills, thumbnail_size
from app.media.storage import DiskStorage, open_storage

__all__ = [
    "STILL_SUFFIX",
    "DiskStorage",
    "Measurements",
    "MediaCode",
    "MediaError",
    "S3Storage",
    "SoundCheck",
    "Stills",
    "Storage",
    "check_sound",
    "crop_square",
    "find_ffmpeg",
    "inspect",
    "label",
    "make_stills",
    "open_storage",
    "thumbnail_size",
    "write_error",
]
