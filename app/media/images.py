"""A picture that somebody sent: judged by its content alone, decoded whole, and encoded anew.

What is kept is ours: a JPEG in sRGB, upright, without a word about its maker, camera or place.
"""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final, Literal

from PIL import Image, ImageCms, ImageOps

from app import limits
from app.media.errors import MediaError, write_error

ImageCode = Literal[
    "empty",
    "too_large",  # in bytes
    "not_a_picture",  # none of the three kinds
    "broken",  # cut off, damaged, or not what its header says
    "animated",
    "too_many_pixels",
    "too_small",
    "too_narrow",  # too small once its longer side fits
]

KINDS: Final = ("JPEG", "PNG", "WEBP")
JPEG_QUALITY: Final = 92
# White, since a cut-out or a logo is drawn for a white page: dark letters would go under on black.
BEHIND_GLASS: Final = (255, 255, 255)

# Our own bound is checked on the header; Pillow's would warn below it and refuse at twice as much.
Image.MAX_IMAGE_PIXELS = None
_decoding = threading.Lock()
"""One at a time: 16 million pixels of a WebP take 280 MB, whoever else sends some just now."""
WAIT_S: Final = 3.0
"""Longer nobody waits for the others: a web process has few threads."""


class ImageRefused(Exception):
    """The file cannot be used; `code` says why."""

    def __init__(self, code: ImageCode, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code: ImageCode = code


@dataclass(frozen=True)
class Picture:
    """What was written; `digest` is its SHA-256 in hex."""

    width: int
    height: int
    size_bytes: int
    digest: str


def reencode(source: bytes | Path, target: Path) -> Picture:
    """Write `source`, a JPEG, PNG or WebP, to `target` as a JPEG that is safe to pass on.

    Upright, in sRGB, at most IMAGE_MAX_PX long, on white where it was clear.  Equal sources give
    equal files.  Raises ImageRefused, or MediaError where the target cannot be written.
    """
    content = _read(source)
    with _alone(), _decoder_trouble():
        picture = _decode(content)
        jpeg = BytesIO()
        picture.save(jpeg, "JPEG", quality=JPEG_QUALITY)
    encoded = jpeg.getvalue()
    try:
        target.write_bytes(encoded)
    except OSError as error:
        raise write_error(error, target.name) from error
    return Picture(*picture.size, len(encoded), hashlib.sha256(encoded).hexdigest())


@contextmanager
def _alone() -> Iterator[None]:
    if not _decoding.acquire(timeout=WAIT_S):
        raise MediaError("unreachable", "too many pictures at once")
    try:
        yield
    finally:
        _decoding.release()


def _read(source: bytes | Path) -> bytes:
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    if size == 0:
        raise ImageRefused("empty")
    if size > limits.IMAGE_MAX_BYTES:
        raise ImageRefused("too_large", f"{size} bytes")
    return source if isinstance(source, bytes) else source.read_bytes()


@contextmanager
def _decoder_trouble() -> Iterator[None]:
    """Whatever a decoder says about a hostile file, it is broken."""
    try:
        yield
    except ImageRefused:
        raise
    except Exception as error:
        raise ImageRefused("broken", f"{type(error).__name__}: {error}") from error


def _decode(content: bytes) -> Image.Image:
    """The whole picture, small enough, as nothing but pixels."""
    try:
        opened = Image.open(BytesIO(content), formats=KINDS)
    except Image.UnidentifiedImageError as error:
        raise ImageRefused("broken" if _looks_right(content) else "not_a_picture") from error
    with opened:
        _check(opened)
        most = (limits.IMAGE_MAX_PX, limits.IMAGE_MAX_PX)
        opened.draft("RGB", most)  # a large JPEG is decoded at a half or a quarter, never below
        opened.load()
        picture = _even_tones(opened)
        picture.thumbnail(most, Image.Resampling.LANCZOS, reducing_gap=3.0)
        ImageOps.exif_transpose(picture, in_place=True)
        return _flat(picture, opened.info.get("icc_profile"))


def _looks_right(content: bytes) -> bool:
    """Whether it begins like one of the three kinds, though no decoder wants the rest."""
    return content.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or (
        content[:4] == b"RIFF" and content[8:12] == b"WEBP"
    )


def _check(opened: Image.Image) -> None:
    """What the header tells, before a single pixel is decoded."""
    width, height = opened.size
    # A JPEG is decoded at a half or a quarter; the others whole, at up to 17 bytes a pixel.
    is_jpeg = opened.format in ("JPEG", "MPO")
    most = limits.IMAGE_MAX_PIXELS if is_jpeg else limits.IMAGE_MAX_PIXELS_WHOLE
    if width * height > most:
        raise ImageRefused("too_many_pixels", f"{width} x {height}")
    # Phones write several pictures into one JPEG (MPO): the first is the photograph.
    if getattr(opened, "is_animated", False) and opened.format != "MPO":
        raise ImageRefused("animated")
    shorter, longer = sorted((width, height))
    if shorter < limits.IMAGE_MIN_PX:
        raise ImageRefused("too_small", f"{width} x {height}")
    if shorter * min(1.0, limits.IMAGE_MAX_PX / longer) < limits.IMAGE_MIN_PX:
        raise ImageRefused("too_narrow", f"{width} x {height}")


def _even_tones(opened: Image.Image) -> Image.Image:
    """In a mode that can be scaled smoothly: palettes and single bits cannot."""
    if opened.mode.startswith("I"):  # 16 bits of grey, which convert() would cut at 255
        return opened.point(lambda level: level / 256).convert("L")
    if opened.has_transparency_data and opened.mode != "RGBA":
        return opened.convert("RGBA")
    return opened.convert("RGB") if opened.mode in ("P", "1") else opened


def _flat(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB on a new canvas: no transparency, no profile, no comment comes along."""
    alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
    canvas = Image.new("RGB", picture.size, BEHIND_GLASS)
    canvas.paste(_in_srgb(picture, profile), mask=alpha)
    return canvas


def _in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """The colours as they are meant: phones write Display P3, printers CMYK."""
    pixels = picture if picture.mode in ("RGB", "CMYK") else picture.convert("RGB")
    if not profile:
        return pixels.convert("RGB")
    try:
        meant = ImageCms.ImageCmsProfile(BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(pixels, meant, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        converted = None  # a profile that is none, or for grey: the numbers are taken as they are
    return converted or pixels.convert("RGB")
