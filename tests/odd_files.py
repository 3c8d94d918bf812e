"""A tree of all that real folders of pictures hold: what can be used, and what has to be skipped."""

from __future__ import annotations

import io
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

HOSTILE = "<img src=x onerror=alert(1)>.png"


@dataclass(frozen=True)
class OddTree:
    """The folder, the files that are pictures (by id), and the others with the beginning of the reason."""

    root: Path
    good: tuple[str, ...]
    bad: dict[str, str]


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def huge_png(side: int) -> bytes:
    """A PNG whose header claims more pixels than fit any memory."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def pictures() -> dict[str, bytes]:
    """Files that can be used, by name: formats, modes, sizes and names."""
    photo = Image.fromarray(noise(1, 40, 30, 3))
    smooth = Image.fromarray(noise(9, 5, 6, 3)).resize((60, 50), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6
    palette = Image.fromarray(noise(2, 20, 20)).convert("P", palette=Image.Palette.ADAPTIVE)
    clear = Image.fromarray(noise(3, 20, 20, 4))
    frames = [Image.fromarray(noise(seed, 12, 12)) for seed in (4, 5)]
    deep = Image.fromarray((np.arange(400).reshape(20, 20) * 160).astype(np.uint16))
    return {
        "formats/photo.jpg": encoded(photo, "JPEG", quality=95),
        "formats/photo.JPEG": encoded(photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "JPEG"),
        "formats/photo.webp": encoded(Image.fromarray(noise(6, 25, 25, 3)), "WEBP"),
        "formats/photo.tiff": encoded(Image.fromarray(noise(7, 25, 25, 3)), "TIFF"),
        "formats/photo.bmp": encoded(Image.fromarray(noise(8, 25, 25, 3)), "BMP"),
        "formats/moving.gif": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "modes/turned.jpg": encoded(photo, "JPEG", exif=exif),
        "modes/ink.jpg": encoded(Image.fromarray(noise(10, 16, 16, 4), "CMYK"), "JPEG"),
        "modes/deep.png": encoded(deep, "PNG"),
        "modes/palette.png": encoded(palette, "PNG"),
        "modes/clear.png": encoded(clear, "PNG"),
        "modes/bits.png": encoded(Image.fromarray(noise(11, 20, 20)).convert("1"), "PNG"),
        "sizes/one.png": encoded(Image.new("RGB", (1, 1), (9, 80, 200)), "PNG"),
        "sizes/thin.png": encoded(Image.fromarray(noise(12, 1, 300, 3)), "PNG"),
        "sizes/large.png": encoded(Image.fromarray(noise(13, 700, 900, 3)), "PNG"),
        "twins/first.png": encoded(smooth, "PNG"),
        "twins/second.png": encoded(smooth, "PNG"),
        "twins/near.jpg": encoded(smooth.resize((48, 40), Image.Resampling.LANCZOS), "JPEG", quality=90),
        f"names/{HOSTILE}": encoded(Image.fromarray(noise(14, 20, 20, 3)), "PNG"),
        'names/"quoted" & </script>.png'.replace("</", "<"): encoded(
            Image.fromarray(noise(15, 20, 20, 3)), "PNG"
        ),
        "names/two\nlines.png": encoded(Image.fromarray(noise(16, 20, 20, 3)), "PNG"),
        "names/Ünïcödé 図 🌲.png": encoded(Image.fromarray(noise(17, 20, 20, 3)), "PNG"),
        "names/=1+1, and ; more.png": encoded(Image.fromarray(noise(18, 20, 20, 3)), "PNG"),
    }


def write_odd_tree(root: Path) -> OddTree:
    """Write the tree; nothing in it may ever change."""
    files = pictures()
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    bad = {
        "broken/empty.png": "is empty",
        "broken/text.jpg": "is not an image in a known format",
        "broken/cut.jpg": "cannot be decoded",
        "broken/bomb.png": "claims more than",
        "broken/nowhere.png": "cannot be read",
        "broken/loop.png": "cannot be read",
    }
    broken = root / "broken"
    broken.mkdir()
    (broken / "empty.png").write_bytes(b"")
    (broken / "text.jpg").write_text("not a picture", encoding="utf-8")
    (broken / "cut.jpg").write_bytes(encoded(Image.fromarray(noise(19, 60, 60, 3)), "JPEG")[:900])
    (broken / "bomb.png").write_bytes(huge_png(100_000))
    (broken / "nowhere.png").symlink_to("nothing")
    (broken / "loop.png").symlink_to("loop.png")
    (broken / "up").symlink_to(root, target_is_directory=True)
    (broken / "circle").symlink_to("circle", target_is_directory=True)
    (root / ".hidden.png").write_bytes(files["sizes/one.png"])
    (root / ".thumbnails").mkdir()
    (root / ".thumbnails" / "small.png").write_bytes(files["sizes/one.png"])
    (root / "notes.txt").write_text("no picture", encoding="utf-8")
    os.mkfifo(root / "pipe.png")
    (Path(os.fsdecode(os.fsencode(root) + b"/broken/\xff.png"))).write_bytes(files["sizes/one.png"])
    bad["broken/\\udcff.png"] = "has a name that is not valid UTF-8"
    return OddTree(root, tuple(sorted(files)), bad)


def snapshot(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return mode, modification time and content of everything in a folder, to see that nothing changed."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        plain = path.is_file() and not path.is_symlink()
        name = os.fsencode(path.relative_to(root)).decode("utf-8", "backslashreplace")
        found[name] = (status.st_mode, status.st_mtime_ns, path.read_bytes() if plain else b"")
    return found
