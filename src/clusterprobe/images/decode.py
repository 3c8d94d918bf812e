"""Image bytes -> an upright picture in mode L or RGB, or one clear sentence about why not."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from clusterprobe.config.errors import UserError

MAX_PIXELS = 89_478_485
"""Above this many pixels Pillow itself suspects a decompression bomb: 89 million, 256 MB of RGB."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By EXIF orientation; all else is upright."""


class BadImage(UserError):
    """An image that cannot be used; `reason` says why without naming any path."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


def bad_image(name: str, reason: str) -> BadImage:
    """Return the error for the image `name`."""
    advice = "replace or remove it, or leave such images out with on_bad_image: skip"
    return BadImage(f"{name}: {reason}; {advice}", reason)


def decode_image(data: bytes, name: str) -> Image.Image:
    """Return the picture in `data` (first frame, EXIF orientation applied) in mode L or RGB.

    16-bit greys are scaled to 8 bits; transparency is composited on white. Where EXIF cannot be read the
    picture is as it is. Raises BadImage, which names `name`, for damaged, unknown, oversized or
    floating-point images.
    """
    image = _open(data, name)
    try:
        image.load()
        return to_grey_or_rgb(_upright(image))
    except MemoryError:
        raise
    except Exception as error:  # Pillow's plugins raise almost anything on damaged data
        raise bad_image(name, f"cannot be decoded ({error})") from error


def header_size(data: bytes, name: str) -> tuple[int, int]:
    """Return width and height as the header says; raises BadImage for an unknown format or a huge image."""
    return _open(data, name).size


def to_grey_or_rgb(image: Image.Image) -> Image.Image:
    """Return `image` in mode L or RGB; raises ValueError for values without a known range."""
    if image.mode in ("L", "RGB") and not image.has_transparency_data:
        return image
    if image.mode.startswith("I"):
        return _from_sixteen_bits(image)
    if image.mode == "F":
        raise ValueError("floating-point pixels have no known range: save the image with 8 or 16 bits")
    if image.has_transparency_data:
        return _on_white(image)
    return image.convert("L" if image.mode == "1" else "RGB")


def to_pnm(image: Image.Image) -> bytes:
    """Return `image` (L or RGB) as a binary PGM or PPM file: the same bytes on every machine."""
    magic = "P5" if image.mode == "L" else "P6"
    return f"{magic}\n{image.width} {image.height}\n255\n".encode() + image.tobytes()


def _open(data: bytes, name: str) -> Image.Image:
    if not data:
        raise bad_image(name, "is empty")
    try:
        image = Image.open(io.BytesIO(data))
    except UnidentifiedImageError as error:  # its text holds a memory address: not fit for a record
        raise bad_image(name, "is not an image in a known format") from error
    except Image.DecompressionBombError as error:
        raise _oversized(name) from error
    except MemoryError:
        raise
    except Exception as error:
        raise bad_image(name, f"has a damaged header ({error})") from error
    if image.width * image.height > MAX_PIXELS:
        raise _oversized(name)
    return image


def _oversized(name: str) -> BadImage:
    return bad_image(name, f"claims more than {MAX_PIXELS:,} pixels and could fill the memory")


def _upright(image: Image.Image) -> Image.Image:
    """Return a copy, turned as EXIF says; Pillow's exif_transpose writes EXIF anew, and fails on more."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except (SyntaxError, ValueError, struct.error):  # no TIFF header, no hexadecimal text, an early end
        return image.copy()
    turn = _TURNS.get(orientation)
    return image.copy() if turn is None else image.transpose(turn)


def _from_sixteen_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("integer pixels beyond 16 bits have no known range: save it with 8 or 16 bits")
    return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    grey = image.mode in ("1", "L", "LA", "La")
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, layer).convert("L" if grey else "RGB")
