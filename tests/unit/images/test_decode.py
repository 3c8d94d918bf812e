from __future__ import annotations

import io
import pickle
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from clusterprobe.config.errors import UserError
from clusterprobe.images import decode
from clusterprobe.images.decode import BadImage, decode_image, header_size, to_pnm


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_grey_and_rgb_survive_png_and_pnm(shape):
    pixels = noise(*shape)
    picture = decode_image(encode(Image.fromarray(pixels)), "a.png")
    assert picture.mode == ("L" if len(shape) == 2 else "RGB")
    np.testing.assert_array_equal(np.asarray(picture), pixels)
    np.testing.assert_array_equal(np.asarray(decode_image(to_pnm(picture), "a.pnm")), pixels)


def test_sixteen_bit_grey_is_scaled_not_cut_off():
    values = np.array([[0, 257, 400, 65535]], dtype=np.uint16)
    for data in (encode(Image.fromarray(values)), b"P5\n4 1\n65535\n" + values.astype(">u2").tobytes()):
        assert np.asarray(decode_image(data, "deep.png")).tolist() == [[0, 1, 2, 255]]


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_without_a_known_range_are_refused(mode):
    image = Image.fromarray(np.full((2, 2), 70000.0, dtype=np.float32)).convert(mode)
    with pytest.raises(BadImage, match=r"deep\.tif.*no known range"):
        decode_image(encode(image, "TIFF"), "deep.tif")


def test_transparency_is_composited_on_white():
    pixels = np.zeros((1, 3, 4), dtype=np.uint8)
    pixels[0, :, 3] = [0, 128, 255]
    picture = decode_image(encode(Image.fromarray(pixels)), "clear.png")
    assert picture.mode == "RGB"
    assert np.asarray(picture)[0, :, 0].tolist() == [255, 127, 0]


def test_grey_with_transparency_stays_grey():
    picture = decode_image(encode(Image.new("LA", (2, 2), (10, 0))), "clear.png")
    assert picture.mode == "L"
    assert np.asarray(picture).tolist() == [[255, 255], [255, 255]]


def test_transparent_palette_entry_becomes_white_and_others_keep_their_colour():
    image = Image.new("P", (2, 1))
    image.putpalette([9, 8, 7, 200, 100, 50])
    image.putpixel((1, 0), 1)
    picture = decode_image(encode(image, transparency=0), "palette.png")
    assert np.asarray(picture).tolist() == [[[255, 255, 255], [200, 100, 50]]]


def test_cmyk_is_converted_to_rgb():
    picture = decode_image(encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"), "ink.jpg")
    red, green, blue = np.asarray(picture)[4, 4].tolist()
    assert picture.mode == "RGB"
    assert red > 200
    assert max(green, blue) < 60


def test_exif_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise
    image = Image.new("L", (2, 1))
    image.putpixel((1, 0), 255)
    picture = decode_image(encode(image, "PNG", exif=exif), "turned.png")
    assert np.asarray(picture).tolist() == [[0], [255]]


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_that_of_pillow(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.fromarray(noise(3, 5, 3)), kind, exif=exif, lossless=True)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(np.asarray(decode_image(data, "turned")), np.asarray(expected))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
@pytest.mark.parametrize("exif", [b"Exif\0\0no TIFF header", b"Exif\0\0II*\0"])
def test_a_picture_whose_exif_cannot_be_read_is_used_as_it_is(kind, exif):
    pixels = noise(3, 5, 3)
    picture = decode_image(encode(Image.fromarray(pixels), kind, exif=exif, lossless=True), "odd")
    np.testing.assert_array_equal(np.asarray(picture), pixels)


def test_exif_in_text_that_is_no_hexadecimal_is_passed_over():
    text = PngImagePlugin.PngInfo()
    text.add_text("Raw profile type exif", "\nexif\n 8\nno hexadecimal\n")
    pixels = noise(3, 5)
    picture = decode_image(encode(Image.fromarray(pixels), pnginfo=text), "odd.png")
    np.testing.assert_array_equal(np.asarray(picture), pixels)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_an_orientation_counts_whatever_else_exif_holds(kind):
    """Pillow cannot write the second entry again: a camera's name as a number."""
    entries = ((0x010F, 12, 1, struct.pack("<I", 34)), (0x0112, 3, 1, struct.pack("<I", 6)))
    table = b"".join(struct.pack("<HHI", *head) + value for *head, value in entries)
    odd = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + table + struct.pack("<d", 1.5) * 2
    assert decode_image(encode(Image.new("L", (5, 3)), kind, exif=odd), "odd").size == (3, 5)


def test_first_frame_of_an_animation_counts():
    frames = [Image.new("L", (3, 3), grey) for grey in (40, 200)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.unique(np.asarray(decode_image(data, "moving.gif"))).tolist() == [40]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"no image at all", "is not an image in a known format"),
        (encode(Image.fromarray(noise(40, 40)))[:-300], "cannot be decoded"),
        (encode(Image.fromarray(noise(40, 40)), "JPEG")[:400], "cannot be decoded"),
    ],
)
def test_bad_data_is_named_with_a_reason_that_is_always_the_same(data, reason):
    messages = set()
    for _ in range(2):
        with pytest.raises(BadImage, match=r"pictures/broken\.png") as caught:
            decode_image(data, "pictures/broken.png")
        assert caught.value.reason.startswith(reason)
        assert "broken.png" not in caught.value.reason
        messages.add(str(caught.value))
    assert len(messages) == 1
    assert "0x" not in messages.pop()


def huge_png(side: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_000, 100_000])
@pytest.mark.parametrize("look", [decode_image, header_size])
def test_decompression_bombs_are_refused_by_their_header(side, look):
    with pytest.raises(UserError, match=r"bomb\.png: claims more than 89,478,485 pixels"):
        look(huge_png(side), "bomb.png")


def test_header_check_does_not_decode(monkeypatch):
    data = encode(Image.fromarray(noise(40, 40)), "JPEG")[:700]
    assert header_size(data, "cut.jpg") == (40, 40)
    with pytest.raises(BadImage, match=r"cut\.jpg"):
        decode_image(data, "cut.jpg")
    monkeypatch.setattr(decode, "MAX_PIXELS", 1599)
    with pytest.raises(BadImage, match="claims more than"):
        header_size(data, "cut.jpg")


def test_a_bad_image_travels_between_processes():
    with pytest.raises(BadImage) as caught:
        decode_image(b"", "a.png")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
