"""Where video files live, and what ffmpeg says of them. Knows no Flask, no table and no user."""

from app.media.errors import MediaCode, MediaError, write_error
from app.media.ffmpeg import find_ffmpeg
from app.media.inspect import Measurements, SoundCheck, check_sound, inspect
from app.media.stills import STILL_SUFFIX, Stills, make_stills, thumbnail_size
from app.media.storage import DiskStorage, Storage, open_storage

__all__ = [
    "STILL_SUFFIX",
    "DiskStorage",
    "Measurements",
    "MediaCode",
    "MediaError",
    "SoundCheck",
    "Stills",
    "Storage",
    "check_sound",
    "find_ffmpeg",
    "inspect",
    "make_stills",
    "open_storage",
    "thumbnail_size",
    "write_error",
]
