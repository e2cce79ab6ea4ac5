"""What people send as a picture: real files, and files that pretend."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms

from app import limits
from app.media import MediaError
from app.media.images import ImageRefused, reencode

LEFT, RIGHT = (200, 30, 30), (20, 40, 190)
SIZE = (640, 480)


def halves(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    """Red on the left, blue on the right."""
    picture = Image.new("RGB", size, LEFT)
    picture.paste(RIGHT, (size[0] // 2, 0, *size))
    return picture.convert(mode)


def noise(size: tuple[int, int] = SIZE) -> Image.Image:
    return Image.effect_noise(size, 60).convert("RGB")


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    out = BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def is_near(seen: Any, wanted: tuple[int, ...]) -> bool:
    return all(abs(one - other) <= 6 for one, other in zip(seen, wanted, strict=True))


def chunk(name: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + check


def png_that_promises(width: int, height: int) -> bytes:
    """A header of that size, and a kilobyte of pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def webp_that_promises(side: int) -> bytes:
    """An extended header of that size around a small picture."""
    small = encoded(noise(), "WEBP")[12:]
    size = (side - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + size + size + small
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "image.jpg"


@pytest.fixture
def refused(target: Path) -> Callable[[bytes], str]:
    """The code a file is refused with; nothing is written."""

    def refuse(content: bytes) -> str:
        with pytest.raises(ImageRefused) as caught:
            reencode(content, target)
        assert not target.exists()
        return caught.value.code

    return refuse


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_three_kinds_become_a_jpeg(kind: str, target: Path, tmp_path: Path) -> None:
    source = tmp_path / "holiday.txt"  # the name says nothing
    source.write_bytes(encoded(halves(), kind, quality=95))
    made = reencode(source, target)
    assert made == reencode(source.read_bytes(), target)
    assert (made.width, made.height) == SIZE
    assert made.size_bytes == target.stat().st_size and len(made.digest) == 64
    with Image.open(target) as kept:
        assert (kept.format, kept.mode, kept.size) == ("JPEG", "RGB", SIZE)
        assert is_near(kept.getpixel((100, 200)), LEFT)
        assert is_near(kept.getpixel((540, 200)), RIGHT)


@pytest.mark.parametrize("mode", ["L", "P", "1", "LA", "RGBA"])
def test_every_mode_of_png_is_understood(mode: str, target: Path) -> None:
    made = reencode(encoded(halves(mode, (3000, 2000)), "PNG"), target)
    assert (made.width, made.height) == (1920, 1280)
    with Image.open(target) as kept:
        grey = [sum(kept.getpixel((x, 900))) / 3 for x in (400, 1500)]  # type: ignore[arg-type]
    assert mode == "1" or 75 < grey[0] < 100 > grey[1] > 30


def test_sixteen_bits_of_grey_are_not_cut_off(target: Path) -> None:
    reencode(encoded(Image.new("I;16", SIZE, 0x8000), "PNG"), target)
    with Image.open(target) as kept:
        assert is_near(kept.getpixel((9, 9)), (128, 128, 128))


def test_it_stands_upright_and_tells_nothing(target: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter to the right
    exif[0x010F] = "Maker of cameras"
    exif.get_ifd(0x8825)[1] = "N"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    told = {"exif": exif, "icc_profile": profile, "comment": b"my address", "dpi": (300, 300)}
    made = reencode(encoded(halves(), "JPEG", quality=95, **told), target)
    assert (made.width, made.height) == (480, 640)
    with Image.open(target) as kept:
        assert is_near(kept.getpixel((200, 100)), LEFT)
        assert is_near(kept.getpixel((200, 540)), RIGHT)
        assert not kept.getexif()
        assert kept.info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    content = target.read_bytes()
    assert b"Maker" not in content and b"address" not in content and b"Exif" not in content


def test_what_is_clear_becomes_white(target: Path) -> None:
    picture = halves("RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, 320, 480))
    reencode(encoded(picture, "PNG"), target)
    with Image.open(target) as kept:
        assert is_near(kept.getpixel((100, 200)), (255, 255, 255))
        assert is_near(kept.getpixel((540, 200)), RIGHT)


def test_inks_become_light(target: Path) -> None:
    reencode(encoded(Image.new("CMYK", SIZE, (0, 255, 255, 0)), "JPEG", quality=95), target)
    with Image.open(target) as kept:
        red, green, blue = kept.getpixel((9, 9))  # type: ignore[misc]
    assert red > 200 and green < 60 and blue < 60


def test_a_large_one_is_made_smaller(target: Path) -> None:
    made = reencode(encoded(halves(size=(3000, 4000)), "JPEG"), target)
    assert (made.width, made.height) == (1440, 1920)


def test_the_first_of_a_phones_several_pictures_is_taken(target: Path) -> None:
    double = encoded(halves(), "MPO", save_all=True, append_images=[halves("L").convert("RGB")])
    reencode(double, target)
    with Image.open(target) as kept:
        assert is_near(kept.getpixel((540, 200)), RIGHT)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b"\xff\xd8\xff" + bytes(limits.IMAGE_MAX_BYTES), "too_large"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_a_picture"),
        (b"%PDF-1.7 and so on", "not_a_picture"),
        (encoded(halves(), "GIF"), "not_a_picture"),
        (encoded(halves(), "TIFF"), "not_a_picture"),
        (b"\xff\xd8\xff\xe0 says JPEG, is none", "broken"),
        (b"\x89PNG\r\n\x1a\n" + bytes(300), "broken"),
        (png_that_promises(640, 480), "broken"),
        (webp_that_promises(700), "broken"),
        (encoded(halves(), "PNG", save_all=True, append_images=[noise()]), "animated"),
        (encoded(halves(), "WEBP", save_all=True, append_images=[noise()]), "animated"),
        (png_that_promises(4_000, 4_001), "too_many_pixels"),
        (png_that_promises(10_000, 5_001), "too_many_pixels"),
        (png_that_promises(2**31 - 1, 2**31 - 1), "too_many_pixels"),
        (encoded(halves(size=(255, 900)), "PNG"), "too_small"),
        (encoded(halves(size=(2000, 256)), "PNG"), "too_narrow"),
    ],
)
def test_what_cannot_be_used_is_told_apart(
    refused: Callable[[bytes], str], content: bytes, code: str
) -> None:
    assert refused(content) == code


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_half_a_file_is_no_picture(
    refused: Callable[[bytes], str], kind: str, share: float
) -> None:
    whole = encoded(noise(), kind)
    assert refused(whole[: int(len(whole) * share)]) == "broken"


def test_the_smallest_and_the_narrowest_that_will_do(target: Path) -> None:
    assert reencode(encoded(noise((256, 256)), "PNG"), target).width == 256
    made = reencode(encoded(noise((3840, 512)), "PNG"), target)
    assert (made.width, made.height) == (1920, 256)


def test_a_folder_that_is_not_there_is_the_disks_fault(tmp_path: Path) -> None:
    with pytest.raises(MediaError) as caught:
        reencode(encoded(halves(), "PNG"), tmp_path / "gone" / "image.jpg")
    assert caught.value.code == "unwritable"
